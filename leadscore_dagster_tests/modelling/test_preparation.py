"""Models behind a preparation: contributions per feature, files, and what new rows must not change."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.metrics import auc_roc
from leadscore_dagster.core.modelling.estimators.base import FittedModel, checked_contributions
from leadscore_dagster.core.modelling.estimators.registry import (
    complete_parameters,
    fit,
)
from leadscore_dagster.core.modelling.matrix import Columns, learn_columns, to_matrix
from leadscore_dagster.core.modelling.preparation.preparation import (
    FILE,
    Preparation,
    PreparedModel,
    fit_prepared,
    load_prepared,
)
from leadscore_dagster.core.recipe.schema import Categories, Filters, Imbalance
from leadscore_dagster_tests.modelling.simulated import FEATURES, training_table

TABLE = training_table(3000)
COLUMNS = learn_columns(TABLE, FEATURES)
MATRIX = to_matrix(TABLE, COLUMNS)
LABEL = TABLE["label"].to_numpy()
LATER = training_table(3000, seed=9)
LATER_MATRIX = to_matrix(LATER, COLUMNS)
ESTIMATORS = ("logistic_regression", "xgboost")
FEW_TREES = {"n_estimators": 30, "learning_rate": 0.15}
PREPARATIONS = {
    "filters": Preparation(Filters(information_value_below=0.05, variance_inflation_above=10)),
    "one_hot": Preparation(categories=Categories(encoding="one_hot")),
    "target": Preparation(categories=Categories(target_above_levels=2)),
    "smote": Preparation(imbalance="smote"),
    "all": Preparation(
        Filters(information_value_below=0.05, variance_inflation_above=10), Categories(encoding="one_hot"), "smote"
    ),
}


def fitted(estimator: str, preparation: Preparation, label: np.ndarray = LABEL) -> FittedModel:
    parameters = complete_parameters(estimator, FEW_TREES if estimator == "xgboost" else {})
    return fit_prepared(
        estimator, MATRIX, label, columns=COLUMNS, parameters=parameters, preparation=preparation, seed=1
    )


@cache
def prepared(estimator: str, name: str) -> PreparedModel:
    model = fitted(estimator, PREPARATIONS[name])
    assert isinstance(model, PreparedModel)
    return model


each = pytest.mark.parametrize(("estimator", "name"), [(e, name) for e in ESTIMATORS for name in PREPARATIONS])


@each
def test_contributions_are_one_per_feature_and_add_up(estimator: str, name: str) -> None:
    model = prepared(estimator, name)
    values, _ = checked_contributions(model, LATER_MATRIX, model.margin(LATER_MATRIX))
    assert values.shape == LATER_MATRIX.shape
    for left_out in model.dropped:
        assert not values[:, COLUMNS.names.index(left_out)].any()


@each
def test_it_still_finds_the_signal(estimator: str, name: str) -> None:
    assert auc_roc(LATER["label"].to_numpy(), prepared(estimator, name).margin(LATER_MATRIX)) > 0.7


@each
def test_a_model_read_from_its_files_scores_alike_and_writes_the_same_bytes(
    estimator: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    model = prepared(estimator, name)
    model.save(tmp_path / "first")
    read = load_prepared(tmp_path / "first", COLUMNS)
    read.save(tmp_path / "second")
    assert read.estimator == estimator
    np.testing.assert_array_equal(read.margin(LATER_MATRIX), model.margin(LATER_MATRIX))
    np.testing.assert_array_equal(read.contributions(LATER_MATRIX)[0], model.contributions(LATER_MATRIX)[0])
    written = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert FILE in written


@each
def test_a_row_scores_the_same_alone_and_among_others(estimator: str, name: str) -> None:
    model = prepared(estimator, name)
    whole = model.margin(LATER_MATRIX)
    alone = np.concatenate([model.margin(LATER_MATRIX[at : at + 1]) for at in range(5)])
    np.testing.assert_array_equal(alone, whole[:5])
    assert model.margin(LATER_MATRIX[:0]).shape == (0,)


def test_a_second_fit_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for folder in ("once", "again"):
        (tmp_path / folder).mkdir()
        fitted("xgboost", PREPARATIONS["all"]).save(tmp_path / folder)
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("imbalance", ["none", "class_weight"])
def test_with_nothing_to_prepare_the_plain_model_comes_back(imbalance: Imbalance, tmp_path: Path) -> None:
    model = fitted("xgboost", Preparation(imbalance=imbalance))
    assert not isinstance(model, PreparedModel)
    model.save(tmp_path)
    assert not (tmp_path / FILE).exists()
    parameters = complete_parameters("xgboost", FEW_TREES)
    plain = fit("xgboost", MATRIX, LABEL, columns=COLUMNS, parameters=parameters, seed=1).margin(LATER_MATRIX)
    assert np.array_equal(model.margin(LATER_MATRIX), plain) == (imbalance == "none")


def test_weights_reach_the_estimator_behind_a_preparation_too() -> None:
    filters = Filters(information_value_below=0.001)
    unweighted = fitted("logistic_regression", Preparation(filters))
    weighted = fitted("logistic_regression", Preparation(filters, imbalance="class_weight"))
    difference = weighted.margin(LATER_MATRIX) - unweighted.margin(LATER_MATRIX)
    rare = np.log((1 - LABEL.mean()) / LABEL.mean())
    assert difference.mean() == pytest.approx(rare, abs=0.7)


def test_noise_is_left_out_and_the_reason_kept() -> None:
    model = prepared("xgboost", "filters")
    assert model.dropped["noise"].filter == "information_value"
    assert "noise" not in model.columns.names
    changed = LATER_MATRIX.copy()
    changed[:, COLUMNS.names.index("noise")] = 1e6
    np.testing.assert_array_equal(model.margin(changed), model.margin(LATER_MATRIX))


def test_shuffled_labels_give_a_model_that_knows_nothing_not_an_error() -> None:
    """The shuffled-label test runs the whole preparation: filters leave next to nothing, and AUC is about .5."""
    random = np.random.default_rng(0)
    shuffled, later = random.permutation(LABEL), random.permutation(LATER["label"].to_numpy())
    for name in ("filters", "target", "all"):
        margin = fitted("logistic_regression", PREPARATIONS[name], shuffled).margin(LATER_MATRIX)
        assert abs(auc_roc(later, margin) - 0.5) < 0.08


def test_missing_numbers_score_as_the_training_median_with_smote() -> None:
    model = prepared("logistic_regression", "smote")
    tenure = COLUMNS.names.index("tenure")
    missing, median = LATER_MATRIX[:50].copy(), LATER_MATRIX[:50].copy()
    missing[:, tenure] = np.nan
    median[:, tenure] = np.nanmedian(MATRIX[:, tenure])
    np.testing.assert_array_equal(model.margin(missing), model.margin(median))


def test_a_strategy_that_cannot_run_fails_and_is_not_exchanged() -> None:
    label = np.zeros_like(LABEL)
    label[:4] = 1
    with pytest.raises(InputError, match="there are 4"):
        fitted("logistic_regression", Preparation(imbalance="smote"), label)


def test_a_preparation_for_other_features_is_not_read(tmp_path: Path) -> None:
    prepared("logistic_regression", "one_hot").save(tmp_path)
    other = Columns(COLUMNS.names[::-1], COLUMNS.types[::-1], COLUMNS.levels)
    with pytest.raises(InputError, match="not for these features"):
        load_prepared(tmp_path, other)
    stored = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**stored, "format": 99}))
    with pytest.raises(InputError, match="not for these features"):
        load_prepared(tmp_path, COLUMNS)
