"""Dividing rows into the parts of a segment: one way for calibration, reports and monitoring.

Lives here: the number and the name of each row's part. Not here: anything measured in a part (reliability, cohorts).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Segment
from leadscore_dagster.core.text import nearest_or

MISSING = "(missing)"
_NUMBERS = ("number", "integer")


def check_segment(
    segment: Segment, types: Mapping[str, str], where: str = "model.segments", *, excluded: Collection[str] = ()
) -> None:
    """Refuse a segment that cannot divide: ``types`` gives the type of each feature the model has.

    Raises
    ------
    InputError : the feature is none of them; a number without edges, or edges for something else.
    """
    kind = types.get(segment.feature)
    if kind is None:
        remedy = nearest_or(segment.feature, types, "divide by one of the recipe's features")
        if segment.feature in excluded:
            remedy = "take it out of features.exclude, or divide by another feature"
        raise InputError(
            "a segment divides by a feature the model does not have",
            where=f"{where}.feature",
            column=segment.feature,
            remedy=remedy,
        )
    if (kind in _NUMBERS) != bool(segment.edges):
        problem = f"a segment of a {kind} has no edges" if segment.edges else "a segment of a number needs edges"
        remedy = "remove edges" if segment.edges else "add edges, the values at which one part ends and the next begins"
        raise InputError(problem, where=f"{where}.edges", column=segment.feature, remedy=remedy)


def segment_codes(matrix: np.ndarray, columns: Columns, segment: Segment) -> tuple[np.ndarray, tuple[str, ...]]:
    """The part of each row of a matrix [n, k] made by `to_matrix`: number int [n], and the parts' names.

    A number is divided at the segment's edges (an edge belongs to the part above it), a category by level, a flag into
    no and yes. The last part holds what is missing; for a category also levels the model has not learned.

    Raises
    ------
    InputError : as `check_segment`.
    """
    check_segment(segment, dict(zip(columns.names, columns.types, strict=True)))
    at = columns.names.index(segment.feature)
    values, kind = matrix[:, at], columns.types[at]
    names: tuple[str, ...]
    if kind in _NUMBERS:
        # the matrix is float32: 0.7 in it lies below 0.7 in float64
        codes = np.searchsorted(np.asarray(segment.edges, dtype=np.float32), values, side="right")
        names = _ranges(segment.edges)
    else:
        names = tuple(columns.levels[segment.feature]) if kind == "category" else ("no", "yes")
        codes = np.where(np.isnan(values), 0, values).astype(np.int64)
    return np.where(np.isnan(values), len(names), codes).astype(np.int64), (*names, MISSING)


def _ranges(edges: tuple[float, ...]) -> tuple[str, ...]:
    shown = [f"{edge:,.10g}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in pairwise(shown)]
    return (f"below {shown[0]}", *inner, f"from {shown[-1]}")
