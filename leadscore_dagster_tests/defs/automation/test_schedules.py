"""The schedules' ticks: which day it is where, which days were missed, and that none is asked for twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest
from dagster._utils.schedules import cron_string_iterator  # what the daemon asks when a schedule ticks

from leadscore_dagster.core.clock import day_of, days_to_score
from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.recipe.automation import Automation
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.staleness import newest_vintages, require_fresh, stale
from leadscore_dagster.core.versions.ledger import LedgerEntry, ModelVersion, append_entry, record_version
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.resources import Workspace, write_locations
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.vendor import FIRST, SECOND

MORNING = datetime(2024, 7, 10, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A schedule's context takes no ephemeral instance, and one on disk takes seconds to make."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def instance(on_disk: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance that knows of nothing."""
    on_disk.wipe()
    return on_disk


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A home that knows where the sources lie; nothing lies there yet."""
    (tmp_path / "drops").mkdir()
    where = str(tmp_path / "drops")
    write_locations(tmp_path / "home", vendor.recipe(), {"reps": where, "firms": where, "leads": where})
    return Workspace(home=str(tmp_path / "home"))


def _crown(workspace: Workspace, recipe: Recipe, as_of: date) -> None:
    """A champion from ``as_of`` on."""
    state, instant = workspace.state(recipe), datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    version = f"{as_of}-0123456789ab"
    record_version(state, ModelVersion(recipe.name, version, as_of, instant, "0123456789ab", "{}", "{}"))
    append_entry(state, LedgerEntry(recipe.name, version, "promote", instant, instant, "the first"))


def _scored(workspace: Workspace, recipe: Recipe, *days: date) -> None:
    for day in days:
        workspace.warehouse(recipe).write_partition("lead_scores_daily", day.isoformat(), pa.table({"score": [0.5]}))


def _tick(
    schedule: str, instant: datetime, workspace: Workspace, instance: dg.DagsterInstance, recipe: Recipe | None = None
) -> tuple[list[dg.RunRequest], str]:
    repository = build_defs([recipe or vendor.recipe()], workspace).get_repository_def()
    schedule_def = repository.get_schedule_def(f"small_{schedule}_schedule")
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=instant,
        repository_def=repository,
        resources={"workspace": workspace},
    ) as context:
        data = schedule_def.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message or ""


def _keys(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def _launch(requests: list[dg.RunRequest], instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """Leave runs in the instance as the daemon does; they all fail."""
    job = build_defs([vendor.recipe()], workspace).resolve_job_def("small_daily_scores")
    for request in requests:
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)


# ---- a day's scores


def test_the_first_day_asks_for_itself_only(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    _crown(workspace, vendor.recipe(), date(2024, 7, 1))
    requests, _ = _tick("daily", datetime(2024, 7, 1, 6, tzinfo=UTC), workspace, instance)
    assert _keys(requests) == ["2024-07-01"]


def test_missed_days_since_the_champion_are_asked_for_after_today(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    recipe = vendor.recipe()
    _crown(workspace, recipe, date(2024, 7, 1))
    _scored(workspace, recipe, date(2024, 7, 5), date(2024, 7, 7))
    requests, _ = _tick("daily", MORNING, workspace, instance)
    assert _keys(requests) == ["2024-07-10", "2024-07-03", "2024-07-04", "2024-07-06", "2024-07-08", "2024-07-09"]
    assert len({request.run_key for request in requests}) == 6


def test_a_short_window_catches_up_on_little(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    recipe = vendor.recipe(catch_up_days=0)
    _crown(workspace, recipe, date(2024, 7, 1))
    assert _keys(_tick("daily", MORNING, workspace, instance, recipe)[0]) == ["2024-07-10"]


def test_no_day_is_asked_for_twice_even_by_the_next_mornings_tick(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    """The daemon compares a schedule's run keys within one tick only, so the tick has to ask the instance."""
    recipe = vendor.recipe(catch_up_days=1)
    _crown(workspace, recipe, date(2024, 7, 1))
    _launch(_tick("daily", MORNING, workspace, instance, recipe)[0], instance, workspace)
    assert _tick("daily", MORNING, workspace, instance, recipe) == ([], "every day has been requested")
    assert _keys(_tick("daily", MORNING + timedelta(days=1), workspace, instance, recipe)[0]) == ["2024-07-11"]


