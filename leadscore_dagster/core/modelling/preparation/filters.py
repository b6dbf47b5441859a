"""Features left out before fitting, judged on the training rows at hand: information value and variance inflation.

Lives here: both filters. Not here: the formula of the information value (core/measures/information_value), what is done
with the features that stay (preparation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.information_value import information_value
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Filters

#: quantile bins of a number, besides the one for missing
BINS = 10
#: a column the others explain entirely has an infinite factor; it is counted, and written, as this
LARGEST_FACTOR = 1e6
#: factors closer than this share of the largest are the same: which of two twins goes must not hang on rounding
TIE = 1e-6
#: added to the diagonal of the correlations, so that a singular matrix has an inverse (factors up to 1e9)
RIDGE = 1e-9


@dataclass(frozen=True)
class Dropped:
    """Why a feature was left out: ``filter`` is ``constant``, ``information_value`` or ``variance_inflation``, and
    ``value`` what was measured (0 for a constant)."""

    filter: str
    value: float


@dataclass(frozen=True)
class Kept:
    """Positions of the features that stay, ascending, and the reason for every other by name."""

    indices: tuple[int, ...]
    dropped: Mapping[str, Dropped]


def keep_features(matrix: np.ndarray, label: np.ndarray, columns: Columns, *, filters: Filters) -> Kept:
    """Features that pass the filters on training rows: matrix float32 [n, k], labels 0/1 [n].

    With any filter set, columns of one value (or none) go first. Then those of too little information; the feature
    with the most stays in any case, because a model needs one. Then, among the numbers that are left, the one the
    others explain best goes, again and again, until no factor exceeds its limit. Categories have no factor.

    Raises
    ------
    InputError : one of the outcomes does not occur.
    """
    least, most = filters.information_value_below, filters.variance_inflation_above
    if least is None and most is None:
        return Kept(tuple(range(matrix.shape[1])), {})
    counts = count_bins(matrix, label, columns)
    dropped: dict[str, Dropped] = {}
    filled = (counts.sum(axis=2) > 0).sum(axis=1)
    left = np.flatnonzero(filled > 1)
    if not len(left):
        left = np.arange(1)  # nothing varies: any one column gives the same constant score
    _note(dropped, columns, np.setdiff1d(np.arange(len(filled)), left), "constant", np.zeros(len(filled)))
    if least is not None:
        values = values_of(counts)
        enough = left[(values[left] >= least) | (left == left[np.argmax(values[left])])]
        _note(dropped, columns, np.setdiff1d(left, enough), "information_value", values)
        left = enough
    if most is not None:
        numbers = np.array([at for at in left if not columns.categories[at]], dtype=int)
        for at, factor in inflated(matrix[:, numbers], most):
            dropped[columns.names[numbers[at]]] = Dropped("variance_inflation", factor)
    kept = tuple(int(at) for at in left if columns.names[at] not in dropped)
    return Kept(kept, dropped)


def count_bins(matrix: np.ndarray, label: np.ndarray, columns: Columns) -> np.ndarray:
    """Rows per feature, bin and outcome (negatives first), float64 [k, b, 2]. Numbers: `BINS` quantile bins of these
    rows, equal values together. Categories: by level. Missing is the last bin of either."""
    outcome = np.asarray(label).astype(np.int64)
    hits = int(outcome.sum())
    if not 0 < hits < len(outcome):
        raise InputError(
            f"information needs positives and negatives, there are {hits} positives", column="label", rows=len(outcome)
        )
    levels = [len(columns.levels[name]) if name in columns.levels else BINS for name in columns.names]
    width = max(levels, default=0) + 1
    counts = np.empty((matrix.shape[1], width, 2))
    for position, (values, category) in enumerate(zip(np.ascontiguousarray(matrix.T), columns.categories, strict=True)):
        missing = np.isnan(values)
        bin_of = np.where(missing, 0, values).astype(np.int64) if category else _quantiles(values)
        bin_of[missing] = width - 1
        counts[position] = np.bincount(2 * bin_of + outcome, minlength=2 * width).reshape(width, 2)
    return counts


def values_of(counts: np.ndarray) -> np.ndarray:
    """Information value of every feature [k], bias taken off, from `count_bins`."""
    return information_value(counts, counts.sum(axis=2) > 0)[0]


def inflated(numbers: np.ndarray, most: float) -> list[tuple[int, float]]:
    """Columns of ``numbers`` float32 [n, m] to leave out, in the order they go, each with its factor at that moment.

    The variance inflation factor 1 / (1 - R²) is the diagonal of the inverse correlation matrix (Marquardt 1970). A
    missing value stands at the mean, where it correlates with nothing. Of equal factors the later column goes.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # the last digits of a multi-threaded sum depend on the machine
        correlation = _correlations(numbers)
        left, gone = list(range(numbers.shape[1])), []
        while len(left) > 1:
            inverse = np.linalg.inv(correlation[np.ix_(left, left)] + RIDGE * np.eye(len(left)))
            factors = np.minimum(np.diag(inverse), LARGEST_FACTOR)
            largest = float(factors.max())
            if largest <= most:
                break
            worst = int(np.flatnonzero(factors >= largest * (1 - TIE))[-1])
            gone.append((left.pop(worst), largest))
    return gone


def _correlations(numbers: np.ndarray) -> np.ndarray:
    """Correlation matrix float64 [m, m]; a column that does not vary correlates with nothing, itself apart."""
    values = numbers.astype(np.float64)
    missing = np.isnan(values)
    values[missing] = 0
    present = np.maximum((~missing).sum(axis=0), 1)
    # on one scale: what rounding leaves of a constant is then small beside what varies
    values /= np.maximum(np.abs(values).max(axis=0, initial=0), np.finfo(np.float64).tiny)
    values -= values.sum(axis=0) / present
    values[missing] = 0
    length = np.sqrt((values**2).sum(axis=0))
    varies = length > 1e-9 * np.sqrt(present)
    values /= np.where(varies, length, 1)
    values[:, ~varies] = 0
    correlation: np.ndarray = values.T @ values
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Bin of every value, int64 [n], 0 .. BINS - 1; that of NaN means nothing."""
    bins = np.zeros(len(values), np.int64)
    ordered = np.sort(values)  # NaN last
    present = len(values) - int(np.isnan(values).sum())
    if present:
        edges = np.unique(ordered[np.arange(1, BINS) * present // BINS])
        for edge in edges[edges > ordered[0]]:  # ten times as fast as searchsorted
            bins += values >= edge
    return bins


def _note(
    dropped: dict[str, Dropped], columns: Columns, positions: Sequence[int] | np.ndarray, why: str, values: np.ndarray
) -> None:
    for at in positions:
        dropped[columns.names[at]] = Dropped(why, float(values[at]))
