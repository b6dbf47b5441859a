"""Features that compare a row with the population: their statistics are learned on the training rows of a fold.

Lives here: running those statements on Arrow tables. Not here: choosing the folds (core/modelling), the statements
(features/<set>.sql and <set>_statistics.sql).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.sets import FeatureSet, feature_sets
from leadscore_dagster.core.warehouse.dialect import parse, translate


@dataclass(frozen=True)
class SqlFoldFeatures:
    """The sets of a recipe whose features are computed inside the fold."""

    sets: tuple[FeatureSet, ...]

    def learn(self, table: pa.Table) -> dict[str, float]:
        """Statistics of the rows of ``table`` (features of stage ``row``), by name.

        A statistic of a column without any value is left out: a comparison with it is a comparison with a missing
        value. Raises InputError if an input is missing.
        """
        learned: dict[str, float] = {}
        for entry in self.sets:
            result = _run(entry.statistics or "", {"features": _inputs(entry, table)})
            for name in result.column_names if result.num_rows else ():
                value = result[name][0].as_py()
                if value is not None and not math.isnan(value):
                    learned[name] = float(value)
        return learned

    def add(self, table: pa.Table, statistics: Mapping[str, float]) -> pa.Table:
        """``table`` with the features of stage ``fold`` appended, rows in their order.

        Parameters
        ----------
        statistics : what ``learn`` gave for the training rows.

        Raises InputError if an input is missing.
        """
        for entry in self.sets:
            names = parse(entry.statistics or "").named_selects
            row = {name: pa.array([statistics.get(name)], pa.float64()) for name in names}
            result = _run(entry.sql, {"features": _inputs(entry, table), "statistics": pa.table(row)})
            result = result.sort_by("row_number")
            if result.num_rows != table.num_rows:
                raise InputError("a feature set must return every row once", where=entry.name, rows=result.num_rows)
            for feature in entry.features:
                table = table.append_column(feature.name, result[feature.name])
        return table


def fold_features_of(recipe: Recipe) -> SqlFoldFeatures | None:
    """The recipe's features of stage ``fold``; None if it has none. Raises InputError as ``load_set`` does."""
    sets = tuple(entry for entry in feature_sets(recipe) if entry.is_fold)
    return SqlFoldFeatures(sets) if sets else None


def _inputs(entry: FeatureSet, table: pa.Table) -> pa.Table:
    names = sorted(entry.inputs())
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InputError(f"feature set {entry.name!r} needs a column that is not there", column=missing[0])
    return table.select(names).append_column("row_number", pa.array(np.arange(table.num_rows, dtype=np.int64)))


def _run(sql: str, relations: Mapping[str, pa.Table]) -> pa.Table:
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        for name, data in relations.items():
            connection.register(name, data)
        return connection.sql(translate(sql).sql).to_arrow_table()
