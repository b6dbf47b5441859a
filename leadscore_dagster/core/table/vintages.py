"""The calendar of a recipe's vintages, written from its sources: when each arrived.

Lives here: that statement. Not here: which vintage a decision knew (sql/product/features/known_vintage), taking
vintages in (core/sources).
"""

from __future__ import annotations

from leadscore_dagster.core.recipe.schema import Recipe, VintageSource

#: the calendar's name among the statements; its relation is ``vintage_calendar``
CALENDAR = "vintages/vintage_calendar"


def vintage_tables(recipe: Recipe) -> list[str]:
    """Tables of the recipe's vintages, in its order."""
    return [source.table for source in recipe.sources.values() if isinstance(source, VintageSource)]


def vintage_calendar(recipe: Recipe) -> str:
    """SELECT giving (table_name STRING, as_of DATE, available_at TIMESTAMP), one row per vintage table and arrival.

    A vintage that was corrected has arrived more than once; each arrival is a whole, and all its rows became available
    at one instant. No row for a recipe without vintages.
    """
    arrivals = [
        f"SELECT '{table}' AS table_name, v.as_of, v.available_at\n"
        f"FROM `{table}` AS v\n"
        "GROUP BY v.as_of, v.available_at\n"
        for table in vintage_tables(recipe)
    ]
    return "-- When each vintage arrived. One row per table and arrival.\n" + "UNION ALL\n".join(arrivals or [_NOTHING])


_NOTHING = (
    "SELECT n.table_name, n.as_of, n.available_at\n"
    "FROM (\n"
    "  SELECT\n"
    "    CAST(NULL AS STRING) AS table_name,\n"
    "    CAST(NULL AS DATE) AS as_of,\n"
    "    CAST(NULL AS TIMESTAMP) AS available_at\n"
    ") AS n\n"
    "WHERE n.table_name IS NOT NULL\n"
)
