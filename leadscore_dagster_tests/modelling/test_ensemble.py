"""The ensemble: weights learned out of fold, exact contributions, files, and who agrees with whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.metrics import auc_roc
from leadscore_dagster.core.modelling.ensemble import (
    EnsembleModel,
    agreement,
    learn_weights,
    load_ensemble,
    out_of_fold_margins,
)
from leadscore_dagster.core.modelling.estimators.base import checked_contributions
from leadscore_dagster.core.modelling.estimators.registry import (
    ESTIMATORS,
    complete_parameters,
    estimator_names,
    fit,
)
from leadscore_dagster.core.modelling.loading import load_model
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.preparation.preparation import Preparation, fit_prepared
from leadscore_dagster_tests.modelling.simulated import FEATURES, training_table

TABLE = training_table(2500)
COLUMNS = learn_columns(TABLE, FEATURES)
MATRIX = to_matrix(TABLE, COLUMNS)
LABEL = TABLE["label"].to_numpy()
FEW_TREES = {
    "hist_gradient_boosting": {"max_iter": 20},
    "lightgbm": {"n_estimators": 20},
    "xgboost": {"n_estimators": 20},
}
MEMBERS = tuple(
    fit(name, MATRIX, LABEL, columns=COLUMNS, parameters=complete_parameters(name, FEW_TREES.get(name, {})), seed=1)
    for name in ESTIMATORS
)
ENSEMBLE = EnsembleModel(MEMBERS, (0.5, 0.0, 0.25, 0.75), -0.3)


def simulated_margins(rows: int = 8000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Margins of five members: two with halves of the signal, a copy of the first, noise, one upside down."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=rows), rng.normal(size=rows)
    truth = -3 + first + 0.7 * second
    label = (rng.random(rows) < 1 / (1 + np.exp(-truth))).astype(int)
    return np.column_stack([first - 3, second * 2 - 1, first - 3, rng.normal(size=rows), -second]), label


def test_weights_find_the_members_with_signal_and_leave_out_copies_noise_and_reversed_ones() -> None:
    margins, label = simulated_margins()
    weights, bias = learn_weights(margins, label)
    assert sorted(weights[[0, 2]]) == [0, pytest.approx(1, abs=0.1)]
    assert weights[1] == pytest.approx(0.35, abs=0.05)
    assert list(weights[3:]) == [0, 0]
    assert bias == pytest.approx(0.35, abs=0.3)
    np.testing.assert_array_equal(weights, learn_weights(margins, label)[0])


def test_weights_are_those_of_scikit_learns_logistic_regression_where_none_is_at_its_bound() -> None:
    from sklearn.linear_model import LogisticRegression

    margins, label = simulated_margins(3000)
    margins = margins[:, :2]
    weights, bias = learn_weights(margins, label)
    spread = margins.std(axis=0)
    theirs = LogisticRegression(C=1.0, tol=1e-10).fit((margins - margins.mean(axis=0)) / spread, label)
    np.testing.assert_allclose(weights, theirs.coef_[0] / spread, atol=1e-5)
    combined = bias + margins @ weights
    np.testing.assert_allclose(combined, theirs.decision_function((margins - margins.mean(axis=0)) / spread), atol=1e-4)


def test_the_scale_of_a_member_does_not_change_what_it_adds() -> None:
    margins, label = simulated_margins(2000)
    weights, bias = learn_weights(margins, label)
    larger, other_bias = learn_weights(margins * 50 + 7, label)
    np.testing.assert_allclose(bias + margins @ weights, other_bias + (margins * 50 + 7) @ larger, atol=1e-4)


@pytest.mark.parametrize(
    ("margins", "label"),
    [
        (np.zeros((50, 2)), np.arange(50) % 2),
        (np.random.default_rng(0).normal(size=(50, 2)), np.zeros(50, dtype=int)),
        (-np.column_stack([np.arange(50) % 2, np.arange(50) % 2]).astype(float), np.arange(50) % 2),
    ],
    ids=["members that tell nobody apart", "labels all alike", "members upside down"],
)
def test_weights_are_equal_where_nothing_can_be_learned(margins: np.ndarray, label: np.ndarray) -> None:
    weights, bias = learn_weights(margins, label)
    assert (list(weights), bias) == ([0.5, 0.5], 0.0)


def test_out_of_fold_weights_never_see_their_own_fold_or_a_later_one() -> None:
    margins, label = simulated_margins(3000)
    folds, labels = np.split(margins, 3), np.split(label, 3)
    combined = out_of_fold_margins(folds, labels)
    np.testing.assert_allclose(combined[0], folds[0].mean(axis=1))
    for at in (1, 2):
        weights, bias = learn_weights(np.concatenate(folds[:at]), np.concatenate(labels[:at]))
        np.testing.assert_allclose(combined[at], bias + folds[at] @ weights)
    turned = out_of_fold_margins([*folds[:1], folds[1], -folds[2]], [labels[0], 1 - labels[1], 1 - labels[2]])
    np.testing.assert_array_equal(turned[0], combined[0])
    np.testing.assert_array_equal(turned[1], combined[1])
    assert auc_roc(labels[2], combined[2]) > max(auc_roc(labels[2], column) for column in folds[2].T)


def test_margins_and_contributions_are_the_weighted_sums_of_the_members() -> None:
    margin = ENSEMBLE.margin(MATRIX)
    asked = [(MEMBERS[0], 0.5), (MEMBERS[2], 0.25), (MEMBERS[3], 0.75)]
    np.testing.assert_allclose(margin, -0.3 + sum(weight * member.margin(MATRIX) for member, weight in asked))
    values, bias = checked_contributions(ENSEMBLE, MATRIX, margin)
    expected = sum(weight * member.contributions(MATRIX)[0] for member, weight in asked)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert values.dtype == np.float32
    nobody, same_bias = ENSEMBLE.contributions(MATRIX[:0])
    assert (nobody.shape, ENSEMBLE.margin(MATRIX[:0]).shape) == ((0, 5), (0,))
    assert same_bias == pytest.approx(bias)


def test_an_ensemble_read_from_its_files_scores_alike_bit_for_bit(tmp_path: Path) -> None:
    ENSEMBLE.save(tmp_path)
    ENSEMBLE.save(tmp_path)  # over itself: the same content
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ensemble.json",
        "member_0_logistic_regression",
        "member_1_hist_gradient_boosting",
        "member_2_lightgbm",
        "member_3_xgboost",
    ]
    loaded = load_model("ensemble", tmp_path, COLUMNS)
    np.testing.assert_array_equal(loaded.margin(MATRIX), ENSEMBLE.margin(MATRIX))
    values, bias = loaded.contributions(MATRIX)
    np.testing.assert_array_equal(values, ENSEMBLE.contributions(MATRIX)[0])
    assert bias == ENSEMBLE.contributions(MATRIX)[1]


def test_members_keep_their_preparation(tmp_path: Path) -> None:
    parameters = complete_parameters("lightgbm", {"n_estimators": 5})
    prepared = fit_prepared(
        "lightgbm",
        MATRIX,
        LABEL,
        columns=COLUMNS,
        parameters=parameters,
        preparation=Preparation(imbalance="smote"),
        seed=1,
    )
    together = EnsembleModel((MEMBERS[0], prepared), (0.5, 0.5), 0.0)
    together.save(tmp_path)
    assert (tmp_path / "member_1_lightgbm" / "preparation.json").is_file()
    loaded = load_ensemble(tmp_path, COLUMNS)
    np.testing.assert_array_equal(loaded.margin(MATRIX), together.margin(MATRIX))
    checked_contributions(loaded, MATRIX, loaded.margin(MATRIX))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("estimator", "../../elsewhere", "no members of kind"),
        ("estimator", "ensemble", "no members of kind 'ensemble'"),
        ("weight", -1.0, "0 or more"),
        ("weight", float("nan"), "finite"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, name: str, value: object, message: str) -> None:
    ENSEMBLE.save(tmp_path)
    stored = json.loads((tmp_path / "ensemble.json").read_text())
    stored["members"][0][name] = value
    (tmp_path / "ensemble.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=message):
        load_ensemble(tmp_path, COLUMNS)


def test_an_ensemble_is_not_fitted_on_a_matrix() -> None:
    with pytest.raises(ValueError, match="not fitted on a matrix"):
        fit("ensemble", MATRIX, LABEL, columns=COLUMNS, parameters=complete_parameters("ensemble", {}), seed=1)
    assert estimator_names()[0] == "logistic_regression"
    assert estimator_names()[-1] == "ensemble"


def test_agreement_is_the_rank_correlation_of_members() -> None:
    from scipy.stats import spearmanr

    margins, _ = simulated_margins(500)
    np.testing.assert_allclose(agreement(margins), spearmanr(margins).statistic, atol=1e-12)
    assert agreement(np.exp(margins))[0, 2] == pytest.approx(1)
    margins[:, 1] = 2.0
    found = agreement(margins)
    assert np.isnan(found[1]).all()
    assert np.isfinite(np.delete(np.delete(found, 1, 0), 1, 1)).all()
