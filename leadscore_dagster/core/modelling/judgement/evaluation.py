"""What is measured about a candidate beside the metrics of its test period: gap to training, gains,
importances.

Not here: drawing or wording them (reports), thresholds (core/versions/gates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import METHOD, calibration_error, design_effect
from leadscore_dagster.core.measures.intervals import (
    MINIMUM_UNITS,
    NAN,
    Bootstrap,
    Interval,
    interval_ends,
)
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.rates import normal_quantile, wilson

#: smaller segments are pooled: a calibration error of few rows is all noise
MINIMUM_SEGMENT_ROWS = 300


@dataclass(frozen=True)
class Decile:
    """One tenth of the test period, 1 has the highest scores. ``positives`` is an expected value where equal
    scores are cut by a border; ``low`` and ``high`` are the Wilson interval of ``rate``; ``lift`` is rate
    over base rate."""

    decile: int
    n: int
    positives: float
    rate: float
    low: float
    high: float
    lift: float


def gains_table(judged: Judged) -> tuple[Decile, ...]:
    """Ten deciles of scored rows, highest first; fewer when there are fewer than ten rows.

    Rows of one entity count in the intervals for as many as they are worth: Wilson's n is divided by the design effect.
    """
    label, bins = judged.label, metrics.equal_mass_bins(judged.margin)
    worth = 1 / design_effect(label.astype(np.float64), bins, judged.entity)
    points = metrics.curve(metrics.rank(label, judged.margin))
    borders = np.unique(np.round(np.linspace(0, len(label), metrics.BINS + 1)))
    hits = np.diff(np.interp(borders, points.rows, points.hits))
    base = metrics.base_rate_of(points)
    made = []
    for number, (size, found) in enumerate(zip(np.diff(borders), hits, strict=True), start=1):
        rate = float(found / size)
        low, high = wilson(float(found) * worth, float(size) * worth)
        made.append(Decile(number, int(size), float(found), rate, low, high, rate / base if base > 0 else NAN))
    return tuple(made)


def importances(names: Sequence[str], contributions: np.ndarray) -> dict[str, float]:
    """Mean |contribution| of each feature (log-odds) of contributions float32 [n, k], largest first."""
    sizes = np.abs(contributions).mean(axis=0, dtype=np.float64) if len(contributions) else np.zeros(len(names))
    ranked = sorted(zip(names, sizes, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(size) for name, size in ranked}


def segment_calibration_error(judged: Judged, segment: np.ndarray) -> Interval:
    """Calibration error of the worst segment, [n] names in ``segment``; NaN without rows.

    Segments of fewer than `MINIMUM_SEGMENT_ROWS` rows are judged together. The high end is the highest of the segments'
    own: it lies below the worst one's true error at most as often as that one's own does. The low end is the highest
    low end at a level shared out among the segments (Bonferroni), for the worst of several looks worse than it is.
    """
    _, numbers, sizes = np.unique(np.asarray(segment), return_inverse=True, return_counts=True)
    numbers = np.where(sizes[numbers] < MINIMUM_SEGMENT_ROWS, -1, numbers)
    parts = [judged.take(np.flatnonzero(numbers == number)) for number in np.unique(numbers)]
    if not parts:
        return Interval(NAN, NAN, NAN, 0, 0, METHOD)
    strict = normal_quantile(0.025 / len(parts))
    found = []
    for part in parts:
        given = (part.label, part.probability, part.entity)
        value, _, high = calibration_error(*given)
        found.append((value, calibration_error(*given, z=strict)[1], high))
    values, lows, highs = np.array(found).T
    worst = parts[int(np.argmax(values))]
    method = f"worst of {len(parts)} segments, {METHOD}"
    ends = (float(values.max()), float(lows.max()), float(highs.max()))
    return Interval(*ends, len(worst), worst.positives, method)


def train_test_gap(training: Judged, test: Judged, bootstrap: Bootstrap) -> tuple[Interval, Interval]:
    """Relative drop of AUC-PR from the rows the model was fitted on to the test period, at equal base rate.

    gap = 1 - AUC-PR(test, negatives weighted to the training base rate) / AUC-PR(training). Base rates
    cancel: with the same separation of the classes the gap is 0 however rare positives have become; 0.2 means
    a fifth of what was seen in training is not there later, by overfitting or because the world changed. Both
    periods are resampled.

    Returns
    -------
    The gap and the AUC-PR on the training rows.
    """
    rankings = [metrics.rank(rows.label, rows.margin) for rows in (training, test)]

    def statistic(first: np.ndarray | None, second: np.ndarray | None) -> tuple[float, float]:
        learned, later = metrics.curve(rankings[0], first), metrics.curve(rankings[1], second)
        fitted = metrics.auc_pr_of(learned)
        if not fitted > 0 or later.hits[-1] == 0:
            return NAN, fitted
        return 1 - metrics.auc_pr_of(later, rate=metrics.base_rate_of(learned)) / fitted, fitted

    weights = [bootstrap.stream(number).weights(len(rows), rows.entity) for number, rows in enumerate((training, test))]
    gap, fitted = statistic(None, None)
    low = high = np.full(2, NAN)
    if min(training.units, test.units) >= MINIMUM_UNITS:
        drawn = np.array([statistic(first, second) for first, second in zip(*weights, strict=True)])
        low, high = interval_ends(np.array([gap, fitted]), drawn, shifted=np.array([True, True]))
    both, learned = bootstrap.method(test.entity) + ", both periods", bootstrap.method(training.entity)
    return (
        Interval(gap, float(low[0]), float(high[0]), len(test), test.positives, both),
        Interval(fitted, float(low[1]), float(high[1]), len(training), training.positives, learned),
    )
