"""Cells of two columns: the same cut learned on one half of the blocks and held out on the other.

Lives here: halves of a table, coarse bins, the screen of all pairs by matrix products, tables of single pairs. Not
here: which pairs are held against a cap (joint).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics import measures
from leadscore_dagster.core.audit.statistics.blocks import Blocks, pair_weights
from leadscore_dagster.core.audit.statistics.caps import MINIMUM_CLASS
from leadscore_dagster.core.audit.statistics.columns import Column, bins
from leadscore_dagster.core.audit.statistics.prepared import Prepared

#: negatives kept for every positive, and at least so many: more add little to the precision
NEGATIVES_A_POSITIVE, LEAST_NEGATIVES = 5, 10_000
#: most coarse bins of a number, besides missing; rows of a matrix product at a time
MOST_COARSE, ROWS_AT_ONCE = 7, 8192
#: added to either outcome of a cell in the screen, in rows
CELL_SMOOTHING = 0.5


@dataclass(frozen=True)
class Half:
    """Some rows of the table and their blocks. ``coarse`` uint8 [n, F]: bin of every column."""

    rows: np.ndarray
    blocks: Blocks
    coarse: np.ndarray


def halves(table: Prepared) -> tuple[Half, Half] | None:
    """Every other block each (random halves where there is one block), negatives thinned; None where a half would
    have too few of either outcome."""
    random = np.random.default_rng(table.seed)
    blocks = table.blocks
    side = blocks.block % 2 if blocks.count > 1 else random.integers(0, 2, blocks.n)
    wanted = max(NEGATIVES_A_POSITIVE * blocks.positives, LEAST_NEGATIVES)
    kept = (blocks.label == 1) | (random.random(blocks.n) < wanted / max(blocks.n - blocks.positives, 1))
    most = int(np.clip(np.sqrt(blocks.positives / 12), 3, MOST_COARSE))
    found = []
    for half in (0, 1):
        rows = np.flatnonzero(kept & (side == half))
        positives = int(blocks.label[rows].sum())
        if min(positives, len(rows) - positives) < MINIMUM_CLASS:
            return None
        found.append(rows)
    coarse = np.stack([bins(column, most).astype(np.uint8) for column in table.columns], axis=1)
    first, second = (Half(rows, blocks.of(rows), coarse[rows]) for rows in found)
    return first, second


def screen(half: Half) -> tuple[np.ndarray, np.ndarray]:
    """IV of every pair's cells within blocks, and of what they have beyond the two columns alone, float64 [F, F] each.

    One product of bin indicators per outcome, rows weighted by what their block counts: cell [a, b] of it is the share
    of rows in bin a of one column and bin b of the other. Bias as in `measures.strength`.
    """
    widths = half.coarse.max(axis=0).astype(np.int64) + 1
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    total = np.bincount(half.blocks.stratum, minlength=2 * half.blocks.count).reshape(-1, 2).astype(np.float64)
    weight = pair_weights(total)
    size = np.divide(weight[:, None], total, out=np.zeros(total.shape), where=total > 0)
    row_size = size[half.blocks.block, half.blocks.label]
    shares, effective = [], []
    for outcome in (1, 0):
        chosen = half.blocks.label == outcome
        shares.append(_products(half.coarse[chosen] + starts, row_size[chosen], int(widths.sum())))
        effective.append(1 / float((row_size[chosen] ** 2).sum()))
    positive, negative = shares
    used = (positive > 0) | (negative > 0)
    mixed = (positive + negative) / 2
    # cells are smoothed towards their share among all rows, as bins are
    cells = np.add.reduceat(np.add.reduceat(used, starts, axis=0), starts, axis=1)
    spread = np.repeat(np.repeat(cells, widths, axis=0), widths, axis=1) * CELL_SMOOTHING * mixed
    p = (positive * effective[0] + spread) / (effective[0] + spread_total(cells, widths))
    q = (negative * effective[1] + spread) / (effective[1] + spread_total(cells, widths))
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(used, (p - q) * np.log(p / q), 0.0)
    joint = np.add.reduceat(np.add.reduceat(parts, starts, axis=0), starts, axis=1)
    joint -= np.maximum(cells - 1, 0) * (1 / effective[0] + 1 / effective[1])
    alone = np.maximum(np.diag(joint), 0.0)
    return joint, joint - alone[:, None] - alone[None, :]


def spread_total(cells: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Rows of smoothing in all cells of a pair, spread out to the cells' shape."""
    return np.repeat(np.repeat(cells, widths, axis=0), widths, axis=1) * CELL_SMOOTHING


def _products(place: np.ndarray, weight: np.ndarray, width: int) -> np.ndarray:
    found = np.zeros((width, width))
    for start in range(0, len(place), ROWS_AT_ONCE):
        part = place[start : start + ROWS_AT_ONCE]
        indicator = np.zeros((len(part), width), np.float32)
        indicator[np.arange(len(part))[:, None], part] = 1
        weighted = indicator * weight[start : start + ROWS_AT_ONCE, None].astype(np.float32)
        found += weighted.T @ indicator
    return found


def learned(cell: np.ndarray, cells: int, half: Half) -> np.ndarray:
    """Log density ratio of every cell, from the rows of a half [cells]; 0 where the half has none."""
    return measures.strength(measures.count(cell, half.blocks.stratum, cells, half.blocks.count)).ratio


def held_out(score: np.ndarray, half: Half) -> measures.Strength:
    """Strength of a score of the other half's making, by its AUC on this half; a score pointing the wrong way has
    none."""
    values, group = np.unique(np.round(score, 9), return_inverse=True)
    found = measures.auc(measures.count(group.astype(np.int32), half.blocks.stratum, len(values), half.blocks.count))
    return found.strength() if found.value > 0.5 else measures.Strength(0.0, found.strength().error, np.zeros(0), 0)


def numbers(column: Column, rows: np.ndarray) -> np.ndarray:
    """Values of a numeric column, float64 [len(rows)], NaN where missing."""
    return np.append(column.values.astype(np.float64), np.nan)[column.codes[rows]]
