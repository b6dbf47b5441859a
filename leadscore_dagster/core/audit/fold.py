"""Verdicts of features that are computed inside the fold: they are what their inputs are.

Such a feature reads stored features and statistics learned on the fold's own training rows, so nothing new can leak in
but through its inputs.

Lives here: finding the inputs, passing their verdicts on. Not here: computing the features (core/table/features/fold).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leadscore_dagster.core.audit.graph import ROWS
from leadscore_dagster.core.audit.lineage import Lineage, read_lineage
from leadscore_dagster.core.audit.verdict import SEVERITY, FeatureVerdict
from leadscore_dagster.core.table.features.sets import FeatureSet


def fold_verdicts(sets: Iterable[FeatureSet], verdicts: Sequence[FeatureVerdict]) -> list[FeatureVerdict]:
    """For every feature of the sets of stage ``fold``, part by part, the worst verdict among its inputs.

    Parameters
    ----------
    sets : the recipe's feature sets; those of stage ``row`` are passed over.
    verdicts : of the stored features.

    A feature made of no stored feature at all (a constant) is clear in every part.
    """
    found = []
    parts = list(dict.fromkeys(verdict.part for verdict in verdicts))
    for entry in sets:
        if entry.is_fold:
            for feature, inputs in fold_inputs(entry).items():
                found += [_inherited(feature, inputs, part, verdicts) for part in parts]
    return found


def fold_inputs(entry: FeatureSet) -> dict[str, set[str]]:
    """For each feature of a set of stage ``fold``, the stored features it is made of, statistics included."""
    schemas = {"features": [*sorted(entry.inputs()), "row_number"]}
    learned = read_lineage(entry.statistics or "", schemas)
    computed = read_lineage(entry.sql, {**schemas, "statistics": list(learned.columns)})
    found = {}
    for feature in entry.features:
        direct = _columns(computed, feature.name, "features")
        through = [_columns(learned, name, "features") for name in _columns(computed, feature.name, "statistics")]
        found[feature.name] = direct.union(*through) - {"row_number"}
    return found


def _columns(lineage: Lineage, column: str, table: str) -> set[str]:
    return {leaf.name for leaf in lineage.leaves(column) if leaf.relation == table and leaf.name != ROWS}


def _inherited(feature: str, inputs: set[str], part: str, verdicts: Sequence[FeatureVerdict]) -> FeatureVerdict:
    names = ", ".join(sorted(inputs)) or "nothing stored"
    of_inputs = [verdict for verdict in verdicts if verdict.part == part and verdict.feature in inputs]
    unjudged = inputs - {verdict.feature for verdict in of_inputs}
    if unjudged:
        return FeatureVerdict(
            feature, part, "unproven", f"computed inside the fold from {names}; no verdict on {min(unjudged)}"
        )
    if not of_inputs:
        return FeatureVerdict(feature, part, "clear", "computed inside the fold from nothing stored")
    worst = max(of_inputs, key=lambda verdict: SEVERITY.index(verdict.verdict))
    evidence = f"computed inside the fold from {names}; {worst.feature}: {worst.evidence}"
    return FeatureVerdict(feature, part, worst.verdict, evidence, worst.metric, worst.value, worst.threshold)
