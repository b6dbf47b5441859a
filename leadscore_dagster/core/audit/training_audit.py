"""The leakage audit of a training table: which parts are asked, in which order, and what they mean together.

Lives here: running the parts on one partition, the report, its memory. Not here: any part (core/audit), the gates in
front of a consumer (admission), display (defs/checks).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit import report as text
from leadscore_dagster.core.audit.fold import fold_verdicts
from leadscore_dagster.core.audit.folds import fold_findings
from leadscore_dagster.core.audit.known_time import evidence_of, known_time_verdicts
from leadscore_dagster.core.audit.lineage import Lineage, read_lineage
from leadscore_dagster.core.audit.outcomes import outcome_findings
from leadscore_dagster.core.audit.parity import serve_parity
from leadscore_dagster.core.audit.replay import DatedTable, replay
from leadscore_dagster.core.audit.restatement import ColumnRestatement, restatement_verdicts, restatements
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.statistics import lag_decay_verdicts, statistics_verdicts, twin_findings
from leadscore_dagster.core.audit.verdict import Answer, FeatureVerdict, blocking
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.state import evidence
from leadscore_dagster.core.table.audits import audits_of, decision_audits
from leadscore_dagster.core.table.features.older import features_one_vintage_older
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import feature_sets
from leadscore_dagster.core.table.periods import Fold
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.table.training import TABLE, training_rows
from leadscore_dagster.core.table.training_rows import fold_rows, split_rows
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Warehouse, compose, table

#: parts that prove; a leak is theirs alone
PROOFS = {
    "lineage": "From the SQL: no feature uses a column filled in after the outcome, a table of current values, or a "
    "vintage without checking that it had arrived.",
    "known_time": "No row of the training table uses a fact that became known after its decision.",
    "replay": "Everything not known at the decision is destroyed and the features are built again: nothing changes.",
    "restatement": "From the vintages themselves: no feature uses a column that is written or changed after the fact, "
    "unless it reads the column as it was known.",
    "parity": "For a sample of past decisions, the scoring path run at that moment gives the training row bit for bit.",
}
#: parts that suspect
STATISTICS = {
    "strength": "No feature alone separates the outcomes better than honest features do. One that only tells the time "
    "is a clock.",
    "missingness": "Whether a feature is filled does not give the outcome away.",
    "categories": "No value occurs with positive outcomes only.",
    "joint": "No features that are weak alone are too strong together.",
    "identity": "No feature is an identifier, a row order, or an average of other rows' outcomes.",
    "lag_decay": "Rebuilt one vintage older, an honest feature fades; a leak collapses.",
}
#: statements on the table as a whole
TABLE_PARTS = {
    "folds": "Training rows lie before the rows they are judged on, by at least the label window.",
    "outcomes": "No outcome was still open, came before its decision, or was kept for one class only.",
    "twins": "No row of the test period is a copy of a training row.",
}
PARTS = {**PROOFS, **STATISTICS}


@dataclass(frozen=True)
class AuditReport:
    """The audit of one training table.

    ``findings``: (table part, finding). ``violations``: (SQL audit, violating rows, text of the first ones).
    ``restated``: what the vintages say about each source column, JSON-able. ``acknowledged``: (feature, part) of
    suspicions the recipe acknowledges.
    """

    as_of: date
    rows: int
    positives: int
    verdicts: tuple[FeatureVerdict, ...]
    findings: tuple[tuple[str, Verdict], ...]
    violations: tuple[tuple[str, int, str], ...]
    restated: tuple[dict[str, Any], ...]
    acknowledged: frozenset[tuple[str, str]]

    @property
    def blocks(self) -> bool:
        broken = any(rows for _, rows, _ in self.violations)
        return broken or any(finding.blocks for _, finding in self.findings) or bool(self._blocking())

    def _blocking(self) -> list[FeatureVerdict]:
        return blocking(self.verdicts, self.acknowledged)

    def why(self) -> str:
        """Leaks, suspicions, findings and violations that block, in sentences; empty when there are none."""
        refused: dict[str, str] = {}
        for verdict in self._blocking():
            refused.setdefault(verdict.feature, f"{verdict.feature}: {verdict.evidence}")
        found = [f"{name}: {finding.why}" for name, finding in self.findings if finding.blocks]
        broken = [f"{name}: {rows:,} violating rows ({sample})" for name, rows, sample in self.violations if rows]
        return "\n".join([*refused.values(), *found, *broken])

    def as_markdown(self) -> str:
        lines = ["", "## The table as a whole", ""]
        lines += [
            f"- {part}: {'holds' if finding.passed else f'**{finding.severity}**'}: {finding.why}"
            for part, finding in self.findings
        ]
        lines += [
            f"- {name}: {f'**{rows:,} violating rows**' if rows else 'no violating row'}"
            for name, rows, _ in self.violations
        ]
        return text.as_markdown(self.verdicts, self.acknowledged) + "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        return {
            **text.as_json(self.verdicts, self.acknowledged),
            "blocks": self.blocks,
            "findings": [{"part": part, **finding.as_dict()} for part, finding in self.findings],
            "audits": [{"audit": name, "violations": rows} for name, rows, _ in self.violations],
        }


def audit_training_table(warehouse: Warehouse, recipe: Recipe, as_of: date) -> AuditReport:
    """The audit of a period's training table, remembered for everything it was computed from."""
    records = evidence.remembered(
        warehouse,
        f"{TABLE}_{as_of}",
        _content(warehouse, recipe, as_of),
        lambda: list(_audit(warehouse, recipe, as_of)),
    )
    parts = {kind: [record[kind] for record in records if kind in record] for kind in _RECORDS}
    (size,) = parts["size"]
    return AuditReport(
        as_of,
        size["rows"],
        size["positives"],
        tuple(FeatureVerdict(**record) for record in parts["verdict"]),
        tuple((part, Verdict.from_dict(record)) for part, record in parts["finding"]),
        tuple((name, rows, sample) for name, rows, sample in parts["violation"]),
        tuple(parts["restated"]),
        frozenset((entry.feature, entry.part) for entry in recipe.acknowledged),
    )


