"""A version scores a day's decisions beside the champion: nobody is told, nothing of the day's list depends on it.

Lives here: the scores, and what they show beside the champion's. Not here: who is in the shadow, the verdict over the
days (core/versions/shadow), the champion's own scores (day).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pyarrow as pa

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, log_of_day
from leadscore_dagster.core.scoring.loaded import LoadedVersion
from leadscore_dagster.core.scoring.reference import at_reference
from leadscore_dagster.core.scoring.score import score_decisions
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.warehouse import Warehouse, table

SHADOW_SCORES = "shadow_scores_daily"


def score_beside(warehouse: Warehouse, recipe: Recipe, model: LoadedVersion, *, day: date) -> pa.Table:
    """Score the day's decisions with ``model`` and write them as the day's partition of ``shadow_scores_daily``.

    A decision that gets no score is left out instead of refused: how many there are is what the shadow measures.
    """
    who = f"SELECT decision_id, {recipe.decisions.entity}, decision_at FROM {DECISIONS} WHERE score_day = @day"
    scores = score_decisions(
        at_reference(served_features(warehouse, recipe, who, log_of_day(recipe), {"day": day}), recipe),
        model,
        recipe,
        day=day,
        vintage_as_of=None,
        scored_at=datetime.combine(day, time.min, UTC),
        catalogue=model.catalogue,
        with_drivers=False,
    )
    warehouse.write_partition(SHADOW_SCORES, day.isoformat(), scores)
    return scores


def champions_scores(warehouse: Warehouse, day: date) -> pa.Table:
    """decision_id, margin, decile, bucket and model_version as delivered that day."""
    sql = f"SELECT decision_id, margin, decile, bucket, model_version FROM {LEAD_SCORES} WHERE score_day = @day"
    return table(warehouse, sql, {"day": day})


def decisions_to_score(warehouse: Warehouse, day: date) -> int:
    """How many decisions there were to score; 0 where nobody has looked."""
    if day.isoformat() not in warehouse.partitions(DECISIONS):
        return 0
    sql = f"SELECT COUNT(*) AS n FROM {DECISIONS} WHERE score_day = @day"
    return int(table(warehouse, sql, {"day": day})["n"][0].as_py())