def test_without_a_champion_today_is_asked_for_so_that_its_run_says_so(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    assert _keys(_tick("daily", MORNING, workspace, instance)[0]) == ["2024-07-10"]


def test_days_after_a_closed_data_set_and_before_the_first_are_skipped(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    closed = vendor.recipe().model_copy(update={"as_of": SECOND})
    assert _tick("daily", datetime(2026, 7, 10, 6, tzinfo=UTC), workspace, instance, closed)[0] == []
    assert _tick("daily", datetime(2024, 3, 1, 6, tzinfo=UTC), workspace, instance)[1] == "the recipe has no such day"


def test_a_recipe_nobody_has_set_up_asks_for_nothing(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    for schedule in ("daily", "monitoring", "retraining"):
        requests, said = _tick(schedule, MORNING, Workspace(home=str(tmp_path)), instance)
        assert requests == []
        assert "The location of source" in said


# ---- what was scored is watched


def test_scored_days_are_watched_and_a_late_day_waits_for_the_next_tick(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    recipe = vendor.recipe()
    assert _tick("monitoring", MORNING, workspace, instance) == ([], "every scored day has been watched")
    _crown(workspace, recipe, date(2024, 7, 1))
    _scored(workspace, recipe, date(2024, 7, 7), date(2024, 7, 8))
    workspace.warehouse(recipe).write_partition("scoring_health", "2024-07-07", pa.table({"day": [date(2024, 7, 7)]}))
    requests, _ = _tick("monitoring", MORNING, workspace, instance)
    assert _keys(requests) == ["2024-07-09", "2024-07-08"]  # nobody scored yesterday: that is watched, too
    assert {request.run_key for request in requests} == {"small/monitoring/2024-07-09", "small/monitoring/2024-07-08"}
    _launch(requests, instance, workspace)
    assert _tick("monitoring", MORNING, workspace, instance)[0] == []
    _scored(workspace, recipe, date(2024, 7, 10))
    assert _keys(_tick("monitoring", MORNING, workspace, instance)[0]) == ["2024-07-10"]


# ---- what day it is


@pytest.mark.parametrize(
    ("zone", "hour"),
    [
        ("UTC", 6),
        ("America/New_York", 2),  # 02:00 does not exist on 10 March 2024, and comes twice on 3 November at 01:00
        ("America/New_York", 1),
        ("Europe/Berlin", 2),  # does not exist on 31 March, comes twice on 27 October
        ("Europe/Berlin", 3),
        ("America/Havana", 0),  # midnight does not exist on 10 March
        ("Australia/Lord_Howe", 11),  # half an hour of summer time
        ("Pacific/Kiritimati", 14),
        ("America/Los_Angeles", 23),
    ],
)
def test_every_date_of_a_year_has_one_tick_also_when_the_clock_changes(zone: str, hour: int) -> None:
    """And at that tick the day's partition exists: its first instant, in UTC, has passed."""
    defs = build_defs([vendor.recipe(timezone=zone, daily_hour=hour)], Workspace(home="/nowhere"))
    schedule = defs.get_repository_def().get_schedule_def("small_daily_schedule")
    start = datetime(2024, 6, 1, tzinfo=ZoneInfo(zone)).timestamp()
    ticks = list(islice(cron_string_iterator(start, str(schedule.cron_schedule), schedule.execution_timezone), 366))
    dates = [day_of(tick, zone) for tick in ticks]
    assert dates == [date(2024, 6, 1) + timedelta(days=day) for day in range(366)]
    assert all(
        tick >= datetime(day.year, day.month, day.day, tzinfo=UTC) for tick, day in zip(ticks, dates, strict=True)
    )


def test_today_is_the_date_on_the_wall_and_not_in_greenwich() -> None:
    assert day_of(datetime(2024, 7, 11, 3, tzinfo=UTC), "America/Los_Angeles") == date(2024, 7, 10)
    assert day_of(datetime(2024, 7, 10, 21, tzinfo=UTC), "Asia/Tokyo") == date(2024, 7, 11)


def test_an_hour_at_which_the_day_has_not_begun_in_utc_is_refused() -> None:
    assert Automation(timezone="Europe/Berlin", daily_hour=2).daily_hour == 2
    for zone, hour, earliest in (("Europe/Berlin", 1, 2), ("Asia/Tokyo", 6, 9), ("Asia/Kolkata", 5, 6)):
        with pytest.raises(ValueError, match=f"the earliest daily_hour there is {earliest}"):
            Automation(timezone=zone, daily_hour=hour)


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../../etc/passwd", "Mars/Olympus"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        Automation(timezone=zone)


def test_a_day_before_the_champion_began_is_not_caught_up() -> None:
    since = datetime(2024, 7, 8, 12, tzinfo=UTC)  # a rollback at noon: the first whole day is the ninth
    wanted = days_to_score(date(2024, 7, 10), window=7, champion_since=since, scored=())
    assert wanted == [date(2024, 7, 10), date(2024, 7, 9)]


def test_the_periods_of_a_recipe_are_those_that_have_begun() -> None:
    recipe = vendor.recipe()
    assert list(recipe.as_ofs(date(2024, 3, 31))) == []
    assert list(recipe.as_ofs(date(2024, 6, 30))) == [FIRST]
    assert list(recipe.as_ofs(date(2024, 7, 1))) == [FIRST, SECOND]
    closed = recipe.model_copy(update={"as_of": SECOND})
    assert list(closed.as_ofs(date(2026, 7, 1))) == [FIRST, SECOND]


# ---- vintages that are too old


def _vintage(workspace: Workspace, table: str, as_of: date, available_at: datetime) -> None:
    columns = {
        "person": [1],
        "as_of": pa.array([as_of], pa.date32()),
        "available_at": pa.array([available_at], pa.timestamp("us", "UTC")),
    }
    workspace.warehouse(vendor.recipe()).write_partition(table, as_of.isoformat(), pa.table(columns))


def test_a_stale_vintage_is_refused_by_name_with_its_age_and_a_remedy(workspace: Workspace) -> None:
    """At day 200 it may still be used, at day 201 not; a newer one counts from the morning after it arrived."""
    recipe, warehouse = vendor.recipe(), workspace.warehouse(vendor.recipe())
    for table in ("rep_vintage", "firm_vintage"):
        _vintage(workspace, table, FIRST, datetime(2024, 4, 16, 6, tzinfo=UTC))
    last = FIRST + timedelta(days=200)
    require_fresh(warehouse, recipe, last)
    _vintage(workspace, "firm_vintage", SECOND, datetime(2024, 7, 16, 6, tzinfo=UTC))
    with pytest.raises(GateRefused) as refused:
        require_fresh(warehouse, recipe, last + timedelta(days=1))
    assert "rep_vintage: the newest that had arrived is 2024_q1, as of 2024-04-01, 201 days old" in str(refused.value)
    assert "firm_vintage" not in str(refused.value)
    assert "leadscore run small" in str(refused.value)
    assert newest_vintages(warehouse, recipe, date(2024, 7, 16))["firm_vintage"] == FIRST
    assert newest_vintages(warehouse, recipe, date(2024, 7, 17))["firm_vintage"] == SECOND


def test_a_source_without_any_vintage_is_refused(workspace: Workspace) -> None:
    with pytest.raises(GateRefused, match="rep_vintage: no vintage had arrived"):
        require_fresh(workspace.warehouse(vendor.recipe()), vendor.recipe(), date(2024, 5, 1))


def test_a_recipe_without_vintages_is_never_stale(workspace: Workspace) -> None:
    require_fresh(workspace.warehouse(vendor.log_recipe()), vendor.log_recipe(), date(2030, 5, 1))
    assert stale({}, date(2030, 5, 1), vendor.log_recipe()) == {}


# ---- the fall-back


def test_a_drop_that_never_came_gets_one_run_on_its_fall_back_day(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    day = datetime(2024, 5, 15, 6, 30, tzinfo=UTC)
    assert _tick("retraining", day, workspace, instance) == ([], "nothing is due on 2024-05-15")
    (request,), _ = _tick("retraining", day + timedelta(days=1), workspace, instance)
    assert request.partition_key == "2024-04-01"
    assert "dagster/max_retries" in request.tags
    job = build_defs([vendor.recipe()], workspace).resolve_job_def("small_refresh")
    done = job.execute_in_process(
        partition_key=request.partition_key,
        instance=instance,
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        asset_selection=[dg.AssetKey(["small", "rep_vintage"])],
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert not done.success
    failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    said = [data.user_failure_data.description or "" for data in failures if data.user_failure_data]
    assert any("no drop of rep_vintage for 2024_q1" in text for text in said)
    requests, said_next = _tick("retraining", day + timedelta(days=2), workspace, instance)
    assert requests == []
    assert "failed on this content" in said_next


def test_an_old_champion_gets_the_newest_quarter_when_its_data_is_there(
    workspace: Workspace, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """141 days after its quarter, within the fall-back days of the next: nothing without files, a refresh with."""
    recipe = vendor.recipe(fallback_days=92)
    _crown(workspace, recipe, FIRST)
    champion_ruled = dg.AssetMaterialization(["small", "champion_model"], partition="2024-04-01")
    instance.report_runless_asset_event(champion_ruled)
    day = datetime(2024, 8, 20, 6, 30, tzinfo=UTC)
    requests, said = _tick("retraining", day, workspace, instance, recipe)
    assert requests == []
    assert "the champion's quarter 2024-04-01 is 141 days old" in said
    vendor.write_drop(tmp_path / "drops", "2024_q2")
    requests, said = _tick("retraining", day, workspace, instance, recipe)
    assert said == ""
    assert _keys(requests) == ["2024-07-01"]
