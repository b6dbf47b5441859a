"""Part ``identity``: columns that name rows, and know the outcome by name instead of by value.

Lives here: counters, order in which outcomes stand together, exact values, means of the label. Not here: strength of
a value as such (strength). A scaler or an imputer fitted on all rows cannot be seen in one table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics import caps, measures
from leadscore_dagster.core.audit.statistics.columns import Column, midranks
from leadscore_dagster.core.audit.statistics.encoding import label_mean
from leadscore_dagster.core.audit.statistics.prepared import Prepared, by_other_half
from leadscore_dagster.core.audit.statistics.strength import is_clock
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "identity"
#: share of distinct values from which a column can name rows, and from which text does nothing else
NAMES_SOME, NAMES_ALL = 0.9, 0.99
#: rank correlation with the time of the decision from which a column counts it
COUNTS = 0.999
#: neighbours on either side whose outcomes are read
NEIGHBOURS = 2
#: rows per distinct value from which exact values can be compared across halves
REPEATED = 2.0


@dataclass(frozen=True)
class Named:
    """What a column knows as a name: strength within blocks of its order or of its exact values."""

    how: str
    strength: measures.Strength


def identity_verdicts(table: Prepared) -> list[FeatureVerdict]:
    """One verdict per feature. suspect: rows next to each other in the column's order, or rows with the very same
    value, share their outcome more than the cap allows and more than its size explains; or its values are the label's
    own means. clock: it counts time up and predicts by that. unproven: text that names nearly every row."""
    named = {column.name: _named(table, column) for column in table.columns}
    told = {column.name: _tells_time(table, column) for column in table.columns}
    refused, z = _refused(table, {name: None if told[name] else found for name, found in named.items()})
    tests = sum(not column.is_category for column in table.columns)
    return [
        _encoded(table, column, tests)
        or _clock(table, column, told[column.name])
        or _verdict(table, column, named[column.name], column.name in refused, z)
        for column in table.columns
    ]


def _named(table: Prepared, column: Column) -> Named | None:
    if column.present < 2 * caps.MINIMUM_CLASS or column.levels <= table.most_bins:
        return None
    if column.levels >= NAMES_SOME * column.present:
        return Named("next to each other in its order", _of_neighbours(table, column))
    if column.present >= REPEATED * column.levels and not column.is_category:
        bin_of, bins = by_other_half(column.codes, column.levels, table.blocks, table.seed, table.most_bins)
        counts = measures.count(bin_of + 1, table.blocks.stratum, bins + 1, table.blocks.count)
        return Named("with the very same value", measures.strength(counts))
    return None


def _of_neighbours(table: Prepared, column: Column) -> measures.Strength:
    """Strength of the number of positives among the nearest rows of the block in the column's order."""
    here = np.flatnonzero(~column.missing)
    blocks = table.blocks
    # sorting numbers that end in their own position is several times faster than sorting positions
    key = (blocks.block[here].astype(np.int64) * column.levels + column.codes[here]) * blocks.n + here
    order = np.sort(key) % blocks.n
    label, block = blocks.label[order].astype(np.int32), blocks.block[order]
    around = np.zeros(len(order), np.int32)
    for step in range(1, NEIGHBOURS + 1):
        same = block[step:] == block[:-step]
        around[step:] += label[:-step] * same
        around[:-step] += label[step:] * same
    counts = measures.count(around, blocks.stratum[order], 2 * NEIGHBOURS + 1, blocks.count)
    return measures.strength(counts)


def _tells_time(table: Prepared, column: Column) -> bool:
    return table.measured[column.name].told >= caps.TOLD_BY_TIME or _counts_time(table, column)


def _counts_time(table: Prepared, column: Column) -> bool:
    """Whether the column runs with the time of the decision, up or down."""
    if column.levels < NAMES_SOME * column.present or column.present < caps.MINIMUM_CLASS:
        return False
    here = ~column.missing
    values, place, counts = np.unique(table.blocks.order[here], return_inverse=True, return_counts=True)
    if len(values) < caps.MINIMUM_CLASS:
        return False
    time = (np.cumsum(counts) - counts / 2)[place]
    return abs(float(np.corrcoef(midranks(column)[here], time)[0, 1])) >= COUNTS


def _refused(table: Prepared, named: dict[str, Named | None]) -> tuple[set[str], float]:
    """Names above the cap that applies to them, by more than the column's own strength; Holm over the unproven."""
    known = {name: found for name, found in named.items() if found}
    open_ = [name for name in known if name not in table.proven]
    over, z = caps.holm(np.array([_score(table, name, known[name], caps.CAP) for name in open_]))
    cap = caps.proven_iv(table.blocks.base_rate)
    proven = {name for name in known if name in table.proven and _score(table, name, known[name], cap) > z}
    return proven.union(name for name, each in zip(open_, over, strict=True) if each), z


def _score(table: Prepared, name: str, found: Named, cap: float) -> float:
    """Standard errors over the cap, or over the strength of the column's size, whichever is less."""
    by_size = table.measured[name].best
    more = (found.strength.distance - by_size.distance) / float(np.hypot(found.strength.error, by_size.error))
    return min(found.strength.score(cap), more)


def _encoded(table: Prepared, column: Column, tests: int) -> FeatureVerdict | None:
    """A column whose values are the means of the label among the rows that carry them."""
    if column.is_category:
        return None
    found = label_mean(column, table.blocks.label)
    if found is None or found.chance >= caps.ERROR / 2 / max(tests, 1):
        return None
    text = (
        f"its {found.levels} values are the label's own means among the rows that carry them"
        f"{f' (drawn to the base rate by {found.pull:g} rows)' if found.pull else ''}: closer to them (chi-square "
        f"{found.square:.2g} on {found.levels - 2}) than values learned elsewhere would be"
    )
    return FeatureVerdict(
        column.name, PART, "suspect", text, "chance_of_agreement", found.chance, caps.ERROR / 2 / tests
    )


def _clock(table: Prepared, column: Column, told: bool) -> FeatureVerdict | None:
    if not told or not _counts_time(table, column):
        return None
    if is_clock(table.measured[column.name]):
        text = "clock: a running number in the order of decisions; it predicts over time, not within blocks"
        told_share = table.measured[column.name].told
        return FeatureVerdict(column.name, PART, "unproven", text, "clock", told_share, caps.TOLD_BY_TIME)
    return None


def _verdict(table: Prepared, column: Column, found: Named | None, refused: bool, z: float) -> FeatureVerdict:
    share = column.levels / max(column.present, 1)
    if found is None:
        return FeatureVerdict(column.name, PART, "clear", f"{column.levels:,} values in {column.present:,} rows")
    cap = caps.proven_iv(table.blocks.base_rate) if column.name in table.proven else caps.CAP
    low = found.strength.low(z)
    text = (
        f"{column.levels:,} values in {column.present:,} rows; rows {found.how} foretell each other's outcome within "
        f"blocks with IV {max(found.strength.iv, 0):.2f} (low end {low:.2f})"
    )
    if refused:
        return FeatureVerdict(column.name, PART, "suspect", text, "iv_by_name_low", low, cap)
    if column.is_category and share >= NAMES_ALL:
        text = f"names nearly every row: {text}; nothing learned from it holds for another row"
        return FeatureVerdict(column.name, PART, "unproven", text, "distinct_share", share, NAMES_ALL)
    return FeatureVerdict(column.name, PART, "clear", text, "iv_by_name_low", low, cap)
