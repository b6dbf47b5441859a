"""Categories as numbers, where a recipe wants it: one-hot parts, or the cross-fitted mean of the label.

Lives here: learning the encoding on training rows and applying it to any. Not here: levels and their codes (matrix),
what estimators do with categories by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Categories

#: parts the training rows are dealt into: a row's encoding is learned on the other parts
PARTS = 5
#: a level's mean is drawn to that of all rows as if so many positives more had come at the rate of all rows
PRIOR_POSITIVES = 5.0


@dataclass(frozen=True)
class Rule:
    """How the feature at ``position`` enters the inner matrix: as it is, as one 0/1 column per level and one for
    missing (``levels`` + 1), or as a number from ``table`` [levels + 1], missing last."""

    position: int
    kind: Literal["same", "one_hot", "target"]
    levels: int = 0
    table: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        return self.levels + 1 if self.kind == "one_hot" else 1


@dataclass(frozen=True)
class Encoding:
    """Rules of the features that are used, in the order of the inner matrix."""

    rules: tuple[Rule, ...]

    @property
    def owners(self) -> np.ndarray:
        """Position of the original feature each inner column belongs to, int [m]."""
        return np.repeat([rule.position for rule in self.rules], [rule.width for rule in self.rules])

    def columns(self, outer: Columns) -> Columns:
        """The inner columns. Names of parts hold a dot, which no feature's name does, and never a level's text."""
        names: list[str] = []
        types: list[str] = []
        for rule in self.rules:
            name = outer.names[rule.position]
            parts = [f"{name}.{part}" for part in range(rule.width)] if rule.kind == "one_hot" else [name]
            names += parts
            types += {"same": [outer.types[rule.position]], "one_hot": ["flag"] * len(parts), "target": ["number"]}[
                rule.kind
            ]
        levels = {n: outer.levels[n] for n, kind in zip(names, types, strict=True) if kind == "category"}
        return Columns(tuple(names), tuple(types), levels)

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Inner matrix float32 [n, m] of new rows, float32 [n, k]."""
        return _assemble(self.rules, matrix, {})


def learn_encoding(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    indices: Sequence[int],
    categories: Categories,
    seed: int,
) -> tuple[Encoding, np.ndarray]:
    """The encoding of the features at ``indices``, and the inner matrix of these very training rows.

    A target encoding is a level's smoothed mean of the label less the mean of all rows. For new rows it is learned on
    all training rows. For a training row it is learned on the rows of the other parts alone (Micci-Barreca 2001;
    cross-fitted as in Pargent et al. 2022), dealt at random and without a look at the label, so that no training row
    sees its own. Means are taken off because those of the parts differ: a rare level would otherwise tell its part.
    """
    rules: list[Rule] = []
    crossed: dict[int, np.ndarray] = {}
    part = np.random.default_rng([seed, 2]).permutation(len(label)) % PARTS
    for position in indices:
        levels = len(columns.levels[columns.names[position]]) if columns.categories[position] else 0
        above = categories.target_above_levels
        if not columns.categories[position] or (categories.encoding == "native" and (above is None or levels <= above)):
            rules.append(Rule(position, "same"))
        elif above is None or levels <= above:
            rules.append(Rule(position, "one_hot", levels))
        else:
            table, crossed[position] = _cross_fit(_codes(matrix, position, levels), label, part, levels)
            rules.append(Rule(position, "target", levels, tuple(table.tolist())))
    return Encoding(tuple(rules)), _assemble(rules, matrix, crossed)


def _cross_fit(codes: np.ndarray, label: np.ndarray, part: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Table of all rows [levels + 1] and each row's value from the other parts [n]."""
    key = part * (levels + 1) + codes
    shape, size = (PARTS, levels + 1), PARTS * (levels + 1)
    rows = np.bincount(key, minlength=size).reshape(shape)
    hits = np.bincount(key, weights=label, minlength=size).reshape(shape)
    others = _means(rows.sum(axis=0) - rows, hits.sum(axis=0) - hits)
    return _means(rows.sum(axis=0), hits.sum(axis=0)), others[part, codes]


def _means(rows: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Smoothed mean of each level less the mean of all, from rows and positives per level [..., levels + 1]."""
    total = np.maximum(rows.sum(axis=-1, keepdims=True), 1)
    rate = hits.sum(axis=-1, keepdims=True) / total
    prior = PRIOR_POSITIVES / np.maximum(rate, 1 / total)
    means: np.ndarray = (hits - rate * rows) / (rows + prior)
    return means


def _assemble(rules: Sequence[Rule], matrix: np.ndarray, given: dict[int, np.ndarray]) -> np.ndarray:
    inner = np.empty((len(matrix), sum(rule.width for rule in rules)), dtype=np.float32)
    start = 0
    for rule in rules:
        place = slice(start, start + rule.width)
        if rule.kind == "same":
            inner[:, start] = matrix[:, rule.position]
        elif rule.kind == "one_hot":
            inner[:, place] = _codes(matrix, rule.position, rule.levels)[:, None] == np.arange(rule.width)
        elif rule.position in given:
            inner[:, start] = given[rule.position]
        else:
            inner[:, start] = np.array(rule.table)[_codes(matrix, rule.position, rule.levels)]
        start += rule.width
    return inner


def _codes(matrix: np.ndarray, position: int, levels: int) -> np.ndarray:
    """Level of each row, int [n]; ``levels`` where it is missing."""
    values = matrix[:, position]
    return np.where(np.isnan(values), levels, values).astype(np.int64)
