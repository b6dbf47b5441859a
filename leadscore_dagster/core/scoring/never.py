"""Who must never be listed, whatever their score: people who do not want to be called, and whoever else a recipe names.

Lives here: finding them among decisions, by what is known when they are scored. Not here: who is to be scored
(sql/product/scoring).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.decisions import columns_in, scalar
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.warehouse import Relation, Warehouse, table

NEVER_LISTED = "never_listed"
SCHEMA = pa.schema(
    [pa.field("score_day", pa.date32()), pa.field("decision_id", pa.string()), pa.field("reason", pa.string())]
)


def never_listed(
    warehouse: Warehouse, recipe: Recipe, decisions: pa.Table, *, day: date, log: Mapping[str, Relation]
) -> pa.Table:
    """Those of ``decisions`` who must not be listed, a row for each reason (SCHEMA).

    A condition over the decision source counts for the person: whoever asked in one lead not to be called is not
    called about another. A condition over features counts for the decision.

    Parameters
    ----------
    decisions : decision_id, the recipe's entity, decision_at.
    log : the decision source as it stands on the day, with parameter ``day``.

    Raises
    ------
    InputError : a condition is no scalar expression, or names columns of neither the decision source nor the features.
    """
    found = [SCHEMA.empty_table()]
    for reason, condition in recipe.scoring.never.items():
        where = f"scoring.never.{reason}"
        if set(columns_in(condition, where)) <= _source_columns(recipe):
            ids = _by_source(warehouse, recipe, decisions, day, log, scalar(condition, _source_columns(recipe), where))
        else:
            names = {feature.name for feature in features_of(recipe) if feature.stage == "row"}
            ids = _by_feature(warehouse, recipe, decisions, day, log, scalar(condition, names, where))
        rows = len(ids)
        days, reasons = pa.repeat(pa.scalar(day, pa.date32()), rows), pa.repeat(pa.scalar(reason, pa.string()), rows)
        found.append(pa.table([days, ids, reasons], schema=SCHEMA))
    return pa.concat_tables(found).sort_by([("decision_id", "ascending"), ("reason", "ascending")])


def without(decisions: pa.Table, never: pa.Table) -> pa.Table:
    """The decisions that may be listed."""
    named = pc.is_in(decisions["decision_id"], value_set=never["decision_id"].combine_chunks())
    return decisions.filter(pc.invert(named))


def counted(never: pa.Table) -> dict[str, int]:
    """How many there are for each reason; somebody with two reasons counts for both."""
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(never["reason"]).to_pylist()}


def _source_columns(recipe: Recipe) -> set[str]:
    return {column.name for column in recipe.decision_source.contract.columns}


def _by_source(
    warehouse: Warehouse,
    recipe: Recipe,
    decisions: pa.Table,
    day: date,
    log: Mapping[str, Relation],
    condition: str,
) -> pa.ChunkedArray:
    """Decisions whose own row, or any row of the same entity, meets the condition."""
    source, entity = recipe.decision_source.table, recipe.decisions.entity
    joined = f"SELECT d.decision_id FROM decisions AS d JOIN `{source}` AS l ON"
    sql = (
        f"{joined} l.`{entity}` = d.`{entity}` WHERE {condition}\nUNION DISTINCT\n"
        f"{joined} CAST(l.`{recipe.decisions.id}` AS STRING) = d.decision_id WHERE {condition}"
    )
    return table(warehouse, sql, {"day": day}, {**log, "decisions": decisions})["decision_id"]


def _by_feature(
    warehouse: Warehouse,
    recipe: Recipe,
    decisions: pa.Table,
    day: date,
    log: Mapping[str, Relation],
    condition: str,
) -> pa.ChunkedArray:
    features = served_features(warehouse, recipe, decisions, log, {"day": day}).read_all()
    sql = f"SELECT l.decision_id FROM features AS l WHERE {condition}"
    return table(warehouse, sql, {}, {"features": features})["decision_id"]