#: kinds of remembered records
_RECORDS = ("size", "verdict", "finding", "violation", "restated")


def _content(warehouse: Warehouse, recipe: Recipe, as_of: date) -> str:
    """Fingerprint of all the audit reads: this build and the one before, labels, sources, SQL, recipe."""
    day = as_of.isoformat()
    tables = [("labels", day)]
    for name in (TABLE, *(source.table for source in recipe.sources.values())):
        tables += [(name, key) for key in warehouse.partitions(name) if key[:10] <= day]
    return evidence.fingerprint(
        evidence.partition_fingerprint(warehouse, tables),
        feature_query(recipe).sql,
        recipe.model_dump_json(exclude={"automation"}),  # the hour it runs at changes no verdict
        *(compose(text, sql_of(recipe)) for text in audits_of(recipe).values()),
    )


def _audit(warehouse: Warehouse, recipe: Recipe, as_of: date) -> Iterator[dict[str, Any]]:
    rows = training_rows(warehouse, as_of)
    yield {"size": {"rows": rows.num_rows, "positives": int(rows["label"].to_numpy().sum())}}
    outcomes = rows.select([recipe.decisions.entity, "decision_at", "label"])
    lineage = read_lineage(feature_query(recipe).sql, contract_schemas(recipe))
    restated = restatements(warehouse, recipe, as_of, lineage.scanned(), outcomes)
    yield from ({"restated": column.as_dict()} for column in restated)
    yield from (
        {"verdict": asdict(verdict)} for verdict in _verdicts(warehouse, recipe, as_of, rows, lineage, restated)
    )
    yield from ({"finding": [part, found.as_dict()]} for part, found in _findings(warehouse, recipe, as_of, rows))
    for name, violating, sample in decision_audits(warehouse, recipe, as_of):
        yield {"violation": [audit_name(name), violating, _sample(sample)]}


def _verdicts(
    warehouse: Warehouse,
    recipe: Recipe,
    as_of: date,
    rows: pa.Table,
    lineage: Lineage,
    restated: Sequence[ColumnRestatement],
) -> list[FeatureVerdict]:
    """Every part's verdict on every feature; those computed inside the fold are what their inputs are."""
    query, schemas = feature_query(recipe), contract_schemas(recipe)
    names = [feature.name for feature in query.features]
    by_lineage = lineage_verdicts(query.sql, schemas, declarations_of(recipe), names)
    of_period = {TABLE: f"SELECT * FROM {TABLE} WHERE as_of = @as_of"}
    stated = evidence_of(warehouse, rows.column_names, {"as_of": as_of}, of_period)
    dated = [dated_table(source) for source in recipe.sources.values()]
    by_restatement = restatement_verdicts(restated, lineage, names, by_lineage)
    proofs = [
        *by_lineage,
        *known_time_verdicts(stated, lineage, names, [entry.name for entry in dated]),
        *replay(warehouse, query.sql, rows, dated, names).verdicts(),
        *by_restatement,
        *serve_parity(warehouse, recipe, rows, as_of, names, seed=recipe.model.seed),
    ]
    proven = {verdict.feature for verdict in by_restatement if verdict.verdict == "clear"}
    suspicions = statistics_verdicts(rows, query.features, proven=proven, seed=recipe.model.seed)
    suspicions += _lag_decay(warehouse, recipe, rows, proven, suspicions)
    return [*proofs, *fold_verdicts(feature_sets(recipe), proofs), *suspicions]


