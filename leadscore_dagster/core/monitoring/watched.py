"""One judgement on something watched, and how facts are stored and read. Not here: any measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.warehouse import Warehouse, table


def store(
    warehouse: Warehouse, name: str, day: date, *, rows: Sequence[Mapping[str, Any]], schema: pa.Schema
) -> pa.Table:
    """Replace the day's partition of a table of facts; ``day`` is its first column."""
    made = pa.Table.from_pylist([{"day": day, **row} for row in rows], schema=schema)
    warehouse.write_partition(name, day.isoformat(), made)
    return made


def stored(warehouse: Warehouse, name: str, day: date) -> list[dict[str, Any]]:
    """The facts of a day in the order they were stored; none where the day was not monitored."""
    if day.isoformat() not in warehouse.partitions(name):
        return []
    return table(warehouse, f"SELECT * FROM {name} WHERE day = @day", {"day": day}).to_pylist()


def history(warehouse: Warehouse, name: str, first: date, *, last: date) -> list[dict[str, Any]]:
    """The facts of all monitored days from ``first`` to ``last``, both included, in order of the day."""
    if not warehouse.partitions(name):
        return []
    sql = f"SELECT * FROM {name} WHERE day BETWEEN @first AND @last ORDER BY day"
    return table(warehouse, sql, {"first": first, "last": last}).to_pylist()


def newest(warehouse: Warehouse, name: str, day: date) -> list[dict[str, Any]]:
    """The facts of the newest monitored day that is not after ``day``."""
    days = [key for key in warehouse.partitions(name) if key <= day.isoformat()]
    return stored(warehouse, name, date.fromisoformat(days[-1])) if days else []
