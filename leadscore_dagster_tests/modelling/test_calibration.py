"""Calibration: monotone, inside (0, 1), the same after storing, never reversed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leadscore_dagster.core.modelling.calibration import calibrator_from_dict, fit_calibrator
from leadscore_dagster.core.modelling.metrics import ece

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


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown calibration"):
        fit_calibrator("beta", *too_sure(100))
    with pytest.raises(ValueError, match="unknown calibration"):
        calibrator_from_dict({"kind": "beta"})
