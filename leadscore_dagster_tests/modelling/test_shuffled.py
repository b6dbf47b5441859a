"""The shuffled-label test where a treatment of rare positives cannot be carried out on what the shuffling leaves."""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.modelling.choice.contenders import Contender
from leadscore_dagster.core.modelling.choice.selection import EncodedFold
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.judgement.shuffled import shuffled_label_auc
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.table.periods import Fold
from leadscore_dagster_tests.modelling.simulated import FAST

ROWS = 1200
MATRIX = np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)
SMOTE = Contender("logistic_regression", complete_parameters("logistic_regression", {}), "smote")


def folds(*sizes: int) -> list[EncodedFold]:
    """Folds trained on the first rows, each validated on the last half."""
    made = [Fold(np.arange(size), np.arange(ROWS // 2, ROWS)) for size in sizes]
    columns = Columns(("a", "b"), ("number", "number"), {})
    return [EncodedFold(fold, columns, MATRIX[fold.training], MATRIX[fold.validation]) for fold in made]


def labels(positives: int) -> np.ndarray:
    """All positives at the beginning: enough for SMOTE before the shuffling, too few in the first rows after it."""
    return (np.arange(ROWS) < positives).astype(np.int64)


def test_a_fold_left_with_too_few_positives_is_left_out() -> None:
    label = labels(30)
    both = shuffled_label_auc(SMOTE, folds(40, 600), label, model=FAST, progress=lambda text: None)
    large = shuffled_label_auc(SMOTE, folds(600), label, model=FAST, progress=lambda text: None)
    assert (both.value, both.low, both.high) == (large.value, large.low, large.high)
    assert 0.5 <= both.value < 0.7


def test_without_any_fold_nothing_was_measured() -> None:
    found = shuffled_label_auc(SMOTE, folds(40), labels(30), model=FAST, progress=lambda text: None)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert "no fold" in found.method
