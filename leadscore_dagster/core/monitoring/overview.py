"""Every judgement of a day from what monitoring has stored: asked by checks, the page, the command and the triggers.

Lives here: which facts a judgement is about. Not here: measuring them, the rules (health, balance, drift, performance).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.monitoring import balance, drift, health, performance
from leadscore_dagster.core.monitoring.watched import history, newest, stored
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.staleness import newest_vintages
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Warehouse

#: an alarm older than this asks for nothing
ALARM_DAYS = 31

HEALTH_CHECKS = {
    "success_rate": "Nearly every decision of the day has a score (monitoring.minimum_success).",
    "volume": "As many decisions as on the same weekday of the last eight weeks, give or take four robust deviations.",
    "latency": "Scoring did not take longer than it usually does.",
    "failed_runs": "No scoring run of the day failed.",
    "feature_availability": "No feature is missing more often than in training, beyond chance and ten points.",
    "vintage_age": "The newest vintage of every source is young enough (automation.vintage_stale_after_days).",
}
BALANCE_CHECKS = {
    "class_balance": "The rate of positives of the newest week whose outcomes are all known is that of training, "
    "within monitoring.class_balance_tolerance and chance (95% Wilson interval).",
}
DRIFT_CHECKS = {
    "feature_drift": "No feature of the last month's decisions has moved from the training rows: population stability "
    "index without its sampling floor, beyond chance for all features together.",
    "score_drift": "The delivered scores of the last month's decisions are distributed as in the test period.",
}
PERFORMANCE_CHECKS = {
    "performance": "Delivered scores whose outcome is known rank as well as in the version's test period: no drop "
    "beyond monitoring.performance_drop that chance does not explain, for the whole, months and segments together.",
    "decile_order": "Conversion still rises over the tenths of the delivered scores as it did in the test period.",
    "calibration": "As many turned positive as the delivered scores promised, within the tolerance and chance, as a "
    "whole, by month and by segment.",
}


@dataclass(frozen=True)
class Alarms:
    """What a retraining may be asked for: columns that have drifted as an error, and whether performance has fallen."""

    drifted: tuple[str, ...] = ()
    fallen: bool = False


def health_of(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Verdict]:
    """The checks `HEALTH_CHECKS` of a monitored day."""
    past = history(warehouse, health.TABLE, health.first_day(day), last=day)
    if not past or past[-1]["day"] != day:
        raise _not_monitored(recipe, day)
    there = stored(warehouse, health.AVAILABILITY, day)
    return health.judge_health(recipe, past, there, vintages=newest_vintages(warehouse, recipe, day))


def balance_of(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Verdict]:
    """The checks `BALANCE_CHECKS` of a monitored day."""
    return balance.judge_balance(stored(warehouse, balance.TABLE, day), recipe.monitoring)


def drift_of(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Verdict]:
    """The checks `DRIFT_CHECKS` of a monitored day."""
    return drift.judge_drift(stored(warehouse, drift.TABLE, day), recipe.monitoring)


def performance_of(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Verdict]:
    """The checks `PERFORMANCE_CHECKS` of a monitored day."""
    return performance.judge_performance(stored(warehouse, performance.TABLE, day), recipe.monitoring)


def judgements(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Verdict]:
    """Every judgement of a monitored day. Raises InputError for a day that was not monitored."""
    parts = (health_of, balance_of, drift_of, performance_of)
    return [watched for part in parts for watched in part(warehouse, recipe, day)]


def alarms(warehouse: Warehouse, recipe: Recipe, today: date, *, champion: str | None) -> Alarms:
    """What the newest monitored day says against ``champion``; nothing if it is about another version or too old."""
    since = today - timedelta(days=ALARM_DAYS)
    moved = [row for row in newest(warehouse, drift.TABLE, today) if row["version"] == champion and row["day"] >= since]
    turned = [row for row in newest(warehouse, performance.TABLE, today) if row["day"] >= since]
    found = drift.drifted(moved, recipe.monitoring)
    fallen = performance.fallen_version(turned, recipe.monitoring)
    return Alarms(
        tuple(name for name, how in found.items() if how == "error"),
        fallen is not None and fallen == champion,
    )


def _not_monitored(recipe: Recipe, day: date) -> InputError:
    remedy = f"run `leadscore monitor {recipe.name} --day {day}`"
    return InputError(f"{day} has not been monitored", where=health.TABLE, remedy=remedy)
