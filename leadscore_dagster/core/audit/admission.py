"""The gates in front of a model, as answers to one question: may this be used?

Lives here: which parts are asked of a vintage and of a training table, what their answers mean together, and the
form a consumer asks in (``require_…``). Not here: the parts (core/sources/checks, core/audit/training_audit), nor their
display (defs/checks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from leadscore_dagster.core.audit import report as text
from leadscore_dagster.core.audit.lineage import feature_lineage
from leadscore_dagster.core.audit.training_audit import (
    PARTS,
    TABLE_PARTS,
    AuditReport,
    audit_name,
    audit_training_table,
    contract_schemas,
)
from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, blocking
from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.sources.arrived import as_of_of, published, unpublished
from leadscore_dagster.core.sources.checks import (
    VINTAGE_CHECKS,
    arrival_checks,
    compared_with,
    refuse,
    require_delivered,
    require_partition,
)
from leadscore_dagster.core.sources.log_checks import LOG_CHECKS, log_checks
from leadscore_dagster.core.state import evidence
from leadscore_dagster.core.table.audits import audits_of
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.verdict import Reason, Severity, Verdict, held
from leadscore_dagster.core.warehouse import Part, Warehouse


def described_checks(source: VintageSource | LogSource) -> dict[str, str]:
    """Name → description of every check of a source."""
    return VINTAGE_CHECKS if isinstance(source, VintageSource) else LOG_CHECKS


def source_checks(
    warehouse: Warehouse, recipe: Recipe, source: VintageSource | LogSource, as_of: date
) -> list[Verdict]:
    """Every gate of one source, remembered for its content: of a log's partition, or of the arrival of a vintage that
    was taken in last. Raises InputError if there is none."""
    if isinstance(source, VintageSource):
        return _arrival_checks(warehouse, source, require_delivered(warehouse, source.table, as_of))
    own = require_partition(warehouse, source.table, as_of)
    read = [own, *_vintage_parts(warehouse, recipe, as_of)]
    return _remembered(warehouse, source, own, read, lambda: log_checks(warehouse, source, as_of, recipe))


def _arrival_checks(warehouse: Warehouse, source: VintageSource, arrival: Part) -> list[Verdict]:
    before = compared_with(warehouse, source.table, arrival)
    read = [arrival, before] if before else [arrival]
    return _remembered(warehouse, source, arrival, read, lambda: arrival_checks(warehouse, source, arrival))


def _remembered(
    warehouse: Warehouse,
    source: VintageSource | LogSource,
    judged: Part,
    read: Sequence[Part],
    judge: Callable[[], list[Verdict]],
) -> list[Verdict]:
    """By content alone: an arrival is the same before and after it is published."""
    digests = [warehouse.digest(part.table, part.partition) for part in read]
    content = evidence.fingerprint(*digests, source.model_dump_json())
    subject = f"{source.table}_{judged.partition}"
    records = evidence.remembered(warehouse, subject, content, lambda: [verdict.as_dict() for verdict in judge()])
    return [Verdict.from_dict(record) for record in records]


def require_sources(warehouse: Warehouse, recipe: Recipe, as_of: date) -> None:
    """Ask every source partition a training table of ``as_of`` reads for its gates.

    Raises
    ------
    GateRefused : a gate that blocks has failed, in this period or an earlier one that is still read; or all that ever
        arrived of a vintage was refused.
    """
    require_vintages(warehouse, recipe, as_of)
    for source in recipe.sources.values():
        if isinstance(source, LogSource):
            refuse(source_checks(warehouse, recipe, source, as_of), f"{source.table} {as_of} was refused")
            continue
        there = {as_of_of(part.partition) for part in published(warehouse, source.table, as_of)}
        for part in unpublished(warehouse, source.table, as_of):
            if as_of_of(part.partition) not in there:
                _require(warehouse, source, part)


def require_vintages(warehouse: Warehouse, recipe: Recipe, day: date) -> None:
    """Ask every published arrival the scores of ``day`` may read for its gates. Raises GateRefused if one fails; what
    was set aside on arrival is not read, so it stands in nobody's way."""
    for source in recipe.sources.values():
        if isinstance(source, VintageSource):
            for part in published(warehouse, source.table, day):
                _require(warehouse, source, part)


def _require(warehouse: Warehouse, source: VintageSource, arrival: Part) -> None:
    refuse(_arrival_checks(warehouse, source, arrival), f"{source.table} {arrival.partition} was refused")


