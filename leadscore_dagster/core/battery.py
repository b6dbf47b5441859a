"""The gates in front of a model, as answers to one question: may this be used?

Lives here: which parts are asked of a vintage and of a training table, what their answers mean together, and the
form a consumer asks in (``require_…``). Does not: the parts (core/sources/checks, core/audit, core/training), nor
their display (checks/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from leadscore_dagster.core import evidence
from leadscore_dagster.core.audit import report as audit_text
from leadscore_dagster.core.audit.fold import fold_verdicts
from leadscore_dagster.core.audit.known_time import evidence_of, known_time_verdicts
from leadscore_dagster.core.audit.lineage import feature_lineage, read_lineage
from leadscore_dagster.core.audit.replay import DatedTable, replay
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.verdict import Verdict, blocks, overall
from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.features.query import feature_query
from leadscore_dagster.core.features.sets import feature_sets
from leadscore_dagster.core.sources.checks import (
    LOG_CHECKS,
    VINTAGE_CHECKS,
    CheckResult,
    log_checks,
    refuse,
    vintage_checks,
)
from leadscore_dagster.core.training import GENERIC_AUDITS, decision_audits, training_rows
from leadscore_dagster.core.warehouse import Warehouse, statement
from leadscore_dagster.recipes.schema import LogSource, Recipe, VintageSource

PARTS = {
    "lineage": "From the SQL: no feature uses a column filled in after the outcome, a table of current values, or a "
    "vintage without asking whether it had arrived.",
    "known_time": "No row of the training table uses a fact that became known after its decision.",
    "replay": "Everything not known at the decision is destroyed, the features are built again: nothing changes.",
}


@dataclass(frozen=True)
class AuditReport:
    """The audit of one training table: verdicts per feature and part, and the recipe's SQL audits.

    ``violations`` : (audit, violating rows, text of the first ones).
    """

    as_of: date
    verdicts: tuple[Verdict, ...]
    violations: tuple[tuple[str, int, str], ...]

    @property
    def blocks(self) -> bool:
        return blocks(self.verdicts) or any(rows for _, rows, _ in self.violations)

    def why(self) -> str:
        """The leaks and violations in sentences; empty when there are none."""
        leaks = [f"{v.feature}: {v.evidence}" for v in overall(self.verdicts).values() if v.verdict == "leak"]
        broken = [f"{name}: {rows:,} violating rows ({sample})" for name, rows, sample in self.violations if rows]
        return "\n".join([*leaks, *broken])

    def as_markdown(self) -> str:
        lines = [
            f"- {name}: {f'**{rows:,} violating rows**' if rows else 'no violating row'}"
            for name, rows, _ in self.violations
        ]
        return audit_text.as_markdown(self.verdicts) + "\n" + "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        return {
            **audit_text.as_json(self.verdicts),
            "blocks": self.blocks,
            "audits": [{"audit": name, "violations": rows} for name, rows, _ in self.violations],
        }


def described_checks(source: VintageSource | LogSource) -> dict[str, str]:
    """Name → description of every check of a source."""
    return VINTAGE_CHECKS if isinstance(source, VintageSource) else LOG_CHECKS


def source_checks(
    warehouse: Warehouse, recipe: Recipe, source: VintageSource | LogSource, as_of: date
) -> list[CheckResult]:
    """Every gate of one source's partition, remembered for its content."""
    day = as_of.isoformat()
    # a partition is compared with the one before it, never with an older one
    tables = [(source.table, key) for key in warehouse.partitions(source.table) if key <= day][-2:]
    if isinstance(source, LogSource):
        tables += _vintage_partitions(warehouse, recipe, as_of)
    content = evidence.fingerprint(evidence.partition_fingerprint(warehouse, tables), source.model_dump_json())
    records = evidence.remembered(
        warehouse,
        f"{source.table}_{day}",
        content,
        lambda: [asdict(result) for result in _judge_source(warehouse, recipe, source, as_of)],
    )
    return [CheckResult(**record) for record in records]


