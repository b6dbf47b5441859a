"""Scores that can be compared between folds: what stands still and what moves, and that no model knew its rows."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.modelling.choice.contenders import Contender
from leadscore_dagster.core.modelling.choice.cross_fitted import cross_fitted_places
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.judgement.model_stability import fold_score_ks
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Model

COLUMNS = Columns(tuple(f"x{number}" for number in range(6)), ("number",) * 6, {})
MODEL = Model()
ROWS = 18_000
LOGISTIC = Contender("logistic_regression", complete_parameters("logistic_regression", {"C": 0.001}))
BOOSTED = Contender(
    "xgboost", complete_parameters("xgboost", {"n_estimators": 60, "max_depth": 6, "learning_rate": 0.2})
)


def world(seed: int, drift: float = 0.0, rate: float = 0.0, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and labels in time order; in the end a feature is ``drift`` higher, or the log-odds ``rate`` are."""
    random, time = np.random.default_rng(seed), np.linspace(0, 1, rows)
    matrix = random.normal(size=(rows, 6)).astype(np.float32)
    matrix[:, 0] += (drift * time).astype(np.float32)
    odds = -3.4 + 0.6 * matrix[:, 0] + 0.4 * matrix[:, 1] + rate * time
    return matrix, (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)


def distance(contender: Contender, matrix: np.ndarray, label: np.ndarray) -> Interval:
    places = cross_fitted_places(contender, matrix, label, codes=None, columns=COLUMNS, model=MODEL)
    folds = np.array_split(np.arange(len(label)), 6)[1:]
    return fold_score_ks([places[fold] for fold in folds], [None] * 5, Bootstrap(60, 1))


@pytest.mark.parametrize("contender", [LOGISTIC, BOOSTED])
def test_folds_pass_where_nothing_moves_and_are_told_apart_where_people_do(contender: Contender) -> None:
    still, moved = distance(contender, *world(0)), distance(contender, *world(0, drift=1.0))
    assert still.low == 0
    assert still.high <= 0.1
    assert moved.low > 0.1


def test_outcomes_that_become_more_frequent_are_no_movement_of_the_scores() -> None:
    """A flexible model spreads the rows it was fitted on by their outcomes; those it scores here it never saw."""
    assert distance(BOOSTED, *world(3, rate=1.5)).high < 0.06


def test_nobody_is_scored_by_a_model_that_knew_them() -> None:
    matrix, label = world(1, rows=4000)
    codes = np.arange(4000) % 1000
    places = cross_fitted_places(BOOSTED, matrix, label, codes=codes, columns=COLUMNS, model=MODEL)
    assert places.min() >= 0
    assert places.max() <= 1
    for person in (0, 1, 2):
        own = codes == person
        destroyed = np.where(own, 1 - label, label)
        again = cross_fitted_places(BOOSTED, matrix, destroyed, codes=codes, columns=COLUMNS, model=MODEL)
        np.testing.assert_array_equal(again[own], places[own])
        assert (again != places).any()


def test_halves_that_cannot_be_fitted_have_no_places() -> None:
    matrix, label = world(2, rows=400)
    smote = Contender("logistic_regression", LOGISTIC.parameters, "smote")
    few = np.where(np.cumsum(label) <= 6, label, 0)
    for contender, labels, codes in (
        (LOGISTIC, label, np.zeros(400, dtype=np.int64)),
        (LOGISTIC, np.zeros(400, dtype=np.int64), None),
        (smote, few, None),
    ):
        assert np.isnan(cross_fitted_places(contender, matrix, labels, codes=codes, columns=COLUMNS, model=MODEL)).all()
