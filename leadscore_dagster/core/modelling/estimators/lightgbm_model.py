"""LightGBM's trees: fitted by LightGBM, or by scikit-learn and written as LightGBM writes its own (hist_boosting).

Lives here: fitting LightGBM; applying, explaining, reading and writing any model in its text format. Not here:
which parameters exist (registry), calibration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.xgboost_model import (
    FITTING_THREADS,
    SCORING_THREADS,
    tree_contributions,
)
from leadscore_dagster.core.modelling.matrix import Columns

SILENT = -1
# bits of decision_type in LightGBM's format; without any of the kinds a missing value is read as 0
CATEGORICAL, MISSING_LEFT, MISSING_IS_NAN, MISSING_KINDS = 1, 2, 8, 12
_SPLIT_LINES = ("decision_type", "left_child", "right_child", "internal_count", "leaf_count")
#: stands after the last tree
END = "\nend of trees\n"


@dataclass(frozen=True)
class LightGBMModel:
    """Fitted trees, held as the text LightGBM writes.

    A number that was never missing in training and is missing now goes where most training rows went; a category
    goes where none of the levels a split names goes.
    """

    columns: Columns
    text: str
    estimator: str = "lightgbm"

    @cached_property
    def booster(self) -> Any:
        import lightgbm

        if END not in self.text:
            raise self._unreadable("it is cut short")
        try:
            booster = lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise self._unreadable(str(error)) from error
        if booster.num_feature() != len(self.columns.names):
            raise self._unreadable(f"it has {booster.num_feature()} features, not {len(self.columns.names)}")
        return booster

    def _unreadable(self, why: str) -> InputError:
        return InputError(f"a model of {self.estimator} cannot be read: {why}", remedy="train the model again")

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds float64 [n] of a float32 matrix [n, k]."""
        if len(matrix) == 0:
            return np.empty(0)
        margin: np.ndarray = self.booster.predict(matrix, raw_score=True, num_threads=SCORING_THREADS, verbosity=SILENT)
        return margin

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """Exact TreeSHAP values float32 [n, k] (Lundberg et al. 2020) and bias; they sum to the margin.

        What a tree says of a row without a feature is averaged over the training rows of each branch.
        """
        return tree_contributions(self._explain, matrix)

    def _explain(self, matrix: np.ndarray) -> np.ndarray:
        explained: np.ndarray = self.booster.predict(
            matrix, pred_contrib=True, num_threads=SCORING_THREADS, verbosity=SILENT
        )
        return explained

    def save(self, folder: Path) -> None:
        (folder / _file(self.estimator)).write_text(self.text, encoding="utf-8")


def load_lightgbm(folder: Path, columns: Columns, estimator: str = "lightgbm") -> LightGBMModel:
    """Read a model written by ``save``.

    Raises
    ------
    InputError : the file is no LightGBM model, is cut short, or has another number of features.
    """
    model = LightGBMModel(columns, (folder / _file(estimator)).read_text(encoding="utf-8"), estimator)
    _ = model.booster  # refused here, not at the first score
    return model


def fit_lightgbm(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> LightGBMModel:
    """Fit on matrix float32 [n, k], labels 0/1 [n] and weights [n]; categories and missing values are LightGBM's
    own. The number of trees is a parameter, as it is for XGBoost (xgboost_model)."""
    import lightgbm

    settings = {name: value for name, value in parameters.items() if name != "n_estimators"}
    fixed = {
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": FITTING_THREADS,
        "seed": seed,
        "verbosity": SILENT,
    }
    categories = np.flatnonzero(columns.categories).tolist()
    data = lightgbm.Dataset(matrix, label=label, weight=weight, categorical_feature=categories)
    try:
        booster = lightgbm.train({**settings, **fixed}, data, num_boost_round=parameters["n_estimators"])
    except lightgbm.basic.LightGBMError as error:
        raise InputError(f"LightGBM refused its parameters: {error}", where="model.parameters.lightgbm") from error
    return LightGBMModel(columns, missing_with_the_most(booster.model_to_string()))


def missing_with_the_most(text: str) -> str:
    """The trees, with a side for missing values at every split of a number that was complete in training.

    LightGBM gives such a split none and reads a missing value as 0, whatever the column measures: a lead of whom
    nothing is known may come first. Here it goes where most training rows went, as scikit-learn has it.
    """
    start, end = text.index("Tree=0\n"), text.index(END)
    trees = [_with_missing_side(tree) for tree in re.split(r"(?=^Tree=)", text[start:end], flags=re.MULTILINE)[1:]]
    sizes = "tree_sizes=" + " ".join(str(len(tree)) for tree in trees)
    header = re.sub(r"^tree_sizes=.*$", sizes, text[:start], flags=re.MULTILINE)
    return header + "".join(trees) + text[end:]


def _with_missing_side(tree: str) -> str:
    found = {name: re.search(rf"^{name}=(.+)$", tree, re.MULTILINE) for name in _SPLIT_LINES}
    if any(line is None for line in found.values()):  # a tree of one leaf
        return tree
    decision, left, right, internal, leaves = (np.fromstring(line[1], int, sep=" ") for line in found.values() if line)
    heavier = _rows_of(left, internal, leaves) >= _rows_of(right, internal, leaves)
    silent = decision & (CATEGORICAL | MISSING_KINDS) == 0
    decision = np.where(silent, MISSING_IS_NAN | MISSING_LEFT * heavier, decision)
    return tree.replace(found["decision_type"][0], "decision_type=" + " ".join(map(str, decision)))  # type: ignore[index]


def _rows_of(children: np.ndarray, internal: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Training rows of each child: the number of an inner node, or minus one minus the number of a leaf."""
    return np.where(children >= 0, internal[np.maximum(children, 0)], leaves[np.maximum(-children - 1, 0)])


def _file(estimator: str) -> str:
    return f"{estimator}.txt"
