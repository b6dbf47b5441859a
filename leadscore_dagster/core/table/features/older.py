"""The features of decisions as they would have been one vintage earlier: does a signal fade, or vanish?

Lives here: that rebuild. Not here: what its difference means (core/audit/statistics/lag_decay).
"""

from __future__ import annotations

import pyarrow as pa

from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.warehouse import Relation, Warehouse, table


def features_one_vintage_older(warehouse: Warehouse, recipe: Recipe, rows: pa.Table) -> pa.Table:
    """The features of stage ``row`` of past decisions, from the vintage before the one each was decided on.

    Every vintage is treated as if it had arrived when the next one did, so each decision sees one vintage less; of one
    that was corrected the last arrival stands for it. Logs are as they were.

    Parameters
    ----------
    rows : decision_id STRING, the recipe's entity, decision_at TIMESTAMP; further columns are ignored.

    Returns
    -------
    decision_id and the features, one row per decision; missing where there was no earlier vintage.
    """
    query = feature_query(recipe)
    relations: dict[str, Relation] = {
        source.table: _delayed(source.table) for source in recipe.sources.values() if isinstance(source, VintageSource)
    }
    relations["decisions"] = rows.select(["decision_id", recipe.decisions.entity, "decision_at"])
    found = table(warehouse, query.sql, None, relations)
    return found.select(["decision_id", *(feature.name for feature in query.features)])


def _delayed(name: str) -> str:
    return (
        f"SELECT v.* EXCEPT (available_at), n.next_at AS available_at FROM `{name}` AS v JOIN (\n"
        "  SELECT a.as_of, a.corrected, LEAD(a.arrived) OVER (ORDER BY a.as_of) AS next_at FROM (\n"
        "    SELECT s.as_of, MIN(s.available_at) AS arrived, MAX(s.available_at) AS corrected\n"
        f"    FROM `{name}` AS s GROUP BY s.as_of\n"
        "  ) AS a\n"
        ") AS n ON n.as_of = v.as_of AND n.corrected = v.available_at WHERE n.next_at IS NOT NULL"
    )
