"""Gates of a day's scores: pure functions over the stored partition. Not here: their display (defs/checks)."""

from __future__ import annotations

from datetime import date

from leadscore_dagster.core.verdict import Reason, Verdict, held
from leadscore_dagster.core.warehouse import Warehouse, table

SCORE_CHECKS = {
    "everyone_once": "Every decision of the day is in the scores exactly once, and nobody else is.",
    "scores_in_range": "Every score is a probability, every percentile lies between 0 and 100.",
    "scores_spread": "The scores distinguish leads: no single score is shared by more than half of them.",
}
#: of recipes with model.base_rate
BASE_RATE_CHECK = {
    "base_rate": "Matured outcomes do not contradict the probabilities; otherwise only ranks are delivered.",
}


def score_checks(
    warehouse: Warehouse, scores: str, decisions: str, *, day: date, base_rate: bool = False
) -> list[Verdict]:
    """Judge the day's partition of ``scores`` against the day's ``decisions``; ``base_rate``: its columns are there."""
    return [
        _everyone_once(warehouse, scores, decisions, day),
        _in_range(warehouse, scores, day, base_rate),
        _spread(warehouse, scores, day),
        *([_base_rate(warehouse, scores, day)] if base_rate else []),
    ]


def _everyone_once(warehouse: Warehouse, scores: str, decisions: str, day: date) -> Verdict:
    sql = f"""
        SELECT COUNT(*) AS wrong FROM (
          SELECT decision_id, SUM(wanted) AS wanted, SUM(found) AS found
          FROM (
            SELECT decision_id, 1 AS wanted, 0 AS found FROM {decisions} WHERE score_day = @day
            UNION ALL
            SELECT decision_id, 0 AS wanted, 1 AS found FROM {scores} WHERE score_day = @day
          ) AS both_sides
          GROUP BY decision_id
        ) AS counted
        WHERE wanted != 1 OR found != 1
    """
    wrong = table(warehouse, sql, {"day": day})["wrong"][0].as_py()
    why = "Every decision was scored once." if wrong == 0 else f"{wrong:,} decisions are missing, extra or repeated."
    return held("everyone_once", wrong == 0, value=float(wrong), threshold=0.0, why=why)


def _in_range(warehouse: Warehouse, scores: str, day: date, base_rate: bool) -> Verdict:
    unscored = "OR (score IS NULL AND base_rate_verdict = 'rank_only')" if base_rate else ""
    sql = f"""
        SELECT COUNT(*) AS wrong FROM {scores}
        WHERE score_day = @day
          AND NOT COALESCE((score BETWEEN 0 AND 1 {unscored}) AND percentile BETWEEN 0 AND 100, FALSE)
    """
    wrong = table(warehouse, sql, {"day": day})["wrong"][0].as_py()
    why = "All scores are probabilities." if wrong == 0 else f"{wrong:,} rows hold an impossible score or percentile."
    return held("scores_in_range", wrong == 0, value=float(wrong), threshold=0.0, why=why)


def _spread(warehouse: Warehouse, scores: str, day: date) -> Verdict:
    sql = f"""
        SELECT COALESCE(MAX(n) / SUM(n), 0) AS share FROM (
          SELECT margin, COUNT(*) AS n FROM {scores} WHERE score_day = @day GROUP BY margin
        ) AS counted
    """
    share = float(table(warehouse, sql, {"day": day})["share"][0].as_py())
    why = f"The most frequent score holds {share:.1%} of the leads."
    return held("scores_spread", share <= 0.5, severity="warn", value=share, threshold=0.5, why=why)


def _base_rate(warehouse: Warehouse, scores: str, day: date) -> Verdict:
    sql = f"""
        SELECT MAX(base_rate_verdict) AS verdict, MAX(base_rate_offset) AS shift, MAX(base_rate_why) AS why
        FROM {scores} WHERE score_day = @day
    """
    found = table(warehouse, sql, {"day": day}).to_pylist()[0]
    if found["verdict"] is None:
        return Verdict(
            "base_rate", True, Reason.NOT_JUDGED, severity="warn", value=0.0, threshold=0.0, why="Nobody was scored."
        )
    served = {
        "keep": "Probabilities are served as calibrated.",
        "correct": f"Probabilities are shifted by {found['shift']:+.2f} in log-odds.",
        "rank_only": "Only ranks are served.",
    }
    passed, why = found["verdict"] != "rank_only", f"{served[found['verdict']]} {found['why']}"
    return held("base_rate", passed, severity="warn", value=float(found["shift"]), threshold=0.0, why=why)
