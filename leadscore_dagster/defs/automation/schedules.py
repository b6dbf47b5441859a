"""What happens by the clock: a day's scores, and a period that no drop has asked for.

Lives here: one tick each, from its scheduled instant to run requests. Not here: which days and periods those are
(core/clock, core/versions/retraining). Off until the deployment turns them on (automation).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from leadscore_dagster.core.clock import day_of, days_to_score, days_to_watch
from leadscore_dagster.core.monitoring.health import TABLE as WATCHED
from leadscore_dagster.core.monitoring.overview import alarms
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.sources.arrivals import Cursor, Sightings, expected_files, sight, vintage_sources
from leadscore_dagster.core.versions.ledger import champion_at, history
from leadscore_dagster.core.versions.registry import trained_as_of
from leadscore_dagster.core.versions.retraining import Standing, retrain, standing_of
from leadscore_dagster.defs.automation.run_requests import (
    SECONDS_PER_LOOK,
    asked_for,
    common_tags,
    known_of,
    not_set_up,
    places_of,
    run_request,
)
from leadscore_dagster.defs.automation.switch import WAITS, drop_sensor_name, schedule_status
from leadscore_dagster.defs.partitions import days
from leadscore_dagster.defs.resources import Workspace


def schedules_of(recipe: Recipe, jobs: Sequence[dg.UnresolvedAssetJobDefinition]) -> list[dg.ScheduleDefinition]:
    """The schedules of a recipe, given its jobs."""
    by_name = {job.name.removeprefix(f"{recipe.name}_"): job for job in jobs}
    return [
        daily_schedule(recipe, by_name["daily_scores"]),
        monitoring_schedule(recipe, by_name["monitoring"]),
        retraining_schedule(recipe, by_name["refresh"]),
    ]


def daily_schedule(recipe: Recipe, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Scores of today every morning, and of the days before that nobody has asked for."""
    automation = recipe.automation

    @dg.schedule(
        name=f"{recipe.name}_daily_schedule",
        job=job,
        cron_schedule=f"0 {automation.daily_hour} * * *",
        execution_timezone=automation.timezone,
        default_status=schedule_status(recipe),
        description=(
            "Scores today's leads every morning with the champion of the day, and catches up on missed days: "
            f"at most {automation.catch_up_days} days back, and none twice."
        ),
    )
    def score_the_day(
        context: dg.ScheduleEvaluationContext, workspace: Workspace
    ) -> Sequence[dg.RunRequest] | dg.SkipReason:
        instant = context.scheduled_execution_time
        unset = not_set_up(recipe, workspace)
        if unset:
            return dg.SkipReason(unset)
        return _requests(context, recipe, "daily", _days(recipe, workspace, instant), "every day has been requested")

    return score_the_day


