"""Verdicts from restatement: is a feature made of facts that were changed after the decision?

A value read from a vintage as it was known is what was known, however often it changed later. Any other read of a
column that is restated uses what came later; a column that never changes may be read from anywhere. Rows of a log are
guarded by when they became known, which says nothing of when their columns were filled: only several extracts do.

Lives here: the rules and their thresholds. Not here: counting (measure), which reads are guarded (safety).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from leadscore_dagster.core.audit.graph import ROWS
from leadscore_dagster.core.audit.guards import AVAILABLE_AT, DECISIONS
from leadscore_dagster.core.audit.lineage import Lineage
from leadscore_dagster.core.audit.restatement.result import MINIMUM_FACTS, ColumnRestatement, Unjudged
from leadscore_dagster.core.audit.restatement.text import described
from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, SEVERITY, Answer, FeatureVerdict

PART = "restatement"
METRIC = "restated_share"
#: If a share s of the rows is changed afterwards and every change gives away a positive, the AUC gains at most
#: s / 2p at base rate p (a share s / p of the positives is told apart from everybody). A gain below .01 is negligible.
_NEGLIGIBLE_GAIN = 0.01
_BASE_RATE = 0.05  # where no outcomes are given
#: of a log column: more than one row in twenty rewritten after it was known is no record of what was known
SUBSTANTIAL = 0.05
#: of the association with the outcome: 0.05 over the fifty columns a table has
SIGNIFICANT = 0.001
_OWN = frozenset({"as_of", AVAILABLE_AT, "known_at", ROWS})


class _Said(NamedTuple):
    answer: Answer
    evidence: str
    value: float | None = None
    threshold: float | None = None


def restatement_verdicts(
    found: Iterable[ColumnRestatement],
    lineage: Lineage,
    features: Sequence[str],
    as_known: Mapping[str, bool] | Iterable[FeatureVerdict],
) -> list[FeatureVerdict]:
    """One verdict per feature, the worst over the stored columns it depends on.

    Parameters
    ----------
    found : see ``restatements``; at least the columns the features read.
    lineage : graph of the feature query.
    features : output columns to judge.
    as_known : the lineage part's verdicts (a feature is read as known where they are clear, or left only to replay), or
        the answer for each feature.
    """
    by_column = {(column.table, column.column): column for column in found}
    known = as_known if isinstance(as_known, Mapping) else _read_as_known(as_known)
    return [_judge(lineage, feature, known.get(feature, False), by_column) for feature in features]


def negligible(column: ColumnRestatement) -> float:
    """Share of changed facts that can raise the AUC by .01 at most."""
    around = column.around_outcome
    rate = around.positives / (around.positives + around.negatives) if around else _BASE_RATE
    return 2 * _NEGLIGIBLE_GAIN * rate


def _read_as_known(verdicts: Iterable[FeatureVerdict]) -> dict[str, bool]:
    return {v.feature: v.verdict == "clear" or v.metric == SETTLED_BY_REPLAY for v in verdicts}


def _judge(
    lineage: Lineage,
    feature: str,
    as_known: bool,
    by_column: Mapping[tuple[str, str], ColumnRestatement],
) -> FeatureVerdict:
    values = {(leaf.relation, leaf.name) for leaf in lineage.value_leaves(feature)}
    leaves = {(leaf.relation, leaf.name) for leaf in lineage.leaves(feature)}
    stored = {key for key in leaves if key[0] != DECISIONS and key[1] not in _OWN}  # a decision is what it is
    columns, unknown = [], []
    for key in sorted(stored, key=lambda key: (key not in values, key)):
        if key in by_column:
            columns.append(by_column[key])
        else:
            unknown.append(".".join(key))
    if not columns and not unknown:
        only_decision = {key[0] for key in leaves} <= {DECISIONS}
        evidence = "a function of the decision alone" if only_decision else "dates of deliveries, no facts"
        if not only_decision and not as_known:
            return FeatureVerdict(
                feature, PART, "unproven", "reads the rows of a table without its columns, not as known"
            )
        return FeatureVerdict(feature, PART, "clear", evidence)
    said = [_of_column(column, as_known) for column in columns if column.reason is not Unjudged.IDENTIFIES]
    if unknown and not as_known:
        said.append(_Said("unproven", f"no stored versions of {', '.join(unknown)} to compare"))
    if not said:
        what = "reads only what identifies the rows"
        if as_known:
            return FeatureVerdict(feature, PART, "clear", f"{what}, as known at the decision")
        return FeatureVerdict(feature, PART, "unproven", f"{what}, not as known at the decision")
    worst = max(said, key=lambda one: SEVERITY.index(one.answer))  # of equals the first: values before control flow
    others = [one.evidence for one in said if one.answer == worst.answer and one is not worst]
    shown = "; ".join(
        [worst.evidence, *others[:2], *([f"and {len(others) - 2} columns more"] if len(others) > 2 else [])]
    )
    measured = worst.value is not None
    return FeatureVerdict(
        feature, PART, worst.answer, shown, METRIC if measured else None, worst.value, worst.threshold
    )


def _of_column(column: ColumnRestatement, as_known: bool) -> _Said:
    if column.kind == "log":
        return _of_log(column)
    text = described(column)
    if as_known:
        if column.vintages < 2:
            why = "one vintage, nothing to compare; read as known, by the instant the vintage states"
            return _Said("clear", f"{column.name}: {why}")
        return _Said("clear", f"{text}, read as known at the decision", column.share if column.judged else None)
    threshold = negligible(column)
    if not column.judged and not _never_differs(column, threshold):
        return _Said("unproven", f"{text}; not read as known, and {column.why}")
    if (column.low or 0.0) > threshold:
        return _Said("leak", f"{text}; not read as known at the decision", column.share, threshold)
    return _Said("clear", f"{text}, so that any version tells what was known", column.share, threshold)


def _never_differs(column: ColumnRestatement, threshold: float) -> bool:
    """A state that no vintage shows changed may be read from any of them."""
    return column.reason is Unjudged.NEW_STATE and column.facts >= MINIMUM_FACTS and (column.share or 0.0) <= threshold


def _of_log(column: ColumnRestatement) -> _Said:
    if not column.judged:
        return _Said("unproven", f"{column.name}: {column.why}")
    text, threshold = described(column), negligible(column)
    low, share = column.low or 0.0, column.share or 0.0
    around = column.around_outcome
    if low > SUBSTANTIAL:
        return _Said("leak", f"{text}, after the row was known", share, SUBSTANTIAL)
    if around is not None and around.p_value < SIGNIFICANT and share > threshold:
        return _Said("leak", f"{text}, and the change goes with the outcome", share, threshold)
    fresh = column.fresh
    if fresh is not None and fresh.changed > 1 and fresh.low > threshold:  # one may be a slip of the pen
        young = f"{text}; of the rows seen within {fresh.age} days {fresh.changed:,} of {fresh.facts:,}"
        if fresh.low > SUBSTANTIAL:
            return _Said("leak", f"{young}, after the row was known", fresh.changed / fresh.facts, SUBSTANTIAL)
        return _Said("suspect", f"{young}, after the row was known", fresh.changed / fresh.facts, threshold)
    if share <= threshold:
        return _Said("clear", text, share, threshold)
    return _Said("unproven", f"{text}, without showing that the change goes with the outcome", share, threshold)
