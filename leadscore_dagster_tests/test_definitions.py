"""The assembled definitions: they load, they say what they are, and nothing in them lets a gate be passed by."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from leadscore_dagster import definitions
from leadscore_dagster.core.recipe.loading import load_recipe, shipped_recipes
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs import partitions
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster_tests import scenario

ROOT = Path(definitions.__file__).parents[1]
ROOMS = {"vintages", "training", "model", "scores", "shadow", "monitoring"}
DAILY = {"scores", "shadow", "monitoring"}
#: rooms that look at what has been delivered: there is nothing left to block
LOOKING_BACK = {"shadow", "monitoring"}
ADVISORS, BANK = load_recipe("advisor_mql"), load_recipe("bank_marketing")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs([load_recipe(name) for name in shipped_recipes()])


@pytest.fixture(scope="module")
def nodes(defs: dg.Definitions) -> list[dg.AssetSpec]:
    return list(defs.resolve_all_asset_specs())


def _check_specs(defs: dg.Definitions) -> Iterator[dg.AssetCheckSpec]:
    for checks in defs.asset_checks or ():
        assert isinstance(checks, dg.AssetChecksDefinition)
        yield from checks.check_specs


def _at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


# ---- what is defined


def test_the_definitions_of_every_shipped_recipe_can_be_loaded(defs: dg.Definitions, nodes: list[dg.AssetSpec]) -> None:
    dg.Definitions.validate_loadable(defs)
    assert {spec.key.path[0] for spec in nodes} == set(shipped_recipes())


def test_a_recipe_of_the_users_own_stands_beside_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scenario.write_recipe(tmp_path, scenario.recipe_document() | {"name": "of_my_own"})
    monkeypatch.setenv("LEADSCORE_RECIPES", str(path))
    loaded = build_defs()
    dg.Definitions.validate_loadable(loaded)
    found = {spec.key.path[0] for spec in loaded.resolve_all_asset_specs()}
    assert found == {"of_my_own", *shipped_recipes()}


def test_every_asset_and_every_check_says_what_it_is(defs: dg.Definitions, nodes: list[dg.AssetSpec]) -> None:
    silent = [spec.key.to_user_string() for spec in nodes if not (spec.description or "").strip()]
    silent += [str(check.key) for check in _check_specs(defs) if not (check.description or "").strip()]
    assert silent == []


def test_every_job_and_schedule_says_what_it_is(defs: dg.Definitions) -> None:
    for recipe in (ADVISORS, BANK):
        for job in definitions.jobs(recipe):
            assert defs.resolve_job_def(job.name).description
        assert defs.resolve_schedule_def(f"{recipe.name}_daily_schedule").description


def test_groups_are_named_after_recipe_and_room(nodes: list[dg.AssetSpec]) -> None:
    for spec in nodes:
        recipe = spec.key.path[0]
        assert (spec.group_name or "").startswith(f"{recipe}_")
        assert (spec.group_name or "").removeprefix(f"{recipe}_") in ROOMS


def test_every_asset_is_partitioned_by_quarter_or_by_day(nodes: list[dg.AssetSpec]) -> None:
    for spec in nodes:
        recipe = load_recipe(spec.key.path[0])
        daily = (spec.group_name or "").removeprefix(f"{recipe.name}_") in DAILY
        assert spec.partitions_def == (partitions.days(recipe) if daily else partitions.periods(recipe))


def test_every_check_blocks_what_has_not_been_delivered_and_is_recorded_for_the_partition_it_judged(
    defs: dg.Definitions, nodes: list[dg.AssetSpec]
) -> None:
    partitioned = {spec.key: spec.partitions_def for spec in nodes}
    rooms = {spec.key: (spec.group_name or "").removeprefix(f"{spec.key.path[0]}_") for spec in nodes}
    checks = list(_check_specs(defs))
    assert len(checks) > 40
    for check in checks:
        assert check.blocking == (rooms[check.asset_key] not in LOOKING_BACK), check.key
        assert check.partitions_def is not None, check.key
        assert check.partitions_def == partitioned[check.asset_key], check.key


def test_every_gate_of_a_recipe_is_a_check_of_its_candidate(defs: dg.Definitions) -> None:
    for recipe in (ADVISORS, BANK):
        candidate = key(recipe, "candidate_model")
        assert {check.name for check in _check_specs(defs) if check.asset_key == candidate} == set(recipe.gates)


def test_no_asset_is_backfilled_in_a_single_run(defs: dg.Definitions) -> None:
    """One run over many quarters would give the training table of one quarter the others' refusals, or none."""
    for assets in defs.assets or ():
        assert isinstance(assets, dg.AssetsDefinition)
        policy = assets.backfill_policy
        assert policy is None or policy.policy_type is not dg.BackfillPolicyType.SINGLE_RUN
    graph = defs.resolve_asset_graph()
    assert all(graph.get(asset).backfill_policy is None for asset in graph.get_all_asset_keys())


