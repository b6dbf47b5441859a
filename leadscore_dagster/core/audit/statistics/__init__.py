"""The statistical parts of the audit: what the numbers alone say about every feature of a training table.

Lives here: running the parts. Not here: proof of a leak (lineage, known_time, replay, restatement, parity); statistics
only ever say ``suspect``. Thresholds and why: docs/audit_thresholds.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pyarrow as pa

from leadscore_dagster.core.audit.statistics.categories import categories_verdicts
from leadscore_dagster.core.audit.statistics.identity import identity_verdicts
from leadscore_dagster.core.audit.statistics.joint import joint_verdicts
from leadscore_dagster.core.audit.statistics.lag_decay import lag_decay_verdicts
from leadscore_dagster.core.audit.statistics.missingness import missingness_verdicts
from leadscore_dagster.core.audit.statistics.prepared import Prepared, prepare
from leadscore_dagster.core.audit.statistics.strength import strength_verdicts
from leadscore_dagster.core.audit.statistics.twins import twin_findings
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.table.features.catalogue import Feature

__all__ = ["PARTS", "lag_decay_verdicts", "statistics_verdicts", "twin_findings"]

PARTS: dict[str, Callable[[Prepared], list[FeatureVerdict]]] = {
    "strength": strength_verdicts,
    "missingness": missingness_verdicts,
    "categories": categories_verdicts,
    "joint": joint_verdicts,
    "identity": identity_verdicts,
}


def statistics_verdicts(
    rows: pa.Table, features: Sequence[Feature], *, proven: Collection[str] = (), seed: int
) -> list[FeatureVerdict]:
    """One verdict per feature and part: clear, unproven (too few outcomes, or a clock) or suspect; never leak.

    Parameters
    ----------
    rows : decision_id, decision_at (timestamp, UTC), label (0 or 1) and one column per feature, in any order.
    features : of stage ``row``.
    proven : names of features whose history shows no late change; only implausible lift counts against them.
    seed : of halves and samples; equal seeds give equal verdicts.

    Raises InputError if a column is missing, holds another type than its feature, or a label is neither 0 nor 1.
    """
    table = prepare(rows, features, proven, seed)
    if table.enough:
        return [verdict for part in PARTS.values() for verdict in part(table)]
    positives = table.blocks.positives
    text = f"too few outcomes to judge: {positives:,} positives, {table.blocks.n - positives:,} negatives"
    return [FeatureVerdict(feature.name, part, "unproven", text) for part in PARTS for feature in features]
