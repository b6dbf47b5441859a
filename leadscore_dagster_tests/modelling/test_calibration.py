"""Calibration: monotone, inside (0, 1), the same after storing, never reversed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from leadscore_dagster.core.measures.log_odds import shifted
from leadscore_dagster.core.measures.metrics import ece
from leadscore_dagster.core.modelling.calibration import (
    UNCALIBRATED,
    Isotonic,
    Platt,
    SegmentedCalibrator,
    calibrator_from_dict,
    carried_over,
    fit_calibrator,
    fit_segmented,
)
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters, fit
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.scoring import ScoringModel, learn_calibrator
from leadscore_dagster.core.recipe.schema import Segment
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table

KINDS = ("isotonic", "platt")


def too_sure(rows: int = 5000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(-2, 1, rows)
    return 2 * truth + 1, (rng.random(rows) < 1 / (1 + np.exp(-truth))).astype(int)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_later_rows_are_right(kind: str) -> None:
    calibrator = fit_calibrator(kind, *too_sure())
    margin, label = too_sure(seed=1)
    assert ece(label, 1 / (1 + np.exp(-margin))) > 0.05
    assert ece(label, calibrator.apply(margin)) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_margin_never_has_a_lower_probability(kind: str) -> None:
    calibrator = fit_calibrator(kind, *too_sure(300))
    probability = calibrator.apply(np.linspace(-1e6, 1e6, 100_001))
    assert (np.diff(probability) >= 0).all()
    assert probability.min() >= 1e-6
    assert probability.max() <= 1 - 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_a_reversed_ranking_is_flattened_not_reversed(kind: str) -> None:
    margin, label = too_sure()
    probability = fit_calibrator(kind, -margin, label).apply(-margin)
    np.testing.assert_allclose(probability, label.mean(), atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_calibrator_is_the_same(kind: str) -> None:
    calibrator = fit_calibrator(kind, *too_sure(500))
    assert calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict()))) == calibrator


def test_separated_classes_give_finite_numbers() -> None:
    margin = np.concatenate([np.full(50, -1.0), np.full(50, 1.0)])
    label = np.repeat([0, 1], 50)
    for kind in KINDS:
        probability = fit_calibrator(kind, margin, label).apply(margin)
        assert probability[0] < 0.01
        assert probability[-1] > 0.99


def demo_world(seed: int, rows: int = 4600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, true probabilities and labels of a calibration period of the demo's size and rate."""
    rng = np.random.default_rng(seed)
    margin = -3.6 + 0.7 * rng.normal(size=rows)
    truth = 1 / (1 + np.exp(-margin))
    return margin, truth, (rng.random(rows) < truth).astype(int)


def test_isotonic_does_not_take_a_block_without_events_for_impossible() -> None:
    from sklearn.isotonic import IsotonicRegression

    def divergence(truth: np.ndarray, said: np.ndarray) -> float:
        return float(np.mean(truth * np.log(truth / said) + (1 - truth) * np.log((1 - truth) / (1 - said))))

    plain, drawn, total, without = [], [], [], 0
    for seed in range(20):
        margin, _, label = demo_world(seed)
        alone = IsotonicRegression(out_of_bounds="clip").fit(margin, label)
        without += alone.predict(margin).min() == 0
        calibrator = fit_calibrator("isotonic", margin, label)
        assert isinstance(calibrator, Isotonic)
        assert 0.0005 < calibrator.y[0] < 0.02
        assert calibrator.y[-1] < 0.6
        total.append(calibrator.apply(margin).sum() / label.sum())
        later, true, _ = demo_world(1000 + seed)
        plain.append(divergence(true, np.clip(alone.predict(later), 1e-6, 1 - 1e-6)))
        drawn.append(divergence(true, calibrator.apply(later)))
    assert without > 15  # what this is about
    assert np.mean(drawn) < 0.5 * np.mean(plain)
    assert np.mean(total) == pytest.approx(1, abs=0.005)
    assert max(np.abs(np.array(total) - 1)) < 0.03


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown calibration"):
        fit_calibrator("beta", *too_sure(100))
    with pytest.raises(ValueError, match="unknown calibration"):
        calibrator_from_dict({"kind": "beta"})


