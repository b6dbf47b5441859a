"""From an Arrow table to the float32 matrix a model reads. One function serves training and scoring.

Lives here: column order, types, levels of categories. Not here: imputation and scaling (a model's own
business).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.catalogue import Feature

#: a level seen in fewer training rows cannot be learned; it is treated like one never seen: as missing
MINIMUM_LEVEL_ROWS = 20
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Columns:
    """The columns of a matrix: names in order, ``number`` / ``integer`` / ``flag`` / ``category``, and the
    levels of each category in the order of their codes (0, 1, ...)."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def categories(self) -> tuple[bool, ...]:
        return tuple(kind == "category" for kind in self.types)


def learn_columns(table: pa.Table, features: Sequence[Feature]) -> Columns:
    """Order, types and levels, learned on the training rows ``table``."""
    levels = {}
    for feature in features:
        if feature.type == "category":
            counts = pc.value_counts(_text(table, feature.name).combine_chunks())
            values, numbers = counts.field("values"), counts.field("counts")
            kept = pc.and_(pc.is_valid(values), pc.greater_equal(numbers, MINIMUM_LEVEL_ROWS))
            levels[feature.name] = tuple(sorted(pc.filter(values, kept).to_pylist()))
    return Columns(tuple(f.name for f in features), tuple(f.type for f in features), levels)


def to_matrix(table: pa.Table, columns: Columns) -> np.ndarray:
    """Matrix float32 [rows, columns], row-major. Missing values and levels never seen in training are NaN.

    Numbers beyond the range of float32, infinities too, become its largest value: the order of values is what
    models use. NaN in a number counts as missing.

    Raises
    ------
    InputError : a column is not in the table, or holds something that is not a number.
    """
    matrix = np.empty((table.num_rows, len(columns.names)), dtype=np.float32)
    for position, (name, kind) in enumerate(zip(columns.names, columns.types, strict=True)):
        if kind == "category":
            known = pa.array(columns.levels[name], pa.string())
            codes = pc.index_in(_text(table, name), value_set=known, skip_nulls=True)
            values = pc.fill_null(pc.cast(codes, pa.float64()), np.nan).to_numpy()
        else:
            values = _numbers(table, name)
        matrix[:, position] = np.clip(values, -LARGEST, LARGEST)
    return matrix


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if table.schema.get_field_index(name) < 0:
        raise InputError("the table lacks a feature the model needs", column=name, rows=table.num_rows)
    return table.column(name)


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    return pc.cast(_column(table, name), pa.string())


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = _column(table, name)
    kind = column.type
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.int8())
    elif not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    ):
        raise InputError(
            f"a numeric feature holds {kind}",
            column=name,
            rows=table.num_rows,
            remedy="declare it as a category in the catalogue, or convert it in the feature's SQL",
        )
    # whole numbers above 2**53 are rounded, not refused: float32 rounds them anyway
    return pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan).to_numpy()
