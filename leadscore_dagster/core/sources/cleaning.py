"""From text to a clean table: typed columns, rows that break the contract set aside, one row per key.

Works on the tables ``raw`` and ``rejects`` of reading.py and leaves, in the same DuckDB, ``typed`` (every row),
``stated`` (rows and values as known at ``as_of``; for a vintage the same), ``removed`` (row_id, rule; -1 is a
duplicate) and ``kept``. Not here: files (files.py), where the rows go (ingest.py), the quarantine's rows
(quarantine.py), which of two rows of a key stays (deduplication.py), what a log knew at a time (known.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import duckdb

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import LogSource
from leadscore_dagster.core.sources import cells
from leadscore_dagster.core.sources.deduplication import remove_duplicates
from leadscore_dagster.core.sources.known import create_stated
from leadscore_dagster.core.sources.reading import name_of, number
from leadscore_dagster.core.sources.rules import Rule, Rules, rules_of
from leadscore_dagster.core.warehouse.dialect import translate

#: share of impossible dates in a column from which the drop describes another period
WRONG_PERIOD_SHARE = 0.03
_EXAMPLES = 3


@dataclass(frozen=True)
class Cleaned:
    """What cleaning found. ``rows`` counts rows that parsed and were known at as_of.

    ``unreadable``: cells that were nulled, by column, with up to three of them. ``broken``: rows by position of
    the rule in ``rules``. ``not_yet_known``: rows of a log that became known at or after as_of.
    """

    rules: Rules
    rows: int
    unreadable: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    broken: dict[int, int]
    duplicates: int
    not_yet_known: int = 0
    null_share: dict[str, float] = field(default_factory=dict)


def clean(
    connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: date, log: LogSource | None = None
) -> Cleaned:
    """Type, date, check and de-duplicate the rows of ``raw``.

    Raises InputError for times without a zone, for a preference the contract needs but does not state, and for
    a ``known_at`` that is not an expression over the contract's columns.
    """
    _create_typed(connection, contract)
    not_yet_known = create_stated(connection, contract, as_of, log)
    rows = number(connection, "SELECT count(*) FROM stated")
    unreadable = _unreadable(connection, contract)
    examples = {name: _examples(connection, contract, name) for name in unreadable}
    _refuse_ambiguous_times(connection, contract, unreadable)
    rules = rules_of(contract, as_of)
    if log is not None:
        rules = Rules((Rule("unknown_time", "known_at", "`known_at` IS NULL"), *rules.rules), rules.parameters)
    _create_removed(connection, rules)
    broken = {
        int(position): int(count)
        for position, count in connection.execute("SELECT rule, count(*) FROM removed GROUP BY rule").fetchall()
    }
    duplicates = remove_duplicates(connection, contract, as_of, log)
    connection.execute("CREATE VIEW kept AS SELECT * FROM stated ANTI JOIN removed USING (row_id)")
    null_share = _null_share(connection, contract)
    return Cleaned(rules, rows, unreadable, examples, broken, duplicates, not_yet_known, null_share)


def share_after_as_of(connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: date) -> dict[str, float]:
    """Share of the dates that lie after ``as_of``, for every column that describes the past."""
    columns = [column for column in contract.columns if column.not_after_as_of]
    if not columns:
        return {}
    parts = ", ".join(f"avg(CAST({name_of(c)} > CAST($as_of AS DATE) AS DOUBLE))" for c in columns)
    row = connection.execute(f"SELECT {parts} FROM typed", {"as_of": as_of}).fetchone() or ()
    return {column.name: share or 0.0 for column, share in zip(columns, row, strict=True)}


def _create_typed(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Tables ``typed``, the values of every row, and ``suspects``, the raw rows in which a cell gave no value: far
    fewer, so that telling missing from unreadable costs little (Unknown is the vendor's commonest empty flag)."""
    read = [(f"c{i}", column) for i, column in enumerate(contract.columns) if column.derived_equal is None]
    typed = ", ".join(f"{cell}, {cells.typed(cell, column.type)} AS t{cell}" for cell, column in read)
    empty = [f"(t{cell} IS NULL AND {cell} <> 'Unknown')" for cell, column in read if column.type != "text"]
    values = {column.name: f"t{cell} AS {name_of(column)}" for cell, column in read}
    inner = ", ".join(values.values())
    final = ", ".join(name_of(c) if c.derived_equal is None else _derived(c) for c in contract.columns)
    suspect = " OR ".join(empty) or "false"
    connection.execute(
        f"CREATE TABLE typed AS SELECT row_id, {final}, is_suspect FROM"
        f" (SELECT row_id, {inner}, {suspect} AS is_suspect FROM (SELECT rowid AS row_id, {typed} FROM raw))"
    )
    connection.execute(
        "CREATE TABLE suspects AS SELECT row_id, raw.* FROM raw JOIN (SELECT row_id FROM typed WHERE is_suspect)"
        " ON raw.rowid = row_id"
    )


