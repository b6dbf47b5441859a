"""`leadscore run`: take in what has arrived, then one period from labels to champion.

Lives here: which jobs a period needs and what came of it. Not here: any step itself (assets, core).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from leadscore_dagster.commands.instance import Progress, Refusal, execute, instance_of
from leadscore_dagster.commands.outcome import RunOutcome, columns
from leadscore_dagster.commands.pages import write_audit_page, write_model_page
from leadscore_dagster.core.audit.training_audit import audit_training_table
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.modelling.recipe_check import check_recipe
from leadscore_dagster.core.recipe.loading import load_recipe, parse_day
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.arrivals import newest_period, periods_to_ingest
from leadscore_dagster.core.sources.connectors import connector_of, copies_of
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.table.sql_check import check_sql
from leadscore_dagster.core.table.training import TABLE
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.versions import promotion, registry
from leadscore_dagster.core.versions.ledger import LedgerEntry, champion_at
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.jobs import OF_A_PERIOD, period_keys, vintage_keys
from leadscore_dagster.defs.resources import Workspace, write_locations


def run_recipe(
    home: Path, name: str, as_of: str | None, locations: dict[str, str], progress: Progress, clock: str = ""
) -> RunOutcome:
    """Ingest what has arrived up to ``as_of``, then train, audit, gate and promote that period."""
    recipe, workspace = opened(home, name, locations, clock)
    period = period_of_run(recipe, workspace, as_of)
    with instance_of(home) as instance:
        refusal = refresh(instance, recipe, workspace, period, progress)
        ruling = None if refusal else ruled(instance, recipe, period)
    return _outcome(recipe, workspace, period, refusal, ruling)


def opened(home: Path, name: str, locations: dict[str, str], clock: str = "") -> tuple[Recipe, Workspace]:
    """A recipe, and the workspace of a home that remembers where the recipe's sources lie.

    Raises InputError, before anything is written, for a recipe that names what does not exist and for a file or folder
    that is not there: what is remembered, every later run reads.
    """
    recipe = load_recipe(name)
    check_sql(recipe)
    check_recipe(recipe, name)
    for source, location in locations.items():
        if source in recipe.sources:
            connector_of(os.path.expandvars(location)).require()
    write_locations(home, recipe, locations)
    return recipe, Workspace(home=str(home), clock=clock)


def refresh(
    instance: dg.DagsterInstance, recipe: Recipe, workspace: Workspace, as_of: date, progress: Progress
) -> Refusal | None:
    """Everything a period needs, from drop to champion. None when the candidate passed every gate."""
    refusal = ingest_until(instance, recipe, workspace, as_of, progress)
    if refusal is not None:
        return refusal
    progress(f"{as_of}: labels, training table, audit, candidate, gates, champion")
    wanted = [asset for asset in period_keys(recipe) if asset not in vintage_keys(recipe)]
    return execute(instance, recipe, workspace, "refresh", as_of.isoformat(), wanted)


def ingest_until(
    instance: dg.DagsterInstance, recipe: Recipe, workspace: Workspace, until: date, progress: Progress
) -> Refusal | None:
    if not vintage_keys(recipe):
        return None
    waiting = periods_to_ingest(
        workspace.warehouse(recipe),
        recipe,
        lambda source: workspace.connector(recipe, source),
        until,
        cache=copies_of(workspace.home),
        now=workspace.now(),
    )
    for position, as_of in enumerate(waiting, start=1):
        progress(f"{as_of}: ingesting the drop of the {recipe.cadence.value} before ({position} of {len(waiting)})")
        refusal = execute(instance, recipe, workspace, "ingest", as_of.isoformat())
        if refusal is not None:
            return refusal
    return None


@dataclass(frozen=True)
class Ruled:
    """What the newest run of a period ruled over its candidate (core/versions/promotion)."""

    reason: str
    why: str


def ruled(instance: dg.DagsterInstance, recipe: Recipe, as_of: date) -> Ruled | None:
    """The newest ruling of a period, whichever run made it; the ledger has each ruling but once."""
    wanted = dg.AssetRecordsFilter(asset_key=key(recipe, "champion_model"), asset_partitions=[as_of.isoformat()])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        if record.asset_materialization is not None:
            told = record.asset_materialization.metadata
            return Ruled(str(told["reason"].value), str(told["why"].value))
    return None


def log_keys(recipe: Recipe) -> list[dg.AssetKey]:
    later = [key(recipe, name) for name in OF_A_PERIOD]
    return [asset for asset in period_keys(recipe) if asset not in later and asset not in vintage_keys(recipe)]


def period_of_run(recipe: Recipe, workspace: Workspace, as_of: str | None) -> date:
    if as_of is None:
        return newest_period(recipe, lambda source: workspace.connector(recipe, source), workspace.now().date())
    period, cadence = parse_day(as_of), recipe.cadence
    if not cadence.is_first_day(period) or period < recipe.first_as_of:
        raise InputError(
            f"{period} is no {cadence.value} of recipe {recipe.name!r}",
            remedy=f"use {cadence.first_days}, from {recipe.first_as_of} on",
        )
    return period


def _outcome(
    recipe: Recipe, workspace: Workspace, as_of: date, refusal: Refusal | None, ruling: Ruled | None
) -> RunOutcome:
    state, models = workspace.state(recipe), workspace.models(recipe)
    instant = datetime.combine(as_of, datetime.min.time(), tzinfo=UTC)
    champion = champion_at(state, instant)
    outputs = {"home": workspace.home, "models": str(models)}
    steps = (checks_step(recipe, "candidate_model"), f"{recipe.name}__champion_model")
    judged = refusal is None or refusal.step in steps
    if (
        refusal is None or judged or refusal.step == checks_step(recipe, TABLE)
    ):  # the audit of an earlier run is not the answer
        page = write_audit_page(recipe, workspace, audit_training_table(workspace.warehouse(recipe), recipe, as_of))
        outputs["audit"] = str(page)
    version = promotion.candidate_of(state, as_of) if judged and _has_candidate(state, as_of) else None
    results = promotion.judge(state, models, recipe, version=version, on=workspace.now().date()) if version else []
    metrics = registry.load_metrics(models, version) if version else {}
    if version:
        outputs["model_report"] = str(write_model_page(recipe, workspace, version))
    holder = champion_at(state, max(instant, workspace.now()))
    status = "refused" if refusal else ("promoted" if champion and champion.version == version else "unchanged")
    overruled = _overruled(recipe, champion, holder) if status == "promoted" else ""
    paragraphs = [
        f"{recipe.title}, as of {as_of}: {status}{overruled}",
        refusal.why if refusal else "",
        gate_table(results) if results else "",
        f"Candidate {version}: {ruling.why}" if ruling and status == "unchanged" else "",
        _champion(holder, status),
    ]
    return RunOutcome(
        status=status,
        version=version,
        reason=ruling.reason if ruling else None,
        metrics={name: _metric(interval) for name, interval in metrics.items()},
        gates=[result.as_dict() for result in results],
        outputs=outputs,
        summary="\n\n".join(filter(None, paragraphs)),
    )


def _champion(holder: LedgerEntry | None, status: str) -> str:
    """Who scores, and of a promotion why; a champion that stays was made for another day's reason."""
    if holder is None:
        return ""
    since = f"Champion: {holder.version}, since {holder.effective_from:%Y-%m-%d}."
    return f"{since} {holder.why}" if status == "promoted" else since


