"""Known-time audit: the instants the training rows state as evidence, held against the decision time.

The training table carries, per relation, when the newest fact used in a row became known and when it happened
(``evidence_<relation>_known_at``, ``evidence_<relation>_event_at``; missing where nothing matched). Rates are
over the rows that matched: a relation that matches few rows cannot hide behind the others.

Lives here: this comparison, and which features it concerns. Not here: re-deriving the evidence by another
route (core/table/audits, replay)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leadscore_dagster.core.audit.lineage import Lineage
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse.protocol import Relation, Warehouse, table

PART = "known_time"
_PREFIX, _KNOWN, _EVENT = "evidence_", "_known_at", "_event_at"


@dataclass(frozen=True)
class Evidence:
    """One relation in the training table: rows that matched it, and how many of them used a later fact."""

    relation: str
    matched: int
    known_late: int
    happened_late: int
    example: str | None = None  # a decision_id

    @property
    def late(self) -> int:
        """Rows in which a fact was known, or happened, after the decision (the larger of the two counts)."""
        return max(self.known_late, self.happened_late)


def relations_with_evidence(columns: Iterable[str]) -> list[str]:
    """Relations the training table carries evidence for, sorted."""
    names = [name for name in columns if name.startswith(_PREFIX) and name.endswith(_KNOWN)]
    return sorted(name.removeprefix(_PREFIX).removesuffix(_KNOWN) for name in names)


def evidence_of(
    warehouse: Warehouse,
    columns: Sequence[str],
    parameters: Mapping[str, object] | None = None,
    relations: Mapping[str, Relation] | None = None,
) -> list[Evidence]:
    """Counts per relation over table ``training_table``, which ``relations`` may narrow to one period.

    Raises InputError where the table carries no evidence at all: an audit of nothing passes nothing.
    """
    names = relations_with_evidence(columns)
    if not names:
        raise InputError(
            "the training table carries no evidence columns",
            where="training_table",
            remedy="the feature query must return evidence_<relation>_known_at",
        )
    parts = []
    for relation in names:
        condition, known, event = _condition(relation, columns)
        parts.append(
            f"SELECT '{relation}' AS relation, COUNTIF({known} IS NOT NULL OR {event} IS NOT NULL) AS matched, "
            f"COUNTIF({known} > decision_at) AS known_late, COUNTIF({event} > decision_at) AS happened_late, "
            f"MIN(IF({condition}, CAST(decision_id AS STRING), NULL)) AS example FROM training_table"
        )
    rows = table(warehouse, "\nUNION ALL\n".join(parts), parameters, relations).to_pylist()
    return sorted((Evidence(**row) for row in rows), key=lambda evidence: evidence.relation)


def known_time_verdicts(
    found: Sequence[Evidence],
    lineage: Lineage,
    features: Sequence[str],
    dated: Iterable[str],
    aliases: Mapping[str, str] | None = None,
) -> list[FeatureVerdict]:
    """Evidence per relation, mapped onto the features whose lineage reads that relation.

    Parameters
    ----------
    found : see ``evidence_of``.
    lineage : graph of the feature query the table was built with.
    features : columns to judge.
    dated : tables whose facts have to be evidenced (vintages and logs).
    aliases : relation in the evidence columns to the stored table, where they differ.

    A feature that reads a dated table without evidence is ``unproven``.
    """
    by_table = {(aliases or {}).get(evidence.relation, evidence.relation): evidence for evidence in found}
    needed = frozenset(dated)
    return [_judge(feature, _tables(lineage, feature) & needed, by_table) for feature in features]


def _tables(lineage: Lineage, feature: str) -> set[str]:
    """Stored tables the feature's value comes from; those of its control flow where the value has none."""
    values = {leaf.relation for leaf in lineage.value_leaves(feature)}
    return values or {leaf.relation for leaf in lineage.leaves(feature)}


def _judge(feature: str, tables: set[str], by_table: Mapping[str, Evidence]) -> FeatureVerdict:
    late = [by_table[name] for name in sorted(tables) if name in by_table and by_table[name].late]
    if late:
        worst = max(late, key=lambda evidence: evidence.late / evidence.matched)
        text = (
            f"{worst.relation}: of {worst.matched:,} matched rows {worst.known_late:,} use a fact known and "
            f"{worst.happened_late:,} a fact that happened after the decision, such as decision {worst.example}"
        )
        return FeatureVerdict(feature, PART, "leak", text, "late_share_of_matched", worst.late / worst.matched, 0)
    without = sorted(tables - set(by_table))
    if without:
        return FeatureVerdict(feature, PART, "unproven", f"no evidence columns for {', '.join(without)}")
    empty = sorted(name for name in tables if not by_table[name].matched)
    if empty:
        return FeatureVerdict(feature, PART, "unproven", f"no row matched {', '.join(empty)}")
    texts = [f"{name}: 0 of {by_table[name].matched:,} matched rows" for name in sorted(tables)]
    text = "facts after the decision in " + "; ".join(texts) if texts else "uses no dated table"
    return FeatureVerdict(
        feature, PART, "clear", text, "late_share_of_matched" if texts else None, 0 if texts else None, 0
    )


def _condition(relation: str, columns: Iterable[str]) -> tuple[str, str, str]:
    """Violation, known-time and event-time expressions of a relation; the event time is optional."""
    event_column = f"{_PREFIX}{relation}{_EVENT}"
    known = f"`{_PREFIX}{relation}{_KNOWN}`"
    event = f"`{event_column}`" if event_column in set(columns) else "CAST(NULL AS TIMESTAMP)"
    return f"{known} > decision_at OR {event} > decision_at", known, event
