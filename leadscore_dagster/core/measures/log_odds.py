"""Probabilities on the log-odds scale: shifting them, and how far they would have to be shifted to fit outcomes.

Lives here: the shift, its estimate with an interval, the line of logistic recalibration. Not here: what is decided
from them (base_rate), calibrators (calibration), curves (reliability).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from leadscore_dagster.core.measures.intervals import NAN, Interval
from leadscore_dagster.core.measures.rates import Z95

#: a shift beyond this is as good as endless: outcomes of one class alone have no finite estimate
BOUND = 20.0
#: half of the 95% quantile of chi-squared with one degree of freedom: how far the log-likelihood may fall
LIKELIHOOD_FALL = 1.9207294103470614
#: as in calibration: no event is impossible or certain
_SMALLEST = 1e-6
_STEPS = 50


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) float64 [n]; finite for every probability."""
    inside = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    odds: np.ndarray = np.log(inside / (1 - inside))
    return odds


def shifted(probability: np.ndarray, shift: float | np.ndarray) -> np.ndarray:
    """Probabilities [n] moved by ``shift`` in log-odds; their order stays (King & Zeng 2001, prior correction)."""
    return np.clip(_expit(log_odds(probability) + shift), _SMALLEST, 1 - _SMALLEST)


def fit_shift(label: np.ndarray, odds: np.ndarray, prior: float = 0.0) -> float:
    """The shift under which log-odds ``odds`` [n] fit labels 0/1 [n] best: the intercept of a logistic regression with
    offset ``odds``, by maximum likelihood.

    ``prior`` > 0 draws it towards 0 as a normal prior of that precision does: it counts like ``prior`` units of
    information sum(p (1 - p)), for a rare outcome about as many positives. Without it, labels of one class alone give
    the bound on their side.
    """
    hits = float(np.sum(label))
    return _root(lambda shift: hits - float(_expit(odds + shift).sum()) - prior * shift, -BOUND, BOUND)


def shift_interval(label: np.ndarray, odds: np.ndarray, codes: np.ndarray | None = None) -> Interval:
    """`fit_shift` with its 95% profile likelihood interval; ends at ±BOUND are open. NaN without rows.

    With ``codes`` [n], numbers of entities that repeat, the likelihood may fall by `LIKELIHOOD_FALL` times the design
    effect: that of rows taken for independent falls too fast (Chandler & Bate 2007).
    """
    n, positives = len(label), int(np.sum(label))
    if n == 0:
        return Interval(NAN, NAN, NAN, 0, 0, "no rows")
    best = fit_shift(label, odds)
    highest = log_likelihood(label, odds + best)
    allowed = likelihood_fall(label, odds + best, codes)

    def fall(shift: float) -> float:
        return highest - log_likelihood(label, odds + shift) - allowed

    low = _root(fall, -BOUND, best)
    high = _root(lambda shift: -fall(shift), best, BOUND)
    method = "profile likelihood" + ("" if codes is None else ", adjusted for entities")
    return Interval(best, low, high, n, positives, method)


def likelihood_fall(label: np.ndarray, odds: np.ndarray, codes: np.ndarray | None) -> float:
    """How far the log-likelihood of a shift may fall from its top, at log-odds [n] that fit: `LIKELIHOOD_FALL` times
    the variance of the score summed by entity over that of independent rows, at least 1."""
    if codes is None:
        return LIKELIHOOD_FALL
    missed = label - _expit(odds)
    total = float((missed**2).sum())
    return LIKELIHOOD_FALL * max(1.0, float((np.bincount(codes, missed) ** 2).sum()) / total if total > 0 else 1.0)


def fisher_information(odds: np.ndarray) -> float:
    """Fisher information of a shift at log-odds [n]: sum of p (1 - p)."""
    probability = _expit(odds)
    return float((probability * (1 - probability)).sum())


def recalibration_line(
    label: np.ndarray, probability: np.ndarray, codes: np.ndarray | None = None
) -> tuple[Interval, Interval]:
    """Slope and intercept of logit P(label) = intercept + slope * logit(probability) (Cox 1958): 1 and 0 are right.

    A slope below 1 says that the probabilities are too far apart, above 1 that they are too close together. 95% Wald
    intervals; with ``codes`` [n], numbers of entities that repeat, from the sandwich variance over entities (Liang &
    Zeger 1986). NaN where the probabilities do not differ, or one class is missing or separated.
    """
    n, positives = len(label), int(np.sum(label))
    odds = log_odds(np.asarray(probability, dtype=np.float64))
    method = "Wald" if codes is None else "Wald, sandwich over entities"
    unknown = Interval(NAN, NAN, NAN, n, positives, method)
    if not 0 < positives < n or np.ptp(odds) < 1e-9:
        return unknown, unknown
    centre = float(odds.mean())
    centred = odds - centre  # the steps are stable, the slope is the same
    found = np.array([np.log(positives / (n - positives)), 0.0])
    for _ in range(_STEPS):
        fitted = _expit(found[0] + found[1] * centred)
        weight = fitted * (1 - fitted)
        # sums of products, not BLAS: its threads add in an order of their own
        cross = (weight * centred).sum()
        curvature = np.array([[weight.sum(), cross], [cross, (weight * centred**2).sum()]])
        missed = label - fitted
        step = np.linalg.solve(curvature, np.array([missed.sum(), (missed * centred).sum()]))
        found = found + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    else:
        return unknown, unknown
    spread = np.linalg.inv(curvature)
    if codes is not None:
        first, second = np.bincount(codes, missed), np.bincount(codes, missed * centred)
        cross = (first * second).sum()
        spread = spread @ np.array([[(first**2).sum(), cross], [cross, (second**2).sum()]]) @ spread
    back = np.array([1.0, -centre])  # the intercept where the log-odds are 0
    lines = ((found[1], spread[1, 1]), (float(back @ found), float(back @ spread @ back)))
    ends = [(value, Z95 * np.sqrt(variance)) for value, variance in lines]
    slope, intercept = (
        Interval(float(value), float(value - half), float(value + half), n, positives, method) for value, half in ends
    )
    return slope, intercept


def _expit(odds: np.ndarray) -> np.ndarray:
    fitted: np.ndarray = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    return fitted


def log_likelihood(label: np.ndarray, odds: np.ndarray) -> float:
    """Log-likelihood of labels 0/1 [n] at log-odds [n]."""
    return float((label * odds - np.logaddexp(0, odds)).sum())


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function of one number crosses 0 between two ends; the nearer end where it does not."""
    from scipy.optimize import brentq

    if falling(low) <= 0:
        return low
    if falling(high) >= 0:
        return high
    return float(brentq(falling, low, high, xtol=1e-10))
