"""Does a recipe's SQL fit the recipe? Asked before anything runs; touches no data.

Lives here: every statement a recipe uses or brings, held against its tables. Not here: finding them (recipe_sql), the
lineage of its features (core/audit), what its model names (core/modelling/recipe_check).
"""

from __future__ import annotations

from collections.abc import Iterator

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.audits import audits_of
from leadscore_dagster.core.table.decisions import decision_log
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import EVIDENCE
from leadscore_dagster.core.table.labels import label_query
from leadscore_dagster.core.table.recipe_sql import own_sql, sql_of
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse import SqlPath, compose, statement, translate
from leadscore_dagster.core.warehouse.statements import parameters

_EVIDENCE_ENDS = ("_as_of", "_known_at", "_event_at")
#: tables the product gives to statements of each kind, beside those of the sources
_FEATURES, _LOG, _AUDIT = {"decisions"}, {"decision_log"}, {"decision_log", "labels", "training_table"}
#: and parameters
_OF_DAY, _OF_QUARTER = {"day", "log_as_of"}, {"as_of", "log_as_of", "window_days"}


def check_sql(recipe: Recipe) -> None:
    """Raises InputError for the first statement that is missing or cannot fit: a construct engines do not share, a
    table or a parameter nobody gives, evidence of a table the recipe does not have."""
    path = sql_of(recipe)
    decision_log(recipe)
    label_query(recipe)
    query = feature_query(recipe)
    _refuse_unknown("the feature sets", query.sql, recipe, _FEATURES, set())
    for mistake in _evidence_of_nothing(recipe, query.evidence):
        raise mistake
    for name in filter(None, (recipe.scoring.decisions, recipe.scoring.prospects)):
        _refuse_unknown(name, compose(name, path), recipe, _LOG, _OF_DAY)
    for name, text in audits_of(recipe).items():
        _refuse_unknown(name, compose(text, path), recipe, _AUDIT, _OF_QUARTER)
    own = own_sql(recipe)
    for name in SqlPath((own,)).names() if own else ():
        statement(name, path)  # read, and so linted, whether the recipe uses it or not


def _refuse_unknown(name: str, sql: str, recipe: Recipe, given: set[str], bound: set[str]) -> None:
    tables = {source.table for source in recipe.sources.values()} | given
    read = translate(sql)
    for table in sorted(set(read.tables) - tables):
        raise InputError(
            f"{name} reads {table!r}, which is neither a table of the recipe nor a statement",
            where=f"recipe {recipe.name}; statements were looked for in {sql_of(recipe)}",
            remedy=nearest_or(table, [*sorted(tables), *_readable(recipe)], f"use one of {', '.join(sorted(tables))}"),
        )
    for parameter in sorted(set(read.parameters) - bound):
        allowed = f"use one of {', '.join(sorted(bound))}" if bound else "a feature depends on its decision alone"
        raise InputError(
            f"{name} has the parameter @{parameter}, which nobody gives", where=f"recipe {recipe.name}", remedy=allowed
        )
    parameters(sql)


def _readable(recipe: Recipe) -> list[str]:
    return [name.rpartition("/")[2] for name in sql_of(recipe).names()]


def _evidence_of_nothing(recipe: Recipe, evidence: tuple[str, ...]) -> Iterator[InputError]:
    """A misspelt table would leave the facts of the right one without evidence."""
    tables = [source.table for source in recipe.sources.values()]
    possible = {f"{EVIDENCE}{table}{end}" for table in tables for end in _EVIDENCE_ENDS}
    for name in evidence:
        if name not in possible:
            yield InputError(
                "a feature set returns evidence of a table the recipe does not have",
                where=f"recipe {recipe.name}",
                column=name,
                remedy=nearest_or(name, sorted(possible), f"name it {EVIDENCE}<table>_as_of, _known_at or _event_at"),
            )