def _derived(column: Column) -> str:
    left, right = (f'"{name}"' for name in column.derived_equal or ())
    return f"CAST({left} = {right} AS BIGINT) AS {name_of(column)}"  # NULL where either is


def _unreadable(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    """Cells that hold something but gave no value, by column; only columns that have such cells."""
    lost = {column.name: _lost(i, column) for i, column in enumerate(contract.columns) if _can_be_lost(column)}
    if not lost:
        return {}
    parts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in lost.values())
    counts = connection.execute(f"SELECT {parts} FROM suspects SEMI JOIN stated USING (row_id)").fetchone() or ()
    return {name: int(count) for name, count in zip(lost, counts, strict=True) if count}


def _can_be_lost(column: Column) -> bool:
    return column.type != "text" and column.derived_equal is None


def _lost(position: int, column: Column) -> str:
    """The cell holds something, and no value comes of it."""
    cell = f"c{position}"
    return f"({cells.present(cell, column.type)} IS NOT NULL AND ({cells.typed(cell, column.type)}) IS NULL)"


def unreadable_cells(contract: Contract, name: str) -> str:
    """DuckDB query of the cells of a column that gave no value: file, row_id, value."""
    position = [column.name for column in contract.columns].index(name)
    column = contract.columns[position]
    return (
        f"SELECT file, row_id, trim(c{position}) AS value FROM suspects SEMI JOIN stated USING (row_id)"
        f" WHERE {_lost(position, column)}"
    )


def _examples(connection: duckdb.DuckDBPyConnection, contract: Contract, name: str) -> tuple[str, ...]:
    query = (
        f"SELECT value FROM ({unreadable_cells(contract, name)}) GROUP BY value ORDER BY min(row_id) LIMIT {_EXAMPLES}"
    )
    return tuple(str(row[0])[:40] for row in connection.execute(query).fetchall())


def _refuse_ambiguous_times(
    connection: duckdb.DuckDBPyConnection, contract: Contract, unreadable: Mapping[str, int]
) -> None:
    """A time without a zone can be hours off in either direction: never guessed, never just nulled."""
    for name in unreadable:
        if contract.column(name).type == "timestamp":
            times = f"FROM ({unreadable_cells(contract, name)}) WHERE try_cast(value AS TIMESTAMP) IS NOT NULL"
            ambiguous = number(connection, f"SELECT count(*) {times}")
            if ambiguous:
                raise InputError(
                    "times without a zone",
                    where=contract.name,
                    column=name,
                    rows=ambiguous,
                    remedy="write timestamps as ISO 8601 with a zone, such as 2024-04-01T09:00:00Z",
                )


def _create_removed(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Rows that break a rule, each under the first rule it breaks."""
    statement = translate(f"SELECT row_id, {rules.first_broken} AS rule FROM stated")
    values = {name: rules.parameters[name] for name in statement.parameters}
    connection.execute(
        f"CREATE TABLE removed AS SELECT row_id, CAST(rule AS INTEGER) AS rule FROM ({statement.sql})"
        " WHERE rule IS NOT NULL",
        values,
    )


def _null_share(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, float]:
    parts = ", ".join(f"count({name_of(column)})" for column in contract.columns)
    total, *filled = connection.execute(f"SELECT count(*), {parts} FROM kept").fetchone() or (0,)
    return {c.name: 1 - n / total if total else 0.0 for c, n in zip(contract.columns, filled, strict=True)}


def kept_rows(contract: Contract, extra: str) -> str:
    """DuckDB query of the clean rows in key order, with further select items ``extra``."""
    columns = ", ".join(name_of(column) for column in contract.columns)
    return (
        f"SELECT {columns}, {extra} FROM kept ORDER BY {', '.join(name_of(contract.column(k)) for k in contract.key)}"
    )
