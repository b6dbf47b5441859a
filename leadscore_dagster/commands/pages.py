"""Pages people open: written beside and renamed into place, so that nobody opens half of one.

Lives here: which stored evidence a page is made of. Not here: what a page says (core/pages/audit, core/pages/model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from leadscore_dagster.core.audit.training_audit import PARTS, TABLE_PARTS, AuditReport
from leadscore_dagster.core.audit.verdict import overall
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import write_text
from leadscore_dagster.core.modelling.judgement.candidate_evidence import ranking_record
from leadscore_dagster.core.modelling.judgement.explanation import importance_csv
from leadscore_dagster.core.pages.audit import audit_page
from leadscore_dagster.core.pages.model import model_page
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.state import State
from leadscore_dagster.core.verdict import Reason, from_json
from leadscore_dagster.core.versions import promotion, registry
from leadscore_dagster.core.versions.comparison import PROMOTION
from leadscore_dagster.core.versions.gates import asked_of, evaluate_gates, sentence
from leadscore_dagster.core.versions.ledger import LedgerEntry, champion_at, champion_before, history
from leadscore_dagster.core.versions.retention import report_files
from leadscore_dagster.core.versions.track_record import newest_track_record
from leadscore_dagster.core.versions.version_audit import kept_audit
from leadscore_dagster.core.versions.waivers import waivers_of
from leadscore_dagster.defs.resources import Workspace


def write_audit_page(
    recipe: Recipe, workspace: Workspace, report: AuditReport, numbers: dict[str, Any] | None = None
) -> Path:
    """The audit as one HTML file in the recipe's outputs; the path."""
    page = audit_page(
        f"Leakage audit: {recipe.title}",
        {
            "recipe": recipe.name,
            "as_of": report.as_of.isoformat(),
            "rows": report.rows,
            "positives": report.positives,
            "parts": {**PARTS, **TABLE_PARTS},
        },
        report.verdicts,
        overall(report.verdicts),
        report.findings,
        report.violations,
        report.restated,
        numbers,
        [entry.model_dump(mode="json") for entry in recipe.acknowledged],
    )
    return write_text(workspace.outputs(recipe) / f"leakage_audit_{report.as_of}.html", page)


def write_model_page(
    recipe: Recipe, workspace: Workspace, version: str, track_record: Sequence[Mapping[str, Any]] | None = None
) -> Path:
    """The report of a version as one HTML file in the recipe's outputs, and its importances as CSV; the page's path.

    Made from what is stored, so the report of an old version can be made again: its audit is the one it has passed
    when it was trained, its gates and its standing are today's.

    Parameters
    ----------
    track_record : what is shown instead of the newest one that is kept: a backtest's, with what it alone knows.

    Raises
    ------
    InputError : there is no such version, or its files are not what their digests say.
    """
    evidence = stored_evidence(recipe, workspace, version)
    if track_record is not None:
        evidence["track_record"] = track_record
    outputs = workspace.outputs(recipe)
    report, importances = report_files(version)
    if evidence["measured"]:
        table = importance_csv(evidence["measured"]["importance"], evidence["manifest"]["features"])
        write_text(outputs / importances, table)
    return write_text(outputs / report, model_page(evidence))


def stored_evidence(recipe: Recipe, workspace: Workspace, version: str) -> dict[str, Any]:
    """Everything the home holds about a version, as `model_page` reads it."""
    warehouse, state, models = workspace.warehouse(recipe), workspace.state(recipe), workspace.models(recipe)
    manifest = registry.read_manifest(models, version)
    as_of = date.fromisoformat(manifest["as_of"])
    entries, on = history(state), workspace.now().date()
    gates = gate_records(state, models, recipe, version, on)
    paired = _comparison(entries, version)
    return {
        "version": version,
        "as_of": manifest["as_of"],
        "recipe": {
            "title": recipe.title,
            "owner": recipe.owner,
            "cadence": recipe.cadence.value,
            "stale_after_periods": recipe.promotion.stale_after_periods,
        },
        "manifest": manifest,
        "measured": registry.load_evidence(models, version),
        "gates": [*gates, paired] if paired else gates,
        "ledger": [asdict(entry) | {"effective_from": entry.effective_from.isoformat()} for entry in entries],
        "standing": _standing(entries, version, champion_at(state, workspace.now())),
        "audit": kept_audit(state, version),
        "previous": _previous(state, models, as_of, version, manifest, paired),
        "track_record": newest_track_record(warehouse),
    }


def gate_records(state: State, models: Path, recipe: Recipe, version: str, on: date) -> list[dict[str, Any]]:
    """A version's gates as a page shows them: of one that passed what it ``asked``, of one that was waived the waiver
    and what was ``found``."""
    metrics = registry.load_metrics(models, version)
    found = {verdict.name: verdict for verdict in evaluate_gates(metrics, recipe.gates)}
    waivers = {waiver.gate: waiver for waiver in waivers_of(state, version, on)}
    records = []
    for verdict in promotion.judge(state, models, recipe, version=version, on=on):
        record = verdict.as_dict()
        if verdict.reason is Reason.MET:
            record["asked"] = sentence(asked_of(metrics[verdict.name], recipe.gates[verdict.name]))
        if verdict.waived:
            waiver = waivers[verdict.name]
            record["found"] = found[verdict.name].why
            record["waiver"] = {"until": str(waiver.expires_on), "by": waiver.granted_by, "why": waiver.why}
        records.append(record)
    return records


def _standing(entries: Sequence[LedgerEntry], version: str, champion: LedgerEntry | None) -> dict[str, Any]:
    """Whether a version scores today, since when, and the newest reason the ledger gives for it."""
    about = [entry for entry in entries if entry.version == version]
    holds = champion is not None and champion.version == version
    return {
        "champion": holds,
        "since": champion.effective_from.isoformat() if champion and holds else None,
        "holder": champion.version if champion else None,
        "why": about[-1].why if about else None,
    }


def _comparison(entries: Sequence[LedgerEntry], version: str) -> dict[str, Any] | None:
    """The paired comparison with the champion of its day, as the ledger keeps it."""
    judged = [verdict for entry in entries if entry.version == version for verdict in from_json(entry.gates_json)]
    return next((verdict.as_dict() for verdict in reversed(judged) if verdict.name == PROMOTION), None)


def _previous(
    state: State,
    models: Path,
    as_of: date,
    version: str,
    manifest: Mapping[str, Any],
    paired: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """The champion a version had to beat, with its ranking beside the version's own."""
    before = champion_before(state, datetime.combine(as_of, datetime.min.time(), tzinfo=UTC))
    if before is None or before.version == version:
        return None
    try:
        other = registry.read_manifest(models, before.version)
    except InputError as error:
        return {"absent": str(error)}
    return {
        "version": before.version,
        "relation": "the champion before it",
        "ranking": ranking_record(list(manifest["importances"]), list(other["importances"])),
        "metrics": other["metrics"],
        "paired": paired,
    }