def require_audit(warehouse: Warehouse, recipe: Recipe, as_of: date) -> AuditReport:
    """The audit the training table of ``as_of`` has passed. Raises GateRefused if it has not."""
    report = audit_training_table(warehouse, recipe, as_of)
    if report.blocks:
        raise GateRefused(f"The training table of {as_of} was refused. {report.why()}")
    return report


def described_parts(recipe: Recipe) -> dict[str, str]:
    """Check name → description, for the parts of the audit and the recipe's SQL audits."""
    audits = {audit_name(name): _first_comment(text) for name, text in audits_of(recipe).items()}
    return {**PARTS, **TABLE_PARTS, **audits}


def audit_checks(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[Verdict]:
    """Every part of the audit and every SQL audit, one result each."""
    report = audit_training_table(warehouse, recipe, as_of)
    return [
        *(_part_result(part, report) for part in PARTS),
        *(_table_result(part, report) for part in TABLE_PARTS),
        *(
            held(name, rows == 0, value=rows, threshold=0, why=sample if rows else "No violating row.")
            for name, rows, sample in report.violations
        ),
    ]


def _part_result(part: str, report: AuditReport) -> Verdict:
    """Blocks on leaks and on suspicions nobody has acknowledged; warns of what is unproven."""
    mine = [verdict for verdict in report.verdicts if verdict.part == part]
    table = text.as_markdown(mine, report.acknowledged)
    if not mine:  # a part that has judged nothing has cleared nothing
        return Verdict(
            part,
            False,
            Reason.NOT_MEASURED,
            severity="warn",
            value=0,
            threshold=0,
            why="No feature was judged.",
            evidence=table,
        )
    refused = blocking(mine, report.acknowledged)
    if refused:
        why = "\n".join(f"{verdict.feature} ({verdict.verdict}): {verdict.evidence}" for verdict in refused)
        return held(part, False, value=len(refused), threshold=0, why=why, evidence=table)
    unproven = [v for v in mine if v.verdict == "unproven" and v.metric != SETTLED_BY_REPLAY]
    if unproven:
        names = ", ".join(verdict.feature for verdict in unproven[:5]) + (", …" if len(unproven) > 5 else "")
        why = f"{len(unproven)} of {len(mine)} features unproven: {names}. {unproven[0].evidence}"
        return Verdict(
            part,
            False,
            Reason.UNPROVEN,
            severity="warn",
            value=len(unproven),
            threshold=0,
            why=why,
            evidence=table,
        )
    return held(part, True, value=0, threshold=0, why=f"{len(mine)} features clear.", evidence=table)


def _table_result(part: str, report: AuditReport) -> Verdict:
    mine = [finding for name, finding in report.findings if name == part]
    failed = [finding for finding in mine if not finding.passed]
    why = "\n".join(f"{finding.name}: {finding.why}" for finding in failed or mine) or "Nothing was judged."
    severity: Severity = "error" if any(finding.blocks for finding in failed) else "warn"
    reason = Reason.NOT_MEASURED if not mine else Reason.MISSED if failed else Reason.MET
    passed = reason is Reason.MET
    return Verdict(part, passed, reason, severity=severity, value=len(failed), threshold=0, why=why)


def column_lineage(recipe: Recipe) -> dict[str, list[tuple[str, str]]]:
    """Feature → (table, column) pairs its value is computed from; control flow left out."""
    query = feature_query(recipe)
    found = feature_lineage(query.sql, contract_schemas(recipe))
    names = [feature.name for feature in query.features]
    return {name: sorted({(o.table, o.column) for o in found[name].values if o.table != "decisions"}) for name in names}


def vintage_digests(warehouse: Warehouse, recipe: Recipe, as_of: date) -> dict[str, str]:
    """Content digest of everything a training table of ``as_of`` was made from: a version's lineage."""
    read = [*_vintage_parts(warehouse, recipe, as_of), Part(recipe.decision_source.table, as_of.isoformat())]
    digests = {f"{part.table}/{part.partition}": warehouse.digest(part.table, part.partition) for part in read}
    return dict(sorted(digests.items()))


def _vintage_parts(warehouse: Warehouse, recipe: Recipe, as_of: date) -> list[Part]:
    return [
        part
        for source in recipe.sources.values()
        if isinstance(source, VintageSource)
        for part in published(warehouse, source.table, as_of)
    ]


def _first_comment(sql: str) -> str:
    lines = [line.removeprefix("-- ") for line in sql.splitlines() if line.startswith("--")]
    return " ".join(line for line in lines if not line.startswith("parameter:"))
