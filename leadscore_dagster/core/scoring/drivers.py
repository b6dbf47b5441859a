"""Which features moved a lead's score most, and what the lead's own values of them are.

Lives here: top drivers from contributions, their values, the flat driver columns a spreadsheet and BigQuery
can filter on. Not here: computing contributions (the model), saying them in words (narrative)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NOBODY = -1  # in place of a feature's position: the row has fewer drivers than asked for


@dataclass(frozen=True)
class Drivers:
    """Top drivers of n rows: ``feature`` [n, top] is a position in the list of feature names or ``NOBODY``,
    ``effect`` [n, top] the contribution in log-odds (positive raises the score)."""

    feature: npt.NDArray[np.int32]
    effect: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Values:
    """The rows' own values of their drivers, each distinct (feature, value) once.

    ``code`` [n, top] is a position in ``feature`` and ``value``, or ``NOBODY``. ``value[i]`` is a float, a
    text, or None where the lead's value is missing."""

    code: npt.NDArray[np.int32]
    feature: tuple[int, ...]
    value: tuple[float | str | None, ...]


def top_drivers(contributions: npt.NDArray[np.float32], top: int) -> Drivers:
    """The ``top`` greatest contributions by absolute size of each row of ``contributions`` [n, k], greatest
    first.

    Equal sizes go to the feature that comes first; a contribution of 0 is no driver. Repeated argmax is as
    fast as argpartition here, and unlike it says which of two equals it takes.

    Raises
    ------
    ValueError : a contribution is not finite.
    """
    n, k = contributions.shape
    size = np.abs(contributions)
    if not np.isfinite(size).all():
        raise ValueError("contributions that are not finite numbers")
    feature = np.full((n, top), NOBODY, dtype=np.int32)
    effect = np.zeros((n, top), dtype=np.float32)
    rows = np.arange(n)
    for place in range(min(top, k)):
        best = size.argmax(axis=1)
        effect[:, place] = contributions[rows, best]
        feature[:, place] = np.where(effect[:, place] != 0, best, NOBODY)
        size[rows, best] = -1
    return Drivers(feature, effect)


def chosen_places(
    drivers: Drivers, *, usable: npt.NDArray[np.bool_], fact: npt.NDArray[np.int64], top: int
) -> npt.NDArray[np.int64]:
    """Which of each row's drivers are told: places [n, top] in ``drivers``, ``NOBODY`` where a row has fewer.

    The greatest that are ``usable`` [n, depth], each fact once: ``fact`` [k] numbers what each feature speaks of, and
    two features of one fact say the same thing in other words.
    """
    n, depth = drivers.feature.shape
    spoken_of = np.where(drivers.feature == NOBODY, NOBODY, fact[drivers.feature])
    kept, count = np.zeros((n, depth), dtype=bool), np.zeros(n, dtype=np.int64)
    for place in range(depth):
        again = (kept[:, :place] & (spoken_of[:, :place] == spoken_of[:, place : place + 1])).any(axis=1)
        kept[:, place] = usable[:, place] & (drivers.feature[:, place] != NOBODY) & ~again & (count < top)
        count += kept[:, place]
    first = np.argsort(~kept, axis=1, kind="stable")[:, :top]
    return np.where(np.take_along_axis(kept, first, axis=1), first, NOBODY)


def driver_values(features: pa.Table, names: Sequence[str], drivers: Drivers) -> Values:
    """Look up the value behind every driver. ``features`` has n rows and a column for each of ``names``."""
    flat = drivers.feature.ravel()
    order = np.argsort(flat, kind="stable")
    present, starts = np.unique(flat[order], return_index=True)
    code = np.full(len(flat), NOBODY, dtype=np.int32)
    feature: list[int] = []
    value: list[float | str | None] = []
    for position, places in zip(present, np.split(order, starts[1:]), strict=True):
        if position != NOBODY:
            found, inverse = _distinct(features[names[position]], places // drivers.feature.shape[1])
            code[places] = len(value) + inverse
            value.extend(found)
            feature.extend([int(position)] * len(found))
    return Values(code.reshape(drivers.feature.shape), tuple(feature), tuple(value))


def _distinct(
    column: pa.ChunkedArray, rows: npt.NDArray[np.int64]
) -> tuple[list[float | str | None], npt.NDArray[np.integer]]:
    """Distinct values of a column at ``rows``, None for a missing one, and the position of each row's
    value."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()[rows]
        found, inverse = np.unique(numbers, return_inverse=True)
        return [None if np.isnan(number) else number for number in found.tolist()], inverse
    words = column.cast(pa.string()).take(pa.array(rows)).combine_chunks().dictionary_encode("encode")
    return words.dictionary.to_pylist(), words.indices.to_numpy()


def plain_value(value: float | str | None) -> str | None:
    """A value as a spreadsheet reads it back: 8 rather than 8.0, missing as an empty cell."""
    return format(value, ".15g") if isinstance(value, float) else value


def driver_columns(names: Sequence[str], drivers: Drivers, values: Values, *, top: int) -> dict[str, pa.Array]:
    """The ``top`` greatest drivers as columns: ``driver_1`` (STRING, feature), ``driver_1_value`` (STRING: values are
    numbers of every unit and words), ``driver_1_effect`` (FLOAT64, log-odds; positive raises the score), ``driver_2`` …

    NULL where a row has no such driver; the value alone is NULL where the lead's value is missing."""
    known_names = pa.array(list(names), pa.string())
    known_values = pa.array([plain_value(value) for value in values.value], pa.string())
    columns: dict[str, pa.Array] = {}
    for place in range(top):
        absent = drivers.feature[:, place] == NOBODY
        columns[f"driver_{place + 1}"] = known_names.take(pa.array(drivers.feature[:, place], mask=absent))
        columns[f"driver_{place + 1}_value"] = known_values.take(pa.array(values.code[:, place], mask=absent))
        columns[f"driver_{place + 1}_effect"] = pa.array(drivers.effect[:, place].astype(np.float64), mask=absent)
    return columns


def driver_fields(top: int) -> list[pa.Field]:
    """The fields of `driver_columns`."""
    kinds = (("", pa.string()), ("_value", pa.string()), ("_effect", pa.float64()))
    return [pa.field(f"driver_{place + 1}{suffix}", kind) for place in range(top) for suffix, kind in kinds]


def assert_additive(
    margin: npt.NDArray[np.floating],
    contributions: npt.NDArray[np.float32],
    bias: float | npt.NDArray[np.floating],
) -> None:
    """bias + the row's contributions must be its margin, to 1e-4 plus 1e-5 of the sizes added (float32 sums).

    Raises
    ------
    ValueError : an explanation that does not add up explains another model than the one that scored.
    """
    total = contributions.sum(axis=1, dtype=np.float64) + bias
    allowed = 1e-4 + 1e-5 * np.abs(contributions).sum(axis=1, dtype=np.float64)
    wrong = ~(np.abs(total - margin) <= allowed)
    if wrong.any():
        worst = np.abs(total - margin)[wrong].max()
        raise ValueError(
            f"bias + contributions is not the margin in {np.count_nonzero(wrong)} of {len(margin)} rows "
            f"(greatest difference {worst:.3g})"
        )
