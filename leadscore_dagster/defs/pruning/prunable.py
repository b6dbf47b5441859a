"""What there is to prune in a home and its Dagster instance, and what refers to it.

Lives here: reading. Not here: the rules over what was read (core/versions/retention), deleting (pruning).
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa

from leadscore_dagster.core.delivery.lead_list import days_listed, list_name
from leadscore_dagster.core.monitoring import balance, drift, health, performance
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.beside import SHADOW_SCORES
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, PROSPECT_SCORES, PROSPECTS
from leadscore_dagster.core.scoring.never import NEVER_LISTED
from leadscore_dagster.core.sources.connectors import copies_of
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.importing import FORMER
from leadscore_dagster.core.state.tables import CANDIDATES, LEDGER
from leadscore_dagster.core.versions import shadow, track_record
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.versions.retention import RunFact, oldest_kept, report_files, versions_named
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.defs.alerts.jobs import OWN_JOBS
from leadscore_dagster.defs.jobs import jobs
from leadscore_dagster.defs.resources import Workspace

#: daily tables, and their column that holds the day. They are deleted in this order: what others are made of goes
#: last, so that a day that is half gone can be finished
DAY_COLUMNS = {
    **dict.fromkeys((health.TABLE, health.AVAILABILITY, balance.TABLE, drift.TABLE, performance.TABLE), "day"),
    shadow.TABLE: "day",
    **dict.fromkeys((SHADOW_SCORES, PROSPECT_SCORES, LEAD_SCORES, PROSPECTS, NEVER_LISTED, DECISIONS), "score_day"),
}
REPORT_SUFFIXES = frozenset({".html", ".md", ".json", ".csv", ".txt"})
_PAGE = 1000


def daily_tables(recipe: Recipe) -> dict[str, timedelta]:
    """Daily tables, and how far the key of their partition lies behind the day: an extract's key is its end."""
    names = dict.fromkeys(DAY_COLUMNS, timedelta(0))
    return {**names, f"{recipe.decision_source.table}_of_day": timedelta(days=1)}


def days_there(recipe: Recipe, workspace: Workspace) -> dict[str, set[date]]:
    """Days that are there, by table, and those of the lists."""
    warehouse, outputs = workspace.warehouse(recipe), workspace.outputs(recipe)
    found = {
        name: {date.fromisoformat(partition) - behind for partition in warehouse.partitions(name)}
        for name, behind in daily_tables(recipe).items()
    }
    found["the lists"] = days_listed(outputs)
    return found


def copies_there(workspace: Workspace) -> dict[str, datetime]:
    """Copies of drops that lie behind a URL, and what killed copying has left, with when each was last used."""
    folder = copies_of(workspace.home)
    paths = folder.iterdir() if folder.is_dir() else ()
    return {path.name: datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in paths}


def counted_days(warehouse: Warehouse, state: State, now: datetime) -> set[date]:
    """Days that say how long the version in the shadow has been there: a waiting candidate's newest, and the first of
    one that somebody asked to see, without which its days would never be over."""
    trial = shadow.trial_at(history(state), now)
    if trial is None:
        return set()
    days = shadow.shadow_days(warehouse, now.date())
    seen = [one.day for one in days if one.version == trial.version and one.day >= trial.since]
    return set(seen[-trial.days :] if trial.waits else seen[: trial.days])


def stored_versions(models: Path) -> list[str]:
    """Model versions whose files are there."""
    names = [path.name for path in models.iterdir()] if models.is_dir() else []
    return [name for name in names if versions_named([name]) == {name}]


def reports(outputs: Path) -> dict[str, set[str]]:
    """Version to the versions that its own report and importances name."""
    found: dict[str, set[str]] = {}
    for version, path in _own_files(outputs):
        found.setdefault(version, set()).update(versions_named([path.read_text(encoding="utf-8", errors="replace")]))
    return found


