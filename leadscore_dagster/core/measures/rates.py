"""The interval of a counted rate. One formula for labels, audits, deciles and gates.

Lives here: Wilson's score interval, the normal quantile. Not here: intervals of anything that is not a count out of n
(modelling/intervals).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

#: standard normal quantile of a two-sided 95% interval
Z95 = 1.959963984540054


def wilson_intervals(positives: np.ndarray, n: np.ndarray, z: float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Score intervals (low, high) of the rates ``positives / n`` (Wilson 1927), elementwise.

    Counts may be fractions: expected values where equal scores are cut. 0 to 1 where n is 0: nothing is known of a
    rate without rows.
    """
    n = np.asarray(n, dtype=np.float64)
    known = n > 0
    trials = np.where(known, n, 1.0)
    rate = np.where(known, positives, 0.5) / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    # rounding must not push an end past its own rate
    low, high = np.clip(centre - half, 0, rate), np.clip(centre + half, rate, 1)
    return np.where(known, low, 0.0), np.where(known, high, 1.0)


def wilson(positives: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Score interval (low, high) of one rate, see `wilson_intervals`."""
    low, high = wilson_intervals(np.array(positives), np.array(n), z)
    return float(low), float(high)


def normal_quantile(tail: float) -> float:
    """The z with ``tail`` of the standard normal distribution above it."""
    return -NormalDist().inv_cdf(tail)
