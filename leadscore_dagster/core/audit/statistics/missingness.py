"""Part ``missingness``: what the mere presence of a value says about the outcome.

A field that is filled in after the outcome is full for the positives and empty for the others (or the reverse),
whatever it holds.

Lives here: the verdicts. Not here: values (strength, categories).
"""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.audit.statistics import caps, measures
from leadscore_dagster.core.audit.statistics.columns import Column
from leadscore_dagster.core.audit.statistics.levels import level_odds
from leadscore_dagster.core.audit.statistics.prepared import Measured, Prepared, measure
from leadscore_dagster.core.audit.statistics.strength import is_clock, judge
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "missingness"


def missingness_verdicts(table: Prepared) -> list[FeatureVerdict]:
    """One verdict per feature. suspect: presence alone is stronger than the cap of strength, or the present (or the
    missing) values belong to positives at odds no honest field has shown. A column never or always missing is clear."""
    presence = {column.name: _presence(column) for column in table.columns if 0 < column.present < len(column.codes)}
    measured = {name: measure(column, table.blocks, 2, table.seed) for name, column in presence.items()}
    evidence = {name: _describe(table, presence[name], measured[name]) for name in presence}
    judged = {verdict.feature: verdict for verdict in judge(PART, table, measured, evidence.__getitem__)}
    for name, column in presence.items():
        if judged[name].verdict == "clear":
            judged[name] = _only_one_outcome(table, column, 2 * len(presence)) or _clock(measured[name], judged[name])
    return [
        judged.get(column.name) or FeatureVerdict(column.name, PART, "clear", _constant(column))
        for column in table.columns
    ]


def _presence(column: Column) -> Column:
    here = (~column.missing).astype(np.int32)
    return Column(column.name, "flag", here, np.array([0.0, 1.0]), np.bincount(here, minlength=2))


def _constant(column: Column) -> str:
    return "never missing" if column.present else "always missing"


def _describe(table: Prepared, presence: Column, found: Measured) -> str:
    positive = table.blocks.label == 1
    empty = presence.codes == 0
    auc = found.auc.value if found.auc else 0.5
    return (
        f"missing in {empty[positive].mean():.2%} of positives and {empty[~positive].mean():.2%} of negatives; "
        f"presence alone within blocks: IV {max(found.within.iv, 0):.2f}, AUC {auc:.3f}; over all time IV "
        f"{max(found.overall.iv, 0):.2f}"
    )


def _only_one_outcome(table: Prepared, presence: Column, tests: int) -> FeatureVerdict | None:
    if presence.name in table.proven:
        return None
    counts = measures.count(presence.codes, table.blocks.stratum, 2, table.blocks.count)
    odds = level_odds(counts, counts.sum(axis=0), tests)
    if not odds.refused.any():
        return None
    level = int(np.argmax(np.where(odds.refused, odds.low, 0)))
    text = (
        f"{('missing', 'filled')[level]} almost only for positives: {odds.positives[level]:,.0f} of "
        f"{table.blocks.positives:,} positives and {odds.negatives[level]:,.0f} negatives; odds at least "
        f"{odds.low[level]:.0f} times those of the other rows of the same blocks"
    )
    return FeatureVerdict(
        presence.name, PART, "suspect", text, "odds_ratio_low", float(odds.low[level]), caps.LEVEL_ODDS
    )


def _clock(found: Measured, verdict: FeatureVerdict) -> FeatureVerdict:
    """A field that began to be collected on a date tells the date."""
    if not is_clock(found):
        return verdict
    text = f"clock: the calendar determines {found.told:.1%} of its presence; {verdict.evidence}"
    return FeatureVerdict(verdict.feature, PART, "unproven", text, "clock", found.told, caps.TOLD_BY_TIME)
