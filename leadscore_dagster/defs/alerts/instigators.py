"""Facts read off a Dagster instance: failing ticks, and what the newest due evaluation of each schedule came to.

Not here: runs (facts), any judgement (core/alerts/watching).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from leadscore_dagster.core.alerts.watching import Expected, FailedTick
from leadscore_dagster.defs.alerts.facts import PARTITION_TAG, crash_of
from leadscore_dagster.defs.automation.switch import WAITS

#: the newest failed ticks of one sensor that are read in one look
MOST_TICKS = 200
#: a partition of a day, on the days the clock changes, too
_A_DAY = timedelta(hours=25)
_STANDING: Mapping[dg.DagsterRunStatus, Any] = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.CANCELED: "canceled",
}


def instigators(instance: dg.DagsterInstance) -> list[InstigatorState]:
    """Every sensor and schedule that has ever been turned on or off."""
    return [state for state in instance.all_instigator_state() if state.instigator_type.value in ("SENSOR", "SCHEDULE")]


def location_of(state: InstigatorState) -> str:
    """The code location a sensor or schedule belongs to."""
    return state.repository_selector.location_name


def failed_ticks(instance: dg.DagsterInstance, state: InstigatorState, after: datetime) -> list[FailedTick]:
    """Ticks of one instigator later than ``after`` that raised."""
    ticks = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        after=after.timestamp(),
        limit=MOST_TICKS,
        statuses=[TickStatus.FAILURE],
    )
    return [
        FailedTick(
            name=state.name,
            instigator="sensor" if state.instigator_type.value == "SENSOR" else "schedule",
            location=location_of(state),
            at=datetime.fromtimestamp(tick.timestamp, UTC),
            crash=crash_of(tick.error),
        )
        for tick in ticks
    ]


def interval_of(state: InstigatorState) -> timedelta:
    """The time a sensor waits from one tick to the next; nothing for a schedule, whose ticks each stand for a day."""
    return timedelta(seconds=getattr(state.instigator_data, "min_interval", None) or 0)


def newest_tick(instance: dg.DagsterInstance, state: InstigatorState) -> InstigatorTick | None:
    """The newest tick that is over. The sensor that asks is itself in the middle of one."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
    return next((tick for tick in ticks if tick.status is not TickStatus.STARTED), None)


def is_well(instance: dg.DagsterInstance, state: InstigatorState) -> bool:
    """Turned off, or its newest tick did not raise."""
    if not state.is_running:
        return True
    tick = newest_tick(instance, state)
    return tick is not None and tick.status is not TickStatus.FAILURE


def expected_ticks(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    states: Sequence[InstigatorState],
    now: datetime,
    grace: timedelta,
    settled: Mapping[str, datetime],
    owners: Mapping[str, str],
) -> Iterator[Expected]:
    """For every schedule that is on: its newest evaluation that should be over by now, unless that is settled."""
    running = {state.name: state for state in states if state.instigator_type.value == "SCHEDULE" and state.is_running}
    for schedule in repository.schedule_defs:
        state = running.get(schedule.name)
        if state is None or _off_in_code(schedule, state):
            continue
        at = last_due(schedule.cron_schedule, schedule.execution_timezone or "UTC", now - grace)
        if settled.get(schedule.name) != at:
            yield _expected(instance, repository, schedule, state, at, owners)


def last_due(cron: str | Sequence[str], zone: str, now: datetime) -> datetime:
    """The newest instant up to ``now`` at which a cron schedule ticks, in its own time zone."""
    ends = []
    with dg.partition_loading_context(effective_dt=now):
        for line in [cron] if isinstance(cron, str) else cron:
            windows = dg.TimeWindowPartitionsDefinition(
                cron_schedule=line, start=datetime(2000, 1, 1), timezone=zone, fmt="%Y-%m-%d %H:%M:%S"
            )
            window = windows.get_last_partition_window()
            assert window is not None, "a schedule that has not ticked since the year 2000"
            ends.append(window.end)
    return max(ends)


def _off_in_code(schedule: dg.ScheduleDefinition, state: InstigatorState) -> bool:
    declared = state.status.value == "DECLARED_IN_CODE"
    return declared and schedule.default_status is not dg.DefaultScheduleStatus.RUNNING


def _expected(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    schedule: dg.ScheduleDefinition,
    state: InstigatorState,
    at: datetime,
    owners: Mapping[str, str],
) -> Expected:
    tick = instance.get_tick(state.instigator_origin_id, state.selector_id, at.timestamp())
    job = repository.get_job(schedule.job_name)
    partition = _day_partition(job, at)
    if WAITS in schedule.metadata and not (tick and partition in {key.rsplit("/", 1)[-1] for key in tick.run_keys}):
        partition = None
    missing, runs = [], set()
    if partition is not None:
        missing = [key for key in job.asset_layer.executable_asset_keys if not _is_there(instance, key, partition)]
        if tick is not None and tick.status is TickStatus.SKIPPED:
            # a recipe that nobody has set up is skipped every day: only what has been there before can be missed
            missing = [key for key in missing if _is_there(instance, key)]
        filters = dg.RunsFilter(job_name=job.name, tags={PARTITION_TAG: partition})
        runs = {_STANDING.get(run.status, "going") for run in instance.get_runs(filters=filters, limit=50)}
    names = tuple(sorted(key.to_user_string() for key in missing))
    data: Any = state.instigator_data
    began = getattr(data, "start_timestamp", None) or 0.0
    return Expected(
        schedule=schedule.name,
        job=job.name,
        location=location_of(state),
        at=at,
        running_since=datetime.fromtimestamp(began, UTC),
        tick=tick.status.value.lower() if tick is not None else "none",  # type: ignore[arg-type]
        reason=(tick.tick_data.skip_reason or "") if tick is not None else "",
        partition=partition,
        missing=names,
        runs=frozenset(runs),
        owner=next((owners[name] for name in names if name in owners), None),
    )


def _day_partition(job: dg.JobDefinition, at: datetime) -> str | None:
    """The day a tick stands for: the date on the schedule's own clock. None for jobs of other partitions."""
    scheme = job.partitions_def
    if not isinstance(scheme, dg.TimeWindowPartitionsDefinition):
        return None
    key = at.strftime(scheme.fmt)
    with dg.partition_loading_context(effective_dt=at):
        if not scheme.has_partition_key(key):
            return None
    window = scheme.time_window_for_partition_key(key)
    return key if window.end - window.start <= _A_DAY else None


def _is_there(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> bool:
    """Whether a partition has ever been made; without one: any partition."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    return bool(instance.fetch_materializations(wanted, limit=1).records)
