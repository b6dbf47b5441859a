"""The calibration error: freed from bias, covered by its interval near 0 and far from it, honest about few rows."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.modelling.judgement.evaluation import segment_calibration_error

WORLDS = 200


def truth_of(rows: int, random: np.random.Generator) -> np.ndarray:
    return 1 / (1 + np.exp(3.5 - random.normal(size=rows)))


def too_high(truth: np.ndarray, by: float) -> np.ndarray:
    odds = truth / (1 - truth) * np.exp(by)
    return odds / (1 + odds)


def true_error(truth: np.ndarray, probability: np.ndarray) -> float:
    return metrics.expected_calibration_error(probability - truth, metrics.equal_mass_bins(probability))


@pytest.mark.parametrize(("rows", "by"), [(1000, 0.0), (1000, 1.0), (5000, 0.0), (5000, 0.2), (5000, 1.5)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(rows: int, by: float) -> None:
    random = np.random.default_rng(rows)
    population = truth_of(200_000, random)
    truth = true_error(population, too_high(population, by))
    found = np.empty((WORLDS, 3))
    plug_in = np.empty(WORLDS)
    for world in range(WORLDS):
        drawn = population[random.integers(0, len(population), rows)]
        label = (random.random(rows) < drawn).astype(int)
        found[world] = calibration_error(label, too_high(drawn, by))
        plug_in[world] = metrics.ece(label, too_high(drawn, by))
    covered = np.mean((found[:, 1] <= truth) & (truth <= found[:, 2]))
    assert 0.91 <= covered <= 1.0
    assert abs(found[:, 0].mean() - truth) <= abs(plug_in.mean() - truth) + 1e-3
    if by == 0:
        assert found[:, 0].mean() < 0.65 * plug_in.mean()
        assert np.mean(found[:, 1] > 0) <= 0.06


def test_a_perfect_model_on_few_rows_is_not_said_to_be_wrong_nor_to_be_right() -> None:
    random = np.random.default_rng(8)
    truth = truth_of(1300, random)
    value, low, high = calibration_error((random.random(1300) < truth).astype(int), truth)
    assert low == 0
    assert value < 0.02 < high < 0.05


def test_rows_of_one_person_say_no_more_than_one_row() -> None:
    random = np.random.default_rng(1)
    truth = truth_of(1000, random)
    label = (random.random(1000) < truth).astype(int)
    _, low, high = calibration_error(label, too_high(truth, 1.5))
    ten = np.repeat(np.arange(1000), 10)
    _, low_ten, high_ten = calibration_error(label[ten], too_high(truth, 1.5)[ten], ten)
    assert high_ten - low_ten == pytest.approx(high - low, rel=0.25)
    _, low_naive, high_naive = calibration_error(label[ten], too_high(truth, 1.5)[ten])
    assert high_naive - low_naive < 0.5 * (high - low)


def test_without_rows_or_with_too_few_nothing_is_known() -> None:
    assert np.isnan(calibration_error(np.zeros(0, int), np.zeros(0))).all()
    value, low, high = calibration_error(np.array([0, 1, 0]), np.array([0.1, 0.2, 0.3]))
    assert value >= 0
    assert np.isnan([low, high]).all()
    _, low, high = calibration_error(np.arange(900) % 2, np.full(900, 0.5), np.arange(900) % 4)
    assert np.isnan([low, high]).all()


def test_no_event_at_all_is_no_proof_of_a_probability_of_nought() -> None:
    value, low, high = calibration_error(np.zeros(200, int), np.full(200, 0.004))
    assert low == 0
    assert value < 0.02 < 0.5 > high > 0.004


def segments(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = truth_of(rows, random)
    return truth, (random.random(rows) < truth).astype(int), random.choice(["large", "middle", "small"], rows)


def test_one_bad_segment_is_found_where_the_whole_looks_well() -> None:
    truth, label, segment = segments(np.random.default_rng(0), 9000)
    probability = np.where(segment == "large", too_high(truth, 1.0), truth)
    worst = segment_calibration_error(Judged(label, probability, probability), segment)
    overall = calibration_error(label, probability)
    assert worst.low > overall[0]
    assert worst.n == (segment == "large").sum()
    assert worst.high > true_error(truth[segment == "large"], probability[segment == "large"]) > worst.low


def test_the_worst_of_many_good_segments_is_not_called_bad() -> None:
    random, called = np.random.default_rng(5), 0
    for _ in range(100):
        truth, label, _ = segments(random, 6000)
        called += segment_calibration_error(Judged(label, truth, truth), random.integers(0, 8, 6000)).low > 0
    assert called <= 8


def test_small_segments_are_judged_together() -> None:
    truth, label, _ = segments(np.random.default_rng(2), 4000)
    names = np.array(["main"] * 3600 + [f"s{number % 40}" for number in range(400)])
    assert segment_calibration_error(Judged(label, truth, truth), names).method.startswith("worst of 2 segments")
    assert np.isnan(segment_calibration_error(Judged(label[:0], truth[:0], truth[:0]), names[:0]).value)
