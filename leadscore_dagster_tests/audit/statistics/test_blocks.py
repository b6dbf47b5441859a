"""Time blocks: months joined until both outcomes are there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.statistics.blocks import MINIMUM_OF_EACH, pair_weights, time_blocks
from leadscore_dagster.core.errors import InputError
from leadscore_dagster_tests.audit.statistics.world import START, world


def test_every_block_holds_both_outcomes_and_follows_time() -> None:
    made = world(4000, 0.03)
    blocks = time_blocks(made.rows)
    counts = np.bincount(blocks.stratum).reshape(-1, 2)
    assert counts.min() >= MINIMUM_OF_EACH
    assert (np.diff(blocks.block) >= 0).all()
    assert blocks.unit_name == "months"


def test_a_month_is_never_split() -> None:
    made = world(4000, 0.03)
    blocks = time_blocks(made.rows)
    assert all(len(set(blocks.block[made.month == month])) == 1 for month in range(12))


@pytest.mark.parametrize(("days", "unit"), [(40, "weeks"), (10, "days")])
def test_short_tables_are_cut_finer(days: int, unit: str) -> None:
    assert time_blocks(world(3000, 0.2, days=days).rows).unit_name == unit


def test_rows_need_not_be_in_order() -> None:
    made = world(3000, 0.1)
    order = np.random.default_rng(0).permutation(made.n)
    there = time_blocks(made.rows)
    back = time_blocks(made.rows.take(order))
    assert (back.block == there.block[order]).all()
    assert (back.slice == there.slice[order]).all()


def test_weights_ignore_blocks_of_one_outcome() -> None:
    assert pair_weights(np.array([[10, 0], [10, 10]])).tolist() == [0.0, 1.0]


def test_a_label_that_is_neither_0_nor_1_is_refused() -> None:
    made = world(100, 0.2)
    made.label[3] = 2
    with pytest.raises(InputError, match="label"):
        time_blocks(made.rows)


def test_a_decision_without_a_time_is_refused() -> None:
    rows = pa.table({"decision_at": pa.array([START.item(), None], pa.timestamp("us")), "label": [0, 1]})
    with pytest.raises(InputError, match="no time"):
        time_blocks(rows)


def test_a_table_without_labels_is_refused() -> None:
    with pytest.raises(InputError, match="label"):
        time_blocks(world(100, 0.2).rows.drop(["label"]))
