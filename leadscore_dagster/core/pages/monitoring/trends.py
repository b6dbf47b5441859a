"""Series to be drawn, made from what monitoring has stored. Not here: drawing them (drawing)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from leadscore_dagster.core.monitoring import balance, drift, health, performance
from leadscore_dagster.core.monitoring.watched import history, newest
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.warehouse import Warehouse

DAYS_SHOWN = 92


@dataclass(frozen=True)
class Point:
    """One value with its 95% interval, where it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Trend:
    """A series in order of time, and the lines it is held against. ``percent``: values are shares."""

    title: str
    points: tuple[Point, ...]
    limits: tuple[tuple[str, float], ...] = ()
    percent: bool = False


def health_trends(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Trend]:
    """Success rate, volume and duration of the last days."""
    rows = history(warehouse, health.TABLE, day - timedelta(days=DAYS_SHOWN), last=day)
    limit = (("asked for", recipe.monitoring.minimum_success),)
    return [
        Trend("Share of the day's decisions that were scored", _days(rows, "success"), limit, percent=True),
        Trend("Decisions a day", _days(rows, "decisions")),
        Trend("Seconds a scoring run took", _days(rows, "seconds")),
    ]


def balance_trends(warehouse: Warehouse, day: date) -> list[Trend]:
    """Weekly rate of positives."""
    rows = newest(warehouse, balance.TABLE, day)
    points = tuple(Point(row["week"], row["rate"], row["low"], row["high"]) for row in rows)
    limit = (("training", rows[-1]["training_rate"]),) if rows else ()
    return [Trend("Rate of positives by ISO week, all outcomes known", points, limit, percent=True)]


def drift_trends(warehouse: Warehouse, recipe: Recipe, day: date) -> list[Trend]:
    """Index of the scores, and of the feature that moved most, by month."""
    rows = history(warehouse, drift.TABLE, day - timedelta(days=366), last=day)
    complete = {(row["month"], row["feature"]): row for row in rows if row["complete"]}
    limits = (("warn", recipe.monitoring.psi_warn), ("error", recipe.monitoring.psi_error))
    furthest: dict[str, dict[str, Any]] = {}
    for (month, name), row in sorted(complete.items()):
        if name != drift.SCORE and (month not in furthest or row["psi"] > furthest[month]["psi"]):
            furthest[month] = row
    scores = [row for (_, name), row in sorted(complete.items()) if name == drift.SCORE]
    return [
        Trend("Stability index of the feature that moved most", _months(list(furthest.values())), limits),
        Trend("Stability index of the delivered scores", _months(scores), limits),
    ]


def performance_trends(warehouse: Warehouse, day: date) -> list[Trend]:
    """Performance and calibration by month of the decision."""
    rows = [row for row in newest(warehouse, performance.TABLE, day) if row["scope"] == "month"]
    trends = []
    for metric, title in (("auc_pr", "AUC-PR by month"), ("top_decile_lift", "Top-decile lift by month")):
        found = [row for row in rows if row["metric"] == metric and row["value"] is not None]
        limit = (("test period", found[0]["reference"]),) if found else ()
        points = tuple(Point(row["part"], row["value"], row["low"], row["high"]) for row in found)
        trends.append(Trend(title, points, limit))
    rates = [row for row in rows if row["metric"] == "rate"]
    ratio = tuple(
        Point(row["part"], *(row[end] / row["reference"] for end in ("value", "low", "high")))
        for row in rates
        if row["reference"]
    )
    trends.append(Trend("Observed over promised rate by month", ratio, (("as promised", 1.0),)))
    return trends


def _days(rows: Sequence[dict[str, Any]], column: str) -> tuple[Point, ...]:
    return tuple(Point(f"{row['day']}", float(row[column])) for row in rows if row[column] is not None)


def _months(rows: Sequence[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(Point(row["month"], row["psi"], row["low"], row["high"]) for row in rows)
