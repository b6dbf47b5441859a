"""Part ``categories``: single levels, words or values that know the outcome, however rare.

Lives here: which levels are asked, the verdicts. Not here: the test (levels), a column's whole strength (strength).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics import caps, measures
from leadscore_dagster.core.audit.statistics.columns import MISSING, Column, words
from leadscore_dagster.core.audit.statistics.levels import least_rows, level_odds
from leadscore_dagster.core.audit.statistics.prepared import Prepared
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "categories"
#: a category of more levels is read as text, word by word, too
TEXT_LEVELS = 50


@dataclass(frozen=True)
class Levels:
    """Levels of one column that are frequent enough to be asked: counts [k, B, 2] and how a reader would call them."""

    counts: np.ndarray
    names: list[str]


def categories_verdicts(table: Prepared) -> list[FeatureVerdict]:
    """One verdict per feature. suspect: in some level, single value or word the odds of a positive are, at the low end
    over all levels asked, more than `caps.LEVEL_ODDS` times those of the other rows of the same blocks, and it holds
    a share of the positives that matters. Columns of proven history are not asked: strength has their cap."""
    least = least_rows(table.blocks.positives)
    asked = {column.name: _levels(table, column, least) for column in table.columns if column.name not in table.proven}
    tests = sum(len(levels.names) for levels in asked.values())
    total = np.bincount(table.blocks.stratum, minlength=2 * table.blocks.count).reshape(-1, 2).astype(np.float64)
    verdicts = []
    for column in table.columns:
        levels = asked.get(column.name)
        if levels is None:
            verdicts.append(FeatureVerdict(column.name, PART, "clear", "history proven: strength has its cap"))
        elif not levels.names:
            verdicts.append(FeatureVerdict(column.name, PART, "clear", f"no single value has {least} rows or more"))
        else:
            verdicts.append(_judge(table, column.name, levels, total, tests))
    return verdicts


def _levels(table: Prepared, column: Column, least: int) -> Levels:
    kept = np.flatnonzero(column.counts >= least)
    place = np.full(column.levels + 1, MISSING, np.int32)
    place[kept] = np.arange(len(kept))
    counts = measures.count(place[column.codes], table.blocks.stratum, len(kept), table.blocks.count)
    names = [column.spelled(int(level)) for level in kept]
    if column.is_category and column.levels > TEXT_LEVELS:
        found = words(table.rows, column.name, least)
        shape = len(found.names), table.blocks.count, 2
        key = found.word * (2 * table.blocks.count) + table.blocks.stratum[found.row]
        of_words = np.bincount(key, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
        counts, names = np.concatenate([counts, of_words]), names + [f"word {word!r}" for word in found.names]
    return Levels(counts, names)


def _judge(table: Prepared, name: str, levels: Levels, total: np.ndarray, tests: int) -> FeatureVerdict:
    odds = level_odds(levels.counts, total, tests)
    # the worst of those that matter; where none is refused, the worst of all that hold enough positives
    matter = odds.share >= caps.LEVEL_SHARE
    worst = int(np.argmax(np.where(matter, odds.low, -1)))
    low = float(odds.low[worst]) if matter.any() else 0.0
    text = (
        f"{levels.names[worst]}: {odds.positives[worst]:,.0f} of {table.blocks.positives:,} positives and "
        f"{odds.negatives[worst]:,.0f} negatives; odds at least {low:.1f} times those of the other rows of the same "
        f"blocks ({len(levels.names):,} of {tests:,} levels asked)"
    )
    refused = bool(odds.refused.any())
    return FeatureVerdict(name, PART, "suspect" if refused else "clear", text, "odds_ratio_low", low, caps.LEVEL_ODDS)
