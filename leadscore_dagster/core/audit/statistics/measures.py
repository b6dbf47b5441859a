"""What a column says about the outcome, overall and within time blocks: IV, rank AUC, top-decile lift.

All from small tables of counts (bin x block x outcome), never from rows again. Within blocks both outcomes are given
the same mix of blocks (direct standardisation), so a column that only tells the time has the same distribution in both.

Lives here: counting, estimates and their standard errors. Not here: caps (caps), verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leadscore_dagster.core.audit.statistics.blocks import pair_weights
from leadscore_dagster.core.audit.statistics.caps import NORMAL, strength_error
from leadscore_dagster.core.measures.information_value import SMOOTHING, information_value
from leadscore_dagster.core.measures.rates import wilson


@dataclass(frozen=True)
class Strength:
    """IV with bias taken off, the standard error of its square root (d'), the number of bins in use and, per bin, the
    log density ratio of positives over negatives (``ratio`` [k])."""

    iv: float
    error: float
    ratio: np.ndarray
    bins: int

    @property
    def distance(self) -> float:
        return float(np.sqrt(max(self.iv, 0.0)))

    def score(self, cap: float) -> float:
        """Standard errors by which the strength exceeds a cap."""
        return (self.distance - float(np.sqrt(cap))) / self.error if self.error > 0 else 0.0

    def low(self, z: float) -> float:
        """Low end of the IV's interval: symmetric for d' = sqrt(IV), whose error hardly depends on its size."""
        return max(self.distance - z * self.error, 0.0) ** 2

    def high(self, z: float) -> float:
        return (self.distance + z * self.error) ** 2


class Auc(NamedTuple):
    """Rank AUC, ties half, with its standard error (DeLong, DeLong & Clarke-Pearson 1988)."""

    value: float
    error: float

    @property
    def low(self) -> float:
        """Low end of the 95% interval."""
        return max(self.value - 1.96 * self.error, 0.0)

    @property
    def high(self) -> float:
        return min(self.value + 1.96 * self.error, 1.0)

    def strength(self) -> Strength:
        """The same on the scale of IV, as if the feature were binormal; either direction counts."""
        # at complete separation d' is infinite, and so would its error be: two errors short of it stand in
        larger = max(min(max(self.value, 1 - self.value), 1 - 2 * self.error), 0.5)
        distance = float(np.sqrt(2)) * NORMAL.inv_cdf(larger)
        error = float(np.sqrt(2)) * self.error / NORMAL.pdf(distance / float(np.sqrt(2)))
        return Strength(distance**2, error, np.zeros(0), 0)


def count(bin_of: np.ndarray, stratum: np.ndarray, bins: int, blocks: int) -> np.ndarray:
    """Rows per bin, block and outcome, float64 [bins, blocks, 2]; bins outside 0 .. bins - 1 are left out."""
    inside = bin_of >= 0
    key = bin_of.astype(np.int64) * (2 * blocks) + stratum
    kept = key if inside.all() else key[inside]
    return np.bincount(kept, minlength=bins * 2 * blocks).reshape(bins, blocks, 2).astype(np.float64)


def strength(counts: np.ndarray) -> Strength:
    """IV of standardised distributions, from rows per bin, block and outcome [k, B, 2]. With B = 1: over all time.

    IV = sum (P - Q) log(P / Q). Its expectation without any relation is about (k - 1)(1/n1 + 1/n0), which is taken
    off; n1, n0 are effective numbers (Kish) where blocks are weighted. Error: delta method, see `influence`.
    """
    filled = counts.sum(axis=(1, 2)) > 0
    used, ratio = int(filled.sum()), np.zeros(len(counts))
    total = counts.sum(axis=0)
    size, weight = _sizes(total)
    if not weight.any():
        return Strength(0.0, float("inf"), ratio, used)
    rows, effective = _effective_rows(counts, size)
    found, expected, ratio = information_value(rows, filled)
    iv, bias = float(found), float(expected)
    variance = float((counts * influence(counts, ratio) ** 2).sum())
    # near zero the root of an estimate does not follow the delta method: its error is that of the bias it was rid of
    size_of_it = max(iv, bias, 1e-9)
    error = np.sqrt(variance) / (2 * np.sqrt(size_of_it))
    # a bin in which no positive happened to fall adds nothing to the variance that was seen, but to that which is
    return Strength(iv, max(float(error), strength_error(size_of_it, *effective)), ratio, used)


def influence(counts: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """What one row more adds to the IV, per bin, block and outcome [k, B, 2]; its squares over rows are the variance.

    The derivatives are L + 1 - exp(-L) for positives and -L + 1 - exp(L) for negatives, L the log density ratio,
    less their mean among the rows of the block and outcome, times the row's weight.
    """
    total = counts.sum(axis=0)
    size, _ = _sizes(total)
    derivative = np.stack([-ratio + 1 - np.exp(ratio), ratio + 1 - np.exp(-ratio)], axis=1)[:, None, :]
    mean = (counts * derivative).sum(axis=0) / np.maximum(total, 1)
    # a block's few rows vary less around their own mean than around the truth
    small = np.sqrt(total / np.maximum(total - 1, 1))
    centred: np.ndarray = (derivative - mean) * size * small
    return centred


def _sizes(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of one row per block and outcome [B, 2], and of the blocks [B]."""
    weight = pair_weights(total)
    known = (total > 0) & (weight > 0)[:, None]
    return np.divide(weight[:, None], total, out=np.zeros(total.shape), where=known), weight


def _effective_rows(counts: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Effective rows (Kish) of the bins, negatives and positives [k, 2], and in all, positives first [2]."""
    effective = 1 / (size**2 * counts.sum(axis=0)).sum(axis=0)
    return (counts * size).sum(axis=1) * effective, effective[::-1]


def auc(counts: np.ndarray) -> Auc:
    """Rank AUC pooled over blocks, from rows per ordered group, block and outcome [k, B, 2].

    Blocks are weighted by n1 n0 / (n1 + n0) (van Elteren 1960); the variance is DeLong's, block by block.
    """
    total = counts.sum(axis=0)
    weight = pair_weights(total)
    positive, negative = counts[:, :, 1], counts[:, :, 0]
    n1, n0 = np.maximum(total[:, 1], 1), np.maximum(total[:, 0], 1)
    # of a positive in group k: share of the block's negatives below it; of a negative: of its positives above it
    below = (np.cumsum(negative, axis=0) - negative / 2) / n0
    above = 1 - (np.cumsum(positive, axis=0) - positive / 2) / n1
    each = (positive * below).sum(axis=0) / n1
    spread1 = (positive * (below - each) ** 2).sum(axis=0) / np.maximum(n1 - 1, 1)
    spread0 = (negative * (above - each) ** 2).sum(axis=0) / np.maximum(n0 - 1, 1)
    value = float((weight * each).sum()) if weight.any() else 0.5
    # complete separation has no variance of its own; half a pair short of it stands in
    floor = (weight**2 / (n1 * n0)).sum() / 4
    error = float(np.sqrt(max(float((weight**2 * (spread1 / n1 + spread0 / n0)).sum()), float(floor))))
    return Auc(value, error)


def lift(counts: np.ndarray, z: float) -> tuple[float, float]:
    """Top-decile lift against the base rate of the same blocks, and the low end of its interval (Wilson, ``z``).

    Bins are taken in order of their rate against the base rate of their blocks, the last one in part.
    """
    total = counts.sum(axis=0)
    base = total[:, 1] / np.maximum(total.sum(axis=1), 1)
    rows, found = counts.sum(axis=(1, 2)), counts[:, :, 1].sum(axis=1)
    expected = (counts.sum(axis=2) * base).sum(axis=1)
    order = np.argsort(-(found + SMOOTHING) / (expected + SMOOTHING), kind="stable")
    before = np.cumsum(rows[order]) - rows[order]
    part = np.clip((rows.sum() / 10 - before) / np.maximum(rows[order], 1), 0, 1)
    taken, hits, chance = ((part * each[order]).sum() for each in (rows, found, expected))
    if not chance or not taken:
        return float("nan"), 0.0
    low, _ = wilson(min(hits, taken), taken, z)
    return float(hits / chance), float(low * taken / chance)


def flat(counts: np.ndarray) -> np.ndarray:
    """The same counts with all blocks together, [k, 1, 2]."""
    return counts.sum(axis=1, keepdims=True)
