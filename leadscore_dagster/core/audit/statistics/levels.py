"""Single levels: the odds of a positive where a column says one thing, against the odds where it does not.

Lives here: the exact test. Not here: which levels are asked (categories, missingness).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics import caps
from leadscore_dagster.core.audit.statistics.blocks import MINIMUM_OF_EACH


@dataclass(frozen=True)
class Odds:
    """Per level: positives and negatives in it, low end of the odds ratio, share of all positives; arrays [k]."""

    positives: np.ndarray
    negatives: np.ndarray
    low: np.ndarray
    share: np.ndarray

    @property
    def refused(self) -> np.ndarray:
        """Levels that know the outcome and hold enough of it to matter, bool [k]."""
        return (self.low > caps.LEVEL_ODDS) & (self.share >= caps.LEVEL_SHARE)


def least_rows(positives: int) -> int:
    """Rows a level must have to be able to hold `caps.LEVEL_SHARE` of the positives; rarer ones are not asked."""
    return max(int(np.ceil(caps.LEVEL_SHARE * positives)), 5)


def level_odds(counts: np.ndarray, total: np.ndarray, tests: int) -> Odds:
    """Odds of levels [k, B, 2] against the rest of the same blocks, ``total`` [B, 2] being all rows.

    Low end: Clopper & Pearson (1934) for the level's rate, and their upper end for the rest's, each at a quarter of
    `caps.ERROR` over ``tests``. The rest's rate is that of the blocks the level's rows lie in.
    """
    from scipy.special import betaincinv

    risk = caps.ERROR / 4 / max(tests, 1)
    everything = float(total[:, 1].sum())
    rest = total[None] - counts
    # where a level fills its block there is nothing to hold it against: it may only tell the time
    compared = (rest.sum(axis=2) >= MINIMUM_OF_EACH) & (counts.sum(axis=2) > 0)
    counts, rest = counts * compared[:, :, None], rest * compared[:, :, None]
    negatives, positives = counts[:, :, 0].sum(axis=1), counts[:, :, 1].sum(axis=1)
    rows = negatives + positives
    low = np.where(positives > 0, betaincinv(np.maximum(positives, 0.5), negatives + 1, risk), 0.0)
    weight = counts.sum(axis=2) / np.maximum(rows, 1)[:, None]
    without = np.maximum(rest.sum(axis=2), 1)
    chance = (weight * rest[:, :, 1] / without).sum(axis=1)
    # rows of one block that know the rest's rate as well as all blocks do together
    effective = 1 / np.maximum((weight**2 / without).sum(axis=1), 1e-12)
    upper = betaincinv(chance * effective + 1, np.maximum((1 - chance) * effective, 0.5), 1 - risk)
    ratio = np.where(rows > 0, _odds(low) / np.maximum(_odds(np.clip(upper, 1e-9, 1 - 1e-9)), 1e-12), 0.0)
    return Odds(positives, negatives, ratio, positives / max(everything, 1.0))


def _odds(rate: np.ndarray) -> np.ndarray:
    return rate / np.maximum(1 - rate, 1e-12)