def require_sources(warehouse: Warehouse, recipe: Recipe, as_of: date) -> None:
    """Ask every source partition a training table of ``as_of`` reads for its gates.

    Raises
    ------
    GateRefused : a gate that blocks has failed, in this quarter or an earlier one that is still read.
    """
    _require(warehouse, recipe, as_of, list(recipe.sources.values()))


def require_vintages(warehouse: Warehouse, recipe: Recipe, day: date) -> None:
    """Ask every vintage the scores of ``day`` may read for its gates. Raises GateRefused as ``require_sources``."""
    vintages = [source for source in recipe.sources.values() if isinstance(source, VintageSource)]
    _require(warehouse, recipe, day, vintages)


def _require(warehouse: Warehouse, recipe: Recipe, as_of: date, sources: Sequence[VintageSource | LogSource]) -> None:
    for source in sources:
        for key in _read_partitions(warehouse, source, as_of):
            refuse(
                source_checks(warehouse, recipe, source, date.fromisoformat(key)), f"{source.table} {key} was refused"
            )


def audit_training_table(warehouse: Warehouse, recipe: Recipe, as_of: date) -> AuditReport:
    """The audit of a quarter's training table, remembered for its content, its vintages and the SQL."""
    day = as_of.isoformat()
    tables = [("training_table", day), ("labels", day), *_vintage_partitions(warehouse, recipe, as_of)]
    tables.append((recipe.decision_source.table, day))
    content = evidence.fingerprint(
        evidence.partition_fingerprint(warehouse, tables),
        feature_query(recipe).sql,
        recipe.model_dump_json(),
        *(statement(name) for name in recipe.audits or GENERIC_AUDITS),
    )
    records = evidence.remembered(warehouse, f"training_table_{day}", content, lambda: _audit(warehouse, recipe, as_of))
    return AuditReport(
        as_of,
        tuple(Verdict(**record["verdict"]) for record in records if "verdict" in record),
        tuple((r["audit"], r["rows"], r["sample"]) for r in records if "audit" in r),
    )


def require_audit(warehouse: Warehouse, recipe: Recipe, as_of: date) -> None:
    """Raise GateRefused unless the training table of ``as_of`` passed its audit."""
    report = audit_training_table(warehouse, recipe, as_of)
    if report.blocks:
        raise GateRefused(f"The training table of {as_of} was refused. {report.why()}")


@dataclass(frozen=True)
class PartResult:
    """One part of the audit as a check shows it. ``value``: leaking features, or violating rows."""

    name: str
    passed: bool
    value: int
    threshold: int
    why: str
    evidence: str = ""
    severity: str = "error"


def described_parts(recipe: Recipe) -> dict[str, str]:
    """Check name → description, for the parts of the audit and the recipe's SQL audits."""
    audits = {_audit_name(name): _first_comment(statement(name)) for name in recipe.audits or GENERIC_AUDITS}
    return {**PARTS, **audits}


