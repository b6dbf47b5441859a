"""The daily schedule. Off until somebody turns it on: that is a decision of the deployment, not of the code."""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.recipes.schema import Recipe


def daily_schedule(
    recipe: Recipe, job: dg.UnresolvedAssetJobDefinition
) -> dg.UnresolvedPartitionedAssetScheduleDefinition:
    """Score every morning at six, UTC. The partition is the day itself: today's leads, this morning."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name=f"{recipe.name}_daily_schedule",
        hour_of_day=6,
        description="Scores today's leads every morning with the champion of the day.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
