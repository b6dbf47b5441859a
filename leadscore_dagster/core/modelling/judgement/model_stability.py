"""Whether a model says the same from one time to the next: its folds' results and scores, its importances.

Lives here: variation between folds, distance of their scores, rank correlation of importances, expected features among
the strongest. Not here: fitting or scoring (selection), how good the model is (intervals, evaluation), thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.intervals import (
    MINIMUM_UNITS,
    NAN,
    TAILS,
    Bootstrap,
    Interval,
)
from leadscore_dagster.core.measures.judged import Judged, units_of
from leadscore_dagster.core.measures.rates import Z95
from leadscore_dagster.core.verdict import Reason

#: features a person looks at first
STRONGEST = 5
#: with fewer common features a rank correlation has no interval
MINIMUM_COMMON = 5
#: points of the reference at which the scores of folds are compared
SCORE_POINTS = 1000


def cross_validation_variation(folds: Sequence[Judged], bootstrap: Bootstrap) -> Interval:
    """Coefficient of variation (sample standard deviation over mean) of the folds' true AUC-PR, all at one base rate.

    ``folds`` : the validation rows of each.

    Folds of few positives differ by chance alone, so the spread seen is not the spread there is. With k folds and the
    variance s^2 of one fold's AUC-PR (mean over folds, by resampling), (k - 1) variance / s^2 follows the noncentral
    chi-square with k - 1 degrees of freedom; its noncentrality is the true spread, and the ends are those that make
    what was seen rarer than 2.5%. At one base rate (negatives weighted), because AUC-PR follows it whatever the model
    does. NaN with fewer than two folds that have positives, or fewer than `MINIMUM_UNITS` rows or entities in one.
    """
    from scipy.special import chndtrinc

    rows, hits = sum(map(len, folds)), sum(fold.positives for fold in folds)
    method = f"{len(folds)} folds at one base rate, chance within folds taken off by the noncentral chi-square"
    rankings = [metrics.rank(fold.label, fold.margin) for fold in folds]
    values = np.array([metrics.auc_pr_of(metrics.curve(ranking), hits / rows) for ranking in rankings if rows])
    if len(values) < 2 or not np.isfinite(values).all() or min(fold.units for fold in folds) < MINIMUM_UNITS:
        return Interval(NAN, NAN, NAN, rows, hits, method)
    by_chance = []
    for number, (ranking, fold) in enumerate(zip(rankings, folds, strict=True)):
        weights = bootstrap.stream(number).weights(len(fold), fold.entity)
        by_chance.append(np.nanvar([metrics.auc_pr_of(metrics.curve(ranking, w), hits / rows) for w in weights]))
    freedom, noise, mean = len(values) - 1, max(float(np.mean(by_chance)), 1e-18), float(values.mean())
    seen = freedom * float(values.var(ddof=1)) / noise
    spread = max(0.0, seen - freedom), *(_noncentrality(chndtrinc, seen, freedom, tail) for tail in TAILS[::-1])
    value, low, high = (float(np.sqrt(each * noise / freedom) / mean) for each in spread)
    return Interval(value, min(low, value), max(high, value), rows, hits, method)


def _noncentrality(inverse: Callable[..., float], seen: float, freedom: int, level: float) -> float:
    """The noncentrality at which a chi-square lies below ``seen`` with probability ``level``; 0 where none does."""
    from scipy.special import chdtr

    return 0.0 if chdtr(freedom, seen) <= level else float(inverse(seen, freedom, level))


def fold_score_ks(scores: Sequence[np.ndarray], codes: Sequence[np.ndarray | None], bootstrap: Bootstrap) -> Interval:
    """Largest Kolmogorov-Smirnov distance between the scores of two folds: how far the scored people moved.

    ``scores`` are those of the validation rows of each fold, all on one scale (`cross_fitted_places`): the margins of
    the folds' own models differ by their intercepts although nothing moved. Scores are read at the per mille points of
    all folds together, so only their order counts. From the value and the ends is taken off what the resampling adds
    (largest distances are too large by chance); where the distance is one that chance makes of folds that do not
    differ, the low end is 0. NaN with fewer than two folds, `MINIMUM_UNITS` rows or entities in one, or a NaN score.
    """
    total = int(sum(map(len, scores)))
    method = f"largest of the distances between {len(scores)} folds; {bootstrap.method(codes[0])}, bias taken off"
    if len(scores) < 2 or _too_few(scores, codes) or not all(np.isfinite(each).all() for each in scores):
        return Interval(NAN, NAN, NAN, total, 0, method)
    points = np.unique(np.quantile(np.concatenate(scores), np.linspace(0, 1, SCORE_POINTS + 1)))
    placed = [np.searchsorted(points, each, side="left") for each in scores]
    cumulated = np.array([_distribution(each, None, len(points)) for each in placed])
    value = _largest_distance(cumulated)
    streams = [
        bootstrap.stream(number).weights(len(each), code)
        for number, (each, code) in enumerate(zip(placed, codes, strict=True))
    ]
    drawn = np.empty((bootstrap.replicates, 2))
    together = np.average(cumulated, axis=0, weights=[len(each) for each in scores])
    for number, weights in enumerate(zip(*streams, strict=True)):
        again = np.array([_distribution(each, w, len(points)) for each, w in zip(placed, weights, strict=True)])
        # the same noise around one common distribution is what chance makes of folds that do not differ
        drawn[number] = _largest_distance(again), _largest_distance(again - cumulated + together)
    low, high = np.quantile(drawn[:, 0], TAILS)
    doubled = float(drawn[:, 0].mean()) - value
    chance = float(np.quantile(drawn[:, 1], TAILS[1]))
    corrected = max(0.0, value - doubled)
    low = 0.0 if value <= chance else max(0.0, float(low) - 2 * doubled)
    return Interval(corrected, min(low, corrected), max(float(high) - 2 * doubled, corrected), total, 0, method)


def _too_few(folds: Sequence[np.ndarray], codes: Sequence[np.ndarray | None]) -> bool:
    """Whether a fold has too few independent units, rows or entities, for an interval."""
    return any(units_of(len(each), code) < MINIMUM_UNITS for each, code in zip(folds, codes, strict=True))


def _distribution(places: np.ndarray, weight: np.ndarray | None, points: int) -> np.ndarray:
    """Share of rows at or below each of the points [points]."""
    counts = np.bincount(places, weight, minlength=points).astype(np.float64)
    return counts.cumsum() / counts.sum()


def _largest_distance(cumulated: np.ndarray) -> float:
    """Of distributions [folds, points]: the largest vertical distance between two of them."""
    return float((cumulated.max(axis=0) - cumulated.min(axis=0)).max())


def business_signals(importances: Mapping[str, float], expected: Collection[str]) -> Interval:
    """How many of the ``expected`` features are among the five with the largest importance (and have any at all).

    A count, not an estimate: its ends are itself. ``n`` is the number of features.
    """
    ranked = sorted(importances, key=lambda name: (-importances[name], name))[:STRONGEST]
    found = float(sum(name in expected and importances[name] > 0 for name in ranked))
    return Interval(found, found, found, len(importances), 0, f"count among the {STRONGEST} strongest features")


def rank_correlation(importances: Mapping[str, float], reference: Mapping[str, float]) -> Interval:
    """Spearman's rank correlation of two models' importances over the features both have; larger is stronger.

    The interval is Fisher's with the variance (1 + r^2 / 2) / (n - 3) of Bonett & Wright (2000), n common features. The
    features are taken as a sample of the features one could have built. NaN with fewer than `MINIMUM_COMMON` or where
    one side does not rank them at all.
    """
    common = sorted(set(importances) & set(reference))
    method = f"Spearman over {len(common)} common features, Fisher interval (Bonett & Wright)"
    ranks = [_mid_ranks(np.array([side[name] for name in common], dtype=float)) for side in (importances, reference)]
    if len(common) < MINIMUM_COMMON or min(np.ptp(each) for each in ranks) == 0:
        return Interval(NAN, NAN, NAN, len(common), 0, method, Reason.NOT_MEASURABLE)
    value = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    half = Z95 * np.sqrt((1 + value**2 / 2) / (len(common) - 3))
    low, high = float(np.tanh(centre - half)), float(np.tanh(centre + half))
    return Interval(value, min(low, value), max(high, value), len(common), 0, method)


def ranking_correlation(importances: Mapping[str, float], ranking: Sequence[str]) -> Interval:
    """`rank_correlation` with another model's ``ranking``, most important feature first."""
    return rank_correlation(importances, {name: float(-place) for place, name in enumerate(ranking)})


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]
