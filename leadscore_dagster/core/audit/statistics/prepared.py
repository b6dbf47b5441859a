"""A training table made ready for counting, and how strong each of its columns is: computed once for all parts.

Lives here: encoding all features, their strength overall and within blocks, how far the calendar determines them.
Not here: verdicts (the parts).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.statistics import measures
from leadscore_dagster.core.audit.statistics.blocks import Blocks, time_blocks
from leadscore_dagster.core.audit.statistics.caps import MINIMUM_CLASS
from leadscore_dagster.core.audit.statistics.columns import MISSING, Column, bins, encode, grouped, midranks, ranks
from leadscore_dagster.core.table.features.catalogue import Feature

#: most bins of a column, and the positives each should hold on average
MOST_BINS, LEAST_BINS, POSITIVES_A_BIN = 20, 5, 15
#: rows of its own level a row's encoding is pulled towards the base rate by
PULL = 10.0


@dataclass(frozen=True)
class Measured:
    """Strength of one column. ``auc`` are None for categories; ``told`` is the share of its values that the calendar
    determines (0 to 1); ``lift``: counts of its bins, for `measures.lift`."""

    within: measures.Strength
    overall: measures.Strength
    auc: measures.Auc | None
    auc_overall: measures.Auc | None
    told: float
    counts: np.ndarray

    @property
    def best(self) -> measures.Strength:
        """The strength that is held against caps: by ranks, which needs no bins, unless the IV is clearly more.

        Taking the larger of the two would be looking twice.
        """
        if self.auc is None:
            return self.within
        ranked = self.auc.strength()
        return self.within if self.within.distance > ranked.distance + self.within.error else ranked


@dataclass(frozen=True)
class Prepared:
    """Table, blocks and encoded features; ``proven``: names of features whose history shows no late change."""

    rows: pa.Table
    blocks: Blocks
    columns: tuple[Column, ...]
    proven: frozenset[str]
    seed: int

    @property
    def enough(self) -> bool:
        """Whether there are enough of both outcomes to judge anything."""
        return min(self.blocks.positives, self.blocks.n - self.blocks.positives) >= MINIMUM_CLASS

    @property
    def most_bins(self) -> int:
        return int(np.clip(self.blocks.positives // POSITIVES_A_BIN, LEAST_BINS, MOST_BINS))

    @cached_property
    def measured(self) -> dict[str, Measured]:
        return {column.name: measure(column, self.blocks, self.most_bins, self.seed) for column in self.columns}


def prepare(rows: pa.Table, features: Sequence[Feature], proven: Collection[str], seed: int) -> Prepared:
    """Encode every feature of ``rows``. Raises InputError as `time_blocks` and `encode` do."""
    return Prepared(rows, time_blocks(rows), tuple(encode(rows, features)), frozenset(proven), seed)


def measure(column: Column, blocks: Blocks, most_bins: int, seed: int) -> Measured:
    """Strength of one column: bins and, for numbers, ranks; levels too many for bins are encoded across halves."""
    if column.is_category and column.levels > most_bins:
        encoded, levels = by_other_half(column.codes, column.levels, blocks, seed, most_bins)
        counts = measures.count(encoded + 1, blocks.stratum, levels + 1, blocks.count)
    else:
        counts = measures.count(bins(column, most_bins), blocks.stratum, most_bins + 2, blocks.count)
    auc = auc_overall = None
    if not column.is_category:
        group, groups = ranks(column)
        ranked = measures.count(group, blocks.stratum, groups, blocks.count)
        auc, auc_overall = measures.auc(ranked), measures.auc(measures.flat(ranked))
    overall = measures.strength(measures.flat(counts))
    return Measured(measures.strength(counts), overall, auc, auc_overall, told_by_time(column, blocks), counts)


def by_other_half(codes: np.ndarray, levels: int, blocks: Blocks, seed: int, most_bins: int) -> tuple[np.ndarray, int]:
    """Each row's level as the rate it has in the other, random half of the table, against its blocks: bins int32 [n].

    What levels have learned by heart of their own rows does not count; rates are pulled towards the base rate by
    `PULL` rows. Levels the other half has not seen, and missing values, are `MISSING`.
    """
    half = np.random.default_rng(seed).integers(0, 2, blocks.n)
    rate = np.bincount(blocks.block, blocks.label) / np.maximum(np.bincount(blocks.block), 1)
    expected, here = rate[blocks.block], codes >= 0
    score = np.full(blocks.n, np.nan)
    for mine in (0, 1):
        other, own = here & (half != mine), here & (half == mine)
        found = np.bincount(codes[other], blocks.label[other], minlength=levels)
        chance = np.bincount(codes[other], expected[other], minlength=levels)
        seen = np.bincount(codes[other], minlength=levels) > 0
        pull = PULL * blocks.base_rate
        ratio = np.where(seen, (found + pull) / (chance + pull), np.nan)
        score[own] = ratio[codes[own]]
    known = ~np.isnan(score)
    _values, inverse, counts = np.unique(score[known], return_inverse=True, return_counts=True)
    place = np.full(blocks.n, MISSING, np.int32)
    place[known] = inverse
    return grouped(place, counts, most_bins)


def told_by_time(column: Column, blocks: Blocks) -> float:
    """Share of a column that the calendar determines, corrected for what chance determines.

    Numbers: the larger of the correlation ratios of their ranks on calendar units and on slices of decisions in
    order (omega-squared-like: 1 - mean square within / mean square in all). Categories: Theil's U, the share of
    entropy that the units take away, less the bias of mutual information (Miller 1955).
    """
    here = ~column.missing
    if column.levels < 2:
        return 0.0
    if column.is_category:
        return _theil(column.codes[here], column.levels, blocks.unit[here])
    rank = midranks(column)[here]
    return max(_correlation_ratio(rank, blocks.unit[here]), _correlation_ratio(rank, blocks.slice[here]))


def _correlation_ratio(rank: np.ndarray, group: np.ndarray) -> float:
    rows = np.bincount(group)
    used = int((rows > 0).sum())
    if used < 2 or len(rank) <= used:
        return 0.0
    sums, squares = np.bincount(group, rank), float((rank**2).sum())
    within = squares - float((sums**2 / np.maximum(rows, 1)).sum())
    total = squares - float(rank.sum()) ** 2 / len(rank)
    return max(1 - (within / (len(rank) - used)) / (total / (len(rank) - 1)), 0.0) if total > 1e-12 else 0.0


def _theil(codes: np.ndarray, levels: int, unit: np.ndarray) -> float:
    units = int(unit.max(initial=0)) + 1
    if levels * units > 4 * len(codes):
        return 0.0  # more cells than rows could fill: nearly every level is its own date
    table = np.bincount(codes.astype(np.int64) * units + unit, minlength=levels * units).reshape(levels, units)
    share = table / table.sum()
    of_level, of_unit = share.sum(axis=1), share.sum(axis=0)
    filled = share > 0
    shared = float((share[filled] * np.log(share[filled] / np.outer(of_level, of_unit)[filled])).sum())
    entropy = -float((of_level[of_level > 0] * np.log(of_level[of_level > 0])).sum())
    bias = ((table.sum(axis=1) > 0).sum() - 1) * ((table.sum(axis=0) > 0).sum() - 1) / (2 * len(codes))
    return max((shared - bias) / entropy, 0.0) if entropy > 0 else 0.0
