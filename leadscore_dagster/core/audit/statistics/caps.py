"""The thresholds of the statistical parts, and how strength, AUC and lift are put on one scale.

Lives here: the caps, conversions between IV, AUC and lift of a binormal feature, the price of looking at many
features, what a table of a given size can detect. Not here: measuring a table (measures). Derivations and figures:
docs/audit_thresholds.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()

#: IV within time blocks above which a column whose history nobody can show is too good to be true. Twice the strength
#: (.23) of the strongest honest complete lead model on record (AUC .632); AUC .682 on the same scale.
CAP = 0.45
#: a feature whose history is proven may be strong: only a top decile with more than half of all positives is refused
PROVEN_LIFT = 5.0
#: IV within blocks of a small boosted model of all features that are clear alone; AUC .80
MODEL_CAP = 1.42
#: odds of a positive in a level, against the odds outside it in the same time blocks
LEVEL_ODDS = 20.0
#: share of the positives a level must hold to matter; at the odds above it is worth an IV of about .06
LEVEL_SHARE = 0.02
#: IV two columns must have beyond what they give additively: one strongest honest column (.23)
SYNERGY = 0.225
#: share of a value's variance that the calendar explains, from which the column is a statement about the date
TOLD_BY_TIME = 0.95
#: IV over all time (low end) that makes such a column worth naming: below it a column does not predict at all
CLOCK_STRENGTH = 0.02
#: share of its IV over all time that a clock may keep within time blocks (low end)
CLOCK_KEEPS = 0.25
#: a leak keeps less than this share of its IV one vintage older
KEPT_SHARE = 0.25
#: chance that one part accuses a column of a table wrongly if columns sit exactly at a cap; below it, practically none
ERROR = 0.10
#: fewer positives, or fewer negatives, and nothing is judged
MINIMUM_CLASS = 30


def iv_of_auc(auc: float) -> float:
    """IV of a binormal feature of equal variances with this AUC: d'^2 = 2 z(AUC)^2 (symmetrised Kullback-Leibler)."""
    return 2 * NORMAL.inv_cdf(min(max(auc, 1e-9), 1 - 1e-9)) ** 2


def auc_of_iv(iv: float) -> float:
    """The inverse of `iv_of_auc`, AUC >= .5."""
    return NORMAL.cdf(float(np.sqrt(max(iv, 0.0) / 2)))


def lift_of_iv(iv: float, base_rate: float) -> float:
    """Top-decile lift of a binormal feature of this IV at this base rate; the cut found by bisection."""
    shift, low, high = float(np.sqrt(max(iv, 0.0))), -10.0, 20.0
    for _ in range(80):
        cut = (low + high) / 2
        inside = base_rate * NORMAL.cdf(shift - cut) + (1 - base_rate) * NORMAL.cdf(-cut)
        low, high = (cut, high) if inside > 0.1 else (low, cut)
    return NORMAL.cdf(shift - low) / 0.1


def proven_iv(base_rate: float) -> float:
    """IV that gives a top-decile lift of `PROVEN_LIFT` at this base rate.

    With a share s of the positives above a cut t: s = Phi(d' - t), and (1 - base) Phi(-t) = .1 - s base.
    From a base rate of 10% on a lift of 5 needs a decile that is positive by more than half, and from 20% on no
    decile can have it; there the IV that it takes at 10% counts.
    """
    base, share = min(base_rate, 0.10), PROVEN_LIFT / 10
    cut = -NORMAL.inv_cdf((0.1 - share * base) / (1 - base))
    return (cut + NORMAL.inv_cdf(share)) ** 2


def reachable(base_rate: float) -> bool:
    """Whether a lift of `PROVEN_LIFT` asks for less than a decile that is mostly positive."""
    return base_rate <= 0.10


def level_z(tests: int) -> float:
    """One-sided normal quantile at half of `ERROR`, shared by ``tests`` tests (Bonferroni)."""
    return NORMAL.inv_cdf(1 - ERROR / 2 / max(tests, 1))


def holm(scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Which of many tests of "strength <= cap" are refused, bool [m], and the quantile of the last one asked.

    ``scores`` [m]: (estimate - cap) / error. Holm (1979), step down, over the estimates above the cap instead of over
    all: p-values of those below are conservative (> .5) and may be discarded if the others are tested at half the level
    (Zhao, Small & Su 2019, tau = .5), which `level_z` does.
    """
    order = [int(place) for place in np.argsort(-scores, kind="stable") if scores[place] > 0]
    refused = np.zeros(len(scores), bool)
    quantile = level_z(max(len(order), 1))
    for step, place in enumerate(order):
        quantile = level_z(len(order) - step)
        if scores[place] <= quantile:
            break
        refused[place] = True
    return refused, quantile


def strength_error(iv: float, positives: float, negatives: float) -> float:
    """Standard error of sqrt(IV) of a binormal feature, delta method on its density ratio exp(d'x - d'^2/2).

    Per positive the influence is L + 1 - exp(-L), per negative -L + 1 - exp(L), L the log ratio with mean and variance
    (+-d'^2/2, d'^2): both have variance 3 d'^2 + exp(d'^2) - 1. Bins and smoothing stop its growth at about IV 1.5.
    """
    iv = min(iv, 1.5)
    spread = 3 * iv + float(np.expm1(iv))
    return float(np.sqrt(spread * (1 / positives + 1 / negatives)) / (2 * np.sqrt(iv)))


def detectable_iv(positives: float, negatives: float, above: int = 1, cap: float = CAP, power: float = 0.8) -> float:
    """The least IV whose low end lies above ``cap`` with probability ``power``; NaN where even IV 6 does not."""
    z, wanted = level_z(above), NORMAL.inv_cdf(power)
    for iv in np.arange(cap, 6, 0.005):
        error = strength_error(float(iv), positives, negatives)
        if np.sqrt(iv) - np.sqrt(cap) >= (z + wanted) * error:
            return float(iv)
    return float("nan")


def detectable_table(sizes: Sequence[int], base_rates: Sequence[float]) -> list[tuple[int, float, int, float, float]]:
    """(rows, base rate, positives, detectable IV, its AUC) for docs/audit_thresholds.md; blocks of one size."""
    found = []
    for rows in sizes:
        for rate in base_rates:
            positives = round(rows * rate)
            iv = detectable_iv(positives, rows - positives) if positives >= MINIMUM_CLASS else float("nan")
            found.append((rows, rate, positives, iv, auc_of_iv(iv) if iv == iv else float("nan")))
    return found
