"""Intervals: determinism, coverage on simulated data, clusters, pairs, time for many rows."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from leadscore_dagster.core.measures.intervals import Bootstrap, Interval, interval_ends
from leadscore_dagster.core.measures.judged import Judged, entity_codes, worth
from leadscore_dagster.core.measures.period import paired_difference, paired_differences, period_metrics


def scored(rows: int, seed: int, shift: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.1).astype(int)
    return label, rng.normal(size=rows) + shift * label


def measure(
    label: np.ndarray, margin: np.ndarray, codes: np.ndarray | None = None, replicates: int = 200
) -> dict[str, Interval]:
    probability = 1 / (1 + np.exp(-margin))
    return period_metrics(Judged(label, margin, probability, codes), 0.1, Bootstrap(replicates, 1))


def test_intervals_hold_their_value_and_repeat_for_a_seed() -> None:
    label, margin = scored(2000, 0)
    first = measure(label, margin)
    assert first == measure(label, margin)
    for name in ("auc_roc", "auc_pr", "top_decile_lift", "precision_at_10pct", "auc_pr_over_base", "brier"):
        assert first[name].low < first[name].value < first[name].high, name
    assert first["test_positives"].value == label.sum()
    assert first["auc_roc"].n == 2000


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = {
        "auc_roc": norm.cdf(0.8 / np.sqrt(2)),
        "auc_pr": measure(*scored(200_000, 99), replicates=1)["auc_pr"].value,
    }
    drawn = [measure(*scored(500, seed), replicates=100) for seed in range(60)]
    for metric, value in truth.items():
        covered = np.mean([m[metric].low <= value <= m[metric].high for m in drawn])
        assert 0.87 <= covered <= 0.99, metric


def test_the_ends_of_auc_pr_are_freed_from_the_bias_of_the_replicates() -> None:
    value, drawn = np.array([1.0, 1.0]), np.linspace(1, 3, 201)[:, None] * [1, 1]
    low, high = interval_ends(value, drawn, shifted=np.array([True, False]))
    # the 5.05th and the 196.95th of 201: (r + 1) p
    np.testing.assert_allclose(low, [0.0405, 1.0405])
    np.testing.assert_allclose(high, [1.9595, 2.9595])


def test_few_replicates_make_ends_less_exact_and_not_too_narrow() -> None:
    rng = np.random.default_rng(0)
    low, high = interval_ends(np.zeros(4000), rng.normal(size=(100, 4000)), np.zeros(4000, bool))
    held = norm.cdf(high) - norm.cdf(low)
    assert held.mean() == pytest.approx(0.95, abs=0.004)


def test_rows_of_one_entity_are_drawn_together() -> None:
    label, margin = scored(1000, 0)
    ten_times = np.repeat(np.arange(1000), 10)
    codes = entity_codes(ten_times)
    assert codes is not None
    naive = measure(label[ten_times], margin[ten_times], replicates=400)["auc_roc"]
    honest = measure(label[ten_times], margin[ten_times], codes, 400)["auc_roc"]
    single = measure(label, margin, replicates=400)["auc_roc"]
    assert honest.high - honest.low > 2 * (naive.high - naive.low)
    assert honest.high - honest.low == pytest.approx(single.high - single.low, rel=0.25)


def test_entities_that_never_repeat_are_rows_and_missing_ones_are_each_their_own() -> None:
    assert entity_codes(None) is None
    assert entity_codes(np.array(["a", "b", "c"])) is None
    assert entity_codes(pa.chunked_array([["a", None], [None]])) is None
    codes = entity_codes(pa.array(["a", None, "a", None]))
    assert codes is not None
    assert len(set(codes.tolist())) == 3
    assert codes[0] == codes[2]
    numbers = entity_codes(pa.chunked_array([pa.array([1.0, 2.0, float("nan"), float("nan"), None, 1.0])]))
    assert numbers is not None
    assert len(set(numbers.tolist())) == 5
    assert entity_codes(np.array([1.0, np.nan, np.nan])) is None


def test_a_row_is_worth_what_it_adds_to_the_others_of_its_entity() -> None:
    label, _ = scored(2000, 0)
    people = np.repeat(np.arange(2000), 5)
    assert worth(label, None) == 1
    assert worth(label[people], people) == pytest.approx(0.2)
    assert worth(label, np.arange(2000)) == pytest.approx(1)
    # rows that are all alike show nothing, and count as equal within an entity
    assert worth(np.zeros(10_000), people) == pytest.approx(0.2)


def test_too_few_entities_or_positives_have_no_interval() -> None:
    label, margin = scored(900, 0)
    few = measure(label, margin, np.arange(900) % 3)
    assert np.isnan([few["auc_pr"].low, few["auc_pr"].high]).all()
    assert few["auc_pr"].value > 0
    nobody = measure(np.zeros(900, int), margin)
    assert np.isnan([nobody["auc_pr"].value, nobody["auc_pr"].low]).all()
    lonely = np.zeros(900, int)
    lonely[3] = 1
    assert np.isnan(measure(lonely, margin)["auc_pr"].low)
    assert np.isnan(measure(np.zeros(0, int), np.zeros(0))["auc_pr"].low)


def test_the_paired_interval_is_narrower_than_two_separate_ones() -> None:
    label, first = scored(3000, 0)
    second = first + np.random.default_rng(5).normal(size=3000) * 0.1
    paired = paired_difference(Judged.ranked(label, first), second, "auc_roc", bootstrap=Bootstrap(300, 0))
    alone = measure(label, first)["auc_roc"]
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)
    same = paired_difference(Judged.ranked(label, first), 3 * first - 1, "auc_pr", bootstrap=Bootstrap(100, 0))
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_differences_measured_together_are_those_measured_one_by_one() -> None:
    label, first = scored(1000, 0)
    second, names = first + np.random.default_rng(5).normal(size=1000), ("auc_pr", "top_decile_lift")
    together = paired_differences(Judged.ranked(label, first), second, names, bootstrap=Bootstrap(50, 3))
    assert together == {
        name: paired_difference(Judged.ranked(label, first), second, name, bootstrap=Bootstrap(50, 3)) for name in names
    }


def test_the_paired_interval_sees_a_real_difference() -> None:
    label, first = scored(5000, 0, shift=1.2)
    noise = np.random.default_rng(3).normal(size=5000)
    for metric in ("auc_pr", "auc_roc", "top_decile_lift"):
        assert (
            paired_difference(Judged.ranked(label, first), first + 2 * noise, metric, bootstrap=Bootstrap(200, 0)).low
            > 0
        )


def test_an_interval_survives_json_and_nan_is_none() -> None:
    interval = Interval(0.5, float("nan"), 0.7, 10, 2, "bootstrap")
    assert interval.to_dict()["low"] is None
    assert Interval.from_dict(interval.to_dict()).to_dict() == interval.to_dict()


def test_a_thousand_replicates_of_a_hundred_thousand_rows_take_seconds() -> None:
    label, margin = scored(100_000, 0)
    started = time.process_time()
    measure(label, margin, replicates=100)
    # a tenth of the replicates in a tenth of 30 s: loose, because test machines are busy
    assert time.process_time() - started < 3
