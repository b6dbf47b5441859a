"""The calibration error with an interval that covers: its plug-in value is too high, its bootstrap doubly so.

Lives here: estimate and ends of one expected calibration error and of the worst of several segments. Not here: the
plug-in value and the bins (metrics), learning a calibrator (calibration), thresholds (core/versions/gates).

What is estimated is sum over bins of (share of rows) x |mean probability - mean true probability of an event|, over ten
bins of equal mass of the same model. In a bin with gap d and standard error s the observed |gap| is about |N(d, s)|,
whose mean exceeds |d| by up to .8 s: with ten bins of noise the sum looks like a calibration error. No unbiased
estimate of |d| exists; `_shrunk` is nearly one, with a bias below .1 s wherever |d| > s / 2, and its standard
deviation is about s for every d. The sum over bins is then close to normal. Where the bins together show nothing beyond
chance the low end is 0.
"""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.measures.intervals import MINIMUM_UNITS, Interval
from leadscore_dagster.core.measures.metrics import BINS, equal_mass_bins
from leadscore_dagster.core.measures.rates import Z95

METHOD = "debiased over 10 bins of equal mass, normal approximation"
#: events lent to each bin, at its own probability, so that a bin without events is not taken for certain
LENT_EVENTS = 1.0
#: widths and heights of the two bumps that `_shrunk` adds to |z|: chosen so that they undo, over d = 0 … 8, the
#: folded normal's bias 2 (phi(d) - d Phi(-d)) as far as low bumps can: higher ones buy less bias with more variance
WIDTHS, HEIGHTS = np.array([0.5, 1.0]), np.array([-0.9, 0.05])
#: standard deviation of `_shrunk` where d is near 0 and where it is far from it
SPREAD_NEAR, SPREAD_FAR, FAR = 1.08, 1.0, 3.0


def calibration_error(
    label: np.ndarray, probability: np.ndarray, codes: np.ndarray | None = None, *, z: float = Z95
) -> tuple[float, float, float]:
    """Expected calibration error, freed from bias, and the ends of its interval: (value, low, high).

    Parameters
    ----------
    label : 0/1 [n]; probability : [n]; codes : number of each row's entity, whose rows are not independent.
    z : normal quantile of the interval. NaN ends with fewer than `MINIMUM_UNITS` rows or entities.
    """
    label, probability = np.asarray(label), np.asarray(probability, dtype=np.float64)
    units = len(label) if codes is None else len(np.unique(codes))
    if not len(label):
        return (float("nan"),) * 3
    bins = equal_mass_bins(probability)
    rows, hits, expected, squares, products = (
        np.bincount(bins, each, BINS)
        for each in (np.ones(len(label)), label, probability, probability**2, probability * label)
    )
    filled = rows > 0
    rows, hits, expected, squares, products = (each[filled] for each in (rows, hits, expected, squares, products))
    mean = expected / rows
    rate = (hits + LENT_EVENTS) / (rows + LENT_EVENTS / np.maximum(mean, 1e-9))
    # variance of probability - label in a bin: of the label, of the probability, and what they share
    variance = rate * (1 - rate) + (squares - 2 * products) / rows - mean**2 + 2 * mean * hits / rows
    design = design_effect(label - probability, bins, codes)
    error = np.sqrt(np.maximum(variance, 1e-12) * design / rows)
    difference = np.abs(expected - hits) / rows
    gap = difference / error
    share = rows / rows.sum()
    value = float((share * error * _shrunk(gap)).sum())
    deviation = float(np.sqrt(((share * error * np.where(gap < FAR, SPREAD_NEAR, SPREAD_FAR)) ** 2).sum()))
    if units < MINIMUM_UNITS:
        return max(value, 0.0), float("nan"), float("nan")
    by_chance = np.sqrt(np.maximum(mean * (1 - mean), 1e-12) * design / rows)
    low = value - z * deviation if _beyond_chance(difference / by_chance, z) else 0.0
    # what is smaller than its own standard error cannot be told from nothing, nor nothing from it
    return max(value, 0.0), max(low, 0.0), max(value + z * deviation, deviation)


def calibration_error_interval(label: np.ndarray, probability: np.ndarray, codes: np.ndarray | None) -> Interval:
    """`calibration_error` as an interval."""
    return Interval(*calibration_error(label, probability, codes), len(label), int(np.sum(label)), METHOD)


def _shrunk(gap: np.ndarray) -> np.ndarray:
    """Nearly unbiased estimate of |d| from |z|, z ~ N(d, 1); may be negative."""
    return gap + (HEIGHTS * np.exp(-((gap[:, None] / WIDTHS) ** 2) / 2)).sum(axis=1)


def _beyond_chance(gap: np.ndarray, z: float) -> bool:
    """Whether the gaps, in standard errors of a perfectly calibrated model, are larger than its own would be, at the
    level of one end (Hosmer & Lemeshow 1980; one degree of freedom a bin, for nothing was fitted on these rows)."""
    from scipy.special import chdtri, ndtr  # scipy.stats takes seconds to load

    return bool((gap**2).sum() > chdtri(len(gap), ndtr(-z)))


def design_effect(error: np.ndarray, bins: np.ndarray, codes: np.ndarray | None) -> float:
    """How much the variance of a sum grows because rows of one entity resemble each other (Kish 1965); at least 1.

    Parameters
    ----------
    error : [n], centred here within ``bins`` (0 … 9, int [n]); codes : number of each row's entity [n], or None.
    """
    if codes is None:
        return 1.0
    centred = error - (np.bincount(bins, error, BINS) / np.maximum(np.bincount(bins, minlength=BINS), 1))[bins]
    total = float((centred**2).sum())
    return max(1.0, float((np.bincount(codes, centred) ** 2).sum()) / total) if total > 0 else 1.0
