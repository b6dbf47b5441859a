"""Deleting what a recipe's retention lets go: the facts of a home and its instance, the verdicts, the deed; and the
job that does it every week.

Lives here: reading and deleting. Does not: any rule (core/retention), the command line (runs/retention).

A partition of a table and a list are one file each and disappear whole; a version is renamed away before its files
are deleted. A prune that was killed leaves whole things and perhaps a renamed version, which the next one removes.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa

from leadscore_dagster.alerts.jobs import OWN_JOBS
from leadscore_dagster.automation import schedule_status
from leadscore_dagster.core import promotion
from leadscore_dagster.core.champion import LEDGER, VERSIONS
from leadscore_dagster.core.retention import RunFact, Verdict, judge_days, judge_runs, judge_versions, versions_named
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, PROSPECT_SCORES, PROSPECTS
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.recipes.schema import Recipe
from leadscore_dagster.resources import Workspace

#: deleted in this order: what others are made of goes last, so that a day that is half gone can be finished
DAILY_TABLES = (PROSPECT_SCORES, LEAD_SCORES, PROSPECTS, DECISIONS)
LIST_PREFIX, LIST_SUFFIX = "ranked_leads_", ".csv"
REPORT_SUFFIXES = frozenset({".html", ".md", ".json", ".csv", ".txt"})
RENAMED = ".pruned-"
_PAGE = 1000


@dataclass(frozen=True)
class Pruned:
    """What a prune found, and whether it deleted it."""

    verdicts: tuple[Verdict, ...]
    dry_run: bool

    def going(self, kind: str) -> list[Verdict]:
        """Verdicts of one kind that go."""
        return [verdict for verdict in self.verdicts if verdict.kind == kind and verdict.goes]


def prune(
    instance: dg.DagsterInstance, recipe: Recipe, workspace: Workspace, *, dry_run: bool = False, own_run: str = ""
) -> Pruned:
    """Judge every day, version and run of a recipe, and delete what goes. Pruning twice is pruning once.

    Parameters
    ----------
    own_run : id of the run that prunes: it is in progress, and trains nothing.
    """
    now, retention = workspace.now(), recipe.automation.retention
    runs = list(_runs(instance, recipe))
    days = judge_days(
        _days(recipe, workspace),
        now.date(),
        retention,
        label_days=recipe.label_window_days,
        catch_up_days=recipe.automation.catch_up_days,
    )
    gone = {date.fromisoformat(verdict.name) for verdict in days if verdict.goes}
    versions = judge_versions(
        _stored_versions(workspace.models(recipe)),
        _references(recipe, workspace, gone),
        now.date(),
        retention,
        training=any(_is_at_work(run, recipe, now) for run in runs if run.run_id != own_run),
    )
    done = Pruned((*days, *versions, *judge_runs(runs, now, retention)), dry_run)
    if not dry_run:
        _sweep(workspace.models(recipe))
        for verdict in done.going("day"):
            _delete_day(recipe, workspace, verdict.name)
        for verdict in done.going("version"):
            _delete_version(workspace.models(recipe), verdict.name)
        for verdict in done.going("run"):
            _delete_run(instance, Path(workspace.home), verdict.name)
    return done


def prune_job(recipe: Recipe) -> dg.JobDefinition:
    """The job of a recipe that prunes its home."""

    @dg.op(name=f"{recipe.name}_delete_what_retention_lets_go")
    def delete(context: dg.OpExecutionContext, workspace: Workspace) -> None:
        done = prune(context.instance, recipe, workspace, own_run=context.run_id)
        for kind in ("day", "version", "run"):
            names = [verdict.name for verdict in done.going(kind)]
            context.log.info(f"{len(names)} {kind}s deleted: {', '.join(names) or '-'}")

    @dg.job(
        name=f"{recipe.name}_prune",
        description=(
            "Deletes daily scores and lists, runs and unused model versions that are older than the recipe's "
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
        description="Deletes once a week what retention lets go: old scores and lists, runs, unused model versions.",
    )


def _tables(recipe: Recipe) -> dict[str, timedelta]:
    """Daily tables, and how far the key of their partition lies behind the day: an extract's key is its end."""
    names = dict.fromkeys(DAILY_TABLES, timedelta(0))
    return {**names, f"{recipe.decision_source.table}_of_day": timedelta(days=1)}


def _days(recipe: Recipe, workspace: Workspace) -> set[date]:
    warehouse, outputs = workspace.warehouse(recipe), workspace.outputs(recipe)
    found = {
        date.fromisoformat(partition) - behind
        for name, behind in _tables(recipe).items()
        for partition in warehouse.partitions(name)
    }
    lists = outputs.glob(f"{LIST_PREFIX}*{LIST_SUFFIX}")
    return found | {date.fromisoformat(path.name[len(LIST_PREFIX) : -len(LIST_SUFFIX)]) for path in lists}


def _stored_versions(models: Path) -> list[str]:
    names = [path.name for path in models.iterdir()] if models.is_dir() else []
    return [name for name in names if versions_named([name]) == {name}]