def _overruled(recipe: Recipe, promoted: LedgerEntry | None, holder: LedgerEntry | None) -> str:
    """That another version scores than the one promoted for its period, and how to change that; empty if it scores."""
    if promoted is None or holder is None or holder.version == promoted.version:
        return ""
    event = "rollback" if holder.action == "rollback" else "promotion"
    return (
        f" for its {recipe.cadence.value}, but {holder.version} scores since the {event} of "
        f"{holder.effective_from:%Y-%m-%d}. To let the promoted one score: `leadscore rollback {recipe.name} --to "
        f"{promoted.version} --why WHY`"
    )


def checks_step(recipe: Recipe, asset: str) -> str:
    """Name of the step in which the checks of an asset run."""
    return "_".join([*key(recipe, asset).path, "checks"])


def _has_candidate(state: State, as_of: date) -> bool:
    return bool(state.rows(CANDIDATES, as_of=as_of))


def _metric(interval: Interval) -> dict[str, Any]:
    """A metric as the command line's JSON has it; an unknown end is null."""
    stored = interval.to_dict()
    return {name: stored[name] for name in ("value", "low", "high", "n")}


def gate_table(results: list[Verdict]) -> str:
    """Gates as a plain-text table."""
    rows = [(r.word if r.passed else "REFUSED", r.name, r.value, r.low, r.high, r.threshold) for r in results]
    return columns(rows, ("verdict", "gate", "value", "low", "high", "threshold"))
