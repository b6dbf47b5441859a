"""Columns as small whole numbers: what every statistical part counts.

Lives here: from Arrow to ordered codes, bins, single values and words. Not here: outcomes (measures), and no
statistic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.catalogue import Feature

MISSING = -1
#: most groups a ranking distinguishes: with 1,024 of equal mass an AUC is off by about 1e-6
LARGEST_RANK = 1024
#: numbers beyond it, infinities too, count as it: differences and squares of them stay numbers
LARGEST = 1e30


@dataclass(frozen=True)
class Column:
    """One feature. ``codes`` int32 [n]: place of the value among the sorted distinct ones, `MISSING` where there is
    none. ``values``: the distinct values, float64 or str [k]. ``counts`` [k]: rows of each."""

    name: str
    kind: str
    codes: np.ndarray
    values: np.ndarray
    counts: np.ndarray

    @property
    def is_category(self) -> bool:
        return self.kind == "category"

    @property
    def levels(self) -> int:
        return len(self.values)

    @property
    def present(self) -> int:
        return int(self.counts.sum())

    @property
    def missing(self) -> np.ndarray:
        """bool [n]"""
        return self.codes < 0

    def spelled(self, level: int) -> str:
        """A value as a reader would write it."""
        return repr(str(self.values[level])) if self.is_category else f"{self.values[level]:.6g}"


def encode(rows: pa.Table, features: Iterable[Feature]) -> list[Column]:
    """Every feature's column of ``rows``, encoded.

    Raises InputError if a column is missing or a numeric feature is not numeric.
    """
    return [_column(rows, feature) for feature in features]


def grouped(codes: np.ndarray, counts: np.ndarray, groups: int) -> tuple[np.ndarray, int]:
    """Sorted codes in at most ``groups`` neighbouring groups of about equal mass: (int32 [n], how many).

    A value is never split; with few distinct values each is a group of its own. Missing stays `MISSING`.
    """
    levels = len(counts)
    if levels <= groups:
        return codes, levels
    middle = np.cumsum(counts) - counts / 2
    group = np.minimum((middle * groups / max(counts.sum(), 1)).astype(np.int64), groups - 1)
    group = np.unique(group, return_inverse=True)[1].astype(np.int32)
    return np.append(group, MISSING)[codes].astype(np.int32), int(group[-1]) + 1


def ranks(column: Column) -> tuple[np.ndarray, int]:
    """Codes for ranking, at most `LARGEST_RANK` groups."""
    return grouped(column.codes, column.counts, LARGEST_RANK)


def bins(column: Column, most: int) -> np.ndarray:
    """Bin of every row, int32 [n]; 0 is missing. Numbers: quantile bins. Categories: the most frequent levels, the
    rest together."""
    if not column.is_category:
        return grouped(column.codes, column.counts, most)[0] + 1
    if column.levels <= most:
        return column.codes + 1
    place = np.full(column.levels, most - 1, np.int32)
    frequent = np.argsort(-column.counts, kind="stable")[: most - 1]
    place[frequent] = np.arange(most - 1)
    return np.append(place, MISSING)[column.codes].astype(np.int32) + 1


def midranks(column: Column) -> np.ndarray:
    """Rank of every value, ties in the middle, scaled to 0..1; NaN where missing, float64 [n]."""
    middle = (np.cumsum(column.counts) - column.counts / 2) / max(column.present, 1)
    return np.append(middle, np.nan)[column.codes]


@dataclass(frozen=True)
class Words:
    """Words of a text column: which rows hold which. ``row``, ``word`` int [m]: one entry per row and distinct word;
    ``names`` str [w]."""

    row: np.ndarray
    word: np.ndarray
    names: Sequence[str]


def words(rows: pa.Table, name: str, least: int) -> Words:
    """Words (letters and digits, lower case) of a text column that at least ``least`` rows hold."""
    text = pc.utf8_lower(pc.cast(rows[name], pa.string()).combine_chunks())
    parts = pc.split_pattern_regex(text, r"[^\p{L}\p{N}]+")
    row = pc.list_parent_indices(parts).to_numpy().astype(np.int64)
    encoded = pc.list_flatten(parts).dictionary_encode()
    word = encoded.indices.to_numpy().astype(np.int64)
    total = max(len(encoded.dictionary), 1)
    pairs = np.unique(row * total + word)
    row, word = pairs // total, pairs % total
    kept = np.bincount(word, minlength=total) >= least
    kept[pc.equal(encoded.dictionary, "").to_numpy(zero_copy_only=False)] = not len(encoded.dictionary)
    number = np.cumsum(kept) - 1
    chosen = kept[word]
    names = encoded.dictionary.filter(pa.array(kept[: len(encoded.dictionary)])).to_pylist()
    return Words(row[chosen], number[word[chosen]], names)


def _column(rows: pa.Table, feature: Feature) -> Column:
    if feature.name not in rows.column_names:
        raise InputError("the table lacks a feature", where="training_table", column=feature.name)
    stored = rows[feature.name]
    if feature.type == "category":
        encoded = pc.cast(stored, pa.string()).combine_chunks().dictionary_encode()
        names = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
        order = np.argsort(names.astype(str), kind="stable") if len(names) else np.zeros(0, np.int64)
        place = np.full(len(names) + 1, MISSING, np.int32)
        place[order] = np.arange(len(names))
        codes = place[encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]
        values: np.ndarray = names[order]
    else:
        numbers = _numbers(stored, feature.name)
        here = ~np.isnan(numbers)
        codes = np.full(len(numbers), MISSING, np.int32)
        values, inverse = np.unique(numbers[here], return_inverse=True)
        codes[here] = inverse
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    return Column(feature.name, feature.type, codes, values, counts)


def _numbers(stored: pa.ChunkedArray, name: str) -> np.ndarray:
    kind = stored.type
    if pa.types.is_boolean(kind):
        stored = pc.cast(stored, pa.int8())
    elif not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    ):
        raise InputError(
            f"a numeric feature holds {kind}",
            column=name,
            rows=len(stored),
            remedy="declare it as a category in the catalogue, or convert it in the feature's SQL",
        )
    numbers = pc.fill_null(pc.cast(stored, pa.float64(), safe=False), np.nan).to_numpy()
    return np.clip(numbers, -LARGEST, LARGEST)
