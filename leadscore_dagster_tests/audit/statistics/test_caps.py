"""Thresholds: one scale for IV, AUC and lift, and the price of looking at many columns."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.audit.statistics import caps


def test_iv_and_auc_of_a_binormal_feature_agree_with_a_large_sample() -> None:
    random = np.random.default_rng(0)
    negatives, positives = np.sort(random.normal(size=200_000)), random.normal(size=200_000) + 0.8
    auc = np.searchsorted(negatives, positives).mean() / len(negatives)
    assert caps.iv_of_auc(auc) == pytest.approx(0.64, abs=0.01)
    assert caps.auc_of_iv(0.64) == pytest.approx(auc, abs=0.002)


def test_lift_of_an_iv_agrees_with_a_large_sample() -> None:
    random = np.random.default_rng(0)
    label = random.random(400_000) < 0.05
    value = random.normal(size=len(label)) + label
    top = np.argsort(-value)[: len(label) // 10]
    assert caps.lift_of_iv(1.0, 0.05) == pytest.approx(label[top].mean() / label.mean(), rel=0.03)


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.1])
def test_the_cap_of_proven_columns_gives_the_lift_it_is_named_after(rate: float) -> None:
    assert caps.lift_of_iv(caps.proven_iv(rate), rate) == pytest.approx(caps.PROVEN_LIFT, rel=1e-6)


def test_where_the_lift_cannot_be_reached_the_cap_of_proven_columns_stays_finite() -> None:
    assert caps.proven_iv(0.4) == caps.proven_iv(0.1) < 3


def test_holm_pays_for_every_estimate_over_the_cap_and_for_none_below_it() -> None:
    alone, _ = caps.holm(np.array([1.7, *[-1.0] * 100]))
    among, _ = caps.holm(np.array([1.7, *[0.5] * 100]))
    assert alone[0]
    assert not among.any()


def test_holm_steps_down() -> None:
    refused, _ = caps.holm(np.array([9.0, 1.7, -1.0]))
    assert refused.tolist() == [True, True, False]


def test_more_rows_detect_less_strength() -> None:
    found = [caps.detectable_iv(rows * 0.03, rows * 0.97) for rows in (2_000, 8_135, 79_002)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.6


def test_the_table_of_the_documentation_leaves_out_what_is_not_judged() -> None:
    (row,) = caps.detectable_table([500], [0.01])
    assert row[2] == 5
    assert np.isnan(row[3])