def audit_checks(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[PartResult]:
    """Every part of the audit and every SQL audit, one result each."""
    report = audit_training_table(warehouse, recipe, as_of)
    return [_part_result(part, report) for part in PARTS] + [
        PartResult(_audit_name(name), rows == 0, rows, 0, sample if rows else "No violating row.")
        for name, rows, sample in report.violations
    ]


def column_lineage(recipe: Recipe) -> dict[str, list[tuple[str, str]]]:
    """Feature → (table, column) pairs its value is computed from; control flow left out."""
    query = feature_query(recipe)
    found = feature_lineage(query.sql, contract_schemas(recipe))
    names = [feature.name for feature in query.features]
    return {name: sorted({(o.table, o.column) for o in found[name].values if o.table != "decisions"}) for name in names}


def contract_schemas(recipe: Recipe) -> dict[str, list[str]]:
    """Stored table → columns, as the contracts promise them, and the relation ``decisions``."""
    schemas = {"decisions": ["decision_id", recipe.decisions.entity, "decision_at"]}
    for source in recipe.sources.values():
        known = "available_at" if isinstance(source, VintageSource) else "known_at"
        schemas[source.table] = [*(column.name for column in source.contract.columns), "as_of", known]
    return schemas


def vintage_digests(warehouse: Warehouse, recipe: Recipe, as_of: date) -> dict[str, str]:
    """Content digest of everything a training table of ``as_of`` was made from: a version's lineage."""
    tables = [*_vintage_partitions(warehouse, recipe, as_of), (recipe.decision_source.table, as_of.isoformat())]
    return {f"{table}/{key}": warehouse.digest(table, key) for table, key in sorted(tables)}


def _audit(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[dict[str, Any]]:
    verdicts = _verdicts(warehouse, recipe, as_of)
    return [{"verdict": asdict(verdict)} for verdict in verdicts] + [
        {"audit": _audit_name(name), "rows": rows, "sample": _sample(sample)}
        for name, rows, sample in decision_audits(warehouse, recipe, as_of)
    ]


def _verdicts(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[Verdict]:
    """Lineage, known time and replay of every stored feature of the recipe."""
    query, schemas = feature_query(recipe), contract_schemas(recipe)
    names = [feature.name for feature in query.features]
    rows = training_rows(warehouse, as_of)
    evidence_found = evidence_of(
        warehouse,
        rows.column_names,
        {"as_of": as_of},
        {"training_table": "SELECT * FROM training_table WHERE as_of = @as_of"},
    )
    dated = [_dated(source) for source in recipe.sources.values()]
    stored = [
        *lineage_verdicts(query.sql, schemas, declarations_of(recipe), names),
        *known_time_verdicts(evidence_found, read_lineage(query.sql, schemas), names, [entry.name for entry in dated]),
        *replay(warehouse, query.sql, rows, dated, names).verdicts(),
    ]
    return [*stored, *fold_verdicts(feature_sets(recipe), stored)]


def _dated(source: VintageSource | LogSource) -> DatedTable:
    """A source as replay destroys it: rows by the instant they were known, facts by the date they happened."""
    events = tuple(
        column.name for column in source.contract.columns if column.type == "date" and column.not_after_as_of
    )
    if isinstance(source, VintageSource):
        return DatedTable(source.table, "available_at", events=events)
    return DatedTable(source.table, "known_at", is_vintage=False)


def _sample(rows: Any) -> str:
    return "; ".join(str(row) for row in rows.slice(0, 3).to_pylist())


def _part_result(part: str, report: AuditReport) -> PartResult:
    mine = [verdict for verdict in report.verdicts if verdict.part == part]
    leaks = [verdict for verdict in mine if verdict.verdict == "leak"]
    unproven = sum(verdict.verdict == "unproven" for verdict in mine)
    if leaks:
        why = "\n".join(f"{verdict.feature}: {verdict.evidence}" for verdict in leaks)
    else:
        why = f"{len(mine) - unproven} features clear, {unproven} unproven by this part alone."
    # a part that has judged nothing has cleared nothing
    passed = bool(mine) and not leaks
    return PartResult(part, passed, len(leaks), 0, why, audit_text.as_markdown(mine))


def _judge_source(
    warehouse: Warehouse, recipe: Recipe, source: VintageSource | LogSource, as_of: date
) -> list[CheckResult]:
    if isinstance(source, VintageSource):
        return vintage_checks(warehouse, source, as_of)
    return log_checks(warehouse, source, as_of, recipe)


def _read_partitions(warehouse: Warehouse, source: VintageSource | LogSource, as_of: date) -> Sequence[str]:
    if isinstance(source, LogSource):
        return [as_of.isoformat()]
    return [key for key in warehouse.partitions(source.table) if key <= as_of.isoformat()]


def _vintage_partitions(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[tuple[str, str]]:
    return [
        (source.table, key)
        for source in recipe.sources.values()
        if isinstance(source, VintageSource)
        for key in _read_partitions(warehouse, source, as_of)
    ]


def _audit_name(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _first_comment(sql: str) -> str:
    lines = [line.removeprefix("-- ") for line in sql.splitlines() if line.startswith("--")]
    return " ".join(line for line in lines if not line.startswith("parameter:"))
