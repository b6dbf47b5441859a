"""What is measured about a candidate beside the metrics of its test period: gap to training, gains,
importances.

Not here: drawing or wording them (reports), thresholds (core/versions/gates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error, design_effect
from leadscore_dagster.core.measures.intervals import (
    CALIBRATION_METHOD,
    MINIMUM_UNITS,
    NAN,
    Interval,
    describe_method,
    interval_ends,
    resamples,
)
from leadscore_dagster.core.measures.rates import normal_quantile, wilson

#: smaller segments are pooled: a calibration error of few rows is all noise
MINIMUM_SEGMENT_ROWS = 300
#: labels 0/1 [n], margins [n], entity codes [n] or None
ScoredRows = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]


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


def gains_table(label: np.ndarray, margin: np.ndarray, codes: np.ndarray | None = None) -> tuple[Decile, ...]:
    """Ten deciles of scored rows, highest first; fewer when there are fewer than ten rows.

    Rows of one entity (``codes`` int [n], None when none repeats) count in the intervals for as many as they are worth:
    Wilson's n is divided by the design effect.
    """
    worth = 1 / design_effect(label.astype(np.float64), metrics.equal_mass_bins(margin), codes)
    points = metrics.curve(metrics.rank(label, margin))
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


def segment_calibration_error(
    label: np.ndarray, probability: np.ndarray, segment: np.ndarray, codes: np.ndarray | None = None
) -> Interval:
    """Calibration error of the worst segment, [n] names in ``segment``; NaN without rows.

    Segments of fewer than `MINIMUM_SEGMENT_ROWS` rows are judged together. The high end is the highest of the segments'
    own: it lies below the worst one's true error at most as often as that one's own does. The low end is the highest
    low end at a level shared out among the segments (Bonferroni), for the worst of several looks worse than it is.
    """
    label, segment = np.asarray(label), np.asarray(segment)
    _, numbers, sizes = np.unique(segment, return_inverse=True, return_counts=True)
    numbers = np.where(sizes[numbers] < MINIMUM_SEGMENT_ROWS, -1, numbers)
    parts = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
    if not parts:
        return Interval(NAN, NAN, NAN, 0, 0, CALIBRATION_METHOD)
    strict = normal_quantile(0.025 / len(parts))
    found = []
    for rows in parts:
        given = (label[rows], probability[rows], None if codes is None else codes[rows])
        value, _, high = calibration_error(*given)
        found.append((value, calibration_error(*given, z=strict)[1], high))
    values, lows, highs = np.array(found).T
    worst = parts[int(np.argmax(values))]
    method = f"worst of {len(parts)} segments, {CALIBRATION_METHOD}"
    ends = (float(values.max()), float(lows.max()), float(highs.max()))
    return Interval(*ends, len(worst), int(label[worst].sum()), method)


def train_test_gap(training: ScoredRows, test: ScoredRows, replicates: int, seed: int) -> tuple[Interval, Interval]:
    """Relative drop of AUC-PR from the rows the model was fitted on to the test period, at equal base rate.

    gap = 1 - AUC-PR(test, negatives weighted to the training base rate) / AUC-PR(training). Base rates
    cancel: with the same separation of the classes the gap is 0 however rare positives have become; 0.2 means
    a fifth of what was seen in training is not there later, by overfitting or because the world changed. Both
    periods are resampled.

    Returns
    -------
    The gap and the AUC-PR on the training rows.
    """
    rankings = [metrics.rank(label, margin) for label, margin, _ in (training, test)]

    def statistic(first: np.ndarray | None, second: np.ndarray | None) -> tuple[float, float]:
        learned, later = metrics.curve(rankings[0], first), metrics.curve(rankings[1], second)
        fitted = metrics.auc_pr_of(learned)
        if not fitted > 0 or later.hits[-1] == 0:
            return NAN, fitted
        return 1 - metrics.auc_pr_of(later, rate=metrics.base_rate_of(learned)) / fitted, fitted

    weights = [
        resamples(len(rows[0]), rows[2], replicates, seed + number) for number, rows in enumerate((training, test))
    ]
    units = [len(rows[0]) if rows[2] is None else len(np.unique(rows[2])) for rows in (training, test)]
    gap, fitted = statistic(None, None)
    low = high = np.full(2, NAN)
    if min(units) >= MINIMUM_UNITS:
        drawn = np.array([statistic(first, second) for first, second in zip(*weights, strict=True)])
        low, high = interval_ends(np.array([gap, fitted]), drawn, shifted=np.array([True, True]))
    counts = [(len(rows[0]), int(rows[0].sum())) for rows in (training, test)]
    method = describe_method(test[2], replicates)
    return (
        Interval(gap, float(low[0]), float(high[0]), *counts[1], method + ", both periods"),
        Interval(fitted, float(low[1]), float(high[1]), *counts[0], describe_method(training[2], replicates)),
    )
