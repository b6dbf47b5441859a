"""Whether a day was scored as it should be: everybody, in time, from features that are there.

Lives here: a day's health from the stored tables, and its judgement. Not here: reading Dagster's records of runs
(defs/assets/monitoring), the staleness of vintages (core/scoring/staleness), drift over months (drift).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.monitoring.reference import Reference
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, log_of_day
from leadscore_dagster.core.scoring.staleness import newest_vintages, stale
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.verdict import Reason, Verdict, held
from leadscore_dagster.core.warehouse import Warehouse, table

TABLE, AVAILABILITY = "scoring_health", "feature_availability"
#: days looked back on to know what is usual; so many of them at least are needed
WEEKS, FEWEST_DAYS = 8, 4
#: a day is unusual so many robust deviations from the median
DEVIATIONS = 4.0
#: 1.4826 times the median absolute deviation is the standard deviation of a normal distribution
TO_SIGMA = 1.4826
#: a feature is gone when its share of filled values has fallen by more, beyond chance
LARGEST_FALL = 0.10
FAMILY = 0.01
SCHEMA = pa.schema(
    [("day", pa.date32()), ("decisions", pa.int64()), ("scored", pa.int64()), ("success", pa.float64()),
     ("version", pa.string()), ("seconds", pa.float64()), ("failed_runs", pa.int64()),
     ("oldest_vintage_days", pa.int64())]
)  # fmt: skip
AVAILABILITY_SCHEMA = pa.schema(
    [("day", pa.date32()), ("feature", pa.string()), ("n", pa.int64()), ("present", pa.float64()),
     ("present_in_training", pa.float64()), ("p_value", pa.float64())]
)  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """What Dagster remembers of a day's scoring: seconds of the newest successful run (None: there is none), and how
    many runs failed."""

    seconds: float | None
    failed: int


def measure_health(
    warehouse: Warehouse, recipe: Recipe, day: date, *, version: str | None, runs: Runs
) -> dict[str, Any]:
    """One row of `SCHEMA` without day. ``decisions`` is None where nobody has asked who is to be scored on that day,
    which is not the same as 0: nobody was; ``success`` is None in both cases."""
    decisions = _count(warehouse, DECISIONS, day)
    scored = _count(warehouse, LEAD_SCORES, day) or 0
    ages = [
        (day - as_of).days for as_of in newest_vintages(warehouse, recipe, day).values() if as_of is not None
    ]  # fmt: skip
    return {
        "decisions": decisions,
        "scored": scored,
        "success": scored / decisions if decisions else None,
        "version": version,
        "seconds": runs.seconds,
        "failed_runs": runs.failed,
        "oldest_vintage_days": max(ages, default=None),
    }


def measure_availability(
    warehouse: Warehouse, recipe: Recipe, reference: Reference, *, day: date
) -> list[dict[str, Any]]:
    """Share of the day's decisions for which each feature was there, beside that of the training rows."""
    if not _count(warehouse, DECISIONS, day):
        return []
    who = f"SELECT decision_id, {recipe.decisions.entity}, decision_at FROM {DECISIONS} WHERE score_day = @day"
    served = served_features(warehouse, recipe, who, log_of_day(recipe), {"day": day}).read_all()
    return availability(reference.training, reference.model.prepare(served), list(reference.model.catalogue))


