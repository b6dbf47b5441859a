"""Whether the features and the scores of a month's decisions still look like those the champion was trained on.

Lives here: the monthly population stability index per feature and of the scores, and the rule that judges it. Does not:
the index (core/stability).

The rule. A column is reported only if a test at the level 1% divided by the number of columns (Bonferroni), so one
false alarm of any column in 100 stable months is expected, has proven that it moved; and if the move matters: an
``error`` when the index without its sampling floor reaches ``psi_error``; a ``warn`` when the 95% interval reaches
``psi_warn``, or when one bin's share alone has provenly doubled or halved. Bands of the index: Siddiqi, Credit Risk
Scorecards (2006). A column that tells the season lies far from the whole in every month of the training rows, too: it
is reported only when it lies further off than nine in ten of those months did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.features.catalogue import Feature
from leadscore_dagster.core.monitoring.cohort import decided_between, delivered, features_at
from leadscore_dagster.core.monitoring.reference import Reference
from leadscore_dagster.core.monitoring.watched import Watched
from leadscore_dagster.core.stability import count, index, learn_bins, shift
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.recipes.schema import Monitoring, Recipe

TABLE = "feature_drift"
#: the name under which the scores stand beside the features
SCORE = "(score)"
#: probability of any false alarm among all columns of one stable month
FAMILY = 0.01
#: a bin whose share has changed by this factor, and by so many points, matters whatever the index says
FACTOR, POINTS = 2.0, 0.02
#: how far off a month may lie is read from the training months, if there are so many with so many rows
SEASON, FEWEST_MONTHS, FEWEST_ROWS = 0.9, 3, 50
NAMED = 8
SCHEMA = pa.schema(
    [("day", pa.date32()), ("month", pa.string()), ("complete", pa.bool_()), ("version", pa.string()),
     ("feature", pa.string()), ("columns", pa.int64()), ("n", pa.int64()), ("reference_n", pa.int64()),
     ("psi_raw", pa.float64()), ("psi", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
     ("p_value", pa.float64()), ("moved", pa.string()), ("share_before", pa.float64()),
     ("share_now", pa.float64()), ("moved_p_value", pa.float64()), ("usual", pa.float64())]
)  # fmt: skip
Degree = Literal["still", "warn", "error"]


def months_of(day: date) -> tuple[tuple[date, date], tuple[date, date]]:
    """First and last day of the last complete month before ``day``, and of the month so far (without ``day``)."""
    running = day.replace(day=1)
    last = running - timedelta(days=1)
    return (last.replace(day=1), last), (running, day - timedelta(days=1))


def measure_drift(
    warehouse: Warehouse, recipe: Recipe, reference: Reference, known: pa.Table, day: date
) -> list[dict[str, Any]]:
    """Compare the decisions of the last complete month, and of the month so far, with the training rows.

    Features are those known at the decision; the scores are those that were delivered for it.
    """
    rows: list[dict[str, Any]] = []
    for place, (first, last) in enumerate(months_of(day)):
        decisions = decided_between(known, first, last)
        if not decisions.num_rows:
            continue
        now = features_at(warehouse, recipe, decisions, reference.model, day)
        # a decision may have been scored long before it was taken
        scored = delivered(warehouse, recipe, decisions, first - timedelta(days=92))
        facts = {"month": f"{first:%Y-%m}", "complete": place == 0, "version": reference.version}
        features = reference.model.catalogue.values()
        rows += [facts | row for row in compare(reference.training, reference.test, now, scored, features)]
    return rows


def compare(
    training: pa.Table, test: pa.Table, now: pa.Table, scored: pa.Table, features: Iterable[Feature]
) -> list[dict[str, Any]]:
    """One row per feature, then the scores; columns without rows on either side are left out.

    Parameters
    ----------
    training, now : the features; training also decision_at, in that order.
    test, scored : margin.
    """
    months = _months(training)
    columns = [(one.name, training[one.name], now[one.name], one.type == "category", months) for one in features]
    columns.append((SCORE, test["margin"], scored["margin"], False, []))
    columns = [entry for entry in columns if len(entry[1]) and len(entry[2])]
    rows = []
    for name, before, after, category, parts in columns:
        bins = learn_bins(before, category)
        counts = count(before, bins)
        found = shift(counts, count(after, bins), bins)
        moved = found.p_value < FAMILY / len(columns)
        usual = [index(counts, count(before.slice(*part), bins))[1] for part in parts] if moved else []
        rows.append(
            {
                "feature": name,
                "columns": len(columns),
                "n": found.n,
                "reference_n": len(before),
                "psi_raw": found.raw,
                "psi": found.value,
                "low": found.low,
                "high": found.high,
                "p_value": found.p_value,
                "moved": found.moved,
                "share_before": found.share_before,
                "share_now": found.share_now,
                "moved_p_value": found.moved_p_value,
                "usual": float(np.quantile(usual, SEASON)) if len(usual) >= FEWEST_MONTHS else None,
            }
        )
    return rows


def degree(row: Mapping[str, Any], limits: Monitoring) -> Degree:
    """How far a column has moved, by the rule above. Rows of a month with too few decisions are still."""
    level = FAMILY / row["columns"]
    if row["n"] < limits.minimum_rows or row["p_value"] >= level:
        return "still"
    if is_seasonal(row):
        return "still"
    if row["psi"] >= limits.psi_error:
        return "error"
    before, now = row["share_before"], row["share_now"]
    large = max(before, now) >= FACTOR * min(before, now) and abs(now - before) >= POINTS
    # the bin's own test is one of three at most that made the p-value
    alone = large and 3 * row["moved_p_value"] < level
    return "warn" if row["high"] >= limits.psi_warn or alone else "still"


def is_seasonal(row: Mapping[str, Any]) -> bool:
    """Whether months of the training rows lay as far from the whole."""
    return row["usual"] is not None and row["psi"] <= max(row["usual"], 0.0)


def drifted(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> dict[str, Degree]:
    """Columns of the complete month that have moved, the furthest first."""
    moved = [(row, how) for row in rows if row["complete"] and (how := degree(row, limits)) != "still"]
    return {row["feature"]: how for row, how in sorted(moved, key=lambda pair: -pair[0]["psi"])}


def judge_drift(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Watched]:
    """``feature_drift`` and ``score_drift`` of the last complete month."""
    complete = [row for row in rows if row["complete"]]
    features = [row for row in complete if row["feature"] != SCORE]
    scores = [row for row in complete if row["feature"] == SCORE]
    return [_judge("feature_drift", features, limits), _judge("score_drift", scores, limits)]


def _months(training: pa.Table) -> list[tuple[int, int]]:
    """First row and number of rows of every month of the training rows, which are in order of decision_at."""
    month = training["decision_at"].to_numpy().astype("datetime64[M]")
    firsts = np.flatnonzero(np.append(True, month[1:] != month[:-1])) if len(month) else np.zeros(0, dtype=int)
    sizes = np.diff(np.append(firsts, len(month)))
    return [(int(first), int(size)) for first, size in zip(firsts, sizes, strict=True) if size >= FEWEST_ROWS]


def _judge(name: str, rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> Watched:
    if not rows or rows[0]["n"] < limits.minimum_rows:
        n = rows[0]["n"] if rows else 0
        why = f"Only {n:,} decisions in the last complete month, {limits.minimum_rows:,} are needed: not judged."
        return Watched(name, True, why, threshold=limits.psi_warn, rows=n)
    seasonal = [row["feature"] for row in rows if is_seasonal(row)]
    furthest = max(rows, key=lambda row: (not is_seasonal(row), row["psi"]))
    numbers = {
        "value": furthest["psi"],
        "low": furthest["low"],
        "high": furthest["high"],
        "threshold": limits.psi_warn,
        "rows": furthest["n"],
        "standing": furthest["month"],
    }
    found = drifted(rows, limits)
    if not found:
        why = f"{furthest['month']}: nothing has moved more than chance explains; the furthest is {_told(furthest)}."
        if seasonal:
            why += f" No further than months of the training rows: {', '.join(seasonal[:NAMED])}."
        return Watched(name, True, why, **numbers)
    by_name = {row["feature"]: row for row in rows}
    told = "; ".join(_told(by_name[column]) for column in list(found)[:NAMED])
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    why = f"{furthest['month']}: {len(found)} of {len(rows)} moved beyond chance: {told}{more}."
    return Watched(name, False, why, "error" if "error" in found.values() else "warn", **numbers)


def _told(row: Mapping[str, Any]) -> str:
    return (
        f"{row['feature']} with a PSI of {row['psi']:.2f} ({row['low']:.2f} to {row['high']:.2f}), most in "
        f"{row['moved']!r}: {row['share_before']:.1%} then, {row['share_now']:.1%} now"
    )