def _lag_decay(
    warehouse: Warehouse, recipe: Recipe, rows: pa.Table, proven: Collection[str], suspicions: Sequence[FeatureVerdict]
) -> list[FeatureVerdict]:
    """Whether what is too strong was there one vintage earlier; the rebuild costs as much as the training table, so it
    is done only where something is too strong."""
    features = feature_query(recipe).features
    has_vintages = any(isinstance(source, VintageSource) for source in recipe.sources.values())
    strong = any(verdict.part == "strength" and verdict.verdict == "suspect" for verdict in suspicions)
    if has_vintages and strong:
        older = features_one_vintage_older(warehouse, recipe, rows)
        return lag_decay_verdicts(rows, older, features, proven=proven, seed=recipe.model.seed)
    answer: Answer = "unproven" if strong else "clear"  # what is too strong and has no older vintage stays open
    text = "no source is kept as vintages" if strong else "no feature is too strong"
    return [
        FeatureVerdict(feature.name, "lag_decay", answer, f"not rebuilt one vintage older: {text}")
        for feature in features
    ]


def _findings(warehouse: Warehouse, recipe: Recipe, as_of: date, rows: pa.Table) -> Iterator[tuple[str, Verdict]]:
    """Statements on the table as a whole, with the part they belong to."""
    window, entity = recipe.label_window_days, recipe.decisions.entity
    splits = [(split.training, split.validation) for split in _splits(rows, recipe)]
    # between two periods the purge is the label window; recipe.model.gap_days widens it between folds only
    judged = fold_findings(rows["decision_at"].to_numpy(), rows[entity], splits, window, window) if splits else []
    yield from (("folds", found) for found in judged)
    labels = table(warehouse, "SELECT * FROM labels WHERE as_of = @as_of", {"as_of": as_of})
    earlier = _earlier_build(warehouse, as_of)
    yield from (("outcomes", found) for found in outcome_findings(labels, rows, earlier, as_of, window, entity))
    if splits:
        features = feature_query(recipe).features
        yield from (("twins", found) for found in twin_findings(rows, features, *splits[-1]))


def _earlier_build(warehouse: Warehouse, as_of: date) -> pa.Table | None:
    """decision_id and label of the build of the period before this one, if there is one."""
    earlier = [key for key in warehouse.partitions(TABLE) if key < as_of.isoformat()]
    if not earlier:
        return None
    sql = f"SELECT decision_id, decision_at, label FROM {TABLE} WHERE as_of = @as_of"
    return table(warehouse, sql, {"as_of": date.fromisoformat(earlier[-1])})


def _splits(rows: pa.Table, recipe: Recipe) -> list[Fold]:
    """The splits training will use: the folds of development, and last what is fitted on against what judges it.

    Empty where the history is too short to be split; training says so itself.
    """
    try:
        return _splits_of(rows, recipe)
    except InputError:
        return []


def _splits_of(rows: pa.Table, recipe: Recipe) -> list[Fold]:
    periods = split_rows(rows, recipe.model, recipe.label_window_days, recipe.decisions.entity)
    fitted = np.concatenate([periods.development, periods.calibration])
    folds = fold_rows(rows.take(periods.development), recipe.model, recipe.label_window_days, recipe.decisions.entity)
    inside = [Fold(periods.development[fold.training], periods.development[fold.validation]) for fold in folds]
    return [*inside, Fold(periods.development, periods.calibration), Fold(fitted, periods.test)]


def contract_schemas(recipe: Recipe) -> dict[str, list[str]]:
    """Stored table → columns, as the contracts promise them, and the relation ``decisions``."""
    schemas = {"decisions": ["decision_id", recipe.decisions.entity, "decision_at"]}
    for source in recipe.sources.values():
        known = "available_at" if isinstance(source, VintageSource) else "known_at"
        schemas[source.table] = [*(column.name for column in source.contract.columns), "as_of", known]
    return schemas


def dated_table(source: VintageSource | LogSource) -> DatedTable:
    """A source as replay destroys it: rows by the instant they were known, facts by the date they happened."""
    events = tuple(
        column.name for column in source.contract.columns if column.type == "date" and column.not_after_as_of
    )
    if isinstance(source, VintageSource):
        return DatedTable(source.table, "available_at", events=events, keys=source.contract.key)
    return DatedTable(source.table, "known_at", is_vintage=False, keys=source.contract.key, later=source.known_later)


def audit_name(name: str) -> str:
    """``audits/decision_not_unique`` is shown as ``decision_not_unique``."""
    return name.rsplit("/", 1)[-1]


def _sample(rows: pa.Table) -> str:
    return "; ".join(str(row) for row in rows.slice(0, 3).to_pylist())