# ---- a calibrator for each part of a segment

SEGMENT = Segment(feature="assets", edges=(100.0, 500.0))
NAMES = ("below 100", "100 to 500", "from 500", "(missing)")


def parts(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, labels and parts: the first part converts e^.8 times as often in odds, the third has 12 rows, none
    converts; nobody is in the last."""
    rng = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [4000, 8000, 12])
    margin = rng.normal(-2.5, 1, len(codes))
    truth = margin + np.where(codes == 0, 0.8, 0.0)
    label = (rng.random(len(codes)) < 1 / (1 + np.exp(-truth))).astype(int)
    label[codes == 2] = 0
    return margin, label, codes


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_differ_are_each_calibrated(kind: str) -> None:
    margin, label, codes = parts()
    overall = fit_calibrator(kind, margin, label)
    calibrator = fit_segmented(overall, SEGMENT, margin, label=label, codes=codes, names=NAMES)
    margin, label, codes = parts(seed=1)
    probability = calibrator.apply(margin, codes, NAMES)
    first = codes == 0
    assert ece(label[first], overall.apply(margin)[first]) > 0.04
    assert ece(label[first], probability[first]) < 0.02
    assert calibrator.parts["below 100"].shift - calibrator.parts["100 to 500"].shift == pytest.approx(0.8, abs=0.15)
    assert calibrator.parts["below 100"].weight > 0.9


def test_a_small_part_is_drawn_towards_all_and_an_empty_one_is_all() -> None:
    margin, label, codes = parts()
    overall = fit_calibrator("platt", margin, label)
    calibrator = fit_segmented(overall, SEGMENT, margin, label=label, codes=codes, names=NAMES)
    small = calibrator.parts["from 500"]
    assert (small.n, small.positives) == (12, 0)
    assert small.weight < 0.1
    assert -0.15 < small.shift < 0  # alone, its rate would be 0
    assert "(missing)" not in calibrator.parts
    few = np.linspace(-3, 3, 5)
    np.testing.assert_allclose(calibrator.apply(few, np.full(5, 3), NAMES), overall.apply(few), rtol=1e-9)


def test_parts_that_do_not_differ_get_about_the_same_curve() -> None:
    rng = np.random.default_rng(3)
    margin, label = too_sure(6000)
    overall = fit_calibrator("platt", margin, label)
    found = fit_segmented(overall, SEGMENT, margin, label=label, codes=rng.integers(0, 3, 6000), names=NAMES)
    assert max(abs(part.shift) for part in found.parts.values()) < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_inside_a_part_a_higher_margin_never_has_a_lower_probability(kind: str) -> None:
    margin, label, codes = parts()
    calibrator = fit_segmented(
        fit_calibrator(kind, margin, label), SEGMENT, margin, label=label, codes=codes, names=NAMES
    )
    rising = np.linspace(-40, 40, 10_001)
    for part in range(4):
        probability = calibrator.apply(rising, np.full(len(rising), part), NAMES)
        assert (np.diff(probability) >= 0).all()
        assert ((probability > 0) & (probability < 1)).all()


def test_a_stored_calibrator_of_parts_is_the_same_and_finds_its_parts_by_name() -> None:
    margin, label, codes = parts()
    calibrator = fit_segmented(
        fit_calibrator("isotonic", margin, label), SEGMENT, margin, label=label, codes=codes, names=NAMES
    )
    again = calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict())))
    assert again == calibrator
    # another table may number its levels otherwise
    order = [2, 0, 3, 1]
    renamed = [NAMES[at] for at in order]
    np.testing.assert_array_equal(
        again.apply(margin, np.argsort(order)[codes], renamed), calibrator.apply(margin, codes, NAMES)
    )


# ---- carried over to the margins of a model fitted again


@pytest.mark.parametrize("kind", KINDS)
def test_a_rescaled_calibrator_says_the_same_of_rescaled_margins(kind: str) -> None:
    margin, label = too_sure(500)
    calibrator = fit_calibrator(kind, margin, label)
    moved = calibrator.rescaled(0.8, 0.5)
    np.testing.assert_allclose(moved.apply((margin - 0.5) / 0.8), calibrator.apply(margin), rtol=1e-9)
    assert calibrator.rescaled(1.0, 0.0) == calibrator


@pytest.mark.parametrize("kind", KINDS)
def test_a_carried_over_calibrator_does_not_follow_a_final_model_that_moved(kind: str) -> None:
    margin, label = too_sure()
    calibrator = fit_calibrator(kind, margin, label)
    told, final = calibrator.apply(margin), 1.2 * margin + 1.5
    moved = carried_over(calibrator, margin, told, final=final)
    assert not isinstance(moved, SegmentedCalibrator)
    np.testing.assert_allclose(moved.apply(final), told, rtol=1e-6)
    assert calibrator.apply(final).mean() > 1.1 * told.mean()


def test_margins_that_are_all_equal_are_only_moved() -> None:
    margin, _ = too_sure(300)
    for ours, final in ((margin, np.full(300, 2.0)), (np.full(300, 2.0), margin)):
        moved = carried_over(Platt(0.5, -1.0), ours, Platt(0.5, -1.0).apply(ours), final=final)
        assert isinstance(moved, Platt)
        assert moved.slope == 0.5
        assert moved.intercept == pytest.approx(-1 + 0.5 * np.mean(ours - final))


@pytest.mark.parametrize("kind", KINDS)
def test_each_part_keeps_what_it_was_told_though_the_final_model_has_learned_it_too(kind: str) -> None:
    margin, label, codes = parts()
    calibrator = fit_segmented(
        fit_calibrator(kind, margin, label), SEGMENT, margin, label=label, codes=codes, names=NAMES
    )
    told = calibrator.apply(margin, codes, NAMES)
    final = 1.1 * margin - 0.2 + np.where(codes == 0, 0.8, 0.0)
    moved = carried_over(calibrator, margin, told, final=final, codes=codes, names=NAMES)
    assert isinstance(moved, SegmentedCalibrator)
    again = moved.apply(final, codes, NAMES)
    for part in (0, 1):
        inside = codes == part
        assert again[inside].mean() == pytest.approx(told[inside].mean(), rel=0.03)
        assert calibrator.apply(final, codes, NAMES)[inside].mean() != pytest.approx(told[inside].mean(), rel=0.05)
    assert {name: (part.n, part.positives) for name, part in moved.parts.items()} == {
        name: (part.n, part.positives) for name, part in calibrator.parts.items()
    }


def test_the_recipe_decides_whether_parts_are_calibrated_and_serving_finds_them_in_the_matrix() -> None:
    rows = training_table(6000)
    label = rows["label"].to_numpy()
    columns = learn_columns(rows, FEATURES)
    fitted = fit("logistic_regression", to_matrix(rows, columns), label, columns=columns,
                 parameters=complete_parameters("logistic_regression", {}), seed=0)  # fmt: skip
    rehearsal = ScoringModel(FEATURES, columns, {}, fitted, UNCALIBRATED)
    plain = learn_calibrator(rehearsal, rows, FAST)
    assert isinstance(plain, Isotonic)
    by_kind = FAST.model_copy(update={"segments": {"kind": Segment(feature="kind")}, "calibrate_by": "kind"})
    served = replace(rehearsal, calibrator=learn_calibrator(rehearsal, rows, by_kind))
    scores = served.score(rows)
    kinds = np.array(rows["kind"].to_pylist())
    shifts = {name: part.shift for name, part in served.calibrator.parts.items()}
    assert set(shifts) == {"bank", "broker", "independent", "insurer"}
    for kind, shift in shifts.items():
        inside = kinds == kind
        moved = shifted(plain.apply(scores.margin[inside]), shift)
        np.testing.assert_allclose(scores.probability[inside], moved, rtol=1e-9)
    # one row alone is served like in the whole table
    np.testing.assert_allclose(served.score(rows.slice(7, 1)).probability, scores.probability[7:8], rtol=1e-6)
