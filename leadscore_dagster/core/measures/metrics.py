"""Point values of the metrics, for plain and for weighted rows. No intervals here (see intervals).

Every ranking metric is read off one curve: rows and positives counted from the highest score down. Inside a
group of equal scores the expected value of a random order is a straight line, so ties are exact: a constant
score has a top-decile lift of 1.

Not here: intervals (intervals), what is said about a metric (catalogue).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest score down, prepared once for many weightings.

    ``order`` int [n] into the given rows. ``hits`` int [p]: positions in that order of the positives. The
    curve is flat wherever a group of equal scores holds no positive, so its corners are enough: ``corners``
    int [v], positions of the last rows before and of the groups with positives and of the last row;
    ``hits_before`` int [v] counts the positives up to each corner.
    """

    order: np.ndarray
    hits: np.ndarray
    corners: np.ndarray
    hits_before: np.ndarray


@dataclass(frozen=True)
class Curve:
    """Corners of the curve: cumulated weight of rows and of positives, float64 [v + 1], both starting at
    0."""

    rows: np.ndarray
    hits: np.ndarray


def rank(label: np.ndarray, score: np.ndarray) -> Ranking:
    """Prepare labels (0/1, [n]) and scores ([n], higher is more likely)."""
    score = np.asarray(score, dtype=np.float64)
    if np.isnan(score).any():
        raise ValueError("a score is NaN")
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    hits = np.flatnonzero(np.asarray(label)[order])
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(falling) else np.empty(0, int)
    groups = np.searchsorted(ends, hits)
    corners = np.unique(np.concatenate([ends[groups], ends[groups[groups > 0] - 1], ends[-1:]]))
    return Ranking(order, hits, corners, np.searchsorted(hits, corners, side="right"))


def curve(ranking: Ranking, weight: np.ndarray | None = None) -> Curve:
    """Curve of a ranking; ``weight`` [n] counts in the original order of the rows."""
    if weight is None:
        rows, hits = ranking.corners + 1.0, ranking.hits_before.astype(np.float64)
    else:
        ordered = weight[ranking.order]
        rows = np.cumsum(ordered)[ranking.corners]
        hits = np.append(0.0, np.cumsum(ordered[ranking.hits]))[ranking.hits_before]
    return Curve(np.append(0.0, rows), np.append(0.0, hits))


def auc_roc_of(points: Curve) -> float:
    """Area under the ROC curve (ties count half); NaN without both classes."""
    misses = points.rows - points.hits
    both = points.hits[-1] * misses[-1]
    if both == 0:
        return float("nan")
    return float((np.diff(misses) * (points.hits[1:] + points.hits[:-1])).sum() / (2 * both))


def auc_pr_of(points: Curve, rate: float | None = None) -> float:
    """Average precision, sum of precision times gained recall as in scikit-learn; NaN without positives.

    With ``rate`` the negatives are weighted so that the base rate is ``rate``: what this ranking of the
    classes would give there. It makes periods of different base rate comparable.

    With few positives it is on average too high (Boyd et al. 2013): in benchmarks/coverage.py a truth of .078 was found
    as .088 with 50 positives, .082 with 200 and .078 with 2,000. Periods of different size are not comparable by it.
    """
    positives = points.hits[-1]
    if positives == 0:
        return float("nan")
    gained = np.diff(points.hits)
    at = np.flatnonzero(gained)
    hits, misses = points.hits[at + 1], points.rows[at + 1] - points.hits[at + 1]
    if rate is not None and points.rows[-1] > positives:
        misses = misses * (positives / (points.rows[-1] - positives)) * ((1 - rate) / rate)
    return float((gained[at] * (hits / (hits + misses))).sum() / positives)


def precision_at(points: Curve, share: float) -> float:
    """Rate of positives among the ``share`` of rows with the highest scores; expected value where ties are
    cut."""
    total = points.rows[-1]
    return float(np.interp(share * total, points.rows, points.hits) / (share * total)) if total else float("nan")


