"""Whether a model says the same from fold to fold and from quarter to quarter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp, spearmanr

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.modelling.judgement.model_stability import (
    business_signals,
    cross_validation_variation,
    fold_score_ks,
    rank_correlation,
    ranking_correlation,
)


def fold(random: np.random.Generator, rows: int, shift: float, rate: float = 0.06) -> Judged:
    label = (random.random(rows) < rate).astype(int)
    return Judged.ranked(label, random.normal(size=rows) + shift * label)


def test_folds_that_differ_by_chance_alone_have_no_variation_and_a_wide_interval() -> None:
    random, above = np.random.default_rng(0), 0
    for seed in range(12):
        found = cross_validation_variation([fold(random, 1500, 1.0) for _ in range(5)], Bootstrap(30, seed))
        assert found.low <= found.value <= found.high
        above += found.low > 0
    assert above <= 2
    assert found.high > 0.1


def test_folds_that_truly_differ_do() -> None:
    random = np.random.default_rng(1)
    found = cross_validation_variation([fold(random, 4000, s) for s in (0.3, 0.8, 1.2, 1.6, 2.0)], Bootstrap(60, 0))
    assert found.low > 0.3
    assert found.positives > 0
    assert found.n == 20_000


def test_a_change_of_the_base_rate_is_no_variation() -> None:
    random = np.random.default_rng(2)
    found = cross_validation_variation(
        [fold(random, 6000, 1.0, rate) for rate in (0.02, 0.05, 0.1, 0.2)], Bootstrap(60, 0)
    )
    assert found.low == 0
    assert found.value < 0.15


def test_variation_needs_two_folds_with_positives() -> None:
    random = np.random.default_rng(0)
    nobody = Judged.ranked(np.zeros(500, int), random.normal(size=500))
    for folds in ([], [fold(random, 500, 1.0)], [fold(random, 500, 1.0), nobody]):
        found = cross_validation_variation(folds, Bootstrap(20, 0))
        assert np.isnan([found.value, found.low, found.high]).all()


def test_the_distance_between_folds_is_the_largest_of_two_of_them() -> None:
    random = np.random.default_rng(4)
    scores = [random.normal(size=3000) + shift for shift in (0.0, 0.1, 0.5)]
    found = fold_score_ks(scores, [None] * 3, Bootstrap(100, 0))
    expected = ks_2samp(scores[0], scores[2]).statistic
    assert found.low < 0.1974 < found.high  # 2 Phi(.25) - 1
    assert found.value == pytest.approx(expected, abs=0.02)


def test_folds_of_one_distribution_are_not_called_apart() -> None:
    random = np.random.default_rng(1)
    found = [
        fold_score_ks([random.normal(size=800) for _ in range(4)], [None] * 4, Bootstrap(40, seed))
        for seed in range(12)
    ]
    assert sum(each.low > 0 for each in found) <= 2
    assert np.mean([each.value for each in found]) < 0.04
    assert np.mean([each.high for each in found]) < 0.12


def test_the_distance_follows_the_order_of_the_scores_alone() -> None:
    random = np.random.default_rng(2)
    scores = [random.normal(size=900), random.normal(size=900) + 0.3]
    first = fold_score_ks(scores, [None, None], Bootstrap(50, 0))
    assert fold_score_ks([np.exp(each) for each in scores], [None, None], Bootstrap(50, 0)).value == pytest.approx(
        first.value, abs=0.003
    )
    assert np.isnan(fold_score_ks(scores[:1], [None], Bootstrap(50, 0)).value)
    assert np.isnan(fold_score_ks([scores[0], scores[1][:3]], [None, None], Bootstrap(50, 0)).high)


def test_expected_features_are_counted_among_the_five_strongest() -> None:
    importances = {"tenure": 0.9, "moves": 0.5, "size": 0.4, "noise": 0.3, "day": 0.2, "owner": 0.1, "dual": 0.0}
    found = business_signals(importances, {"tenure", "size", "owner"})
    assert (found.value, found.low, found.high, found.n) == (2, 2, 2, 7)
    assert business_signals({"a": 0.0, "b": 0.0}, {"a"}).value == 0
    assert business_signals({}, {"a"}).value == 0


def test_the_rank_correlation_is_spearmans_over_the_common_features() -> None:
    random = np.random.default_rng(0)
    ours = {f"f{number}": float(value) for number, value in enumerate(np.round(random.exponential(1, 30), 1))}
    theirs = {name: value + random.normal() for name, value in list(ours.items())[:25]} | {"unknown": 9.0}
    found = rank_correlation(ours, theirs)
    names = [name for name in ours if name in theirs]
    assert found.value == pytest.approx(spearmanr([ours[n] for n in names], [theirs[n] for n in names])[0])
    assert found.n == 25
    assert -1 <= found.low < found.value < found.high <= 1


def test_a_ranking_is_correlated_most_important_first() -> None:
    importances = {"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "e": 1.0}
    assert ranking_correlation(importances, ["a", "b", "c", "d", "e"]).value == pytest.approx(1)
    assert ranking_correlation(importances, ["e", "d", "c", "b", "a"]).value == pytest.approx(-1)


@pytest.mark.parametrize("reference", [{"a": 1.0, "b": 2.0}, dict.fromkeys("abcdef", 1.0), {}])
def test_few_common_or_equal_importances_say_nothing(reference: dict[str, float]) -> None:
    found = rank_correlation({name: float(number) for number, name in enumerate("abcdef")}, reference)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_rows_of_one_person_say_nothing_about_the_steadiness() -> None:
    random = np.random.default_rng(0)
    alone = np.zeros(500, dtype=np.int64)
    distance = fold_score_ks([random.normal(size=500), random.normal(size=500)], [None, alone], Bootstrap(50, 0))
    rows = fold(random, 500, 1.0)
    variation = cross_validation_variation([rows, replace(rows, entity=alone)], Bootstrap(20, 0))
    for found in (distance, variation):
        assert np.isnan([found.value, found.low, found.high]).all()
    unknown = np.full(500, np.nan)
    assert np.isnan(fold_score_ks([random.normal(size=500), unknown], [None, None], Bootstrap(50, 0)).value)
