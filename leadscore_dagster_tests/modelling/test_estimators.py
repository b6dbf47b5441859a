"""All estimators: parameters, additivity of contributions, missing values and categories, files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.metrics import auc_roc
from leadscore_dagster.core.modelling.estimators import registry, xgboost_model
from leadscore_dagster.core.modelling.estimators.base import FittedModel, checked_contributions
from leadscore_dagster.core.modelling.estimators.logistic import CUT_QUANTILES, LogisticModel
from leadscore_dagster.core.modelling.estimators.registry import (
    complete_parameters,
    fit,
)
from leadscore_dagster.core.modelling.loading import load_model
from leadscore_dagster.core.modelling.matrix import Columns, learn_columns, to_matrix
from leadscore_dagster_tests.modelling.simulated import FEATURES, training_table

ESTIMATORS = tuple(registry.ESTIMATORS)
TABLE = training_table(4000)
COLUMNS = learn_columns(TABLE, FEATURES)
MATRIX = to_matrix(TABLE, COLUMNS)
LABEL = TABLE["label"].to_numpy()


@cache
def fitted(estimator: str, **parameters: float) -> FittedModel:
    return fit(estimator, MATRIX, LABEL, columns=COLUMNS, parameters=complete_parameters(estimator, parameters), seed=1)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_finds_the_signal(estimator: str) -> None:
    later = training_table(4000, seed=9)
    margin = fitted(estimator).margin(to_matrix(later, COLUMNS))
    assert margin.dtype == np.float64
    assert auc_roc(later["label"].to_numpy(), margin) > 0.7


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bias_and_contributions_add_up_to_the_margin(estimator: str) -> None:
    model = fitted(estimator)
    values, bias = checked_contributions(model, MATRIX, model.margin(MATRIX))
    assert values.dtype == np.float32
    assert values.shape == MATRIX.shape
    np.testing.assert_allclose(bias + values.sum(axis=1), model.margin(MATRIX), atol=1e-4)


def test_contributions_that_do_not_add_up_are_not_handed_out() -> None:
    model = fitted("xgboost")
    with pytest.raises(ArithmeticError, match="do not add up"):
        checked_contributions(model, MATRIX, model.margin(MATRIX) + 0.01)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_row_scores_the_same_alone_and_among_others(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(estimator)
    whole, explained = model.margin(MATRIX), model.contributions(MATRIX)[0]
    alone = np.concatenate([model.margin(MATRIX[at : at + 1]) for at in range(5)])
    np.testing.assert_array_equal(alone, whole[:5])
    monkeypatch.setattr(xgboost_model, "CHUNK_ROWS", 700)
    np.testing.assert_array_equal(model.contributions(MATRIX)[0], explained)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_rows_have_no_scores_but_the_same_bias(estimator: str) -> None:
    model = fitted(estimator)
    nobody = MATRIX[:0]
    assert model.margin(nobody).shape == (0,)
    values, bias = model.contributions(nobody)
    assert values.shape == (0, len(FEATURES))
    assert bias == pytest.approx(model.contributions(MATRIX)[1])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_read_from_its_file_scores_alike_and_writes_the_same_bytes(estimator: str, tmp_path: Path) -> None:
    model = fitted(estimator)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    model.save(tmp_path / "first")
    loaded = load_model(estimator, tmp_path / "first", COLUMNS)
    np.testing.assert_array_equal(loaded.margin(MATRIX), model.margin(MATRIX))
    loaded.save(tmp_path / "second")
    fitted.__wrapped__(estimator).save(tmp_path)
    (file,) = (tmp_path / "first").iterdir()
    assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()
    assert file.read_bytes() == (tmp_path / file.name).read_bytes()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_column_that_is_always_missing_or_constant_does_no_harm(estimator: str) -> None:
    columns = Columns(("empty", "constant", "signal"), ("number",) * 3, {})
    rng = np.random.default_rng(0)
    signal = rng.normal(size=2000)
    matrix = np.column_stack([np.full(2000, np.nan), np.ones(2000), signal]).astype(np.float32)
    label = (rng.random(2000) < 1 / (1 + np.exp(2 - signal))).astype(int)
    model = fit(estimator, matrix, label, columns=columns, parameters=complete_parameters(estimator, {}), seed=1)
    assert auc_roc(label, model.margin(matrix)) > 0.7
    matrix[:, 0] = 5
    assert np.isfinite(model.margin(matrix)).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_categories_with_one_level_none_or_levels_never_seen_are_explained_like_any_other(estimator: str) -> None:
    names = ("single", "unseen", "empty", "missing_matters", "late_missing")
    levels = {"single": ("a",), "unseen": tuple("abcd"), "empty": (), "missing_matters": tuple("abc")}
    columns = Columns(names, ("category",) * 4 + ("number",), levels)
    rng = np.random.default_rng(3)
    rows = 3000
    unseen, matters = rng.integers(0, 3, rows), rng.integers(0, 3, rows).astype(float)
    matters[rng.random(rows) < 0.3] = np.nan
    signal = 1.0 * (unseen == 2) + np.isnan(matters) - (matters == 1)
    parts = [np.zeros(rows), unseen, np.full(rows, np.nan), matters, rng.normal(size=rows) + signal]
    matrix = np.column_stack(parts).astype(np.float32)
    label = (rng.random(rows) < 1 / (1 + np.exp(2 - signal))).astype(int)
    model = fit(estimator, matrix, label, columns=columns, parameters=complete_parameters(estimator, {}), seed=1)
    later = matrix.copy()
    later[:1000, 1] = 3  # a level no training row had
    later[500:1500, 3:] = np.nan  # a number that was never missing in training
    later[:, 0] = np.where(rng.random(rows) < 0.5, 0, np.nan)
    for scored in (matrix, later):
        values, _ = checked_contributions(model, scored, model.margin(scored))
        assert np.isfinite(values).all()
    assert not values[:, 2].any()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_number_missing_for_the_first_time_is_no_extreme_value(estimator: str) -> None:
    """Read as 0, far below any value there was, it would come first or last on the list."""
    rng = np.random.default_rng(5)
    number = rng.normal(100, 15, 4000)
    matrix = np.column_stack([number, rng.normal(size=4000)]).astype(np.float32)
    label = (rng.random(4000) < 1 / (1 + np.exp(2.5 + (number - 100) / 10))).astype(int)
    columns = Columns(("number", "noise"), ("number", "number"), {})
    model = fit(estimator, matrix, label, columns=columns, parameters=complete_parameters(estimator, {}), seed=1)
    margin = model.margin(matrix)
    missing = model.margin(np.array([[np.nan, 0]], dtype=np.float32))[0]
    zero = model.margin(np.zeros((1, 2), dtype=np.float32))[0]
    assert np.quantile(margin, 0.02) < missing < np.quantile(margin, 0.8)
    assert missing < zero


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_row_of_weight_two_counts_as_much_as_the_row_twice(estimator: str) -> None:
    matrix, label = np.nan_to_num(MATRIX[:1500]), LABEL[:1500]
    drawn = {"subsample", "colsample_bytree", "max_features"} & registry.ESTIMATORS[estimator].defaults.keys()
    parameters = complete_parameters(estimator, dict.fromkeys(drawn, 1.0))
    twice = np.repeat(np.arange(len(label)), 1 + label)
    repeated = fit(estimator, matrix[twice], label[twice], columns=COLUMNS, parameters=parameters, seed=1).margin(
        matrix
    )
    weighted = fit(estimator, matrix, label, columns=COLUMNS, parameters=parameters, seed=1, weight=1.0 + label).margin(
        matrix
    )
    unweighted = fit(estimator, matrix, label, columns=COLUMNS, parameters=parameters, seed=1).margin(matrix)
    # bins and the smallest leaf are counted in rows, so the trees are near, not equal
    assert np.corrcoef(repeated, weighted)[0, 1] > 0.95
    assert abs(weighted.mean() - repeated.mean()) < 0.1 < weighted.mean() - unweighted.mean()


def test_logistic_contributions_are_effects_minus_their_training_mean() -> None:
    model = fitted("logistic_regression")
    assert isinstance(model, LogisticModel)
    values, bias = model.contributions(MATRIX)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    assert bias == pytest.approx(model.margin(MATRIX).mean(), abs=1e-6)
    moves = COLUMNS.names.index("moves")
    effect = model.effects[moves]
    low, high = np.quantile(MATRIX[:, moves], CUT_QUANTILES)
    cut = np.clip(MATRIX[:, moves], low, high)
    np.testing.assert_allclose(values[:, moves], effect.weight / effect.sd * (cut - cut.mean()), atol=1e-5)


def test_logistic_margins_equal_scikit_learns_on_the_same_design() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    matrix = np.clip(rng.normal(size=(3000, 3)), -2, 2).astype(np.float32)
    label = (rng.random(3000) < 1 / (1 + np.exp(2 - matrix[:, 0]))).astype(int)
    columns = Columns(("a", "b", "c"), ("number",) * 3, {})
    parameters = complete_parameters("logistic_regression", {"C": 0.3})
    ours = fit("logistic_regression", matrix, label, columns=columns, parameters=parameters, seed=1).margin(matrix)
    scaled = (matrix - matrix.mean(axis=0, dtype=float)) / matrix.std(axis=0, dtype=float)
    theirs = LogisticRegression(C=0.3, tol=1e-8).fit(scaled, label).decision_function(scaled)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_one_absurd_value_moves_a_logistic_score_no_further_than_the_cut() -> None:
    model = fitted("logistic_regression")
    absurd = MATRIX[:1].copy()
    absurd[0, 0] = 1e30
    largest = MATRIX[:1].copy()
    largest[0, 0] = np.nanmax(MATRIX[:, 0])
    assert model.margin(absurd)[0] == model.margin(largest)[0]


@pytest.mark.parametrize(
    ("estimator", "given", "message"),
    [
        ("xgboost", {"max_dept": 3}, "no parameter 'max_dept'.*did you mean max_depth"),
        ("xgboost", {"eta": 0.1}, "did you mean learning_rate"),
        ("xgboost", {"lambda": 1}, "did you mean reg_lambda"),
        ("logistic_regression", {"c": 1.0}, "did you mean C"),
        ("logistic_regression", {"zzzzzzzzz": 1.0}, "Remedy: valid: C, max_iter"),
        ("xgboost", {"max_depth": 2.5}, "max_depth must be a whole number"),
        ("xgboost", {"max_depth": True}, "max_depth must be a whole number"),
        ("xgboost", {"learning_rate": "fast"}, "learning_rate must be a number"),
        ("xgboost", {"gamma": -1.0}, "gamma must be a number, 0 or more"),
        ("xgboost", {"gamma": float("nan")}, "gamma must be a number, 0 or more"),
        ("xgboost", {"n_estimators": 0}, "n_estimators must be more than 0"),
        ("lightgbm", {"min_data_in_leaf": 5}, "did you mean min_child_samples"),
        ("hist_gradient_boosting", {"n_estimators": 5}, "did you mean max_iter"),
        ("lightgbm", {"num_leaves": 0}, "num_leaves must be more than 0"),
        ("ensemble", {"C": 1.0}, "none, it takes no parameters"),
        ("forest", {}, "unknown estimator 'forest'.*logistic_regression, .*xgboost"),
    ],
)
def test_wrong_parameters_are_refused_with_the_nearest_valid_name(
    estimator: str, given: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        complete_parameters(estimator, given)


@pytest.mark.parametrize(
    ("estimator", "given", "message"),
    [
        ("xgboost", {"subsample": 1.5}, "XGBoost refused"),
        ("lightgbm", {"subsample": 1.5}, "LightGBM refused"),
        ("hist_gradient_boosting", {"max_features": 1.5}, "scikit-learn refused"),
    ],
)
def test_a_parameter_the_library_itself_refuses_is_an_input_error(
    estimator: str, given: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fitted(estimator, **given)


def test_a_whole_number_is_fine_where_a_decimal_is_meant() -> None:
    assert complete_parameters("xgboost", {"reg_lambda": 5})["reg_lambda"] == 5.0
