"""The sensor that watches the folders a vendor drops files in.

Lives here: one look, from the folders to at most one run request. Not here: what is complete and what it asks for
(core/sources/arrivals), alerts (alerts_sensor).

The daemon starts no run for a run key it knows, so a look that is repeated after a crash starts nothing twice. It also
keeps a key whose run failed: another run for the same content is somebody's decision (re-execute it in Dagit).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.arrivals import Cursor, decide, sight, vintage_sources
from leadscore_dagster.defs.automation.run_requests import (
    SECONDS_PER_LOOK,
    known_of,
    not_set_up,
    places_of,
    run_request,
)
from leadscore_dagster.defs.automation.switch import drop_sensor_name, sensor_status
from leadscore_dagster.defs.resources import Workspace

_NAMES_TOLD = 20


def sensors_of(recipe: Recipe, jobs: Sequence[dg.UnresolvedAssetJobDefinition]) -> list[dg.SensorDefinition]:
    """The sensors of a recipe, given its jobs: none without a vendor that drops files."""
    wanted = [job for job in jobs if job.name in (f"{recipe.name}_ingest", f"{recipe.name}_refresh")]
    return [drop_sensor(recipe, wanted)] if vintage_sources(recipe) else []


def drop_sensor(recipe: Recipe, jobs: Sequence[dg.UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """The sensor of a recipe with vintage sources. ``jobs``: its ingest and its refresh."""

    @dg.sensor(
        name=drop_sensor_name(recipe),
        jobs=list(jobs),
        minimum_interval_seconds=recipe.automation.look_every_seconds,
        default_status=sensor_status(recipe),
        description=(
            f"Watches the vendor's folders. When a {recipe.cadence.value}'s drop is complete and has stopped changing, "
            f"it requests one run: the ingest of an older {recipe.cadence.value}, or the refresh of the newest, from "
            "drop to champion. One run per content; a corrected file is a new arrival. The cursor shows what each "
            "drop lacks and which files are unexpected."
        ),
    )
    def look(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
        unset = not_set_up(recipe, workspace)
        if unset:
            return dg.SensorResult(skip_reason=unset, cursor=context.cursor)
        deadline, today = time.monotonic() + SECONDS_PER_LOOK, workspace.now().date()
        sightings = sight(
            places_of(recipe, workspace, today),
            recipe,
            Cursor.from_json(context.cursor),
            today,
            hurry=lambda: time.monotonic() > deadline,
        )
        decision = decide(sightings, known_of(context.instance, recipe))
        said = [*decision.why, *_told(sightings.unknown, recipe.cadence.value)]
        requests = [run_request(recipe, decision.request)] if decision.request else []
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(said),
            cursor=sightings.cursor.to_json(said=said, unknown=sightings.unknown[:_NAMES_TOLD]),
        )

    return look


def _told(unknown: Sequence[str], period: str) -> list[str]:
    if not unknown:
        return []
    more = f" and {len(unknown) - _NAMES_TOLD} more" if len(unknown) > _NAMES_TOLD else ""
    names = ", ".join(name[:80] for name in unknown[:_NAMES_TOLD])
    return [f"ignored, for no {period} or source expects it: {names}{more}"]
