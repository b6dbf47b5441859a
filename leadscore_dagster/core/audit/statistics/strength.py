"""Part ``strength``: what one column alone says about the outcome, and whether it only tells the time.

Lives here: the verdicts. Not here: measuring (prepared, measures), the caps and why (caps).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from leadscore_dagster.core.audit.statistics import caps, measures
from leadscore_dagster.core.audit.statistics.prepared import Measured, Prepared
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "strength"
METRIC = "iv_within_blocks_low"


def strength_verdicts(table: Prepared) -> list[FeatureVerdict]:
    """One verdict per feature. suspect: the low end of its strength within blocks is above the cap that applies to it.
    unproven with metric ``clock``: strong over time, worthless within blocks, determined by the calendar."""
    found = judge(PART, table, table.measured, lambda name: describe(table, name))
    return [_clock(table, verdict) or verdict for verdict in found]


def judge(
    part: str, table: Prepared, measured: Mapping[str, Measured], evidence: Callable[[str], str]
) -> list[FeatureVerdict]:
    """Hold measured strengths against the caps: that of unproven columns by Holm, that of proven ones by their lift."""
    names = [name for name in measured if name not in table.proven]
    best = [measured[name].best for name in names]
    refused, z = caps.holm(np.array([each.score(caps.CAP) for each in best]))
    verdicts = {}
    for name, strength, over in zip(names, best, refused, strict=True):
        text = f"{evidence(name)}; above IV {caps.CAP:g} nothing honest has been seen" if over else evidence(name)
        low = strength.low(z)
        verdicts[name] = FeatureVerdict(name, part, "suspect" if over else "clear", text, METRIC, low, caps.CAP)
    for name in measured:
        if name in table.proven:
            verdicts[name] = _proven(part, table, name, measured[name], evidence(name))
    return [verdicts[name] for name in measured]


def describe(table: Prepared, name: str) -> str:
    """The numbers of a column in a sentence."""
    found = table.measured[name]
    spread = f"IV {max(found.within.iv, 0):.2f} [{found.within.low(1.96):.2f}, {found.within.high(1.96):.2f}]"
    ranked = f", AUC {found.auc.value:.3f} [{found.auc.low:.3f}, {found.auc.high:.3f}]" if found.auc else ""
    blocks = f"within {table.blocks.count} time block{'s' if table.blocks.count > 1 else ''}"
    over = f", AUC {found.auc_overall.value:.3f}" if found.auc_overall else ""
    return f"{blocks} {spread}{ranked}; over all time IV {max(found.overall.iv, 0):.2f}{over}"


def _proven(part: str, table: Prepared, name: str, found: Measured, evidence: str) -> FeatureVerdict:
    """A column whose history is proven: only implausible strength counts."""
    base, z = table.blocks.base_rate, caps.level_z(len(table.proven))
    if caps.reachable(base):
        value, low = measures.lift(found.counts, z)
        metric, cap, text = "top_decile_lift_low", caps.PROVEN_LIFT, f"; top-decile lift {value:.2f}"
    else:
        cap = caps.proven_iv(base)
        metric, low, text = METRIC, found.best.low(z), ""
    return FeatureVerdict(name, part, "suspect" if low > cap else "clear", evidence + text, metric, low, cap)


def is_clock(found: Measured) -> bool:
    """Whether a column predicts, but by telling the date: nothing of it is left within time blocks."""
    if found.told < caps.TOLD_BY_TIME:
        return False
    overall = max([found.overall, *([found.auc_overall.strength()] if found.auc_overall else [])], key=_low)
    within = max(_low(found.within), _low(found.auc.strength()) if found.auc else 0.0)
    return _low(overall) > caps.CLOCK_STRENGTH and within <= caps.CLOCK_KEEPS * overall.iv


def _low(found: measures.Strength) -> float:
    return found.low(1.96)


def _clock(table: Prepared, verdict: FeatureVerdict) -> FeatureVerdict | None:
    found = table.measured[verdict.feature]
    if verdict.verdict != "clear" or not is_clock(found):
        return None
    text = f"clock: the calendar determines {found.told:.1%} of its values; {verdict.evidence}"
    return FeatureVerdict(verdict.feature, PART, "unproven", text, "clock", found.told, caps.TOLD_BY_TIME)
