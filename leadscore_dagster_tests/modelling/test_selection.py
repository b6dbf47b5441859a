"""The choice of an estimator: one standard error, simplest first."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.modelling.choice.contenders import Contender
from leadscore_dagster.core.modelling.choice.selection import CrossValidated, EncodedFold, FoldScore, choose, measure
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.table.periods import Fold
from leadscore_dagster_tests.modelling.simulated import FAST


def result(estimator: str, *fold_auc_pr: float, imbalance: str = "none") -> CrossValidated:
    nothing = np.empty(0)
    folds = tuple(FoldScore(nothing, nothing, value, 0.5) for value in fold_auc_pr)
    mean = Interval(float(np.mean(fold_auc_pr)), 0, 1, 1, 1, "")
    return CrossValidated(Contender(estimator, {}, imbalance), folds, {"auc_pr": mean})


def test_a_clearly_better_complex_estimator_is_chosen() -> None:
    simple, complex_ = result("logistic_regression", 0.10, 0.2, 0.3), result("xgboost", 0.15, 0.25, 0.36)
    chosen, why = choose([simple, complex_])
    assert chosen is complex_
    assert "best mean AUC-PR" in why


def test_within_one_standard_error_the_simpler_is_chosen() -> None:
    simple, complex_ = result("logistic_regression", 0.10, 0.20, 0.30), result("xgboost", 0.16, 0.18, 0.30)
    for order in ([simple, complex_], [complex_, simple]):
        chosen, why = choose(order)
        assert chosen is simple
        assert "simpler than xgboost" in why


def test_differences_are_paired_by_fold() -> None:
    # folds differ far more than estimators; unpaired, 0.01 would drown in the spread of the folds
    simple, complex_ = result("logistic_regression", 0.1, 0.5, 0.9), result("xgboost", 0.11, 0.51, 0.911)
    assert choose([simple, complex_])[0] is complex_


def test_equal_estimators_leave_the_simpler_and_a_single_one_stands() -> None:
    simple, complex_ = result("logistic_regression", 0.1, 0.2), result("xgboost", 0.1, 0.2)
    assert choose([complex_, simple])[0] is simple
    assert choose([complex_])[0] is complex_


def test_no_treatment_of_rare_positives_is_simpler_than_one() -> None:
    plain, treated = result("xgboost", 0.1, 0.2), result("xgboost", 0.1, 0.2, imbalance="smote")
    chosen, why = choose([treated, plain])
    assert chosen is plain
    better = result("xgboost", 0.15, 0.25, imbalance="smote")
    chosen, why = choose([better, plain])
    assert chosen is better
    assert "xgboost + smote has the best" in why


def test_the_variation_of_the_folds_is_their_coefficient_of_variation() -> None:
    assert result("xgboost", 0.1, 0.2, 0.3).variation == pytest.approx(0.5)
    assert np.isnan(result("xgboost", 0.0, 0.0).variation)


def test_probabilities_that_are_right_have_no_calibration_error_in_the_comparison() -> None:
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        margin = random.normal(-3.2, 0.7, 2500)
        label = (random.random(2500) < 1 / (1 + np.exp(-margin))).astype(int)
        parts = np.array_split(np.arange(2500), 5)
        nothing = np.empty((0, 1), dtype=np.float32)
        folds = [EncodedFold(Fold(part[:0], part), Columns((), (), {}), nothing, nothing) for part in parts]
        contender = Contender("logistic_regression", {})
        found = measure(
            contender, folds, [margin[part] for part in parts], label=label, codes=None, model=FAST
        ).metrics["ece"]
        held += found.low == 0
        assert found.value < 0.02
    assert held >= 36
