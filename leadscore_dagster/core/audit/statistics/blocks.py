"""Time blocks: stretches of the calendar within which time itself cannot predict.

Lives here: cutting decisions into blocks, their weights, the calendar units they are made of. Not here: what is
measured within them (measures).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError

#: a block holds at least this many of either outcome; fewer say nothing about a distribution
MINIMUM_OF_EACH = 10
#: with fewer months the calendar is cut by weeks, with fewer weeks by days
MINIMUM_UNITS = 4
#: slices of equally many decisions, to recognise a column that follows the order of decisions
SLICES = 64


@dataclass(frozen=True)
class Blocks:
    """Rows of a table in time. ``label`` int8 [n]; ``block`` int32 [n], ascending in time; ``unit`` int32 [n], months
    (weeks, days) before merging; ``slice`` int32 [n], equally many rows each; ``order`` int64 [n], microseconds."""

    label: np.ndarray
    block: np.ndarray
    unit: np.ndarray
    slice: np.ndarray
    order: np.ndarray
    unit_name: str

    @property
    def n(self) -> int:
        return len(self.label)

    @cached_property
    def count(self) -> int:
        return int(self.block.max(initial=-1)) + 1

    @cached_property
    def positives(self) -> int:
        return int(self.label.sum())

    @property
    def base_rate(self) -> float:
        return self.positives / max(self.n, 1)

    @cached_property
    def stratum(self) -> np.ndarray:
        """Block and outcome in one number, int32 [n]: 2 * block + label."""
        return (2 * self.block + self.label).astype(np.int32)

    def of(self, chosen: np.ndarray) -> Blocks:
        """The blocks of some of the rows (bool or positions), numbered anew where a block has none left."""
        block = np.unique(self.block[chosen], return_inverse=True)[1].astype(np.int32)
        return Blocks(
            self.label[chosen], block, self.unit[chosen], self.slice[chosen], self.order[chosen], self.unit_name
        )


def time_blocks(rows: pa.Table) -> Blocks:
    """Blocks of a table with columns ``decision_at`` and ``label``.

    Calendar months (weeks, days for short tables) in order, joined until each block holds `MINIMUM_OF_EACH` positives
    and negatives; what is left at the end joins the last block.
    Raises InputError if a column is missing, a label is not 0 or 1 or a time is missing.
    """
    for name in ("decision_at", "label"):
        if name not in rows.column_names:
            raise InputError("the table cannot be judged without this column", where="training_table", column=name)
    label = pc.cast(rows["label"], pa.float64()).to_numpy()
    if rows.num_rows and not np.isin(label, (0, 1)).all():
        raise InputError("a label is neither 0 nor 1", where="training_table", column="label")
    if rows["decision_at"].null_count:
        raise InputError("a decision has no time", column="decision_at", rows=rows["decision_at"].null_count)
    moment = pc.cast(pc.cast(rows["decision_at"], pa.timestamp("us"), safe=False), pa.int64()).to_numpy()
    unit, name = _units(moment)
    marked = label.astype(np.int8)
    return Blocks(marked, _merged(unit, marked), unit, _slices(moment), moment, name)


def pair_weights(counts: np.ndarray) -> np.ndarray:
    """Weights of blocks that add up to 1, float [..., B], from rows per outcome [..., B, 2]: n1 n0 / (n1 + n0), the
    inverse variance of a difference between the outcomes (van Elteren 1960). Zero without one of the outcomes."""
    rows = counts.sum(axis=-1)
    weight = np.divide(counts.prod(axis=-1), rows, out=np.zeros(rows.shape), where=rows > 0)
    total = weight.sum(axis=-1, keepdims=True)
    return np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0)


def _units(moment: np.ndarray) -> tuple[np.ndarray, str]:
    stamps = moment.astype("datetime64[us]")
    days = stamps.astype("datetime64[D]").astype(np.int64)
    months = stamps.astype("datetime64[M]").astype(np.int64)
    # 1970-01-01 was a Thursday
    for name, numbers in (("months", months), ("weeks", (days + 3) // 7), ("days", days)):
        values, unit = np.unique(numbers, return_inverse=True)
        if len(values) >= MINIMUM_UNITS or name == "days":
            break
    return unit.astype(np.int32), name


def _merged(unit: np.ndarray, label: np.ndarray) -> np.ndarray:
    units = int(unit.max(initial=-1)) + 1
    counts = np.bincount(2 * unit + label, minlength=2 * units).reshape(units, 2)
    block_of, block, held = np.zeros(units, np.int32), 0, np.zeros(2, np.int64)
    for place in range(units):
        block_of[place] = block
        held = held + counts[place]
        if held.min() >= MINIMUM_OF_EACH:
            block, held = block + 1, np.zeros(2, np.int64)
    if held.sum() and block:
        block_of[block_of == block] = block - 1
    return block_of[unit]


def _slices(moment: np.ndarray) -> np.ndarray:
    """Slices of equally many rows; decisions of one instant stay together."""
    _values, place, counts = np.unique(moment, return_inverse=True, return_counts=True)
    start = np.cumsum(counts) - counts
    number = start * min(SLICES, max(len(moment) // 20, 1)) // max(len(moment), 1)
    return np.unique(number[place], return_inverse=True)[1].astype(np.int32)
