"""The one path rows take through a model: fold features, matrix, margin, probability, contributions.

Training judges a candidate through it, the registry loads it, daily scoring calls it. What does not belong
here: files (core/versions/registry), percentiles, buckets and lists (core/scoring).

Not here: ranks, reasons and lists (core/scoring).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.calibration import (
    Calibrator,
    SegmentedCalibrator,
    fit_calibrator,
    fit_segmented,
)
from leadscore_dagster.core.modelling.estimators.base import FittedModel, checked_contributions
from leadscore_dagster.core.modelling.matrix import Columns, to_matrix
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.recipe.schema import Model
from leadscore_dagster.core.table.features.catalogue import Feature


class FoldFeatures(Protocol):
    """Features that need statistics of the training rows (quantiles, medians). ``learn`` never sees the
    label."""

    def learn(self, table: pa.Table) -> dict[str, float]: ...

    def add(self, table: pa.Table, statistics: Mapping[str, float]) -> pa.Table: ...


@dataclass(frozen=True)
class Scores:
    """Scores of n rows in their given order: ``margin`` (log-odds) and ``probability`` float64 [n],
    ``contributions`` float32 [n, k] in margin space or None, ``bias`` so that bias + row sum = margin."""

    margin: np.ndarray
    probability: np.ndarray
    contributions: np.ndarray | None
    bias: float | None


@dataclass(frozen=True)
class ScoringModel:
    """Everything needed to score a table that holds the row features."""

    features: tuple[Feature, ...]
    columns: Columns
    statistics: Mapping[str, float]
    model: FittedModel
    calibrator: Calibrator
    fold_features: FoldFeatures | None = None

    def matrix(self, table: pa.Table) -> np.ndarray:
        """Matrix float32 [n, k] of a table with the row features; adds the fold features."""
        return to_matrix(
            with_fold_features(table, self.features, self.fold_features, statistics=self.statistics), self.columns
        )

    def score(self, table: pa.Table, contributions: bool = False) -> Scores:
        """Score the rows of ``table`` in their order."""
        return self.score_matrix(self.matrix(table), contributions)

    def score_matrix(self, matrix: np.ndarray, contributions: bool = False) -> Scores:
        """Score the rows of a matrix made by ``matrix``."""
        margin = self.model.margin(matrix)
        values, bias = checked_contributions(self.model, matrix, margin) if contributions else (None, None)
        return Scores(margin, self._probability(matrix, margin), values, bias)

    def _probability(self, matrix: np.ndarray, margin: np.ndarray) -> np.ndarray:
        if isinstance(self.calibrator, SegmentedCalibrator):
            return self.calibrator.apply(margin, *segment_codes(matrix, self.columns, self.calibrator.segment))
        return self.calibrator.apply(margin)


def learn_calibrator(rehearsal: ScoringModel, rows: pa.Table, model: Model) -> Calibrator:
    """The recipe's calibrator, fitted on rows (with ``label``) that are later than those ``rehearsal`` was fitted on.

    With ``calibrate_by`` each part of that segment is calibrated on its own, small ones drawn towards all.
    """
    matrix, label = rehearsal.matrix(rows), rows["label"].to_numpy()
    margin = rehearsal.model.margin(matrix)
    overall = fit_calibrator(model.calibration, margin, label)
    if model.calibrate_by is None:
        return overall
    segment = model.segments[model.calibrate_by]
    codes, names = segment_codes(matrix, rehearsal.columns, segment)
    return fit_segmented(overall, segment, margin, label=label, codes=codes, names=names)


def learn_fold_statistics(
    table: pa.Table, features: Sequence[Feature], fold_features: FoldFeatures | None
) -> dict[str, float]:
    """Statistics of the training rows for features of stage ``fold``; empty when there are none."""
    if not any(feature.stage == "fold" for feature in features):
        return {}
    if fold_features is None:
        names = ", ".join(feature.name for feature in features if feature.stage == "fold")
        raise InputError(f"features computed inside the fold need their statements: {names}")
    # without the label, a statistic cannot leak it
    visible = table.drop_columns(["label"]) if "label" in table.column_names else table
    return dict(fold_features.learn(visible))


def with_fold_features(
    table: pa.Table,
    features: Sequence[Feature],
    fold_features: FoldFeatures | None,
    *,
    statistics: Mapping[str, float],
) -> pa.Table:
    """``table`` with its fold features added, rows in their given order (SQL may return them in another)."""
    if not any(feature.stage == "fold" for feature in features):
        return table
    if fold_features is None:
        raise InputError("this model has features computed inside the fold, but no statements for them were given")
    added = fold_features.add(table, statistics)
    if added.num_rows != table.num_rows:
        raise InputError(
            f"adding fold features turned {table.num_rows:,} rows into {added.num_rows:,}",
            remedy="the statement must return each decision exactly once",
        )
    if added["decision_id"].equals(table["decision_id"]):
        return added
    positions = pc.index_in(table["decision_id"], value_set=added["decision_id"].combine_chunks())
    if positions.null_count:
        raise InputError("adding fold features lost decisions", column="decision_id", rows=positions.null_count)
    return added.take(positions)