def _references(recipe: Recipe, workspace: Workspace, gone: set[date]) -> dict[str, str]:
    """Version to what names it: every table of the warehouse, and every report and list, that is kept.

    Not asked: model_versions, which names all of them, and candidate_model, which names the candidate of every
    quarter whatever became of it.
    """
    warehouse, outputs = workspace.warehouse(recipe), workspace.outputs(recipe)
    found: dict[str, str] = {}
    for path in sorted(outputs.rglob("*")) if outputs.is_dir() else ():
        if path.suffix in REPORT_SUFFIXES and path.is_file() and not _is_list_of(path, gone):
            found.update(dict.fromkeys(versions_named([path.read_text(encoding="utf-8", errors="replace")]), path.name))
    for name in warehouse.tables():
        if name not in (VERSIONS, promotion.CANDIDATES):
            named = versions_named(_texts(warehouse, name, gone))
            found.update(dict.fromkeys(named, "the ledger" if name == LEDGER else f"table {name}"))
    return found


def _texts(warehouse: Warehouse, name: str, gone: set[date]) -> Iterator[str]:
    """Texts of a table that may name a version: of the ledger all, else of columns that are called so."""
    schema = warehouse.schema(name)
    kept = "WHERE score_day NOT IN UNNEST(@gone)" if gone and "score_day" in schema.names else ""
    for field in schema:
        if pa.types.is_string(field.type) and (name == LEDGER or _may_name_a_version(field.name)):
            sql = f"SELECT DISTINCT `{field.name}` AS text FROM `{name}` {kept}"
            values = table(warehouse, sql, {"gone": sorted(gone)} if kept else {})["text"]
            yield from (text for text in values.to_pylist() if text is not None)


def _may_name_a_version(column: str) -> bool:
    words = ("version", "champion", "challenger", "candidate", "shadow")
    return any(word in column.lower() for word in words)


def _is_list_of(path: Path, gone: set[date]) -> bool:
    return path.name in {f"{LIST_PREFIX}{day}{LIST_SUFFIX}" for day in gone}


def _runs(instance: dg.DagsterInstance, recipe: Recipe) -> Iterator[RunFact]:
    """Every run of the recipe, and of the alerts, which belong to no recipe."""
    made: dict[str, list[str]] = {}
    for key in instance.get_asset_keys():
        for partition, run_id in _newest_runs(instance, key).items():
            made.setdefault(run_id, []).append(f"{key.path[-1]} {partition or ''}".strip())
    for record in _records(instance):
        run = record.dagster_run
        selected = [key.path for key in run.asset_selection or ()]
        of_recipe = run.job_name.startswith(f"{recipe.name}_") or any(path[0] == recipe.name for path in selected)
        if of_recipe or run.job_name in OWN_JOBS:
            checks = frozenset(str(key) for key in run.asset_check_selection or ())
            yield RunFact(
                run_id=run.run_id,
                subject=(
                    run.job_name,
                    run.tags.get("dagster/partition"),
                    frozenset(map("/".join, selected)),
                    checks,
                ),
                created_at=_aware(record.create_timestamp),
                ended_at=_ended(record) if run.is_finished else None,
                newest_of=tuple(sorted(made.get(run.run_id, ()))),
            )


def _records(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    cursor = None
    while page := instance.get_run_records(limit=_PAGE, cursor=cursor):
        yield from page
        cursor = page[-1].dagster_run.run_id


def _newest_runs(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str | None, str]:
    """Partition of an asset to the run of its newest materialization."""
    newest: dict[str | None, str] = {}
    cursor = None
    while True:
        page = instance.fetch_materializations(key, limit=_PAGE, cursor=cursor)
        for record in page.records:  # the newest comes first
            newest.setdefault(record.partition_key, record.run_id)
        if not page.has_more:
            return newest
        cursor = page.cursor


def _is_at_work(run: RunFact, recipe: Recipe, now: datetime) -> bool:
    """Whether it may be making a version now. A run whose process was killed stays unfinished for ever."""
    hours = timedelta(hours=2 * recipe.automation.run_hours)
    return run.ended_at is None and now - run.created_at < hours


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else _aware(record.update_timestamp)


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _delete_day(recipe: Recipe, workspace: Workspace, day: str) -> None:
    (workspace.outputs(recipe) / f"{LIST_PREFIX}{day}{LIST_SUFFIX}").unlink(missing_ok=True)
    warehouse = workspace.warehouse(recipe)
    for name, behind in _tables(recipe).items():
        warehouse.drop_partition(name, (date.fromisoformat(day) + behind).isoformat())


def _delete_version(models: Path, version: str) -> None:
    (models / version).rename(models / f"{RENAMED}{version}")
    shutil.rmtree(models / f"{RENAMED}{version}")


def _sweep(models: Path) -> None:
    """Finish what a killed prune began."""
    for left in models.glob(f"{RENAMED}*"):
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