def base_rate_of(points: Curve) -> float:
    return float(points.hits[-1] / points.rows[-1]) if points.rows[-1] else float("nan")


def lift_of(points: Curve) -> float:
    """Precision in the top tenth divided by the base rate; NaN without positives."""
    base = base_rate_of(points)
    return precision_at(points, 0.1) / base if base > 0 else float("nan")


def auc_pr_over_base_of(points: Curve) -> float:
    """Average precision divided by the base rate; NaN without positives."""
    return auc_pr_of(points) / (base_rate_of(points) or float("nan"))


def precision_at_10pct_of(points: Curve) -> float:
    """Rate in the top tenth."""
    return precision_at(points, 0.1)


def decile_order_of(points: Curve) -> float:
    """Somers' D (1962) of the decile given the outcome, -1 … 1: of a positive and a negative row, how much more often
    the positive is in the better decile than in the worse.

    0 is noise and exactly 0 a constant score; deciles in reversed order are below 0. It takes large steps between
    deciles more seriously than small ones, so ten noisy rates do not have to lie in order, and its replicates are not
    drawn towards chance as those of a count of right pairs are. NaN without both classes.
    """
    inside = np.linspace(0, points.rows[-1], BINS + 1)
    hits = np.diff(np.interp(inside, points.rows, points.hits))
    misses = points.rows[-1] / BINS - hits
    both = points.hits[-1] * (points.rows[-1] - points.hits[-1])
    if both == 0:
        return float("nan")
    better = np.cumsum(hits) - hits  # positives in better deciles
    worse = points.hits[-1] - better - hits
    return float((misses * (better - worse)).sum() / both)


def equal_mass_bins(probability: np.ndarray) -> np.ndarray:
    """Bin number 0 … 9 of each row, int [n]: bins of equal size in the order of the probability; equal
    probabilities stay together, in the bin their middle falls in."""
    count = len(probability)
    _, inverse, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - (sizes + 1) / 2
    return np.minimum((BINS * middle / max(count, 1)).astype(int), BINS - 1)[inverse]


def expected_calibration_error(error: np.ndarray, bins: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean over rows of |mean probability - rate| of the row's bin; ``error`` = probability - label [n].

    It is never 0 for a perfect model: with m rows a bin, noise alone gives about .8 sqrt(rate / m).
    """
    weighted = error if weight is None else error * weight
    total = len(error) if weight is None else weight.sum()
    return float(np.abs(np.bincount(bins, weighted, BINS)).sum() / total) if total else float("nan")


def auc_roc(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the ROC curve of labels 0/1 [n] and scores [n]."""
    return auc_roc_of(curve(rank(label, score), weight))


def auc_pr(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Average precision of labels 0/1 [n] and scores [n]."""
    return auc_pr_of(curve(rank(label, score), weight))


def top_decile_lift(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Rate in the top tenth over the base rate."""
    return lift_of(curve(rank(label, score), weight))


def precision_at_10pct(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Rate in the top tenth."""
    return precision_at_10pct_of(curve(rank(label, score), weight))


def decile_order(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """How far positives lie in better deciles than negatives."""
    return decile_order_of(curve(rank(label, score), weight))


def ece(label: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error over 10 bins of equal mass."""
    return expected_calibration_error(np.asarray(probability) - label, equal_mass_bins(probability))


def brier(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared error of the probability."""
    return float(np.mean((np.asarray(probability) - label) ** 2)) if len(label) else float("nan")


def brier_skill(label: np.ndarray, probability: np.ndarray, constant_rate: float) -> float:
    """1 - Brier / Brier of predicting ``constant_rate`` for everyone. The constant must be known before the
    judged rows are seen (here: the rate of the calibration period), or the comparison would peek."""
    constant = brier(label, np.full(len(label), constant_rate))
    return 1 - brier(label, probability) / constant if constant > 0 else float("nan")
