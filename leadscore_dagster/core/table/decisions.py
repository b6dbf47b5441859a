"""The decision source of a recipe as one relation, ``decision_log``, whatever its columns are called.

Lives here: the SELECT that maps a recipe's columns, with its expressions checked; the decisions to
score on a day. Not here: labels (labels), features (core/table/features).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Column
from leadscore_dagster.core.recipe.schema import Recipe, WindowLabel
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse import Relation, Warehouse, compose, table

#: columns of the tables built from decisions; an entity called like one of them could not stand beside it
RESERVED = frozenset({"decision_id", "decision_at", "outcome_at", "label", "status", "as_of"})
_REMEDY = "write one GoogleSQL expression over the source's columns"
_NOT_SCALAR = (exp.Query, exp.Subquery, exp.AggFunc, exp.Window, exp.Star, exp.Parameter, exp.Placeholder)


def decision_log(recipe: Recipe) -> str:
    """SELECT giving (decision_id STRING, entity, decision_at TIMESTAMP, outcome_at TIMESTAMP, outcome INT64, excluded
    BOOL, known_at TIMESTAMP) of the log as stored for the period ``@log_as_of``.

    ``outcome_at`` is NULL for a column label, ``outcome`` (1, 0 or NULL) for a window label.
    Raises InputError for a recipe expression that is not a scalar expression over columns of the source.
    """
    decisions, source = recipe.decisions, recipe.decision_source
    if decisions.entity in RESERVED:
        raise InputError("the entity's column cannot have this name", where=recipe.name, column=decisions.entity)
    columns = [*(column.name for column in source.contract.columns), "known_at"]
    at = scalar(decisions.at, columns, "decisions.at")
    excluded = scalar(decisions.exclude_when, columns, "decisions.exclude_when") if decisions.exclude_when else "FALSE"
    label = recipe.label
    if isinstance(label, WindowLabel):
        outcome_at, outcome = f"l.`{label.outcome_at}`", "CAST(NULL AS INT64)"
    else:
        positive = _literal(source.contract.column(label.column), label.positive, recipe)
        outcome_at = "CAST(NULL AS TIMESTAMP)"
        outcome = f"IF(l.`{label.column}` IS NULL, NULL, IF(l.`{label.column}` = {positive}, 1, 0))"
    return (
        "-- The decision source of the recipe under the names every statement uses. One row per row of the log.\n"
        "-- parameter: log_as_of DATE\n"
        "SELECT\n"
        f"  CAST(l.`{decisions.id}` AS STRING) AS decision_id,\n"
        f"  l.`{decisions.entity}` AS entity,\n"
        f"  {at} AS decision_at,\n"
        f"  {outcome_at} AS outcome_at,\n"
        f"  {outcome} AS outcome,\n"
        f"  {excluded} AS excluded,\n"
        "  l.known_at\n"
        f"FROM `{source.table}` AS l\n"
        "WHERE l.as_of = @log_as_of\n"
    )


def scalar(expression: str, columns: Iterable[str], where: str) -> str:
    """``expression`` as GoogleSQL over the columns of alias ``l``.

    Raises InputError unless it is one expression that gives one value per row: no subquery, aggregate, window,
    parameter or unknown function, and only columns of the source.
    """
    node = _scalar_tree(expression, where)
    known = list(columns)
    for column in node.find_all(exp.Column):
        if column.table or column.name not in known:
            hint = nearest_or(column.name, known, _REMEDY)
            raise InputError("the expression names a column the source does not have", where=where,
                             column=column.sql("bigquery"), remedy=hint)  # fmt: skip
        column.set("table", exp.to_identifier("l"))
        column.set("this", exp.to_identifier(column.name, quoted=True))
    return str(node.sql("bigquery", comments=False))


def columns_in(expression: str, where: str) -> list[str]:
    """The columns a scalar expression names. Raises InputError as ``scalar`` does."""
    return sorted({column.name for column in _scalar_tree(expression, where).find_all(exp.Column)})


def _scalar_tree(expression: str, where: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(f"SELECT {expression}", read="bigquery")
    except SqlglotError as error:
        raise InputError(f"not a SQL expression: {expression!r}", where=where, remedy=_REMEDY) from error
    tree = trees[0] if len(trees) == 1 else None
    extra = [name for name, value in tree.args.items() if value and name != "expressions"] if tree else []
    if not isinstance(tree, exp.Select) or extra or len(tree.expressions) != 1:
        raise InputError(f"not one expression: {expression!r}", where=where, remedy=_REMEDY)
    node = tree.expressions[0]
    if isinstance(node, exp.Alias) or any(isinstance(inner, _NOT_SCALAR) for inner in node.walk()):
        raise InputError(f"not a scalar expression: {expression!r}", where=where, remedy=_REMEDY)
    unknown_function = node.find(exp.Anonymous)
    if unknown_function is not None:
        raise InputError(f"unknown function {unknown_function.name!r}", where=where, remedy=_REMEDY)
    return node


def decisions_of_day(
    warehouse: Warehouse,
    recipe: Recipe,
    name: str,
    day: date,
    log_as_of: date,
    relations: Mapping[str, Relation] | None = None,
) -> pa.Table:
    """The decisions the statement ``name`` (``scoring/open_leads``) gives for ``day``, in order of decision_id.

    Parameters
    ----------
    log_as_of : the stored version of the log to read; it must have seen the whole day, or know no more of it.
    relations : tables that take the place of stored ones, such as the extract of that day.

    Returns
    -------
    Table (decision_id string, the recipe's entity, decision_at timestamp[us, UTC]): the relation ``decisions`` of the
    feature query. Raises InputError if the statement does not exist or returns other columns.
    """
    parameters = {"day": day, "log_as_of": log_as_of}
    found = table(
        warehouse,
        compose(name, sql_of(recipe)),
        parameters,
        {"decision_log": decision_log(recipe), **(relations or {})},
    )
    entity = recipe.decisions.entity
    names = [entity if column == "entity" else column for column in found.column_names]
    if names != ["decision_id", entity, "decision_at"]:
        raise InputError(
            f"the statement returns {', '.join(found.column_names)}",
            where=name,
            remedy=f"return decision_id, {entity} (or entity) and decision_at",
        )
    return found.rename_columns(names).sort_by("decision_id")


def _literal(column: Column, value: str | int, recipe: Recipe) -> str:
    is_text = column.type in ("text", "zip")
    if is_text != isinstance(value, str):
        raise InputError(
            f"label.positive is {value!r}, but the column holds {'text' if is_text else 'numbers'}",
            where=recipe.name,
            column=column.name,
            remedy="write the value as the column holds it",
        )
    literal = exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)
    return str(literal.sql("bigquery"))
