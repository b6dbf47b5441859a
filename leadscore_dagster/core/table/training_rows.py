"""Rows fit to train on: checked, in one order, enough of them, split as the recipe says.

Not here: how to split by time (periods), audits of what they hold (audits).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.judged import entity_codes
from leadscore_dagster.core.recipe.schema import Model
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.periods import Fold, TimeSplit, split_periods, time_folds

#: a calibrator fitted on fewer positives or negatives is noise
MINIMUM_CALIBRATION = 10


def ordered_rows(table: pa.Table, features: Sequence[Feature], entity: str) -> pa.Table:
    """The training table checked and ordered by time, then id: row order must never change a model."""
    wanted = ["decision_id", "decision_at", "label", entity, *(f.name for f in features if f.stage == "row")]
    for name in wanted:
        if table.schema.get_field_index(name) < 0:
            raise InputError("the training table lacks a column", column=name, rows=table.num_rows)
    if not features:
        raise InputError("no features to train on", rows=table.num_rows)
    for name in ("decision_id", "decision_at", "label"):
        if table[name].null_count:
            raise InputError("a value is missing in the training table", column=name, rows=table[name].null_count)
    repeated = table.num_rows - pc.count_distinct(table["decision_id"]).as_py()
    if repeated:
        raise InputError("decisions occur more than once", column="decision_id", rows=repeated)
    label = table["label"].to_numpy()
    wrong = int((~np.isin(label, (0, 1))).sum())
    if wrong:
        raise InputError("a label is neither 0 nor 1", column="label", rows=wrong)
    return table.sort_by([("decision_at", "ascending"), ("decision_id", "ascending")]).combine_chunks()


def split_rows(rows: pa.Table, model: Model, window_days: int, entity: str) -> TimeSplit:
    """The recipe's periods of a training table: positions of its rows."""
    return split_periods(rows["decision_at"].to_numpy(), model.periods, window_days, _groups(rows, model, entity))


def fold_rows(development: pa.Table, model: Model, window_days: int, entity: str) -> list[Fold]:
    """The recipe's folds of the development rows: positions of these rows."""
    times = development["decision_at"].to_numpy()
    return time_folds(times, model.folds, window_days, model.gap_days, _groups(development, model, entity))


def _groups(rows: pa.Table, model: Model, entity: str) -> np.ndarray | None:
    """Each row's entity, where the recipe keeps entities on one side of every split."""
    return entity_codes(rows[entity]) if model.group_folds else None


def rows_of(table: pa.Table, decision_ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows of a training table with these decision ids, in the order of the ids: to score another model
    on a candidate's test rows (``rows_of(table, candidate.predictions["decision_id"])``)."""
    found = pc.index_in(decision_ids, value_set=table["decision_id"].combine_chunks())
    if found.null_count:
        raise InputError("decisions to compare on are not in the table", column="decision_id", rows=found.null_count)
    return table.take(found)


def refuse_too_few(development: pa.Table, calibration: pa.Table, model: Model) -> None:
    """Raise InputError, with counts and a remedy, when a period holds too few positives to learn from."""
    positives = int(development["label"].to_numpy().sum())
    if positives < model.minimum_positives:
        raise InputError(
            f"the development period holds {positives} positives of {development.num_rows:,} rows, "
            f"{model.minimum_positives} are needed to train",
            column="label",
            remedy="wait for more outcomes, use a longer history, or lower model.minimum_positives",
        )
    hits = int(calibration["label"].to_numpy().sum())
    if min(hits, calibration.num_rows - hits) < MINIMUM_CALIBRATION:
        raise InputError(
            f"the calibration period holds {hits} positives of {calibration.num_rows:,} rows, at least "
            f"{MINIMUM_CALIBRATION} positives and {MINIMUM_CALIBRATION} negatives are needed",
            column="label",
            remedy="make model.periods.calibration larger, or use a longer history",
        )
