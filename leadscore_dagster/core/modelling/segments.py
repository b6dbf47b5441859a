"""Dividing rows into the parts of a segment: one way for calibration, reports and monitoring.

Lives here: the number and the name of each row's part. Does not: anything measured in a part (reliability, cohorts).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.recipes.schema import Segment

MISSING = "(missing)"


def segment_codes(matrix: np.ndarray, columns: Columns, segment: Segment) -> tuple[np.ndarray, tuple[str, ...]]:
    """The part of each row of a matrix [n, k] made by `to_matrix`: number int [n], and the parts' names.

    A number is divided at the segment's edges (an edge belongs to the part above it), a category by level, a flag into
    no and yes. The last part holds what is missing; for a category also levels the model has not learned.

    Raises
    ------
    InputError : the feature is none of the columns; a number without edges, or edges for something else.
    """
    if segment.feature not in columns.names:
        raise InputError("a segment divides by a feature the model does not have", column=segment.feature)
    at = columns.names.index(segment.feature)
    values, kind = matrix[:, at], columns.types[at]
    numeric = kind in ("number", "integer")
    if numeric != bool(segment.edges):
        problem = "a segment of a number needs edges" if numeric else f"a segment of a {kind} has no edges"
        raise InputError(problem, column=segment.feature, remedy="correct model.segments in the recipe")
    names: tuple[str, ...]
    if numeric:
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
