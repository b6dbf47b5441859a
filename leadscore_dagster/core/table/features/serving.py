"""The features of decisions as a score is computed from them: one function for today's list and for a past decision.

Lives here: joining decisions, what may be seen at that moment, and the feature query. Not here: who is scored and what
the log of a day is (core/scoring/day), what a past moment could see (core/audit/parity), the query itself (query).
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.warehouse import Relation, Warehouse


def served_features(
    warehouse: Warehouse,
    recipe: Recipe,
    decisions: Relation,
    seen: Mapping[str, Relation],
    parameters: Mapping[str, object],
) -> pa.RecordBatchReader:
    """The features of ``decisions``, as a stream in no particular order.

    Parameters
    ----------
    decisions : who is decided on: decision_id STRING, the recipe's entity, decision_at TIMESTAMP.
    seen : stored tables as they stand at that moment; a table that is not named is read as it is stored.
    parameters : values of the parameters that ``decisions`` and ``seen`` use.

    Returns
    -------
    The entity, decision_at, decision_id, the features of stage ``row`` and the evidence columns; one row per decision.
    """
    with_keys = (
        f"SELECT d.{recipe.decisions.entity}, d.decision_at, f.* FROM decisions AS d "
        f"JOIN features_served AS f ON f.decision_id = d.decision_id"
    )
    relations = {**seen, "decisions": decisions, "features_served": feature_query(recipe).sql}
    return warehouse.query(with_keys, parameters, relations)
