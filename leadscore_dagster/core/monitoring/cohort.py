"""Decisions and what has become of them as known on a day, and the scores that were really delivered for them.

Lives here: the label rules of training applied to the log as it stood that day. Not here: the rules
(core/table/labels), any measure.
"""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES, log_of_day
from leadscore_dagster.core.scoring.loaded import LoadedVersion
from leadscore_dagster.core.table import labels
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.warehouse import Warehouse, table

#: decisions that training would have counted, once their window is over
CENSORED = "right_censored"
DECIDED = (labels.LABELLED, CENSORED)


def is_kept(warehouse: Warehouse, recipe: Recipe, day: date) -> bool:
    """Whether the log as it stood on ``day`` was kept: scoring does."""
    seen = (day + timedelta(days=1)).isoformat()
    return seen in warehouse.partitions(f"{recipe.decision_source.table}_of_day")


def decisions_known(warehouse: Warehouse, recipe: Recipe, day: date) -> pa.Table:
    """Every decision as known when ``day`` began: decision_id, the entity, decision_at, label, status.

    ``label`` is filled only where the whole label window had been observed by then: the rule of training. What came
    after the newest row of the extract was not observed either: a window that ends beyond it is right-censored,
    whatever the day, so that an extract that has stopped growing does not turn decisions into negatives.

    Raises
    ------
    InputError : the day was not scored, so that nobody has read the log as it stood.
    """
    if not is_kept(warehouse, recipe, day):
        remedy = f"score the day first: leadscore score {recipe.name} --day {day}"
        raise InputError(f"The log as it stood on {day} was not kept", where=recipe.name, remedy=remedy)
    sql = f"""
        WITH newest AS (
          SELECT MAX(l.known_at) AS known_at FROM {recipe.decision_source.table} AS l
        ),
        observed AS (
          SELECT
            k.*,
            k.status = '{labels.LABELLED}'
              AND TIMESTAMP_ADD(k.decision_at, INTERVAL @window_days DAY) > n.known_at AS beyond
          FROM known AS k CROSS JOIN newest AS n
        )
        SELECT
          o.decision_id,
          o.`{recipe.decisions.entity}`,
          o.decision_at,
          IF(o.beyond, NULL, o.label) AS label,
          IF(o.beyond, '{CENSORED}', o.status) AS status
        FROM observed AS o
        ORDER BY o.decision_at, o.decision_id
    """
    parameters = {
        "as_of": day,
        "log_as_of": day + timedelta(days=1),
        "day": day,
        "window_days": recipe.label_window_days,
        "recycle_after_days": recipe.decisions.recycle_after_days,
    }
    return table(warehouse, sql, parameters, {**log_of_day(recipe), "known": labels.label_query(recipe)})


def decided_between(known: pa.Table, first: date, last: date) -> pa.Table:
    """Decisions taken from ``first`` to ``last`` (UTC), both included, that training would count."""
    on = pc.cast(known["decision_at"], pa.date32())
    inside = pc.and_(pc.greater_equal(on, pa.scalar(first)), pc.less_equal(on, pa.scalar(last)))
    return known.filter(pc.and_(inside, pc.is_in(known["status"], pa.array(DECIDED))))


def matured(known: pa.Table) -> pa.Table:
    """Decisions whose outcome is known."""
    return known.filter(pc.equal(known["status"], labels.LABELLED))


def delivered(warehouse: Warehouse, recipe: Recipe, decisions: pa.Table, *, since: date) -> pa.Table:
    """The last score each decision had when it was taken, as it was delivered.

    Returns
    -------
    The columns of ``decisions``, then score, margin, decile, model_version and score_day; decisions that had no score
    are left out. In order of decision_at, decision_id.
    """
    sql = f"""
        SELECT k.*, s.score, s.margin, s.decile, s.model_version, s.score_day
        FROM known AS k
        JOIN {LEAD_SCORES} AS s ON s.decision_id = k.decision_id
        WHERE s.score_day <= DATE(k.decision_at) AND s.score_day >= @since
        QUALIFY ROW_NUMBER() OVER (PARTITION BY k.decision_id ORDER BY s.score_day DESC) = 1
        ORDER BY k.decision_at, k.decision_id
    """
    return table(warehouse, sql, {"since": since}, {"known": decisions})


def features_at(
    warehouse: Warehouse, recipe: Recipe, decisions: pa.Table, *, model: LoadedVersion, day: date
) -> pa.Table:
    """The model's features of ``decisions`` as known at each decision, computed as in training, from what had been
    stored on ``day``; one row per decision, in order of decision_id."""
    who = decisions.select(["decision_id", recipe.decisions.entity, "decision_at"]).combine_chunks()
    rows = served_features(warehouse, recipe, who, log_of_day(recipe), {"day": day}).read_all()
    return model.prepare(rows.sort_by("decision_id"))
