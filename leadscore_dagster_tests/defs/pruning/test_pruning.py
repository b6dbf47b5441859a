"""Pruning a home: what is deleted, what a dry run and a second prune do, and a prune that is killed half-way."""

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.beside import SHADOW_SCORES
from leadscore_dagster.core.state.tables import CANDIDATES, VERSION_AUDITS
from leadscore_dagster.core.versions import shadow
from leadscore_dagster.core.versions.ledger import LedgerEntry, ModelVersion, append_entry, record_version
from leadscore_dagster.core.versions.retention import report_files
from leadscore_dagster.core.versions.track_record import TABLE as TRACK_RECORD
from leadscore_dagster.defs.jobs import watching_keys
from leadscore_dagster.defs.pruning.prunable import DAY_COLUMNS, daily_tables
from leadscore_dagster.defs.pruning.pruning import prune, prune_job
from leadscore_dagster.defs.resources import Workspace
from leadscore_dagster_tests import scenario

TODAY = date(2026, 2, 1)
CHAMPION, ORPHAN, IN_REPORT, IN_SCORES, YOUNG, IN_ORPHANS_REPORT, IN_SHADOW, IN_RECORD, CANDIDATE = (
    "2022-01-01-00000000000a",
    "2022-04-01-00000000000b",
    "2022-07-01-00000000000c",
    "2022-10-01-00000000000d",
    "2025-10-01-00000000000e",
    "2022-04-01-00000000000f",
    "2023-01-01-000000000010",
    "2023-04-01-000000000011",
    "2023-07-01-000000000012",
)
VERSIONS = (CHAMPION, ORPHAN, IN_REPORT, IN_SCORES, YOUNG, IN_ORPHANS_REPORT, IN_SHADOW, IN_RECORD, CANDIDATE)
GOING = {ORPHAN, IN_ORPHANS_REPORT}
SCORED = [TODAY - timedelta(days=back) for back in (3, 399, 401, 500, 700)]
AT = datetime(2022, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario.write_recipe(tmp_path_factory.mktemp("recipe"), scenario.recipe_document())


@pytest.fixture(scope="module")
def recipe(recipe_file: Path) -> Recipe:
    return load_recipe(recipe_file)


def _write_day(workspace: Workspace, recipe: Recipe, day: date, version: str, beside: str) -> None:
    warehouse = workspace.warehouse(recipe)
    for name, column in DAY_COLUMNS.items():
        named = beside if name == SHADOW_SCORES else version
        warehouse.write_partition(name, str(day), pa.table({column: [day], "id": ["a"], "model_version": [named]}))
    following = day + timedelta(days=1)
    warehouse.write_partition("crm_leads_of_day", str(following), pa.table({"as_of": [following]}))
    (workspace.outputs(recipe) / f"ranked_leads_{day}.csv").write_text(f"rank,model_version\n1,{version}\n")


@pytest.fixture
def workspace(written_home: Path, tmp_path: Path) -> Workspace:
    """A copy of that home for every test."""
    shutil.copytree(written_home, tmp_path / "home")
    return Workspace(home=str(tmp_path / "home"), clock=TODAY.isoformat())


@pytest.fixture(scope="module")
def written_home(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with five days, nine versions, a ledger, reports, track records and a vintage."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace(home=str(home), clock=TODAY.isoformat())
    warehouse, state, outputs = workspace.warehouse(recipe), workspace.state(recipe), workspace.outputs(recipe)
    outputs.mkdir(parents=True)
    for day in SCORED:
        version = IN_SCORES if day == SCORED[1] else ORPHAN if day == SCORED[-1] else YOUNG
        _write_day(workspace, recipe, day, version, IN_SHADOW if day in SCORED[:2] else ORPHAN)
    warehouse.write_partition("rep_vintage", "2020-01-01", pa.table({"RepCRD": [1]}))
    for version in VERSIONS:
        folder = workspace.models(recipe) / version
        folder.mkdir(parents=True)
        for name in ("manifest.json", "booster.ubj"):
            (folder / name).write_text(version)
        quarter = date.fromisoformat(version[:10])
        record_version(state, ModelVersion(recipe.name, version, quarter, AT, version))
        with state.writing() as writing:
            writing.append(VERSION_AUDITS, {"version": version, "audit_json": "{}"})
        report, importances = report_files(version)
        (outputs / report).write_text(f"<p>{version} of {version}")
        (outputs / importances).write_text("feature,importance\n")
    for version, named in ((CHAMPION, IN_REPORT), (ORPHAN, IN_ORPHANS_REPORT)):
        (outputs / report_files(version)[0]).write_text(f"<p>{version} beside {named}")
    append_entry(state, LedgerEntry(recipe.name, CHAMPION, "promote", AT, AT, "passed its gates"))
    quarter = date.fromisoformat(CANDIDATE[:10])
    with state.writing() as writing:
        writing.append(CANDIDATES, {"as_of": quarter, "version": CANDIDATE})
    for as_of, version in ((date(2022, 7, 1), ORPHAN), (date(2025, 10, 1), IN_RECORD)):
        warehouse.write_partition(TRACK_RECORD, str(as_of), pa.table({"as_of": [as_of], "version": [version]}))
    return home


def _contents(workspace: Workspace) -> dict[str, str]:
    files = [path for path in Path(workspace.home).rglob("*") if path.is_file() and "state.db" not in path.name]
    return {str(p.relative_to(workspace.home)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _prune(workspace: Workspace, recipe: Recipe, **options: bool) -> set[str]:
    with dg.DagsterInstance.ephemeral() as instance:
        done = prune(instance, recipe, workspace, **options)
    return {verdict.name for verdict in done.dispositions if verdict.goes}


def test_old_days_and_the_versions_nothing_kept_names_go_and_all_else_stays(
    workspace: Workspace, recipe: Recipe
) -> None:
    before = _contents(workspace)
    said = _prune(workspace, recipe, dry_run=True)
    assert _contents(workspace) == before
    assert said == _prune(workspace, recipe) == {*map(str, SCORED[2:]), *GOING}
    after = _contents(workspace)
    gone = [name for name in before if name not in after]
    assert {name: after[name] for name in after} == {name: before[name] for name in before if name not in gone}
    tables = [
        f"warehouse/advisor_mql/{name}/{day + behind}.parquet"
        for name, behind in daily_tables(recipe).items()
        for day in SCORED[2:]
    ]
    lists = [f"outputs/advisor_mql/ranked_leads_{day}.csv" for day in SCORED[2:]]
    files = [f"models/advisor_mql/{version}/{name}" for version in GOING for name in ("manifest.json", "booster.ubj")]
    reports = [f"outputs/advisor_mql/{name}" for version in GOING for name in report_files(version)]
    assert sorted(gone) == sorted([*tables, *lists, *files, *reports])
    audits = {row["version"] for row in workspace.state(recipe).rows(VERSION_AUDITS)}
    assert audits == set(VERSIONS) - set(GOING)
    assert _prune(workspace, recipe) == set()
    assert _contents(workspace) == after


def test_every_table_that_watches_a_day_is_a_daily_table(recipe: Recipe) -> None:
    """Whoever adds one is told here: else it would be kept for ever. The verdict is the ledger's, the page one file."""
    watching = {key.path[-1] for key in watching_keys(recipe)}
    assert watching - {"shadow_verdict", "monitoring_page"} <= set(DAY_COLUMNS)


def test_days_that_count_for_the_version_in_the_shadow_stay(workspace: Workspace, recipe: Recipe) -> None:
    warehouse = workspace.warehouse(recipe)
    for day in SCORED:
        shadow.store_day(warehouse, shadow.ShadowDay(day, YOUNG, CHAMPION, 1, 1, 0.1))
    shadow.put_into_shadow(workspace.state(recipe), recipe, YOUNG, days=2, since=SCORED[3], recorded_at=AT)
    assert _prune(workspace, recipe) == {str(SCORED[4])}  # what was scored on the others still names ORPHAN


def _run_old_things(name: str, instance: dg.DagsterInstance, runs: dict[str, dict[str, str]]) -> None:
    @dg.asset(key=[name, "training_table"], partitions_def=dg.StaticPartitionsDefinition(["2025-10-01"]))
    def training_table(context: dg.AssetExecutionContext) -> None:
        if context.run.tags.get("fail"):
            raise dg.Failure("told to")

    job = dg.define_asset_job(f"{name}_refresh", selection=[training_table])
    definitions = dg.Definitions(assets=[training_table], jobs=[job]).resolve_job_def(f"{name}_refresh")
    for told, tags in runs.items():
        definitions.execute_in_process(
            partition_key="2025-10-01", instance=instance, raise_on_error=False, tags={**tags, "told": told}
        )


def test_of_old_runs_the_newest_and_the_maker_of_what_is_there_stay(workspace: Workspace, recipe: Recipe) -> None:
    """Four runs of one partition: two that made it, two that failed. By the clock of 2099 all are old. Two more are of
    another recipe, whose name only begins the same."""
    later = Workspace(home=workspace.home, clock="2099-01-01")
    fail = {"fail": "yes"}
    with dg.DagsterInstance.ephemeral() as instance:
        _run_old_things(recipe.name, instance, {"first": {}, "second": {}, "failed": fail, "failed again": fail})
        _run_old_things(f"{recipe.name}_too", instance, {"other": {}, "other again": {}})
        waiting = instance.create_run_for_job(prune_job(recipe))
        runs = {run.tags.get("told"): run.run_id for run in instance.get_runs()}
        prune(instance, recipe, later)
        left = {run.run_id for run in instance.get_runs()}
        others = {runs["other"], runs["other again"]}
        assert left == {runs["second"], runs["failed again"], waiting.run_id, *others}
        found = instance.fetch_materializations(dg.AssetKey([recipe.name, "training_table"]), limit=10).records
        assert [record.run_id for record in found] == [runs["second"]]


def test_the_weekly_job_prunes_and_does_not_take_itself_for_a_training(workspace: Workspace, recipe: Recipe) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = prune_job(recipe).execute_in_process(instance=instance, resources={"workspace": workspace})
    assert done.success
    assert not (workspace.models(recipe) / ORPHAN).exists()


_KILLED = """
import os, signal, sys
import dagster as dg
from leadscore_dagster.defs.pruning.pruning import prune
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.defs.resources import Workspace
recipe, clock = load_recipe(sys.argv[1]), sys.argv[2]
for home, removals in zip(sys.argv[3::2], map(int, sys.argv[4::2]), strict=True):
    process = os.fork()  # a process each, and Dagster is imported once
    if process == 0:
        left = removals
        def count(event, arguments):
            global left
            if event == "os.remove":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        with dg.DagsterInstance.ephemeral() as instance:
            sys.addaudithook(count)
            prune(instance, recipe, Workspace(home=home, clock=clock))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (home, status)
"""


def test_a_killed_prune_leaves_whole_things_and_the_next_one_finishes(
    workspace: Workspace, recipe: Recipe, recipe_file: Path, tmp_path: Path
) -> None:
    """Killed before a removal: in the middle of a day, and inside of the first version."""
    in_a_day, inside = 5, 3 * (len(daily_tables(recipe)) + 1) + 4
    arguments: list[str | Path] = [recipe_file, workspace.clock]
    for removals in (in_a_day, inside):
        shutil.copytree(workspace.home, tmp_path / str(removals))
        arguments += [tmp_path / str(removals), str(removals)]
    subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=True)
    _prune(workspace, recipe)
    for removals in (in_a_day, inside):
        killed = Workspace(home=str(tmp_path / str(removals)), clock=workspace.clock)
        folders = list(killed.models(recipe).iterdir())
        assert len([folder for folder in folders if folder.name[0] == "."]) == (removals == inside)
        whole = [{path.name for path in folder.iterdir()} for folder in folders if folder.name[0] != "."]
        assert whole == [{"manifest.json", "booster.ubj"}] * (len(VERSIONS) - (removals == inside))
        assert all(pq.read_metadata(path).num_rows == 1 for path in Path(killed.home).rglob("*.parquet"))
        assert len(_contents(killed)) > len(_contents(workspace))
        _prune(killed, recipe)
        assert _contents(killed) == _contents(workspace)


def test_copies_of_drops_that_nobody_uses_go(tmp_path: Path, recipe: Recipe) -> None:
    copies = tmp_path / "arrivals"
    for name, days in (("used", 1), ("old", 30), (".half.4711", 30)):
        (copies / name / "drops").mkdir(parents=True)
        (copies / name / "drops" / "reps.csv").write_text("1")
        at = (datetime.combine(TODAY, datetime.min.time(), tzinfo=UTC) - timedelta(days=days)).timestamp()
        os.utime(copies / name, (at, at))
    with dg.DagsterInstance.ephemeral() as instance:
        prune(instance, recipe, Workspace(home=str(tmp_path), clock=TODAY.isoformat()))
    assert [path.name for path in copies.iterdir()] == ["used"]
