"""SQL audits: statements that SELECT the rows of the training table that break a rule; zero rows pass.

Lives here: which audits a recipe has, the two written from its sources, running them. Not here: the leakage audit
(core/audit), building the table (training), audits that are files (``audits/`` of the recipe, its libraries, the
product).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.decisions import decision_log
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import EVIDENCE
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.table.training import TABLE, require_training_table
from leadscore_dagster.core.table.vintages import vintage_tables
from leadscore_dagster.core.text import did_you_mean
from leadscore_dagster.core.warehouse import Warehouse, compose, statement, table

#: they need nothing but decisions, labels and the log
GENERIC_AUDITS = (
    "audits/decision_not_unique",
    "audits/label_window_not_observed",
    "audits/log_known_after_decision",
)
#: they are written for the sources whose evidence columns the training table carries
ARRIVAL_AUDIT, EVENT_AUDIT = "audits/vintage_known_after_decision", "audits/event_after_decision"
SAMPLE_ROWS = 20


class AuditResult(NamedTuple):
    """An audit: how many rows break the rule, and the first of them (decision_id, fact, fact_at, decision_at)."""

    name: str
    violations: int
    sample: pa.Table


def audits_of(recipe: Recipe) -> dict[str, str]:
    """Name → text of the recipe's audits: those it names, or else all of the product's that its evidence allows.

    Raises InputError for an audit that does not exist, and for one on evidence the training table does not carry.
    """
    return {name: audit_statement(recipe, name) for name in recipe.audits or _all_of_the_product(recipe)}


def audit_statement(recipe: Recipe, name: str) -> str:
    """Text of one audit; a file of that name comes before the one written from the recipe. Raises InputError."""
    path = sql_of(recipe)
    if name in _WRITTEN and path.find(name) is None:
        tables = _WRITTEN[name](recipe)
        if not tables:
            raise InputError(
                f"{name} has nothing to ask: no feature set of recipe {recipe.name} returns its evidence columns",
                remedy=f"return {EVIDENCE}<table>_as_of, _known_at and _event_at in a feature set, or drop the audit",
            )
        return arrival_audit(tables) if name == ARRIVAL_AUDIT else event_audit(tables)
    if path.find(name) is None:
        known = [*path.names("audits"), *_WRITTEN]
        raise InputError(
            f"there is no audit {name!r}{did_you_mean(name, known)}",
            where=path,
            remedy=f"use one of {', '.join(sorted(known))}",
        )
    return statement(name, path)


def decision_audits(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[AuditResult]:
    """Run the recipe's audits on partition ``as_of`` of the training table.

    Raises InputError if the partition is missing, an audit does not exist or reads a column the table does not have.
    """
    require_training_table(warehouse, as_of)
    parameters = {"as_of": as_of, "log_as_of": as_of, "window_days": recipe.label_window_days}
    relations = {"decision_log": decision_log(recipe)}
    results = []
    for name, text in audits_of(recipe).items():
        found = table(warehouse, compose(text, sql_of(recipe)), parameters, relations)
        sample = found.sort_by([(column, "ascending") for column in found.column_names]).slice(0, SAMPLE_ROWS)
        results.append(AuditResult(name, found.num_rows, sample))
    return results


def arrival_audit(tables: list[str]) -> str:
    """SELECT of the training rows of ``@as_of`` that used a vintage of one of ``tables`` before it had arrived."""
    used = "  UNION ALL\n".join(_facts(name, "as_of", "vintage") for name in tables)
    return (
        "-- Violations: training rows of @as_of that used a vintage which arrived after the decision, or which does\n"
        "-- not exist. One row per training row and table: decision_id, fact, fact_at, decision_at.\n"
        "-- Does not believe the instants the row carries: takes only the name of the vintage (as_of) from it and\n"
        "-- asks the vintage itself when it first arrived. Whether a later arrival was used too early is for an\n"
        "-- audit of the values to tell.\n"
        "-- parameter: as_of DATE\n"
        "WITH arrived AS (\n"
        "  SELECT c.table_name, c.as_of, MIN(c.available_at) AS available_at\n"
        "  FROM vintage_calendar AS c\n"
        "  GROUP BY c.table_name, c.as_of\n"
        "),\n"
        f"used AS (\n{used})\n"
        "SELECT\n"
        "  u.decision_id,\n"
        "  CONCAT(u.table_name, ' ', CAST(u.vintage AS STRING), IF(c.as_of IS NULL, ' does not exist', '')) AS fact,\n"
        "  c.available_at AS fact_at,\n"
        "  u.decision_at\n"
        "FROM used AS u\n"
        "LEFT JOIN arrived AS c\n"
        "  ON c.table_name = u.table_name AND c.as_of = u.vintage\n"
        "WHERE u.vintage IS NOT NULL AND (c.as_of IS NULL OR c.available_at > u.decision_at)\n"
    )


def event_audit(tables: list[str]) -> str:
    """SELECT of the training rows of ``@as_of`` that used a fact of one of ``tables`` dated after the decision."""
    facts = "  UNION ALL\n".join(_facts(name, "event_at", "fact_at") for name in tables)
    return (
        "-- Violations: training rows of @as_of that used a fact whose event lies after the decision.\n"
        "-- One row per training row and table: decision_id, fact, fact_at, decision_at.\n"
        "-- parameter: as_of DATE\n"
        f"WITH facts AS (\n{facts})\n"
        "SELECT f.decision_id, f.table_name AS fact, f.fact_at, f.decision_at\n"
        "FROM facts AS f\n"
        "WHERE f.fact_at > f.decision_at\n"
    )


def _facts(name: str, evidence: str, column: str) -> str:
    return (
        f"  SELECT t.decision_id, t.decision_at, '{name}' AS table_name, t.`{EVIDENCE}{name}_{evidence}` AS {column}\n"
        f"  FROM {TABLE} AS t\n"
        "  WHERE t.as_of = @as_of\n"
    )


def _vintages_with_evidence(recipe: Recipe) -> list[str]:
    return _with_evidence(recipe, vintage_tables(recipe), "as_of")


def _events_with_evidence(recipe: Recipe) -> list[str]:
    return _with_evidence(recipe, [source.table for source in recipe.sources.values()], "event_at")


def _with_evidence(recipe: Recipe, tables: list[str], evidence: str) -> list[str]:
    carried = feature_query(recipe).evidence
    return [name for name in tables if f"{EVIDENCE}{name}_{evidence}" in carried]


#: audit to the tables it is written for
_WRITTEN = {ARRIVAL_AUDIT: _vintages_with_evidence, EVENT_AUDIT: _events_with_evidence}


def _all_of_the_product(recipe: Recipe) -> tuple[str, ...]:
    return (*(name for name, tables in _WRITTEN.items() if tables(recipe)), *GENERIC_AUDITS)
