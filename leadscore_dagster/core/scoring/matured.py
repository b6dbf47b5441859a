"""What matured outcomes say about a day's probabilities: the decisions, the champion's scores of them, the verdict.

Lives here: which outcomes count on a day. Not here: judging them (modelling/base_rate), the rules of labels
(core/table/labels), scoring the day (day, score).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.modelling.base_rate import ECE_LIMIT, BaseRateVerdict, judge_base_rate
from leadscore_dagster.core.recipe.schema import BaseRate, Recipe
from leadscore_dagster.core.scoring.loaded import LoadedVersion
from leadscore_dagster.core.scoring.reference import at_reference
from leadscore_dagster.core.table import labels
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.warehouse import Relation, Warehouse, table


@dataclass(frozen=True)
class DayBaseRate:
    """The verdict of a day, and the matured outcomes: what a place on the list yields now, where the test period no
    longer tells."""

    verdict: BaseRateVerdict
    outcomes: Judged


def base_rate_of_day(
    warehouse: Warehouse,
    recipe: Recipe,
    champion: LoadedVersion,
    *,
    day: date,
    base_rate: BaseRate,
    log_of_day: Mapping[str, Relation],
) -> DayBaseRate:
    """Judge the champion's probabilities by the outcomes known when ``day`` began.

    Counted are decisions whose label window ended in the ``window_days`` before, and that the champion was not fitted
    on: of its own rows a model knows the rate. They are scored again by the path that serves the day, each with its
    features as known when it was decided.

    Parameters
    ----------
    log_of_day : the decision source as it stood on the day, with parameter ``day``.
    """
    known = matured_decisions(warehouse, recipe, day, window_days=base_rate.window_days, log_of_day=log_of_day)
    known = known.filter(pc.greater(known["decision_at"], pa.scalar(champion.fitted_until + timedelta(seconds=1))))
    who = known.select(list(dict.fromkeys(["decision_id", recipe.decisions.entity, "decision_at"])))
    served = served_features(warehouse, recipe, who, _log_so_far(recipe, log_of_day), {"day": day})
    rows = at_reference(served, recipe).read_all()
    scores = champion.score(champion.prepare(rows_of(rows, known["decision_id"])), contributions=False)
    codes = entity_codes(known[recipe.decisions.entity])
    judged = Judged(known["label"].to_numpy(), scores.margin, scores.probability, codes)
    gate = recipe.gates.get("ece")
    limit = gate.threshold if gate else ECE_LIMIT
    verdict = judge_base_rate(judged, known["decision_at"].to_numpy(), base_rate, ece_limit=limit)
    return DayBaseRate(verdict, judged)


def matured_decisions(
    warehouse: Warehouse, recipe: Recipe, day: date, *, window_days: int, log_of_day: Mapping[str, Relation]
) -> pa.Table:
    """decision_id, the entity, decision_at and label of the decisions whose label window ended in the ``window_days``
    before ``day`` began, by the rules of training; in order of decision_at, decision_id."""
    sql = (
        f"SELECT k.decision_id, k.`{recipe.decisions.entity}`, k.decision_at, k.label FROM known AS k "
        f"WHERE k.status = '{labels.LABELLED}' AND k.decision_at > TIMESTAMP(@since) "
        "ORDER BY k.decision_at, k.decision_id"
    )
    parameters = {
        "day": day,
        "as_of": day,
        "log_as_of": day + timedelta(days=1),
        "since": day - timedelta(days=window_days + recipe.label_window_days),
        "window_days": recipe.label_window_days,
        "recycle_after_days": recipe.decisions.recycle_after_days,
    }
    return table(warehouse, sql, parameters, {**log_of_day, "known": labels.label_query(recipe)})


def _log_so_far(recipe: Recipe, log_of_day: Mapping[str, Relation]) -> dict[str, Relation]:
    """The periods' extracts up to the day, and the day's: a decision's own columns come from the first that shows it,
    before anybody wrote to the row again."""
    name = recipe.decision_source.table
    return {**log_of_day, name: f"SELECT * FROM `{name}` WHERE as_of <= @day UNION ALL {log_of_day[name]}"}
