"""Pruning a home: what is deleted, what a dry run and a second prune do, and a prune that is killed half-way."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.champion import LedgerEntry, ModelVersion, append_entry, record_version
from leadscore_dagster.pruning import DAILY_TABLES, prune, prune_job
from leadscore_dagster.recipes.loading import load_recipe
from leadscore_dagster.recipes.schema import Recipe
from leadscore_dagster.resources import Workspace
from leadscore_dagster_tests import scenario

TODAY = date(2026, 2, 1)
CHAMPION, ORPHAN, IN_REPORT, IN_SCORES, YOUNG = (
    "2022-01-01-00000000000a",
    "2022-04-01-00000000000b",
    "2022-07-01-00000000000c",
    "2022-10-01-00000000000d",
    "2025-10-01-00000000000e",
)
VERSIONS = (CHAMPION, ORPHAN, IN_REPORT, IN_SCORES, YOUNG)
SCORED = [TODAY - timedelta(days=back) for back in (3, 399, 401, 500, 700)]
AT = datetime(2022, 1, 1, tzinfo=UTC)


def _recipe(folder: Path) -> Recipe:
    return load_recipe(scenario.write_recipe(folder, scenario.recipe_document()))


def _scores(day: date, version: str) -> pa.Table:
    return pa.table({"score_day": [day], "decision_id": ["a"], "model_version": [version]})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A home with five days, five versions, a ledger, a report and a vintage."""
    home = tmp_path / "home"
    home.mkdir()
    recipe, workspace = _recipe(home), Workspace(home=str(home), clock=TODAY.isoformat())
    warehouse, outputs = workspace.warehouse(recipe), workspace.outputs(recipe)
    outputs.mkdir(parents=True)
    for day in SCORED:
        version = IN_SCORES if day == SCORED[1] else ORPHAN if day == SCORED[-1] else YOUNG
        for name in DAILY_TABLES:
            warehouse.write_partition(name, day.isoformat(), _scores(day, version))
        extract = pa.table({"as_of": [day + timedelta(days=1)]})
        warehouse.write_partition("crm_leads_of_day", (day + timedelta(days=1)).isoformat(), extract)
        (outputs / f"ranked_leads_{day}.csv").write_text(f"rank,model_version\n1,{version}\n")
    warehouse.write_partition("rep_vintage", "2020-01-01", pa.table({"RepCRD": [1]}))
    for version in VERSIONS:
        folder = workspace.models(recipe) / version
        folder.mkdir(parents=True)
        for name in ("manifest.json", "booster.ubj"):
            (folder / name).write_text(version)
        record_version(warehouse, ModelVersion(recipe.name, version, date.fromisoformat(version[:10]), AT, version))
    append_entry(warehouse, LedgerEntry(recipe.name, CHAMPION, "promote", AT, AT, "passed its gates"))
    (outputs / "card.json").write_text(json.dumps({"compared_with": IN_REPORT}))
    return workspace


