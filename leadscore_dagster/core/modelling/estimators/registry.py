"""The estimators a recipe can name: their parameters, defaults, how to fit and how to load one.

What does not belong here: choosing between them (selection), calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.hist_boosting import fit_hist_boosting
from leadscore_dagster.core.modelling.estimators.lightgbm_model import fit_lightgbm, load_lightgbm
from leadscore_dagster.core.modelling.estimators.logistic import fit_logistic, load_logistic
from leadscore_dagster.core.modelling.estimators.xgboost_model import fit_boosted, load_boosted
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.text import nearest

#: From the simplest on: the one-standard-error rule prefers the earlier. An equation comes first, a model that
#: needs several others last. The three kinds of boosted trees are equally complex (same trees, same number); among
#: them the one with fewer parameters to choose goes first.
SIMPLEST_FIRST = ("logistic_regression", "hist_gradient_boosting", "lightgbm", "xgboost", "ensemble")

#: Defaults for some 20,000 rows with 4% positives: depth, trees, lambda and child weight of the strongest
#: honest model of the source systems (domain-facts 2.6, V8); a leaf of 200 rows weighs about as much as a child
#: weight of 10. The type of a default is the type a recipe must give.
DEFAULTS: dict[str, dict[str, float | int]] = {
    "logistic_regression": {"C": 0.01, "max_iter": 1000},
    "hist_gradient_boosting": {
        "max_iter": 200,
        "max_leaf_nodes": 8,
        "max_depth": 3,
        "learning_rate": 0.03,
        "min_samples_leaf": 200,
        "l2_regularization": 10.0,
        "max_features": 0.8,
        "max_bins": 255,
    },
    "lightgbm": {
        "n_estimators": 200,
        "num_leaves": 8,
        "max_depth": 3,
        "learning_rate": 0.03,
        "min_child_samples": 200,
        "reg_lambda": 10.0,
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.8,
        "max_bin": 255,
    },
    "xgboost": {
        "n_estimators": 200,
        "max_depth": 3,
        "learning_rate": 0.03,
        "min_child_weight": 10.0,
        "reg_lambda": 10.0,
        "reg_alpha": 0.0,
        "gamma": 0.0,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "max_bin": 256,
        "scale_pos_weight": 1.0,
        "max_cat_to_onehot": 4,
        "max_cat_threshold": 64,
    },
    "ensemble": {},
}
#: other names for the same parameter, of the same library or of another
SYNONYMS = {
    "eta": ("learning_rate",),
    "lambda": ("reg_lambda", "l2_regularization"),
    "lambda_l2": ("reg_lambda", "l2_regularization"),
    "reg_lambda": ("l2_regularization",),
    "l2_regularization": ("reg_lambda",),
    "alpha": ("reg_alpha",),
    "min_split_loss": ("gamma",),
    "trees": ("n_estimators", "max_iter"),
    "num_boost_round": ("n_estimators", "max_iter"),
    "n_estimators": ("max_iter",),
    "max_iter": ("n_estimators",),
    "num_leaves": ("max_leaf_nodes",),
    "max_leaf_nodes": ("num_leaves",),
    "min_data_in_leaf": ("min_child_samples", "min_samples_leaf"),
    "min_child_samples": ("min_samples_leaf",),
    "min_samples_leaf": ("min_child_samples",),
    "bagging_fraction": ("subsample",),
    "feature_fraction": ("colsample_bytree", "max_features"),
    "colsample_bytree": ("max_features",),
    "max_bin": ("max_bins",),
    "max_bins": ("max_bin",),
    "c": ("C",),
}
#: 0 of these would be no model
MORE_THAN_ZERO = frozenset(
    ("C", "max_iter", "n_estimators", "max_depth", "learning_rate", "num_leaves", "max_leaf_nodes")
)
#: bias + contributions may differ from the margin by float32 rounding only
ADDITIVITY_TOLERANCE = 1e-4


class FittedModel(Protocol):
    """What the rest of the room needs of a fitted model. Matrices are float32 [n, k]."""

    @property
    def estimator(self) -> str: ...

    def margin(self, matrix: np.ndarray) -> np.ndarray: ...

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]: ...

    def save(self, folder: Path) -> None: ...


#: how each estimator is fitted; an ensemble is put together from fitted models instead
FITTED_BY: Mapping[str, Callable[..., FittedModel]] = {
    "logistic_regression": fit_logistic,
    "hist_gradient_boosting": fit_hist_boosting,
    "lightgbm": fit_lightgbm,
    "xgboost": fit_boosted,
}
#: a folder with this file holds a prepared model (preparation)
PREPARATION = "preparation.json"


def complete_parameters(estimator: str, given: Mapping[str, Any]) -> dict[str, float | int]:
    """Defaults overlaid with a recipe's parameters.

    Raises
    ------
    InputError : unknown name (names the nearest valid one), wrong type, or a negative number.
    """
    where = f"model.parameters.{estimator}"
    if estimator not in DEFAULTS:
        raise InputError(f"unknown estimator {estimator!r}", remedy=f"use one of {', '.join(DEFAULTS)}")
    defaults = DEFAULTS[estimator]
    for name, value in given.items():
        if name not in defaults:
            synonym = next((known for known in SYNONYMS.get(name, ()) if known in defaults), None)
            guess = synonym or nearest(name, defaults, cutoff=0.4)
            hint = f"did you mean {guess}? Valid: " if guess else "valid: "
            raise InputError(
                f"{estimator} has no parameter {name!r}",
                where=where,
                remedy=hint + (", ".join(sorted(defaults)) or "none, it takes no parameters"),
            )
        remedy = f"correct it, or remove it for the default {defaults[name]}"
        whole = isinstance(defaults[name], int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value >= 0:
            kind = "a whole number, 0 or more" if whole else "a number, 0 or more"
            raise InputError(f"{name} must be {kind}, not {value!r}", where=where, remedy=remedy)
        if value == 0 and name in MORE_THAN_ZERO:
            raise InputError(f"{name} must be more than 0", where=where, remedy=remedy)
    return {name: type(default)(given.get(name, default)) for name, default in defaults.items()}


def fit(
    estimator: str,
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> FittedModel:
    """Fit ``estimator`` with complete parameters on matrix float32 [n, k] and labels 0/1 [n].

    ``weight`` [n], 0 or more, says how much a row counts in the loss; None: all alike. Medians, scales and bins
    are those of the rows as they are.
    """
    if estimator not in FITTED_BY:
        raise ValueError(f"{estimator} is not fitted on a matrix")
    return FITTED_BY[estimator](matrix, label, columns, parameters, seed, weight)


def load_model(estimator: str, folder: Path, columns: Columns) -> FittedModel:
    """Read a fitted model from its folder, with its preparation if it has one. Nothing is unpickled."""
    if (folder / PREPARATION).is_file():
        from leadscore_dagster.core.modelling.preparation.preparation import load_prepared

        return load_prepared(folder, columns)
    return load_fitted(estimator, folder, columns)


def load_fitted(estimator: str, folder: Path, columns: Columns) -> FittedModel:
    """Read a fitted model from its folder as it was fitted, whatever preparation lies beside it."""
    if estimator == "logistic_regression":
        return load_logistic(folder)
    if estimator in ("hist_gradient_boosting", "lightgbm"):
        return load_lightgbm(estimator, folder, columns)
    if estimator == "xgboost":
        return load_boosted(folder, columns)
    if estimator == "ensemble":
        from leadscore_dagster.core.modelling.estimators.ensemble import load_ensemble

        return load_ensemble(folder, columns)
    raise InputError(f"unknown estimator {estimator!r}", where=folder)


def checked_contributions(model: FittedModel, matrix: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, float]:
    """Contributions float32 [n, k] and bias, after asserting that they add up to ``margin``.

    Raises
    ------
    ArithmeticError : they do not: an explanation that does not explain the score must not leave the house.
    """
    values, bias = model.contributions(matrix)
    if len(margin):
        difference = np.abs(bias + values.sum(axis=1, dtype=np.float64) - margin) / (1 + np.abs(margin))
        if not difference.max() <= ADDITIVITY_TOLERANCE:
            raise ArithmeticError(f"contributions do not add up to the margin: off by {difference.max():.2g}")
    return values, bias
