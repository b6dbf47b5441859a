"""The two partition schemes. What a key means is the most consequential line of this project.

The key of a period, a quarter or a month, **is** the ``as_of`` instant: partition ``2024-07-01`` may contain only what
was known before 2024-07-01 00:00 UTC. ``end_offset=1`` makes the key exist on that day, not a period later. Days
likewise: the scores of ``2024-07-01`` are made that morning, from what was known before it began.

Not here: rules on dates (core/clock).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.recipe.schema import Cadence, Recipe

_CRON = {Cadence.QUARTER: "0 0 1 1,4,7,10 *", Cadence.MONTH: "0 0 1 * *"}


def periods(recipe: Recipe) -> dg.TimeWindowPartitionsDefinition:
    """Quarterly or monthly partitions of a recipe, from its first; a closed data set ends with its ``as_of``."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule=_CRON[recipe.cadence],
        start=recipe.first_as_of.isoformat(),
        end=_end(recipe),
        fmt="%Y-%m-%d",
        end_offset=0 if recipe.as_of else 1,
    )


def days(recipe: Recipe) -> dg.TimeWindowPartitionsDefinition:
    """Daily partitions of a recipe's scores."""
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 * * *",
        start=recipe.first_as_of.isoformat(),
        end=_end(recipe),
        fmt="%Y-%m-%d",
        end_offset=0 if recipe.as_of else 1,
    )


def _end(recipe: Recipe) -> str | None:
    """A closed data set ends one period after its ``as_of``, so that the ``as_of`` partition itself exists."""
    return recipe.cadence.next(recipe.as_of).isoformat() if recipe.as_of else None


def up_to_own_period() -> dg.TimeWindowPartitionMapping:
    """A training table reads the vintages of every period up to its own."""
    return dg.TimeWindowPartitionMapping(start_offset=-400, end_offset=0, allow_nonexistent_upstream_partitions=True)
