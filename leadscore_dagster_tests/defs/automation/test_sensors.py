"""The drop sensor on a real instance: looks, runs that are executed, looks again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.automation.run_requests import known_of
from leadscore_dagster.defs.automation.switch import SWITCH
from leadscore_dagster.defs.resources import Workspace, write_locations
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.vendor import FIRST, SECOND

RECIPE = vendor.recipe(look_every_seconds=5)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class Watched:
    """A home with a drops folder, and the sensor's ticks on it; each gets the cursor the one before left."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, location: str | None = None) -> None:
        self.drops = folder / "drops"
        self.drops.mkdir()
        (folder / "crm").mkdir()
        self.workspace = Workspace(home=str(folder / "home"), clock=vendor.TODAY.isoformat())
        where = location or str(self.drops)
        write_locations(
            folder / "home", RECIPE, {"reps": where, "firms": where, "leads": str(folder / "crm" / "leads.csv")}
        )
        self.defs = build_defs([RECIPE], self.workspace)
        self.instance, self.cursor = instance, None

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """Run requests, and what the tick says if it asks for nothing."""
        repository = self.defs.get_repository_def()
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=repository,
            resources={"workspace": self.workspace},
        )
        data = repository.get_sensor_def("small_drop_sensor").evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or []), data.skip_message or ""

    def run(self, request: dg.RunRequest) -> bool:
        """Execute what was asked for, as the daemon would."""
        done = self.defs.resolve_job_def(str(request.job_name)).execute_in_process(
            partition_key=request.partition_key,
            instance=self.instance,
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return done.success

    def record(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
        """Leave a run of the request in the instance without executing it."""
        job = self.defs.resolve_job_def(str(request.job_name))
        partition = {"dagster/partition": str(request.partition_key), "dagster/run_key": str(request.run_key)}
        self.instance.create_run_for_job(job, status=status, tags={**request.tags, **partition})


@pytest.fixture
def watched(tmp_path: Path, instance: dg.DagsterInstance) -> Watched:
    return Watched(tmp_path, instance)


def test_the_second_look_at_a_quiet_drop_asks_for_its_refresh_and_the_third_does_not(watched: Watched) -> None:
    vendor.write_drop(watched.drops, "2024_q1")
    requests, said = watched.tick()
    assert requests == []
    assert "still being copied" in said
    (request,), _ = watched.tick()
    assert (request.job_name, request.partition_key) == ("small_refresh", "2024-04-01")
    watched.record(request, dg.DagsterRunStatus.STARTED)
    requests, said = watched.tick()
    assert requests == []
    assert "refresh of 2024_q1 is under way" in said


def test_a_tick_that_is_repeated_asks_with_the_same_key(watched: Watched) -> None:
    """The daemon drops it: it died after the launch, before it saved the cursor."""
    vendor.write_drop(watched.drops, "2024_q1")
    watched.tick()
    before = watched.cursor
    (first,), _ = watched.tick()
    watched.cursor = before
    (again,), _ = watched.tick()
    assert first.run_key == again.run_key


def test_an_older_quarter_is_ingested_by_a_run_and_then_known(watched: Watched) -> None:
    """The ingest is executed: what it leaves in the instance is what the next look goes by."""
    for quarter in ("2024_q1", "2024_q2"):
        vendor.write_drop(watched.drops, quarter)
    vendor.write_manifest(watched.drops, "2024_q1", "2024-05-02T06:00:00Z")
    watched.tick()
    (request,), _ = watched.tick()
    assert (request.job_name, request.partition_key) == ("small_ingest", FIRST.isoformat())
    assert watched.run(request)
    arrival = known_of(watched.instance, RECIPE).ingested["reps", FIRST]
    assert arrival.available_at is not None
    assert arrival.available_at.isoformat() == "2024-05-02T06:00:00+00:00"
    (request,), _ = watched.tick()
    assert (request.job_name, request.partition_key) == ("small_refresh", SECOND.isoformat())


def test_a_refused_run_is_not_repeated_and_a_corrected_drop_gets_its_own(watched: Watched) -> None:
    """No leads lie there, so the refresh is refused after the ingest. The same bytes again start nothing."""
    vendor.write_drop(watched.drops, "2024_q1")
    watched.tick()
    (request,), _ = watched.tick()
    assert not watched.run(request)
    vendor.write_drop(watched.drops, "2024_q1")
    asked = [watched.tick() for _ in range(3)]
    assert [requests for requests, _ in asked] == [[], [], []]
    assert "failed on this content" in asked[-1][1]
    vendor.write_drop(watched.drops, "2024_q1", version=2)
    watched.tick()
    (corrected,), _ = watched.tick()
    assert corrected.run_key != request.run_key


def test_files_nobody_expects_are_told_and_capped(watched: Watched) -> None:
    for number in range(25):
        (watched.drops / f"holiday_{number:02d}.jpg").write_text("x")
    requests, said = watched.tick()
    assert requests == []
    assert "holiday_19.jpg and 5 more" in said
    told = json.loads(watched.cursor or "{}")
    assert len(told["unknown"]) == 20
    assert told["marks"] == {}


def test_a_recipe_nobody_has_set_up_is_let_alone(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    workspace = Workspace(home=str(tmp_path / "empty"))
    repository = build_defs([RECIPE], workspace).get_repository_def()
    context = dg.build_sensor_context(
        instance=instance, repository_def=repository, resources={"workspace": workspace}, cursor="kept"
    )
    data = repository.get_sensor_def("small_drop_sensor").evaluate_tick(context)
    assert not data.run_requests
    assert "The location of source" in (data.skip_message or "")


def test_a_folder_that_is_gone_is_an_error_and_not_a_quiet_tick(watched: Watched) -> None:
    watched.drops.rmdir()
    with pytest.raises(InputError, match="There is no such folder"):
        watched.tick()


def test_a_drop_behind_a_url_is_watched_and_ingested(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    import fsspec

    system, url = fsspec.filesystem("memory"), f"memory://{tmp_path.name}"
    for quarter in ("2024_q1", "2024_q2"):
        for name in vendor.names(quarter):
            system.pipe_file(f"{url}/{name}", vendor.text(name).encode())
    watched = Watched(tmp_path, instance, url)
    watched.tick()
    (request,), _ = watched.tick()
    assert watched.run(request)
    assert [request.job_name for request in watched.tick()[0]] == ["small_refresh"]
    assert len(list((tmp_path / "home" / "arrivals").iterdir())) == 2  # one copy a source
    system.rm(url, recursive=True)


def test_a_run_that_starts_by_itself_is_ended_when_it_hangs_and_started_once_more(watched: Watched) -> None:
    vendor.write_drop(watched.drops, "2024_q1")
    watched.tick()
    (request,), _ = watched.tick()
    assert request.tags["dagster/max_runtime"] == str(6 * 3600)
    assert request.tags["dagster/max_retries"] == "1"
    watched.record(request, dg.DagsterRunStatus.FAILURE)
    run = watched.instance.get_runs()[0]
    watched.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    assert "under way" in watched.tick()[1]
    watched.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    assert "failed on this content" in watched.tick()[1]


# ---- the switch


def _statuses(recipe_changes: dict[str, object] | None = None) -> set[object]:
    recipe = RECIPE.model_copy(update=recipe_changes or {})
    repository = build_defs([recipe], Workspace(home="/nowhere")).get_repository_def()
    sensor = repository.get_sensor_def("small_drop_sensor")
    schedules = [schedule for schedule in repository.schedule_defs if schedule.name.startswith("small_")]
    assert len(schedules) >= 2
    return {sensor.default_status.value, *(schedule.default_status.value for schedule in schedules)}


@pytest.mark.parametrize(("value", "status"), [(None, "STOPPED"), ("off", "STOPPED"), ("on", "RUNNING")])
def test_one_setting_turns_everything_on(monkeypatch: pytest.MonkeyPatch, value: str | None, status: str) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    assert _statuses() == {status}


def test_a_closed_data_set_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "on")
    assert _statuses({"as_of": SECOND}) == {"STOPPED"}


def test_any_other_value_of_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "true")
    with pytest.raises(InputError, match="LEADSCORE_AUTOMATION is 'true'"):
        _statuses()


def test_a_recipe_without_a_vendor_has_no_drop_sensor() -> None:
    repository = build_defs([vendor.log_recipe()], Workspace(home="/nowhere")).get_repository_def()
    assert not any(sensor.name.startswith("small_") for sensor in repository.sensor_defs)
