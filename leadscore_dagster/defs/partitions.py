"""The two partition schemes. What a key means is the most consequential line of this project.

A quarterly key **is** the ``as_of`` instant: partition ``2024-07-01`` may contain only what was known before
2024-07-01 00:00 UTC. ``end_offset=1`` makes the key exist on that day, not a quarter later. Days likewise: the
scores of ``2024-07-01`` are made that morning, from what was known before it began.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe


def quarters(recipe: Recipe) -> dg.TimeWindowPartitionsDefinition:
    """Quarterly partitions of a recipe, from its first quarter; a closed data set ends with its ``as_of``."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 1 1,4,7,10 *",
        start=recipe.first_quarter.isoformat(),
        end=_end(recipe),
        fmt="%Y-%m-%d",
        end_offset=0 if recipe.as_of else 1,
    )


def days(recipe: Recipe) -> dg.TimeWindowPartitionsDefinition:
    """Daily partitions of a recipe's scores."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 * * *",
        start=recipe.first_quarter.isoformat(),
        end=_end(recipe),
        fmt="%Y-%m-%d",
        end_offset=0 if recipe.as_of else 1,
    )


def _end(recipe: Recipe) -> str | None:
    """A closed data set ends one quarter after its ``as_of``, so that the ``as_of`` partition itself exists."""
    return (recipe.as_of + timedelta(days=92)).isoformat() if recipe.as_of else None


def up_to_own_quarter() -> dg.TimeWindowPartitionMapping:
    """A training table reads the vintages of every quarter up to its own."""
    return dg.TimeWindowPartitionMapping(start_offset=-400, end_offset=0, allow_nonexistent_upstream_partitions=True)