def references(recipe: Recipe, workspace: Workspace, gone: Collection[date], today: date) -> dict[str, str]:
    """Version to what names it and is kept: the ledger, tables of the warehouse, lists, and what else lies among the
    outputs.

    The candidate of a period is in ``candidate_model``: the track record of every later period opens its files
    again. Not asked: ``model_versions``, which names all of them; the reports and audits of versions, which go with
    them; and the track records of periods that are older than the versions that are kept.
    """
    warehouse, outputs = workspace.warehouse(recipe), workspace.outputs(recipe)
    own, lists = {path for _, path in _own_files(outputs)}, {list_name(day) for day in gone}
    found: dict[str, str] = {}
    for path in sorted(outputs.rglob("*")) if outputs.is_dir() else ():
        if path.suffix in REPORT_SUFFIXES and path.is_file() and path not in own and path.name not in lists:
            found.update(dict.fromkeys(versions_named([path.read_text(encoding="utf-8", errors="replace")]), path.name))
    oldest = oldest_kept(today, recipe.automation.retention, recipe.cadence)
    for name in warehouse.tables():
        if name not in FORMER:
            named = versions_named(_texts(warehouse, name, gone, oldest))
            found.update(dict.fromkeys(named, f"table {name}"))
    state = workspace.state(recipe)
    told = {CANDIDATES: "the track record, as the candidate of its period", LEDGER: "the ledger"}
    for stored, keeper in told.items():
        texts = (str(value) for row in state.rows(stored) for value in row.values())
        found.update(dict.fromkeys(versions_named(texts), keeper))
    return found


def runs_of(instance: dg.DagsterInstance, recipe: Recipe) -> Iterator[RunFact]:
    """Every run of the recipe, and of the alerts, which belong to no recipe."""
    made: dict[str, list[str]] = {}
    for key in instance.get_asset_keys():
        for partition, run_id in _newest_runs(instance, key).items():
            made.setdefault(run_id, []).append(f"{key.path[-1]} {partition or ''}".strip())
    own = {*(job.name for job in jobs(recipe)), prune_name(recipe), *OWN_JOBS}
    for record in _records(instance):
        run = record.dagster_run
        selected = [key.path for key in run.asset_selection or ()]
        if run.job_name in own or any(path[0] == recipe.name for path in selected):
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


def prune_name(recipe: Recipe) -> str:
    """Name of the job that prunes. A recipe's runs are told by exact names: ``x_y_refresh`` is no run of ``x``."""
    return f"{recipe.name}_prune"


def _own_files(outputs: Path) -> Iterator[tuple[str, Path]]:
    """Reports and importances, and the version of each."""
    for path in sorted(outputs.iterdir()) if outputs.is_dir() else ():
        for version in versions_named([path.name]):
            if path.name in report_files(version):
                yield version, path


def _texts(warehouse: Warehouse, name: str, gone: Collection[date], oldest: date) -> Iterator[str]:
    """Texts of a table that may name a version: of the ledger all, else of columns that are called so. Left out are
    days that go, and track records from before the ``oldest`` period."""
    kept, values = "", dict[str, object]()
    if name in DAY_COLUMNS and gone:
        kept, values = f"WHERE {DAY_COLUMNS[name]} NOT IN UNNEST(@gone)", {"gone": sorted(gone)}
    elif name == track_record.TABLE:
        kept, values = "WHERE as_of >= @oldest", {"oldest": oldest}
    texts = [field.name for field in warehouse.schema(name) if pa.types.is_string(field.type)]
    columns = [column for column in texts if _may_name_a_version(column)]
    if columns:
        quoted = ", ".join(f"`{column}`" for column in columns)
        found = table(warehouse, f"SELECT DISTINCT {quoted} FROM `{name}` {kept}", values)
        yield from (text for column in columns for text in found[column].to_pylist() if text is not None)


def _may_name_a_version(column: str) -> bool:
    words = ("version", "champion", "challenger", "candidate", "shadow")
    return any(word in column.lower() for word in words)


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


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else _aware(record.update_timestamp)


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
