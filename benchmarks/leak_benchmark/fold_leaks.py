"""Leaks of a way to split rows: honest features, and folds in which the future judges the past.

The product makes its own folds; these are the ones people bring. Every world has a label window of thirty days, so a
training row may lie no closer to the first judged row than that.

Lives here: the ways to split. Not here: the product's folds (core/table/periods).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.leak_benchmark.flat import standard, written
from benchmarks.leak_benchmark.world import Entry, Planted, Split, World
from leadscore_dagster.core.table.training import training_rows

WINDOW_DAYS, FOLDS = 30, 5
Folds = list[tuple[np.ndarray, np.ndarray]]
#: decision times in the order of the table → folds
Way = Callable[[np.ndarray, np.random.Generator], Folds]


def shuffled(times: np.ndarray, rng: np.random.Generator) -> Folds:
    """K folds of shuffled rows."""
    parts = np.array_split(rng.permutation(len(times)), FOLDS)
    return [(np.concatenate([part for part in parts if part is not judged]), judged) for judged in parts]


def without_gap(times: np.ndarray, rng: np.random.Generator) -> Folds:
    """Expanding folds in the order of time, one right behind the other."""
    return _expanding(np.argsort(times, kind="stable"), times, 0)


def short_gap(times: np.ndarray, rng: np.random.Generator) -> Folds:
    """A gap of ten days under a window of thirty."""
    return _expanding(np.argsort(times, kind="stable"), times, 10)


def gap_in_rows(times: np.ndarray, rng: np.random.Generator) -> Folds:
    """A gap of fifty rows, whatever time they take."""
    return [(train[:-50], judged) for train, judged in without_gap(times, rng)]


def positions_of_a_sorted_copy(times: np.ndarray, rng: np.random.Generator) -> Folds:
    """Proper folds, found on a copy sorted by time and applied to the table, which is not sorted."""
    return _expanding(np.arange(len(times)), np.sort(times), WINDOW_DAYS)


def _expanding(order: np.ndarray, times: np.ndarray, gap_days: int) -> Folds:
    """Blocks of ``order`` in turn; a training row lies ``gap_days`` before the first row of the judged block."""
    parts, gap = np.array_split(order, FOLDS + 1), np.timedelta64(gap_days, "D")
    return [
        (before[times[before] <= times[judged].min() - gap], judged)
        for before, judged in ((np.concatenate(parts[:place]), parts[place]) for place in range(1, FOLDS + 1))
    ]


def _build(folder: Path, market: Path, seed: int, *, split: Way, gap_days: float) -> World:
    rng = np.random.default_rng([seed, 9])
    flat = standard(rng, 6_000, 0.08)
    flat.planted.append(Planted("overlapping_windows", split.__name__, parts=("folds",)))
    label = {"kind": "column", "column": "outcome", "positive": 1, "known_after_days": WINDOW_DAYS}
    world = written(folder, flat, label=label)
    rows = training_rows(world.lake, world.as_of)
    times, entity = rows["decision_at"].to_numpy(), rows["customer_id"].to_numpy()
    if split is positions_of_a_sorted_copy:
        order = rng.permutation(len(times))  # an export without ORDER BY
        times, entity = times[order], entity[order]
    return replace(world, split=Split(times, entity, split(times, rng), WINDOW_DAYS, gap_days))


def entries() -> Iterator[Entry]:
    """One world for each way to split."""
    for split, gap_days in (
        (shuffled, 0), (without_gap, 0), (short_gap, 10), (gap_in_rows, 0), (positions_of_a_sorted_copy, 30)
    ):  # fmt: skip
        build = partial(_build, split=split, gap_days=gap_days)
        yield Entry(f"overlapping_windows/{split.__name__}", build, quick=split is short_gap)
