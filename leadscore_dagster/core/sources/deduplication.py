"""One row per key: which of several stays is stated by the contract's ``prefer``, the others are counted.

Works on the tables of cleaning.py. Not here: the quarantine the others go to (quarantine.py).
"""

from __future__ import annotations

from datetime import date

import duckdb

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.recipe.schema import LogSource
from leadscore_dagster.core.sources.reading import name_of, number

DUPLICATE = -1  # the rule's number in table ``removed``


def remove_duplicates(
    connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: date, log: LogSource | None
) -> int:
    key = ", ".join(f'"{name}"' for name in contract.key)
    before = number(connection, "SELECT count(*) FROM removed")
    order = ", ".join([*(_preference(entry, contract, log) for entry in contract.prefer), "row_id"])
    candidates = "typed SEMI JOIN stated USING (row_id) ANTI JOIN removed USING (row_id)"
    values = {"as_of": as_of} if "$as_of" in order else {}
    if not contract.prefer:
        _refuse_conflicts(connection, contract, key, candidates)
    connection.execute(
        f"INSERT INTO removed SELECT row_id, {DUPLICATE} FROM (SELECT row_id,"
        f" row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS place FROM {candidates}) WHERE place > 1",
        values,
    )
    return number(connection, "SELECT count(*) FROM removed") - before


def _preference(entry: str, contract: Contract, log: LogSource | None) -> str:
    """Sort terms of one entry of ``prefer``, missing last.

    In a log the choice between two copies may not use what came after as_of: copies dated before as_of come
    first, in the stated order; of the others the earliest, being closest to what was known.
    """
    name, descending = entry.lstrip("-"), entry.startswith("-")
    direction = "DESC" if descending else "ASC"
    if log is None or contract.column(name).type not in ("timestamp", "date"):
        return f'"{name}" {direction} NULLS LAST'
    known = f'("{name}" < CAST($as_of AS DATE))'
    return (
        f'coalesce({known}, false) DESC, CASE WHEN {known} THEN "{name}" END {direction} NULLS LAST,'
        f' "{name}" ASC NULLS FIRST'
    )


def _refuse_conflicts(connection: duckdb.DuckDBPyConnection, contract: Contract, key: str, candidates: str) -> None:
    everything = ", ".join(name_of(column) for column in contract.columns)
    conflicts = number(
        connection,
        f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {candidates} GROUP BY {key}"
        f" HAVING count(*) > 1 AND count(DISTINCT hash({everything})) > 1)",
    )
    if conflicts:
        raise InputError(
            "duplicate key: rows share the key and differ",
            where=contract.name,
            column=", ".join(contract.key),
            rows=conflicts,
            remedy="state in the contract which row to `prefer`, or correct the key",
        )
