"""Point values against scikit-learn, and exact behaviour under ties and weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import somersd
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from leadscore_dagster.core.measures import metrics


def scored(rows: int, levels: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.2).astype(int)
    score = rng.normal(size=rows) + 0.8 * label
    return label, score if levels is None else np.round(score * levels) / levels


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_auc_roc_and_auc_pr_equal_scikit_learn(levels: int | None, seed: int) -> None:
    label, score = scored(500, levels, seed)
    assert metrics.auc_roc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert metrics.auc_pr(label, score) == pytest.approx(average_precision_score(label, score), abs=1e-12)


@pytest.mark.parametrize("levels", [None, 3])
def test_weighted_values_equal_scikit_learn_and_repeated_rows(levels: int | None) -> None:
    label, score = scored(300, levels, 4)
    weight = np.random.default_rng(0).integers(0, 4, 300).astype(float)
    for ours, theirs in ((metrics.auc_roc, roc_auc_score), (metrics.auc_pr, average_precision_score)):
        assert ours(label, score, weight) == pytest.approx(theirs(label, score, sample_weight=weight))
    repeat = np.repeat(np.arange(300), weight.astype(int))
    for measure in (metrics.top_decile_lift, metrics.decile_order, metrics.precision_at_10pct):
        assert measure(label, score, weight) == pytest.approx(measure(label[repeat], score[repeat]))


def test_top_decile_lift_counts_the_positives_of_the_best_tenth() -> None:
    label = np.zeros(100, int)
    label[[0, 1, 2, 50, 90]] = 1
    score = -np.arange(100.0)
    assert metrics.precision_at_10pct(label, score) == pytest.approx(0.3)
    assert metrics.top_decile_lift(label, score) == pytest.approx(6.0)


def test_a_constant_score_is_exactly_average() -> None:
    label = scored(503, None, 1)[0]
    score = np.zeros(503)
    assert metrics.top_decile_lift(label, score) == pytest.approx(1, abs=1e-12)
    assert metrics.precision_at_10pct(label, score) == pytest.approx(label.mean(), abs=1e-12)
    assert metrics.auc_roc(label, score) == 0.5
    assert metrics.auc_pr(label, score) == pytest.approx(label.mean())
    assert metrics.decile_order(label, score) == pytest.approx(0, abs=1e-12)


def test_ties_at_the_decile_border_count_by_their_expected_value() -> None:
    # 5 rows above the border without a hit, then 10 equal rows with 4 hits share the other 5 places: 2
    # expected
    label = np.array([0] * 5 + [1] * 4 + [0] * 6 + [0] * 85)
    score = np.array([2.0] * 5 + [1.0] * 10 + [0.0] * 85)
    assert metrics.precision_at_10pct(label, score) == pytest.approx(0.2)


def test_decile_order_is_somers_d_of_the_decile_given_the_outcome() -> None:
    label = (np.random.default_rng(0).random(10_000) < np.linspace(0.3, 0.05, 10_000)).astype(int)
    score = -np.arange(10_000.0)
    decile = np.repeat(np.arange(10)[::-1], 1000)
    assert metrics.decile_order(label, score) == pytest.approx(somersd(label, decile).statistic)
    assert metrics.decile_order(label, -score) == pytest.approx(-metrics.decile_order(label, score))
    assert metrics.decile_order(np.repeat([1, 0], 5000), score) == pytest.approx(1)


def test_auc_pr_at_another_base_rate_undoes_a_change_of_the_base_rate() -> None:
    label, score = scored(4000, None, 2)
    more_negatives = np.concatenate([np.arange(4000), *[np.flatnonzero(label == 0)] * 4])
    thinner = metrics.curve(metrics.rank(label[more_negatives], score[more_negatives]))
    assert metrics.auc_pr_of(thinner) < 0.7 * metrics.auc_pr(label, score)
    assert metrics.auc_pr_of(thinner, rate=label.mean()) == pytest.approx(metrics.auc_pr(label, score))


def test_metrics_without_one_of_the_classes_have_no_value() -> None:
    score = np.arange(20.0)
    for label in (np.zeros(20, int), np.zeros(0, int)):
        values = score[: len(label)]
        for measure in (metrics.auc_roc, metrics.auc_pr, metrics.top_decile_lift, metrics.decile_order):
            assert np.isnan(measure(label, values))
    assert np.isnan(metrics.auc_roc(np.ones(20, int), score))


def test_a_score_that_is_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        metrics.auc_roc(np.array([0, 1]), np.array([np.nan, 1]))


def test_brier_and_its_skill() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(1000)
    label = (rng.random(1000) < probability).astype(int)
    assert metrics.brier(label, probability) == pytest.approx(brier_score_loss(label, probability))
    assert metrics.brier_skill(label, np.full(1000, 0.3), 0.3) == pytest.approx(0)
    assert metrics.brier_skill(label, probability, label.mean()) > 0.2


def test_ece_is_the_gap_between_probability_and_rate() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    label = (rng.random(20_000) < probability).astype(int)
    assert metrics.ece(label, probability) < 0.015
    assert metrics.ece(label, np.clip(probability + 0.1, 0, 1)) == pytest.approx(0.095, abs=0.01)
    assert metrics.ece(label, np.full(20_000, 0.7)) == pytest.approx(0.2, abs=0.01)


def test_equal_probabilities_share_a_bin() -> None:
    probability = np.repeat([0.1, 0.2, 0.3], [5, 80, 15])
    bins = metrics.equal_mass_bins(probability)
    assert all(len(set(bins[probability == value])) == 1 for value in (0.1, 0.2, 0.3))
    assert sorted(np.bincount(metrics.equal_mass_bins(np.arange(100.0)))) == [10] * 10