def availability(training: pa.Table, now: pa.Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per feature. ``p_value``: how probable so few filled values are by chance (exact, one-sided)."""
    from scipy.stats import hypergeom

    if not now.num_rows:
        return []
    there, then = (np.array([_filled(rows[name]) for name in names]) for rows in (now, training))
    n, m = now.num_rows, training.num_rows
    p = hypergeom.cdf(there, m + n, there + then, n)
    return [
        {"feature": name, "n": n, "present": float(a / n), "present_in_training": float(b / m), "p_value": float(c)}
        for name, a, b, c in zip(names, there, then, p, strict=True)
    ]


def usual(past: Sequence[tuple[date, float]], day: date) -> tuple[float, float] | None:
    """Median of what was seen on the same weekday, and the largest usual distance from it; None: too little is known.

    The distance is four robust standard deviations (median absolute deviation), a deviation being at least a tenth of
    the median and the square root of it: counts that hardly vary would otherwise alarm at the first lead more.
    """
    same = [value for when, value in past if when.weekday() == day.weekday() and when < day]
    values = np.array(same if len(same) >= FEWEST_DAYS else [value for when, value in past if when < day])
    if len(values) < FEWEST_DAYS:
        return None
    median = float(np.median(values))
    deviation = TO_SIGMA * float(np.median(np.abs(values - median)))
    return median, DEVIATIONS * max(deviation, median / 10, float(np.sqrt(median)))


def judge_health(
    recipe: Recipe,
    past: Sequence[Mapping[str, Any]],
    availability: Sequence[Mapping[str, Any]],
    *,
    vintages: dict[str, date | None],
) -> list[Verdict]:
    """Every check of a day's health.

    Parameters
    ----------
    past : rows of `SCHEMA` up to the day, which is the last one.
    vintages : table → the newest vintage that had arrived.
    """
    today, earlier = past[-1], past[:-1]
    return [
        _success(today, recipe.monitoring.minimum_success),
        _volume(today, earlier),
        _latency(today, earlier),
        _errors(today),
        _availability(availability, today["day"]),
        _vintages(vintages, today["day"], recipe),
    ]


def first_day(day: date) -> date:
    """The first day that is looked back on."""
    return day - timedelta(weeks=WEEKS)


def _success(today: Mapping[str, Any], limit: float) -> Verdict:
    decisions, scored = today["decisions"], today["scored"]
    if decisions is None:
        return Verdict(
            "success_rate",
            False,
            Reason.NOT_MEASURED,
            value=0.0,
            threshold=limit,
            n=0,
            why=f"{today['day']} was not scored.",
        )
    if not decisions:
        return Verdict("success_rate", True, Reason.NOT_JUDGED, threshold=limit, n=0, why="There was nobody to score.")
    low, high = wilson(min(scored, decisions), decisions)
    why = f"{scored:,} of {decisions:,} decisions were scored; at least {limit:.0%} is required."
    passed = today["success"] >= limit
    return held(
        "success_rate",
        passed,
        value=today["success"],
        low=low,
        high=high,
        threshold=limit,
        n=decisions,
        why=why,
    )


def _volume(today: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> Verdict:
    known = usual([(one["day"], one["decisions"]) for one in earlier if one["decisions"] is not None], today["day"])
    if today["decisions"] is None:
        return Verdict(
            "volume", True, Reason.NOT_JUDGED, severity="warn", why=f"{today['day']} was not scored: not judged."
        )
    value = float(today["decisions"])
    if known is None:
        return held(
            "volume",
            True,
            severity="warn",
            value=value,
            why=f"{value:,.0f} decisions; too few earlier days to compare with.",
        )
    median, distance = known
    passed = abs(value - median) <= distance
    why = f"{value:,.0f} decisions; {median:,.0f} ± {distance:,.0f} is usual."
    return held(
        "volume",
        passed,
        severity="warn",
        value=value,
        threshold=max(median - distance, 0.0) if value < median else median + distance,
        why=why,
    )


def _latency(today: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> Verdict:
    value = today["seconds"]
    if value is None:
        return Verdict(
            "latency",
            True,
            Reason.NOT_JUDGED,
            severity="warn",
            why="No successful run of this day is remembered: not judged.",
        )
    known = usual([(row["day"], row["seconds"]) for row in earlier if row["seconds"] is not None], today["day"])
    # a run is slow when it takes a minute more than any usual one, and twice as long as the median
    limit = None if known is None else max(known[0] + known[1], 2 * known[0], known[0] + 60)
    told = (
        "too few earlier runs to compare with"
        if known is None
        else f"usual are {known[0]:,.0f} s, at most {limit:,.0f} s"
    )
    passed = limit is None or value <= limit
    return held(
        "latency",
        passed,
        severity="warn",
        value=value,
        threshold=limit,
        why=f"The scoring run took {value:,.1f} s; {told}.",
    )


def _errors(today: Mapping[str, Any]) -> Verdict:
    failed = today["failed_runs"]
    why = f"Scoring runs of this day that failed: {failed}." if failed else "No scoring run of this day failed."
    return held("failed_runs", failed == 0, severity="warn", value=float(failed), threshold=0.0, why=why)


def _availability(rows: Sequence[Mapping[str, Any]], day: date) -> Verdict:
    falls = {row["feature"]: row["present_in_training"] - row["present"] for row in rows}
    if not falls:
        return Verdict(
            "feature_availability",
            True,
            Reason.NOT_JUDGED,
            severity="warn",
            threshold=LARGEST_FALL,
            why="Nobody was scored: not judged.",
        )
    gone = [
        row for row in rows if falls[row["feature"]] > LARGEST_FALL and row["p_value"] < FAMILY / len(rows)
    ]  # fmt: skip
    worst = max(falls.values())
    told = "; ".join(
        f"{row['feature']} is filled in {row['present']:.0%}, in training in {row['present_in_training']:.0%}"
        for row in sorted(gone, key=lambda row: -falls[row["feature"]])[:8]
    )
    why = f"{len(gone)} of {len(rows)} features are missing more often than in training: {told}." if gone else (
        f"All {len(rows)} features are there as often as in training; the largest fall is {max(worst, 0.0):.1%}."
    )  # fmt: skip
    about = (_week(day), *(row["feature"] for row in gone))
    return held(
        "feature_availability",
        not gone,
        severity="warn",
        value=worst,
        threshold=LARGEST_FALL,
        n=rows[0]["n"],
        why=why,
        about=about,
    )


def _vintages(vintages: dict[str, date | None], day: date, recipe: Recipe) -> Verdict:
    limit = recipe.automation.vintage_stale_after_days
    if not vintages:
        why = "This recipe reads no vintages."
        return held("vintage_age", True, severity="warn", value=0.0, threshold=float(limit), why=why)
    problems = stale(vintages, day, recipe)
    ages = {name: (day - as_of).days for name, as_of in vintages.items() if as_of is not None}
    oldest = max(ages, key=lambda name: ages[name]) if ages else ""
    why = (
        "; ".join(problems.values()) + "."
        if problems
        else f"The oldest is {oldest}, {ages[oldest]} days; allowed are {limit}."
    )
    value = float(ages[oldest]) if ages else None
    return held(
        "vintage_age",
        not problems,
        value=value,
        threshold=float(limit),
        why=why,
        about=(_week(day), *problems),
    )


def _week(day: date) -> str:
    """What lasts until a vendor delivers is told again each week."""
    return f"{day:%G-W%V}"


def _count(warehouse: Warehouse, name: str, day: date) -> int | None:
    """Rows of the day's partition; None: there is none."""
    if day.isoformat() not in warehouse.partitions(name):
        return None
    return int(
        table(warehouse, f"SELECT COUNT(*) AS n FROM {name} WHERE score_day = @day", {"day": day})["n"][0].as_py()
    )


def _filled(column: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    missing = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
    return int(len(column) - (pc.sum(missing).as_py() or 0))
