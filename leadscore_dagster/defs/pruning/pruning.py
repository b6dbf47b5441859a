"""Deleting what a recipe's retention lets go, and the job that does it every week.

Lives here: the order of things, and deleting. Not here: any rule (core/versions/retention), what there is (prunable),
the command line (commands/prune).

A partition of a table and a list are one file each and disappear whole; a version is renamed away before its report
and its files are deleted. A prune that was killed leaves whole things and perhaps a renamed version, which the next one
removes.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg

from leadscore_dagster.core.delivery.lead_list import list_name
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.connectors import copies_of
from leadscore_dagster.core.state.tables import VERSION_AUDITS
from leadscore_dagster.core.versions.retention import (
    Disposition,
    RunFact,
    judge_copies,
    judge_days,
    judge_runs,
    judge_versions,
    report_files,
)
from leadscore_dagster.defs.automation.switch import schedule_status
from leadscore_dagster.defs.pruning.prunable import (
    copies_there,
    counted_days,
    daily_tables,
    days_there,
    prune_name,
    references,
    reports,
    runs_of,
    stored_versions,
)
from leadscore_dagster.defs.resources import Workspace

RENAMED = ".pruned-"


@dataclass(frozen=True)
class Pruned:
    """What a prune found, and whether it deleted it."""

    dispositions: tuple[Disposition, ...]
    dry_run: bool

    def going(self, kind: str) -> list[Disposition]:
        """What goes, of one kind."""
        return [one for one in self.dispositions if one.kind == kind and one.goes]


def prune(
    instance: dg.DagsterInstance, recipe: Recipe, workspace: Workspace, *, dry_run: bool = False, own_run: str = ""
) -> Pruned:
    """Judge every day, version and run of a recipe, and delete what goes. Pruning twice is pruning once.

    Parameters
    ----------
    own_run : id of the run that prunes: it is in progress, and trains nothing.
    """
    now, retention = workspace.now(), recipe.automation.retention
    runs = list(runs_of(instance, recipe))
    days = judge_days(
        days_there(recipe, workspace),
        now.date(),
        retention,
        label_days=recipe.label_window_days,
        catch_up_days=recipe.automation.catch_up_days,
        counted=counted_days(workspace.warehouse(recipe), workspace.state(recipe), now),
    )
    gone = {date.fromisoformat(one.name) for one in days if one.goes}
    versions = judge_versions(
        stored_versions(workspace.models(recipe)),
        references(recipe, workspace, gone, now.date()),
        reports(workspace.outputs(recipe)),
        today=now.date(),
        retention=retention,
        cadence=recipe.cadence,
        training=any(_is_at_work(run, recipe, now) for run in runs if run.run_id != own_run),
    )
    copies = judge_copies(copies_there(workspace), now)
    done = Pruned((*days, *versions, *judge_runs(runs, now, retention), *copies), dry_run)
    if not dry_run:
        _sweep(recipe, workspace)
        for one in done.going("day"):
            _delete_day(recipe, workspace, one.name)
        for one in done.going("version"):
            _delete_version(recipe, workspace, one.name)
        for one in done.going("run"):
            _delete_run(instance, Path(workspace.home), one.name)
        for one in done.going("copy"):
            shutil.rmtree(copies_of(workspace.home) / one.name, ignore_errors=True)
    return done


def prune_job(recipe: Recipe) -> dg.JobDefinition:
    """The job of a recipe that prunes its home."""

    @dg.op(name=f"{recipe.name}_delete_what_retention_lets_go")
    def delete(context: dg.OpExecutionContext, workspace: Workspace) -> None:
        done = prune(context.instance, recipe, workspace, own_run=context.run_id)
        for kind, plural in (("day", "days"), ("version", "versions"), ("run", "runs"), ("copy", "copies of drops")):
            names = [one.name for one in done.going(kind)]
            context.log.info(f"{len(names)} {plural} deleted: {', '.join(names) or '-'}")

    @dg.job(
        name=prune_name(recipe),
        description=(
            "Deletes daily tables and lists, runs and unused model versions that are older than the recipe's "
            "retention. Vintages, ledgers and whatever they name stay."
        ),
    )
    def prune_home() -> None:
        delete()

    return prune_home


def prune_schedule(recipe: Recipe, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Pruning once a week, on Sunday an hour after the day was scored; on with the automation."""
    automation = recipe.automation
    return dg.ScheduleDefinition(
        name=f"{recipe.name}_prune_schedule",
        job=job,
        cron_schedule=f"0 {(automation.daily_hour + 1) % 24} * * 0",
        execution_timezone=automation.timezone,
        default_status=schedule_status(recipe),
        description="Deletes once a week what is past its retention: scores and lists, runs, unused model versions.",
    )


def _is_at_work(run: RunFact, recipe: Recipe, now: datetime) -> bool:
    """Whether it may be making a version now. A run whose process was killed stays unfinished for ever."""
    hours = timedelta(hours=2 * recipe.automation.run_hours)
    return run.ended_at is None and now - run.created_at < hours


def _delete_day(recipe: Recipe, workspace: Workspace, day: str) -> None:
    (workspace.outputs(recipe) / list_name(date.fromisoformat(day))).unlink(missing_ok=True)
    warehouse = workspace.warehouse(recipe)
    for name, behind in daily_tables(recipe).items():
        warehouse.drop_partition(name, (date.fromisoformat(day) + behind).isoformat())


def _delete_version(recipe: Recipe, workspace: Workspace, version: str) -> None:
    models = workspace.models(recipe)
    (models / version).rename(models / f"{RENAMED}{version}")
    _sweep(recipe, workspace)


def _sweep(recipe: Recipe, workspace: Workspace) -> None:
    """Delete what was renamed away, now or by a prune that was killed, with its reports and its audit."""
    for left in workspace.models(recipe).glob(f"{RENAMED}*"):
        version = left.name.removeprefix(RENAMED)
        _unlink(workspace.outputs(recipe) / name for name in report_files(version))
        with workspace.state(recipe).writing() as writing:
            writing.remove(VERSION_AUDITS, version=version)
        shutil.rmtree(left)


def _delete_run(instance: dg.DagsterInstance, home: Path, run_id: str) -> None:
    """Its events before itself: killed between, a run without events remains, and the next prune finds it."""
    instance.event_log_storage.delete_events(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
    _unlink((home / "dagster" / "history" / "runs").glob(f"{run_id}.db*"))


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
