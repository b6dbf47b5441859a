"""The training table: every labelled decision of a period with its features as they were known at the decision.

Lives here: building and reading the partition. Not here: the feature query (core/table/features), labels (labels),
the audits that SELECT its violations (audits), the leakage audit (core/audit).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table import labels
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import EVIDENCE
from leadscore_dagster.core.warehouse import Part, Warehouse, table
from leadscore_dagster.core.warehouse.statements import with_relations

TABLE = "training_table"


@dataclass(frozen=True)
class TrainingReport:
    """What a partition of the training table holds.

    ``match_rates``: share of rows for which a source had something known, by table. ``missing``: share of missing
    values, by feature of stage ``row``.
    """

    recipe: str
    as_of: date
    rows: int
    positives: int
    match_rates: Mapping[str, float]
    missing: Mapping[str, float]

    def markdown(self) -> str:
        """Match rates and missing shares as Markdown tables."""
        parts = ["| source | decisions with a known fact |\n|---|--:|"]
        parts += [f"| {name} | {rate:.2%} |" for name, rate in self.match_rates.items()]
        parts += ["", "| feature | missing |\n|---|--:|"]
        parts += [f"| {name} | {share:.2%} |" for name, share in sorted(self.missing.items(), key=_most_first) if share]
        return "\n".join(parts) + "\n"

    def as_metadata(self) -> dict[str, Any]:
        """Numbers as numbers, the tables as one Markdown text."""
        return {
            "dagster/row_count": self.rows,
            "positives": self.positives,
            "positive_rate": self.positives / self.rows if self.rows else None,
            **{f"match_rate_{name}": rate for name, rate in self.match_rates.items()},
            "mean_missing_share": sum(self.missing.values()) / len(self.missing) if self.missing else None,
            "completeness": self.markdown(),
        }


def build_training_table(warehouse: Warehouse, recipe: Recipe, as_of: date) -> TrainingReport:
    """Write partition ``as_of`` of ``training_table`` and report on it.

    Columns: decision_id, the recipe's entity, decision_at, label, the features of stage ``row``, the evidence
    columns, as_of; one row per labelled decision, in order of decision_at, decision_id. Every decision lies before
    ``as_of`` and every fact before its decision, so later vintages cannot change the partition.
    Raises InputError if the labels of that period are missing.
    """
    key = as_of.isoformat()
    if key not in warehouse.partitions(labels.TABLE):
        raise InputError(f"period {key} is missing", where=labels.TABLE, remedy="materialize labels first")
    warehouse.create_partition(TABLE, key, training_query(recipe), {"as_of": as_of})
    return training_report(warehouse, recipe, as_of)


def training_query(recipe: Recipe) -> str:
    """The statement that gives partition ``@as_of`` of the training table."""
    query = feature_query(recipe)
    entity = recipe.decisions.entity
    columns = [f"f.`{name}`" for name in (*(feature.name for feature in query.features), *query.evidence)]
    text = (
        f"SELECT l.decision_id, l.`{entity}`, l.decision_at, l.label,\n  {', '.join(columns)},\n  l.as_of\n"
        f"FROM {labels.TABLE} AS l\nLEFT JOIN known_features AS f ON f.decision_id = l.decision_id\n"
        f"WHERE l.as_of = @as_of AND l.status = '{labels.LABELLED}'\n"
    )
    relations = {
        "known_features": query.sql,
        "decisions": (
            f"SELECT l.decision_id, l.`{entity}`, l.decision_at\nFROM {labels.TABLE} AS l\n"
            f"WHERE l.as_of = @as_of AND l.status = '{labels.LABELLED}'\n"
        ),
    }
    return with_relations(text, relations) + "\nORDER BY decision_at, decision_id"


def training_report(warehouse: Warehouse, recipe: Recipe, as_of: date) -> TrainingReport:
    """Count partition ``as_of`` of the training table. Raises InputError if it is missing."""
    query = feature_query(recipe)
    sources = [name for name in query.evidence if name.endswith("_known_at")]
    counted = [*sources, *(feature.name for feature in query.features)]
    items = ", ".join(f"COUNT(t.`{name}`) AS n{place}" for place, name in enumerate(counted))
    totals = "COUNT(*) AS n, COALESCE(SUM(t.label), 0) AS positives"
    sql = f"SELECT {totals}, {items} FROM {TABLE} AS t WHERE t.as_of = @as_of"
    require_training_table(warehouse, as_of)
    row = table(warehouse, sql, {"as_of": as_of}).to_pylist()[0]
    present = {name: row[f"n{place}"] / row["n"] if row["n"] else 0.0 for place, name in enumerate(counted)}
    return TrainingReport(
        recipe.name,
        as_of,
        row["n"],
        row["positives"],
        {name.removeprefix(EVIDENCE).removesuffix("_known_at"): present[name] for name in sources},
        {feature.name: 1 - present[feature.name] if row["n"] else 0.0 for feature in query.features},
    )


def training_rows(warehouse: Warehouse, as_of: date) -> pa.Table:
    """Partition ``as_of`` of the training table, in order of decision_at, decision_id. Raises InputError if missing.

    Its own columns alone: a feature that the recipe had in another period is absent here, not missing in every row.
    """
    require_training_table(warehouse, as_of)
    sql = f"SELECT * FROM {TABLE} WHERE as_of = @as_of ORDER BY decision_at, decision_id"
    return table(warehouse, sql, {"as_of": as_of}, {TABLE: Part(TABLE, as_of.isoformat())})


def require_training_table(warehouse: Warehouse, as_of: date) -> None:
    """Raises InputError unless partition ``as_of`` of the training table is there."""
    if as_of.isoformat() not in warehouse.partitions(TABLE):
        raise InputError(f"period {as_of} is missing", where=TABLE, remedy="materialize the training table first")


def require_features(rows: pa.Table, version: str, features: Sequence[Feature]) -> None:
    """Raises InputError unless training rows have every feature of stage ``row`` that a model version needs."""
    absent = [feature.name for feature in features if feature.stage == "row" and feature.name not in rows.column_names]
    if absent:
        raise InputError(
            f"model {version} needs feature {absent[0]}, which the training table does not have",
            where=TABLE,
            column=absent[0],
            remedy="materialize the period's training table again, with the feature in the recipe",
        )


def _most_first(entry: tuple[str, float]) -> tuple[float, str]:
    return -entry[1], entry[0]