def monitoring_schedule(recipe: Recipe, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """What was scored is watched: today's, once it is there, and earlier days that nobody has watched."""
    automation = recipe.automation

    @dg.schedule(
        name=f"{recipe.name}_monitoring_schedule",
        job=job,
        cron_schedule=f"45 {automation.daily_hour} * * *",
        execution_timezone=automation.timezone,
        default_status=schedule_status(recipe),
        metadata={WAITS: True},
        description=(
            "Checks every day after it was scored: health, class balance, drift, performance, the shadow. A day that "
            "is not scored yet waits for the next tick. If it is still not scored then, the checks report that."
        ),
    )
    def watch_the_day(
        context: dg.ScheduleEvaluationContext, workspace: Workspace
    ) -> Sequence[dg.RunRequest] | dg.SkipReason:
        instant = context.scheduled_execution_time
        unset = not_set_up(recipe, workspace)
        if unset:
            return dg.SkipReason(unset)
        warehouse = workspace.warehouse(recipe)
        scored, watched = (
            {date.fromisoformat(day) for day in warehouse.partitions(name)} for name in (LEAD_SCORES, WATCHED)
        )
        wanted = days_to_watch(
            day_of(instant, automation.timezone),
            window=automation.catch_up_days,
            champion_since=_crowned(recipe, workspace),
            scored=scored,
            watched=watched,
        )
        return _requests(context, recipe, "monitoring", wanted, "every scored day has been watched")

    return watch_the_day


def _requests(
    context: dg.ScheduleEvaluationContext, recipe: Recipe, kind: str, wanted: Sequence[date], otherwise: str
) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """One request for each of the days that is a partition by now and that nobody has asked for; without any, why."""
    with dg.partition_loading_context(effective_dt=context.scheduled_execution_time):
        known = [str(day) for day in wanted if days(recipe).has_partition_key(str(day))]
    keys = {f"{recipe.name}/{kind}/{day}": day for day in known}
    asked = asked_for(context.instance, keys)
    requests = [
        dg.RunRequest(run_key=run_key, partition_key=day, tags=common_tags(recipe))
        for run_key, day in keys.items()
        if run_key not in asked
    ]
    return requests or dg.SkipReason("the recipe has no such day" if wanted and not known else otherwise)


def retraining_schedule(recipe: Recipe, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """The fall-back of the drop sensor, and the triggers that do not wait for a drop."""
    automation = recipe.automation

    @dg.schedule(
        name=f"{recipe.name}_retraining_schedule",
        job=job,
        cron_schedule=f"30 {automation.daily_hour} * * *",
        execution_timezone=automation.timezone,
        default_status=schedule_status(recipe),
        description=(
            f"Checks every day whether a {recipe.cadence.value} is due although no drop has started it. This is so "
            f"{automation.fallback_days} days after its end (it is then run as it is, so that an incomplete drop is "
            f"noticed), and when there is new data and the champion is more than {automation.retrain_after_days} days "
            "old, its features have drifted, or its scores have turned out worse."
        ),
    )
    def train_what_is_due(context: dg.ScheduleEvaluationContext, workspace: Workspace) -> dg.RunRequest | dg.SkipReason:
        instant = context.scheduled_execution_time
        unset = not_set_up(recipe, workspace)
        if unset:
            return dg.SkipReason(unset)
        today = instant.astimezone(UTC).date()
        places = places_of(recipe, workspace, today) if vintage_sources(recipe) else []
        deadline = time.monotonic() + SECONDS_PER_LOOK
        changed = [file.modified for file in expected_files(places, recipe, today)]

        def look() -> Sightings:
            hurry = lambda: time.monotonic() > deadline  # noqa: E731
            return sight(places, recipe, _read_already(context.instance, recipe), today, looks=1, hurry=hurry)

        answer = retrain(
            recipe,
            _standing(recipe, workspace, instant),
            known_of(context.instance, recipe),
            touched=None if None in changed else max(changed, default=None),  # type: ignore[type-var]
            look=look,
        )
        return dg.SkipReason(answer) if isinstance(answer, str) else run_request(recipe, answer)

    return train_what_is_due


def _read_already(instance: dg.DagsterInstance, recipe: Recipe) -> Cursor:
    """What the drop sensor has read: large drops are not read to their end within one look."""
    states = [state for state in instance.all_instigator_state() if state.name == drop_sensor_name(recipe)]
    return Cursor.from_json(getattr(states[0].instigator_data, "cursor", None) if states else None)


def _days(recipe: Recipe, workspace: Workspace, instant: datetime) -> list[date]:
    warehouse = workspace.warehouse(recipe)
    return days_to_score(
        day_of(instant, recipe.automation.timezone),
        window=recipe.automation.catch_up_days,
        champion_since=_crowned(recipe, workspace),
        scored={date.fromisoformat(day) for day in warehouse.partitions(LEAD_SCORES)},
    )


def _crowned(recipe: Recipe, workspace: Workspace) -> datetime | None:
    """Since when there has been a champion."""
    entries = history(workspace.state(recipe))
    return min((one.effective_from for one in entries if one.action in ("promote", "rollback")), default=None)


def _standing(recipe: Recipe, workspace: Workspace, instant: datetime) -> Standing:
    """How the recipe stands. The period a champion was trained for is what its version begins with."""
    warehouse = workspace.warehouse(recipe)
    champion = champion_at(workspace.state(recipe), instant)
    trained = trained_as_of(champion.version) if champion else None
    today = day_of(instant, recipe.automation.timezone)
    said = alarms(warehouse, recipe, today, champion=champion.version if champion else None)
    return standing_of(recipe, instant, trained, drifted=said.drifted, fallen=said.fallen)