def _contents(workspace: Workspace) -> dict[str, str]:
    files = [path for path in Path(workspace.home).rglob("*") if path.is_file()]
    return {str(p.relative_to(workspace.home)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _prune(workspace: Workspace, **options: bool) -> set[str]:
    with dg.DagsterInstance.ephemeral() as instance:
        done = prune(instance, _recipe(Path(workspace.home)), workspace, **options)
    return {verdict.name for verdict in done.verdicts if verdict.goes}


def test_old_days_and_the_version_nothing_kept_names_go_and_all_else_stays(workspace: Workspace) -> None:
    before = _contents(workspace)
    assert _prune(workspace) == {*map(str, SCORED[2:]), ORPHAN}
    after = _contents(workspace)
    gone = [name for name in before if name not in after]
    assert {name: after[name] for name in after} == {name: before[name] for name in before if name not in gone}
    table_files = [f"warehouse/advisor_mql/{name}/{day}.parquet" for name in DAILY_TABLES for day in SCORED[2:]]
    extracts = [f"warehouse/advisor_mql/crm_leads_of_day/{day + timedelta(days=1)}.parquet" for day in SCORED[2:]]
    lists = [f"outputs/advisor_mql/ranked_leads_{day}.csv" for day in SCORED[2:]]
    files = [f"models/advisor_mql/{ORPHAN}/{name}" for name in ("manifest.json", "booster.ubj")]
    assert sorted(gone) == sorted([*table_files, *extracts, *lists, *files])


def test_a_dry_run_says_the_same_and_changes_nothing(workspace: Workspace) -> None:
    before = _contents(workspace)
    said = _prune(workspace, dry_run=True)
    assert _contents(workspace) == before
    assert _prune(workspace) == said


def test_pruning_twice_is_pruning_once(workspace: Workspace) -> None:
    _prune(workspace)
    once = _contents(workspace)
    assert _prune(workspace) == set()
    assert _contents(workspace) == once


def _run_old_things(recipe: Recipe, instance: dg.DagsterInstance) -> None:
    @dg.asset(key=[recipe.name, "training_table"], partitions_def=dg.StaticPartitionsDefinition(["2025-10-01"]))
    def training_table(context: dg.AssetExecutionContext) -> None:
        if context.run.tags.get("fail"):
            raise dg.Failure("told to")

    job = dg.define_asset_job(f"{recipe.name}_refresh", selection=[training_table])
    definitions = dg.Definitions(assets=[training_table], jobs=[job]).resolve_job_def(f"{recipe.name}_refresh")
    for tags in ({"n": "1"}, {"n": "2"}, {"fail": "yes"}, {"fail": "again"}):
        definitions.execute_in_process(partition_key="2025-10-01", instance=instance, raise_on_error=False, tags=tags)


def test_of_old_runs_the_newest_and_the_maker_of_what_is_there_stay(workspace: Workspace) -> None:
    """Four runs of one partition: two that made it, two that failed. By the clock of 2099 all are old."""
    recipe = _recipe(Path(workspace.home))
    later = Workspace(home=workspace.home, clock="2099-01-01")
    with dg.DagsterInstance.ephemeral() as instance:
        _run_old_things(recipe, instance)
        waiting = instance.create_run_for_job(prune_job(recipe))
        runs = {run.tags.get("n") or run.tags.get("fail"): run.run_id for run in instance.get_runs()}
        prune(instance, recipe, later)
        left = {run.run_id for run in instance.get_runs()}
        assert left == {runs["2"], runs["again"], waiting.run_id}
        found = instance.fetch_materializations(dg.AssetKey([recipe.name, "training_table"]), limit=10).records
        assert [record.run_id for record in found] == [runs["2"]]


def test_the_weekly_job_prunes_and_does_not_take_itself_for_a_training(workspace: Workspace) -> None:
    recipe = _recipe(Path(workspace.home))
    with dg.DagsterInstance.ephemeral() as instance:
        done = prune_job(recipe).execute_in_process(instance=instance, resources={"workspace": workspace})
    assert done.success
    assert not (workspace.models(recipe) / ORPHAN).exists()


_CHILD = """
import sys
from pathlib import Path
import dagster as dg
from leadscore_dagster.pruning import prune
from leadscore_dagster.recipes.loading import load_recipe
from leadscore_dagster.resources import Workspace
home = sys.argv[1]
with dg.DagsterInstance.ephemeral() as instance:
    prune(instance, load_recipe(str(Path(home) / "recipe.yaml")), Workspace(home=home, clock=sys.argv[2]))
"""


def test_a_killed_prune_leaves_whole_things_and_the_next_one_finishes(workspace: Workspace, tmp_path: Path) -> None:
    recipe = _recipe(Path(workspace.home))
    models, warehouse = workspace.models(recipe), workspace.warehouse(recipe)
    source = Path(warehouse.root) / recipe.name / "lead_scores_daily" / f"{SCORED[-1]}.parquet"  # type: ignore[attr-defined]
    for back in range(800, 1000):  # enough for the kill to come in the middle
        shutil.copyfile(source, source.with_name(f"{TODAY - timedelta(days=back)}.parquet"))
    undisturbed = Workspace(home=str(tmp_path / "undisturbed"), clock=workspace.clock)
    shutil.copytree(workspace.home, undisturbed.home)
    _prune(undisturbed)
    files = len(list(source.parent.iterdir()))
    process = subprocess.Popen([sys.executable, "-c", _CHILD, workspace.home, TODAY.isoformat()])
    while len(list(source.parent.iterdir())) == files:
        assert process.poll() is None
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(Path(workspace.home).rglob("*.parquet"))
    assert files > len(list(source.parent.iterdir())) > 2, "the kill came too late"
    assert all(pq.read_table(path).num_rows == 1 for path in left)
    assert all(
        {path.name for path in folder.iterdir()} == {"manifest.json", "booster.ubj"} for folder in models.iterdir()
    )
    _prune(workspace)
    assert _contents(workspace) == _contents(undisturbed)


def test_what_a_prune_killed_inside_a_version_left_is_removed_by_the_next(workspace: Workspace) -> None:
    models = workspace.models(_recipe(Path(workspace.home)))
    (models / ORPHAN).rename(models / f".pruned-{ORPHAN}")
    (models / f".pruned-{ORPHAN}" / "booster.ubj").unlink()
    _prune(workspace)
    assert sorted(path.name for path in models.iterdir()) == sorted(set(VERSIONS) - {ORPHAN})
