"""GoogleSQL to DuckDB: sqlglot, then one small pass over the tree for what sqlglot leaves different.

Every fix here exists because Google's reference evaluator and DuckDB disagreed on a probe
(leadscore_dagster_tests/warehouse/test_dialect.py). What cannot be fixed is refused by `lint` (lint.py).
Not here: running anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from leadscore_dagster.core.errors import InputError

_DECIMAL = re.compile(r"\d*\.\d*")
_WEEK_FORMATS = {
    "WEEK": "%U",
    "SUNDAY": "%U",
    "MONDAY": "%W",
}  # week 0 before the first such day, as in BigQuery


@dataclass(frozen=True)
class Translation:
    """DuckDB text of a statement, and what it needs: stored tables and parameters, each sorted."""

    sql: str
    tables: tuple[str, ...]
    parameters: tuple[str, ...]


def parse(sql: str) -> exp.Query:
    """The tree of one GoogleSQL query.

    Raises InputError if the text does not parse, is not exactly one statement, or is not a query.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except SqlglotError as error:
        raise InputError(f"the SQL does not parse: {str(error).splitlines()[0]}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        kinds = ", ".join(tree.key.upper() for tree in trees) or "nothing"
        raise InputError(f"expected one SELECT statement, found {kinds}", remedy="write one SELECT a file")
    return trees[0]


def stored_tables(tree: exp.Expr) -> list[exp.Table]:
    """The table nodes that are neither a CTE nor a subquery: what has to be looked up in the warehouse.

    Inside its own definition a CTE's name means the stored table, as in BigQuery.
    """
    nodes = {
        id(source): source
        for scope in traverse_scope(tree)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }
    qualified = sorted({node.sql("bigquery") for node in nodes.values() if node.db})
    if qualified:
        raise InputError(f"qualified table name {qualified[0]}", remedy="use unqualified table names")
    return list(nodes.values())


@lru_cache(maxsize=512)
def translate(sql: str) -> Translation:
    """DuckDB's version of one GoogleSQL query.

    Parameters `@name` become `$name`. Raises InputError as `parse` does, and for a qualified table name.
    """
    tree = parse(sql)
    tables = stored_tables(tree)
    names = sorted({node.name for node in tables})
    for node in tables:  # explicit schema: DuckDB then never takes a CTE or a file for the table
        node.set("db", exp.to_identifier("main"))
    parameters = sorted({node.name for node in tree.find_all(exp.Parameter)})
    _fix(tree)
    text = tree.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)
    return Translation(text, tuple(names), tuple(parameters))


def _fix(tree: exp.Expr) -> None:
    """Rewrite, in place, the constructs whose DuckDB version would give another value or type."""
    for node in reversed(list(tree.walk())):  # inner first: a repair may copy what it holds
        for kind, repair in _REPAIRS.items():
            if isinstance(node, kind):
                repair(node)


def _cast(type_name: str) -> Callable[[exp.Expr], None]:
    def repair(node: exp.Expr) -> None:
        cast = exp.Cast(to=exp.DataType.build(type_name))
        node.replace(cast)
        cast.set("this", node)

    return repair


def _decimal(node: exp.Expr) -> None:
    """2.675 is FLOAT64; in DuckDB it would be a DECIMAL."""
    if not node.is_string and _DECIMAL.fullmatch(node.name):
        node.set("this", f"{node.name}e0")


def _count_if(node: exp.Expr) -> None:
    """DuckDB's count_if gives NULL, not 0, when the condition is never known."""
    node.replace(exp.Count(this=exp.Case().when(node.this, exp.Literal.number(1))))


def _seconds(node: exp.Expr) -> None:
    """UNIX_SECONDS rounds down; a cast of DuckDB's epoch rounds to the nearest."""
    node.replace(exp.cast(exp.Floor(this=exp.Anonymous(this="EPOCH", expressions=[node.this])), "BIGINT"))


def _elapsed(node: exp.Expr) -> None:
    """TIMESTAMP_DIFF counts whole elapsed units, as DuckDB's date_sub; its date_diff counts boundaries."""
    unit = exp.Literal.string(node.text("unit").lower())
    node.replace(exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this]))


def _extract(node: exp.Expr) -> None:
    part, value = node.this, node.expression
    name = part.name.upper()
    if isinstance(part, exp.WeekStart) or name == "WEEK":
        style = _WEEK_FORMATS.get(name)
        if style is None:
            raise InputError(f"EXTRACT(WEEK({name}) ...)", remedy="use WEEK, WEEK(MONDAY) or ISOWEEK")
        week = exp.Anonymous(this="STRFTIME", expressions=[value, exp.Literal.string(style)])
        node.replace(exp.cast(week, "BIGINT"))
    elif name == "ISOWEEK":
        part.replace(exp.var("WEEK"))
    elif name == "DAYOFWEEK":
        part.replace(exp.var("DOW"))
        sunday_first = exp.Paren(this=exp.Add(expression=exp.Literal.number(1)))
        node.replace(sunday_first)
        sunday_first.this.set("this", node)
    elif name == "DATE":
        node.replace(exp.cast(value, "DATE"))


_REPAIRS: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.DateTrunc: _cast("DATE"),  # DuckDB gives TIMESTAMP for these
    exp.DateAdd: _cast("DATE"),
    exp.DateSub: _cast("DATE"),
    exp.DateFromUnixDate: _cast("DATE"),
    exp.UnixToTime: _cast("TIMESTAMPTZ"),
    exp.UnixSeconds: _seconds,
    exp.TimestampDiff: _elapsed,
    exp.Extract: _extract,
    exp.CountIf: _count_if,
    exp.Literal: _decimal,
}


def touched_columns(sql: str, columns: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Columns of each stored table the query needs: stars are expanded, unused projections dropped."""
    schema: dict[str, object] = {table: dict.fromkeys(names, "STRING") for table, names in columns.items()}
    try:
        tree = qualify(parse(sql), schema=schema, dialect="bigquery", quote_identifiers=False)
        tree = pushdown_projections(tree)
    except SqlglotError as error:
        raise InputError(f"the SQL does not fit the tables: {str(error).splitlines()[0]}") from error
    touched: dict[str, set[str]] = {table: set() for table in columns}
    for scope in traverse_scope(tree):
        for name, source in scope.sources.items():
            if isinstance(source, exp.Table) and source.name in touched:
                touched[source.name] |= {column.name for column in scope.source_columns(name)}
    return touched
