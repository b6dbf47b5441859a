"""What a log knew at as_of: rows that had become known, values that had been filled in.

Works on the tables of cleaning.py. Not here: vintages, which are known as a whole (ledger.py says when).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import duckdb
from sqlglot import exp

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import LogSource
from leadscore_dagster.core.sources.reading import name_of, number
from leadscore_dagster.core.warehouse.dialect import parse, translate


def create_stated(connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: date, log: LogSource | None) -> int:
    """The rows and values as known at as_of; returns how many rows became known only later."""
    if log is None:
        connection.execute("CREATE VIEW stated AS SELECT * FROM typed")
        return 0
    try:
        connection.execute(f"CREATE TABLE known AS {known_at_sql(log.known_at, contract)}")
    except duckdb.Error as error:
        raise InputError(
            f"known_at cannot be computed: {str(error).splitlines()[0]}",
            where=contract.name,
            remedy="correct the recipe",
        ) from error
    columns = ", ".join(_as_known(column, log.known_later) for column in contract.columns)
    connection.execute(
        f"CREATE TABLE stated AS SELECT row_id, {columns}, known_at FROM typed JOIN known USING (row_id)"
        " WHERE known_at IS NULL OR known_at < CAST($as_of AS DATE)",
        {"as_of": as_of},
    )
    return number(connection, "SELECT count(*) FROM known WHERE known_at >= CAST($as_of AS DATE)", {"as_of": as_of})


def _as_known(column: Column, known_later: Mapping[str, str]) -> str:
    """The column, NULL where the instant that says when it was filled in is not before as_of."""
    instant = known_later.get(column.name)
    if instant is None:
        return name_of(column)
    return f'CASE WHEN "{instant}" >= CAST($as_of AS DATE) THEN NULL ELSE {name_of(column)} END AS {name_of(column)}'


def known_at_sql(expression: str, contract: Contract, table: str = "typed") -> str:
    """DuckDB query giving ``row_id`` and ``known_at`` for every row of ``typed``.

    Raises InputError unless the text is one GoogleSQL expression over columns of the contract.
    """
    tree = parse(f"SELECT {expression}")
    inner = list(tree.find_all(exp.Select, exp.Table, exp.Parameter))
    if len(tree.selects) != 1 or len(inner) != 1 or any(tree.args.get(part) for part in ("where", "with_", "limit")):
        raise InputError(
            "known_at is not one expression", where=contract.name, remedy="write an expression over the columns"
        )
    names = {column.name for column in contract.columns}
    unknown = sorted({node.name for node in tree.find_all(exp.Column)} - names)
    if unknown:
        raise InputError(
            "known_at names a column that does not exist",
            where=contract.name,
            column=unknown[0],
            remedy="use columns of the contract",
        )
    text = tree.selects[0].unalias().sql("bigquery")
    query = translate(f"SELECT row_id, {text} AS known_at FROM {table}").sql
    return f"SELECT row_id, CAST(known_at AS TIMESTAMPTZ) AS known_at FROM ({query})"
