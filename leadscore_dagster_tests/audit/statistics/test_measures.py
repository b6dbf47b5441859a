"""Estimates against what they estimate: by hand, by sampling, by another implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.audit.statistics import measures
from leadscore_dagster.core.audit.statistics.prepared import measure
from leadscore_dagster_tests.audit.statistics.world import World, world


def _measured(made: World, seed: int = 0) -> Any:
    table = made.prepared()
    return {column.name: measure(column, table.blocks, table.most_bins, seed) for column in table.columns}


def test_auc_over_all_time_is_that_of_sklearn_ties_and_all() -> None:
    from sklearn.metrics import roc_auc_score

    made = world(3000, 0.2)
    made.add(x=np.round(made.normal(0.5)))
    assert _measured(made)["x"].auc_overall.value == pytest.approx(roc_auc_score(made.label, made.columns["x"]))


def test_auc_within_blocks_counts_pairs_of_one_block_only() -> None:
    from sklearn.metrics import roc_auc_score

    made = world(3000, 0.2)
    made.add(x=made.normal(0.3) + made.month)
    table = made.prepared()
    block, label, value = table.blocks.block, made.label, made.columns["x"]
    each, weight = [], []
    for place in range(table.blocks.count):
        mine = block == place
        each.append(roc_auc_score(label[mine], value[mine]))
        weight.append(label[mine].sum() * (1 - label[mine]).sum() / mine.sum())
    # 1,024 groups of equal mass stand for 3,000 different values
    assert _measured(made)["x"].auc.value == pytest.approx(np.average(each, weights=weight), abs=1e-3)


def test_iv_without_any_relation_is_nought_on_average() -> None:
    found = []
    for seed in range(60):
        made = world(2000, 0.1, seed)
        found.append(_measured(made.add(x=made.normal()))["x"].within.iv)
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(60))


@pytest.mark.parametrize("true", [0.3, 0.8])
def test_low_end_of_iv_lies_above_the_truth_about_as_seldom_as_it_says(true: float) -> None:
    above = 0
    for seed in range(100):
        made = world(2000, 0.1, seed)
        above += _measured(made.add(x=made.normal(true)))["x"].within.low(1.645) > true
    assert above <= 13  # 5% of 100 is 5; more than 13 has a chance of 1 in 2,000


def test_a_column_that_tells_the_month_has_strength_over_time_and_none_within() -> None:
    made = world(6000, 0.1, drift=4)
    found = _measured(made.add(index=made.month.astype(float)))["index"]
    assert found.overall.low(1.96) > 0.1
    assert found.within.iv == pytest.approx(0, abs=0.02)
    assert found.told > 0.99


def test_lift_counts_positives_against_the_base_rate_of_their_blocks() -> None:
    counts = np.zeros((2, 1, 2))
    counts[0, 0], counts[1, 0] = [50, 50], [850, 50]  # a tenth of the rows holds half of the positives
    value, low = measures.lift(counts, 1.96)
    assert value == pytest.approx(5.0)
    assert 3.5 < low < 5


def test_levels_too_many_for_bins_are_compared_across_halves() -> None:
    made = world(6000, 0.1)
    names = np.array([f"n{place}" for place in range(3000)], dtype=object)
    found = _measured(made.add(noise=names[made.random.integers(0, 3000, made.n)]))["noise"]
    assert found.within.iv == pytest.approx(0, abs=0.05)
