"""Whether the features and the scores of a month's decisions still look like those the champion was trained on.

Lives here: the monthly population stability index per feature and of the scores, and the rule that judges it. Not here:
the index itself (core/measures/population_stability).

The rule. A column is reported only if three things hold.

- Chance does not explain it: a test of the rows at the level 1% divided by the number of columns (Bonferroni).
- Months do not usually lie so far off. Rows of a month are no independent draws: many share a firm, a vintage, the
  market's mood. So the square root of the month's index is held against those of the training months, each against the
  others: it must lie beyond a prediction bound (Student's t) at the level 5% divided by the number of columns, which
  holds whatever the columns have in common. Where a vintage lasts a quarter, three months are one independent piece of
  evidence. Of fewer than four pieces nothing can be learned: then the rows alone decide, and the judgement says so.
  A column that has moved one way through most of the training months (rank correlation `TRENDING` with time) takes its
  own trend for the usual distance, and could never alarm. Where its index reaches ``psi_error`` it is a ``warn``
  however usual that is, and the judgement says that the model extrapolates.
- It matters: an ``error`` when the index without its sampling floor reaches ``psi_error``; a ``warn`` when the 95%
  interval reaches ``psi_warn``, or when one bin's share alone has provably grown or shrunk by half.

Bands of the index: Siddiqi, Credit Risk Scorecards (2006). How often the rule errs: benchmarks/drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.population_stability import count, index, learn_bins, shift
from leadscore_dagster.core.monitoring.cohort import decided_between, delivered, features_at
from leadscore_dagster.core.monitoring.reference import Reference
from leadscore_dagster.core.recipe.schema import Monitoring, Recipe, VintageSource
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.verdict import Reason, Verdict, held
from leadscore_dagster.core.warehouse import Warehouse

TABLE = "feature_drift"
#: the name under which the scores stand beside the features
SCORE = "(score)"
#: probability of any false alarm among all columns of one stable month: by its rows, were they independent, and by how
#: much months differ
FAMILY, FAMILY_OF_MONTHS = 0.01, 0.05
#: a bin whose share has changed by this factor, and by so many points, matters whatever the index says
FACTOR, POINTS = 1.5, 0.02
#: rank correlation of a column's monthly means with time from which on it trends
TRENDING = 0.9
#: fewer months show no trend
FEWEST_TRENDING_MONTHS = 6
#: pieces of independent evidence on how much months differ
FEWEST_PIECES = 4
#: a month with a smaller share of the median month's rows is only a part of one
WHOLE_MONTH = 0.5
NAMED = 8
SCHEMA = pa.schema(
    [("day", pa.date32()), ("month", pa.string()), ("complete", pa.bool_()), ("version", pa.string()),
     ("feature", pa.string()), ("columns", pa.int64()), ("n", pa.int64()), ("reference_n", pa.int64()),
     ("psi_raw", pa.float64()), ("psi", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
     ("p_value", pa.float64()), ("moved", pa.string()), ("share_before", pa.float64()),
     ("share_now", pa.float64()), ("moved_p_value", pa.float64()), ("usual", pa.float64()), ("trend", pa.float64())]
)  # fmt: skip
Degree = Literal["still", "warn", "error"]


def months_of(day: date) -> tuple[tuple[date, date], tuple[date, date]]:
    """First and last day of the last complete month before ``day``, and of the month so far (without ``day``)."""
    running = day.replace(day=1)
    last = running - timedelta(days=1)
    return (last.replace(day=1), last), (running, day - timedelta(days=1))


def measure_drift(
    warehouse: Warehouse, recipe: Recipe, reference: Reference, *, known: pa.Table, day: date
) -> list[dict[str, Any]]:
    """Compare the decisions of the last complete month, and of the month so far, with the training rows.

    Features are those known at the decision; the scores are those that were delivered for it.
    """
    rows: list[dict[str, Any]] = []
    margins = reference.model.score(reference.training, False).margin
    trained = reference.training.append_column("margin", pa.array(margins, pa.float64()))
    has_vintages = any(isinstance(source, VintageSource) for source in recipe.sources.values())
    lasting = recipe.cadence.months if has_vintages else 1
    for place, (first, last) in enumerate(months_of(day)):
        decisions = decided_between(known, first, last)
        if not decisions.num_rows:
            continue
        now = features_at(warehouse, recipe, decisions, model=reference.model, day=day)
        # a decision may have been scored long before it was taken
        scored = delivered(warehouse, recipe, decisions, since=first - timedelta(days=92))
        facts = {"month": f"{first:%Y-%m}", "complete": place == 0, "version": reference.version}
        features = reference.model.catalogue.values()
        rows += [
            facts | row
            for row in compare(trained, reference.test, now, scored=scored, features=features, lasting=lasting)
        ]
    return rows


def compare(
    training: pa.Table,
    test: pa.Table,
    now: pa.Table,
    *,
    scored: pa.Table,
    features: Iterable[Feature],
    lasting: int = 1,
) -> list[dict[str, Any]]:
    """One row per feature, then the scores; columns without rows on either side are left out.

    Parameters
    ----------
    training, now : the features; training also decision_at, in that order, and margin if how much the scores of months
        differ is to be known.
    test, scored : margin.
    lasting : so many months in a row are alike for a common reason: as many as a vintage lasts, where features come
        from vintages.

    Returns
    -------
    Rows of `SCHEMA` without day, month, complete and version. ``usual``: the index beyond which no month is expected to
    lie; None where too few months are there to know, or chance explains the column anyway. ``trend``: see `trend_of`; 0
    where chance explains the column.
    """
    months = _months(training)
    columns = [(one.name, training[one.name], now[one.name], one.type == "category", one.name) for one in features]
    columns.append((SCORE, test["margin"], scored["margin"], False, "margin"))
    columns = [entry for entry in columns if len(entry[1]) and len(entry[2])]
    rows = []
    for name, before, after, category, trained in columns:
        bins = learn_bins(before, category)
        counts = [count(before, bins), count(after, bins)]
        found = shift(counts[0], counts[1], bins)
        usual, trend = None, 0.0
        if found.p_value < FAMILY / len(columns) and trained in training.column_names:
            of_months = [count(training[trained].slice(*part), bins) for part in months]
            trend = trend_of(of_months) if bins.ordered else 0.0
            usual = usual_index(of_months, found.n, lasting, level=FAMILY_OF_MONTHS / len(columns))
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
                # both without the floor of this comparison
                "usual": None if usual is None else max(usual - (found.raw - found.corrected), 0.0),
                "trend": trend,
            }
        )
    return rows


def usual_index(months: Sequence[np.ndarray], rows: int, lasting: int, *, level: float) -> float | None:
    """The plain index that a further month of ``rows`` rows exceeds with probability ``level``; None: too few months.

    Parameters
    ----------
    months : counts of each training month [b].
    lasting : so many months in a row count as one piece of evidence.
    """
    from scipy.special import stdtrit

    pieces = len(months) / lasting
    if pieces < FEWEST_PIECES:
        return None
    total = np.sum(months, axis=0)
    rng = np.random.default_rng(len(months))
    # a month of fewer rows lies further off by chance alone, so the others are drawn down to as many
    thinned = [one if one.sum() <= rows else rng.multivariate_hypergeometric(one, rows) for one in months]
    distances = np.sqrt([index(total - one, few)[0] for one, few in zip(months, thinned, strict=True)])
    wide = -float(stdtrit(pieces - 1, level)) * distances.std(ddof=1) * np.sqrt(1 + 1 / pieces)
    return float((distances.mean() + wide) ** 2)


def trend_of(months: Sequence[np.ndarray]) -> float:
    """Spearman's rank correlation of the months' mean bins with time, 0 for too few months.

    Parameters
    ----------
    months : counts [b] of each training month, of ordered bins with the missing values last, in order of time.
    """
    from scipy.stats import spearmanr

    known = [one[:-1] for one in months if one[:-1].sum()]
    if len(known) < FEWEST_TRENDING_MONTHS:
        return 0.0
    means = [float((one * np.arange(len(one))).sum() / one.sum()) for one in known]
    return float(spearmanr(np.arange(len(means)), means).statistic) if len(set(means)) > 1 else 0.0


def is_trending(row: Mapping[str, Any]) -> bool:
    """Whether it moved one way through the training months, so that the month lies where no training row lay."""
    return abs(row["trend"] or 0.0) >= TRENDING  # days stored before it was measured have none


def degree(row: Mapping[str, Any], limits: Monitoring) -> Degree:
    """How far a column has moved, by the rule above. Rows of a month with too few decisions are still."""
    level = FAMILY / row["columns"]
    if row["n"] < limits.minimum_rows or row["p_value"] >= level:
        return "still"
    if is_seasonal(row):
        return "warn" if is_trending(row) and row["psi"] >= limits.psi_error else "still"
    if row["psi"] >= limits.psi_error:
        return "error"
    before, now = row["share_before"], row["share_now"]
    large = max(before, now) >= FACTOR * min(before, now) and abs(now - before) >= POINTS
    # the bin's own test is one of three at most that made the p-value
    alone = large and 3 * row["moved_p_value"] < level
    return "warn" if row["high"] >= limits.psi_warn or alone else "still"


def is_seasonal(row: Mapping[str, Any]) -> bool:
    """Whether it lies no further off than months usually do."""
    return row["usual"] is not None and row["psi"] <= max(row["usual"], 0.0)


def drifted(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> dict[str, Degree]:
    """Columns of the complete month that have moved, the furthest first."""
    moved = [(row, how) for row in rows if row["complete"] and (how := degree(row, limits)) != "still"]
    return {row["feature"]: how for row, how in sorted(moved, key=lambda pair: -pair[0]["psi"])}


def judge_drift(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Verdict]:
    """``feature_drift`` and ``score_drift`` of the last complete month."""
    complete = [row for row in rows if row["complete"]]
    features = [row for row in complete if row["feature"] != SCORE]
    scores = [row for row in complete if row["feature"] == SCORE]
    return [_judge("feature_drift", features, limits), _judge("score_drift", scores, limits)]


def _months(training: pa.Table) -> list[tuple[int, int]]:
    """First row and number of rows of every whole month of the training rows, which are in order of decision_at."""
    month = training["decision_at"].to_numpy().astype("datetime64[M]")
    firsts = np.flatnonzero(np.append(True, month[1:] != month[:-1])) if len(month) else np.zeros(0, dtype=int)
    sizes = np.diff(np.append(firsts, len(month)))
    least = WHOLE_MONTH * np.median(sizes) if len(sizes) else 0
    return [(int(first), int(size)) for first, size in zip(firsts, sizes, strict=True) if size >= least]


def _judge(name: str, rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> Verdict:
    if not rows or rows[0]["n"] < limits.minimum_rows:
        n = rows[0]["n"] if rows else 0
        why = f"Only {n:,} decisions in the last complete month, {limits.minimum_rows:,} are needed: not judged."
        return Verdict(name, True, Reason.NOT_JUDGED, severity="warn", threshold=limits.psi_warn, n=n, why=why)
    seasonal = [row["feature"] for row in rows if is_seasonal(row)]
    furthest = max(rows, key=lambda row: (not is_seasonal(row), row["psi"]))
    numbers = {
        "value": furthest["psi"],
        "low": furthest["low"],
        "high": furthest["high"],
        "threshold": limits.psi_warn,
        "n": furthest["n"],
    }
    found = drifted(rows, limits)
    about = (furthest["month"], *found)
    if not found:
        why = f"{furthest['month']}: nothing has moved more than chance explains; the furthest is {_told(furthest)}."
        if seasonal:
            why += f" No further off than months usually are: {', '.join(seasonal[:NAMED])}."
        return held(name, True, severity="warn", why=why, about=about, **numbers)
    by_name = {row["feature"]: row for row in rows}
    told = "; ".join(_told(by_name[column]) for column in list(found)[:NAMED])
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    why = f"{furthest['month']}: {len(found)} of {len(rows)} moved beyond chance: {told}{more}."
    if any(by_name[column]["usual"] is None for column in found):
        why += " Too few months of training rows to know how much months differ: judged by the rows alone."
    trending = [column for column in found if is_trending(by_name[column])]
    if trending:
        why += (
            f" Moving one way since before the training ended, so that the model extrapolates: {', '.join(trending)}."
        )
    return held(name, False, severity="error" if "error" in found.values() else "warn", why=why, about=about, **numbers)


def _told(row: Mapping[str, Any]) -> str:
    return (
        f"{row['feature']} with a PSI of {row['psi']:.2f} ({row['low']:.2f} to {row['high']:.2f}), most in "
        f"{row['moved']!r}: {row['share_before']:.1%} then, {row['share_now']:.1%} now"
    )
