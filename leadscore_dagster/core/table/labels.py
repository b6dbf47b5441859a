"""Labels: the status of every decision at a period's ``as_of``, and how the classes are distributed.

Lives here: building the partition, and counting it. Not here: the rules (sql/product/labels), the recipe's column names
(decisions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.rates import wilson_intervals
from leadscore_dagster.core.recipe.schema import Recipe, WindowLabel
from leadscore_dagster.core.table.decisions import decision_log
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse import Warehouse, compose, table
from leadscore_dagster.core.warehouse.statements import with_relations

TABLE = "labels"
LABELLED = "labelled"
STATUSES = (
    LABELLED, "right_censored", "negative_lag", "missing_outcome", "recycled", "duplicate", "unmatched_entity",
    "excluded", "no_decision",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TRUNCATION = 1e-3  # a run without a positive less probable than this means outcomes were not yet recorded


@dataclass(frozen=True)
class LabelReport:
    """What a partition of labels holds.

    ``counts``: rows per status, every status named. ``distribution``: (dimension, value, n, positives, rate, low,
    high) of the labelled rows by month and weekday, rates with 95% Wilson intervals. ``maturity``: (lag_days,
    positives, share) of the positives by lag; empty for a column label. ``rows_before_first_positive``: labelled
    rows decided before the first positive one, with the probability of so long a run at the overall rate.
    """

    recipe: str
    as_of: date
    counts: Mapping[str, int]
    positives: int
    distribution: pa.Table
    maturity: pa.Table
    rows_before_first_positive: int
    probability_of_that: float

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    @property
    def labelled(self) -> int:
        return self.counts[LABELLED]

    @property
    def is_left_truncated(self) -> bool:
        """Whether outcomes look as if they were recorded only from some date on."""
        return self.positives > 0 and self.probability_of_that < _TRUNCATION

    def markdown(self) -> str:
        """Class distribution, maturity curve and statuses as Markdown tables."""
        parts = ["| status | rows |\n|---|--:|"]
        parts += [f"| {status} | {count:,} |" for status, count in self.counts.items() if count]
        parts += ["", "| | value | n | positives | rate | 95% interval |\n|---|---|--:|--:|--:|---|"]
        for row in self.distribution.to_pylist():
            parts.append(
                f"| {row['dimension']} | {row['value']} | {row['n']:,} | {row['positives']:,} | {row['rate']:.2%} "
                f"| {row['low']:.2%} … {row['high']:.2%} |"
            )
        if self.maturity.num_rows:
            parts += ["", "| outcome within days | positives | share |\n|--:|--:|--:|"]
            parts += [
                f"| {row['lag_days']} | {row['positives']:,} | {row['share']:.1%} |"
                for row in self.maturity.to_pylist()
            ]
        if self.is_left_truncated:
            parts += ["", f"Left truncation: {self.rows_before_first_positive:,} decisions before the first positive."]
        return "\n".join(parts) + "\n"

    def as_metadata(self) -> dict[str, Any]:
        """Numbers as numbers, the tables as one Markdown text."""
        rate = self.positives / self.labelled if self.labelled else None
        return {
            "dagster/row_count": self.rows,
            **dict(self.counts),
            "positives": self.positives,
            "positive_rate": rate,
            "negatives_per_positive": (self.labelled - self.positives) / self.positives if self.positives else None,
            "left_truncated": self.is_left_truncated,
            "class_distribution": self.markdown(),
        }


def build_labels(warehouse: Warehouse, recipe: Recipe, as_of: date) -> LabelReport:
    """Write partition ``as_of`` of ``labels`` and report on it.

    Columns: decision_id, the recipe's entity, decision_at, outcome_at, label (NULL unless labelled), status, as_of;
    one row per row of the log as stored for that period, in order of decision_at, decision_id.
    Raises InputError if the log has no such period, or the recipe's expressions are not usable.
    """
    source, key = recipe.decision_source, as_of.isoformat()
    if key not in warehouse.partitions(source.table):
        raise InputError(f"period {key} is missing", where=source.table, remedy="materialize it first")
    text = label_query(recipe) + "\nORDER BY decision_at, decision_id"
    parameters = {
        "as_of": as_of,
        "log_as_of": as_of,
        "window_days": recipe.label_window_days,
        "recycle_after_days": recipe.decisions.recycle_after_days,
    }
    warehouse.create_partition(TABLE, key, text, parameters)
    return label_report(warehouse, recipe, as_of)


def label_query(recipe: Recipe) -> str:
    """SELECT giving every decision of the log as stored for ``@log_as_of``, with its label and status as known at
    ``@as_of``: decision_id, the entity, decision_at, outcome_at, label, status, as_of."""
    rule = "window_label" if isinstance(recipe.label, WindowLabel) else "column_label"
    sql = compose(
        f"SELECT w.decision_id, w.entity AS `{recipe.decisions.entity}`, w.decision_at, w.outcome_at, w.label, "
        f"w.status, @as_of AS as_of FROM {rule} AS w",
        sql_of(recipe),
    )
    return with_relations(sql, {"decision_log": decision_log(recipe)})


def label_report(warehouse: Warehouse, recipe: Recipe, as_of: date) -> LabelReport:
    """Count partition ``as_of`` of ``labels``. Raises InputError if it is missing."""
    if as_of.isoformat() not in warehouse.partitions(TABLE):
        raise InputError(f"period {as_of} is missing", where=TABLE, remedy="materialize labels first")
    sql = f"SELECT decision_at, outcome_at, label, status FROM {TABLE} WHERE as_of = @as_of"
    rows = table(warehouse, sql, {"as_of": as_of})
    status = rows["status"].to_numpy(zero_copy_only=False)
    counts = {name: int(np.sum(status == name)) for name in STATUSES}
    known = rows.filter(pa.array(status == LABELLED)).sort_by("decision_at")
    label = known["label"].to_numpy(zero_copy_only=False).astype(np.int64)
    decided = known["decision_at"].to_numpy(zero_copy_only=False).astype("datetime64[us]")
    before = int(np.argmax(label)) if label.any() else len(label)
    rate = float(label.mean()) if len(label) else 0.0
    return LabelReport(
        recipe.name,
        as_of,
        counts,
        int(label.sum()),
        class_distribution(decided, label),
        _maturity(decided, known["outcome_at"], label, recipe),
        before,
        float((1 - rate) ** before),
    )


def class_distribution(decided: np.ndarray, label: np.ndarray) -> pa.Table:
    """Labelled rows by month and by weekday (UTC).

    Parameters
    ----------
    decided : datetime64[us] [n]; label : 0 or 1 [n].

    Returns
    -------
    Table (dimension, value, n, positives, rate, low, high); low and high are Wilson's (1927) 95% score interval.
    """
    months = np.datetime_as_string(decided, unit="M") if len(decided) else np.array([], dtype="U7")
    weekday = (decided.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    parts = [_by("month", months, np.unique(months), label)]
    parts.append(_by("weekday", np.asarray(WEEKDAYS)[weekday], np.asarray(WEEKDAYS), label))
    return pa.concat_tables(parts)


def _by(dimension: str, values: np.ndarray, order: np.ndarray, label: np.ndarray) -> pa.Table:
    place = {value: position for position, value in enumerate(order)}
    codes = np.array([place[value] for value in np.unique(values)], dtype=np.int64)
    _, inverse = np.unique(values, return_inverse=True)
    position = codes[inverse] if len(values) else np.zeros(0, dtype=np.int64)
    n = np.bincount(position, minlength=len(order))
    positives = np.bincount(position, weights=label, minlength=len(order)).astype(np.int64)
    seen = n > 0
    low, high = wilson_intervals(positives[seen], n[seen])
    return pa.table(
        {
            "dimension": pa.array([dimension] * int(seen.sum()), pa.string()),
            "value": pa.array(order[seen].astype(str), pa.string()),
            "n": pa.array(n[seen], pa.int64()),
            "positives": pa.array(positives[seen], pa.int64()),
            "rate": pa.array(positives[seen] / n[seen], pa.float64()),
            "low": pa.array(low, pa.float64()),
            "high": pa.array(high, pa.float64()),
        }
    )


def _maturity(decided: np.ndarray, outcome_at: pa.ChunkedArray, label: np.ndarray, recipe: Recipe) -> pa.Table:
    """Positives by whole days of lag, cumulated at a handful of lags up to the window."""
    positive = label == 1
    if not isinstance(recipe.label, WindowLabel) or not positive.any():
        return pa.table({"lag_days": pa.array([], pa.int64()), "positives": pa.array([], pa.int64()),
                         "share": pa.array([], pa.float64())})  # fmt: skip
    outcome = outcome_at.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    lag = (outcome[positive] - decided[positive]) / np.timedelta64(1, "D")
    days = np.unique(np.round(np.array([1, 1 / 2, 1 / 4, 1 / 10]) * recipe.label.days).astype(np.int64).clip(1))
    within = np.array([np.sum(lag <= day) for day in days], dtype=np.int64)
    return pa.table({"lag_days": days, "positives": within, "share": within / positive.sum()})