# ---- what a partition key means


def test_a_quarters_key_is_the_instant_it_describes() -> None:
    quarters = partitions.periods(ADVISORS)
    assert quarters.get_partition_keys(current_time=_at(2024, 8, 15)) == ["2024-01-01", "2024-04-01", "2024-07-01"]
    assert quarters.time_window_for_partition_key("2024-07-01").start == _at(2024, 7, 1)


@pytest.mark.parametrize("scheme", [partitions.periods, partitions.days])
def test_a_partition_exists_from_its_own_first_instant_on(scheme) -> None:  # type: ignore[no-untyped-def]
    open_ended = scheme(ADVISORS)
    assert "2024-07-01" not in open_ended.get_partition_keys(current_time=_at(2024, 6, 30, 23))
    assert open_ended.get_partition_keys(current_time=_at(2024, 7, 1))[-1] == "2024-07-01"


def test_the_first_partition_is_the_recipes_first_quarter() -> None:
    for recipe in (ADVISORS, BANK):
        for scheme in (partitions.periods, partitions.days):
            assert scheme(recipe).get_first_partition_key() == recipe.first_as_of.isoformat()


@pytest.mark.parametrize("as_of", [date(2011, 1, 1), date(2011, 4, 1), date(2011, 7, 1), date(2011, 10, 1)])
def test_a_closed_data_set_ends_with_its_own_as_of(as_of: date) -> None:
    """Quarters have 90 to 92 days: whichever it is, the last key is the as_of and no later quarter exists."""
    closed = partitions.periods(BANK.model_copy(update={"as_of": as_of}))
    assert closed.get_partition_keys(current_time=_at(2030, 5, 5))[-1] == as_of.isoformat()


def test_days_of_a_closed_data_set_can_be_scored_after_its_as_of_but_not_for_ever() -> None:
    assert BANK.as_of is not None
    keys = partitions.days(BANK).get_partition_keys(current_time=_at(2030, 5, 5))
    assert BANK.as_of.isoformat() in keys
    assert (BANK.as_of + timedelta(days=93)).isoformat() not in keys


def test_a_training_table_reads_vintages_of_its_own_quarter_and_earlier_ones_only() -> None:
    quarters = partitions.periods(ADVISORS)
    wanted = quarters.subset_with_partition_keys(["2024-07-01"])
    found = partitions.up_to_own_period().get_upstream_mapped_partitions_result_for_partitions(
        wanted, quarters, quarters, current_time=_at(2025, 3, 3)
    )
    assert sorted(found.partitions_subset.get_partition_keys()) == ["2024-01-01", "2024-04-01", "2024-07-01"]


# ---- what runs by itself (test_schedules, test_sensors)


def test_the_daily_schedule_ticks_at_the_recipes_hour_in_its_zone(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("advisor_mql_daily_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", "UTC")


def test_every_recipe_has_its_schedules_and_one_with_a_vendor_its_sensor(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    schedules = {schedule.name for schedule in repository.schedule_defs}
    for name in shipped_recipes():
        assert {f"{name}_daily_schedule", f"{name}_monitoring_schedule", f"{name}_retraining_schedule"} <= schedules
    sensors = {sensor.name for sensor in repository.sensor_defs if sensor.name.endswith("_drop_sensor")}
    assert sensors == {"advisor_mql_drop_sensor"}


def test_everything_that_runs_by_itself_is_off_until_somebody_turns_it_on_and_says_what_it_does(
    defs: dg.Definitions,
) -> None:
    repository = defs.get_repository_def()
    for found in (*repository.schedule_defs, *repository.sensor_defs):
        assert found.default_status.value == "STOPPED", found.name
        assert found.description, found.name


# ---- how it is loaded


def test_there_is_one_assembler_and_it_is_short() -> None:
    assert len(Path(definitions.__file__).read_text(encoding="utf-8").splitlines()) <= 80


def test_workspace_yaml_names_a_module_that_resolves() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    module = importlib.import_module(workspace["load_from"][0]["python_module"]["module_name"])
    assert module is definitions
    loaded = module.defs()
    dg.Definitions.validate_loadable(loaded)
    assert {spec.key.path[0] for spec in loaded.resolve_all_asset_specs()} >= set(shipped_recipes())


def test_dagsters_own_validation_of_the_workspace_passes(tmp_path: Path) -> None:
    environment = {**os.environ, "LEADSCORE_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
