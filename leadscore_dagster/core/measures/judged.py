"""Scored rows whose outcomes are known: what everything about the quality of scores is measured on.

Lives here: the rows, whose rows they are, how many independent units they make. Not here: what is measured of them
(metrics, period, impact), drawing them again (intervals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.measures.calibration_error import design_effect


@dataclass(frozen=True, eq=False)
class Judged:
    """n scored rows with their outcomes.

    Attributes
    ----------
    label : 0/1 [n].
    margin : log-odds, what ranks [n].
    probability : calibrated [n]; NaN where a row was served none.
    entity : number of each row's entity, int [n], as `entity_codes` gives them; None when no entity repeats. Rows
        of one entity are not independent.
    """

    label: np.ndarray
    margin: np.ndarray
    probability: np.ndarray
    entity: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {len(one) for one in (self.label, self.margin, self.probability, self.entity) if one is not None}
        if len(lengths) > 1:
            raise ValueError(f"labels, scores and entities are of different lengths: {sorted(lengths)}")

    @classmethod
    def ranked(cls, label: np.ndarray, margin: np.ndarray, entity: np.ndarray | None = None) -> Judged:
        """Rows of which only the ranking is looked at."""
        return cls(label, margin, np.full(len(label), np.nan), entity)

    def __len__(self) -> int:
        return len(self.label)

    @property
    def positives(self) -> int:
        return int(np.sum(self.label))

    @property
    def units(self) -> int:
        """How many independent units there are: rows, or entities."""
        return units_of(len(self), self.entity)

    def take(self, rows: np.ndarray) -> Judged:
        """These rows, positions int [m] or bool [n]; entities keep their numbers."""
        entity = None if self.entity is None else self.entity[rows]
        return Judged(self.label[rows], self.margin[rows], self.probability[rows], entity)

    def numbered_anew(self) -> Judged:
        """Entities numbered from 0 without a gap, so that as many units are drawn as there are."""
        entity = None if self.entity is None else np.unique(self.entity, return_inverse=True)[1]
        return Judged(self.label, self.margin, self.probability, entity)


def entity_codes(entity: pa.ChunkedArray | pa.Array | np.ndarray | None) -> np.ndarray | None:
    """Number of each row's entity, int [n]; None when no entity repeats (rows are then the units that are
    drawn). A missing entity, null or NaN, is one of its own: two unknown people are not the same person."""
    if entity is None:
        return None
    column = pa.chunked_array([pa.array(entity)]) if isinstance(entity, np.ndarray | pa.Array) else entity
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    known = len(encoded.dictionary)
    missing = codes < 0
    codes[missing] = known + np.arange(missing.sum())
    return None if known + missing.sum() == len(codes) else codes


def units_of(rows: int, codes: np.ndarray | None) -> int:
    """How many independent units there are: rows, or the entities that ``codes`` [rows] number."""
    return rows if codes is None else len(np.unique(codes))


def worth(values: np.ndarray, codes: np.ndarray | None, bins: np.ndarray | None = None) -> float:
    """How many independent rows one row is worth in the mean of ``values`` [n], 0 … 1: one over the design effect.

    Parameters
    ----------
    codes : number of each row's entity, int [n]; None when none repeats, and each row is worth one.
    bins : 0 … 9, int [n], where the mean of each bin is taken; None for the mean of all.

    Values that are all alike do not show how much rows of an entity resemble each other; then they count as equal.
    """
    if codes is None or not len(values):
        return 1.0
    if np.ptp(values) == 0:
        sizes = np.bincount(codes)
        return float(sizes.sum() / (sizes.astype(np.float64) ** 2).sum())
    inside = np.zeros(len(values), dtype=np.int64) if bins is None else bins
    return 1 / design_effect(np.asarray(values, dtype=np.float64), inside, codes)
