"""The estimators a recipe can name: one row each. To add one, write its module and add its row.

Lives here: the rows, and what is asked of them by name: complete parameters, fitting, loading, where to search. Not
here: the form of a row (base), choosing between estimators (choice), ensembles, calibration.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.base import Estimator, FittedModel, Parameter, Range
from leadscore_dagster.core.modelling.estimators.hist_boosting import fit_hist_boosting
from leadscore_dagster.core.modelling.estimators.lightgbm_model import fit_lightgbm, load_lightgbm
from leadscore_dagster.core.modelling.estimators.logistic import fit_logistic, load_logistic
from leadscore_dagster.core.modelling.estimators.xgboost_model import fit_xgboost, load_xgboost
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.model import ENSEMBLE
from leadscore_dagster.core.text import did_you_mean, nearest

#: names of one parameter in several libraries, and names people give it
SAME_PARAMETER = (
    ("n_estimators", "max_iter", "trees", "num_boost_round"),
    ("num_leaves", "max_leaf_nodes"),
    ("learning_rate", "eta"),
    ("min_child_samples", "min_samples_leaf", "min_data_in_leaf"),
    ("reg_lambda", "l2_regularization", "lambda", "lambda_l2"),
    ("reg_alpha", "alpha"),
    ("gamma", "min_split_loss"),
    ("subsample", "bagging_fraction"),
    ("colsample_bytree", "max_features", "feature_fraction"),
    ("max_bin", "max_bins"),
    ("C", "c"),
)


def _weakness_of_penalty(parameters: Mapping[str, Any]) -> tuple[float, float]:
    return float(parameters["C"]), 0.0


def _leaves(parameters: Mapping[str, Any], *, trees: str, leaves: str | None, penalty: str) -> tuple[float, float]:
    """The number of leaves in all (what scoring and explaining a row costs, too), then weakness of penalty."""
    each = 2 ** parameters["max_depth"] if leaves is None else min(2 ** parameters["max_depth"], parameters[leaves])
    return float(parameters[trees] * each), -float(parameters[penalty])


#: From the simplest on: the one-standard-error rule prefers the earlier. An equation comes first, then the three kinds
#: of boosted trees, which are equally complex (same trees, same number); among them the one with fewer parameters to
#: choose goes first. An ensemble, which needs several of them, comes after all.
#:
#: Defaults for some 20,000 rows with 4% positives: depth, trees, lambda and child weight of the strongest honest model
#: of the source systems; a leaf of 200 rows weighs about as much as a child weight of 10. Ranges for some hundred to
#: some thousand positives at a few percent: shallow trees, heavy leaves, strong penalties. With rare positives a leaf
#: of few rows holds none or one, and its rate is noise.
ESTIMATORS: dict[str, Estimator] = {
    "logistic_regression": Estimator(
        fit=fit_logistic,
        load=load_logistic,
        parameters={
            "C": Parameter(0.01, Range(1e-4, 1.0, log=True), above_zero=True),
            "max_iter": Parameter(1000, above_zero=True),
        },
        complexity=_weakness_of_penalty,
        library="scikit-learn",
    ),
    "hist_gradient_boosting": Estimator(
        fit=fit_hist_boosting,
        load=partial(load_lightgbm, estimator="hist_gradient_boosting"),
        parameters={
            "max_iter": Parameter(200, Range(50, 600, log=True), above_zero=True),
            "max_leaf_nodes": Parameter(8, Range(4, 32, log=True), above_zero=True),
            "max_depth": Parameter(3, Range(2, 6), above_zero=True),
            "learning_rate": Parameter(0.03, Range(0.01, 0.2, log=True), above_zero=True),
            "min_samples_leaf": Parameter(200, Range(20, 500, log=True)),
            "l2_regularization": Parameter(10.0, Range(0.1, 100.0, log=True)),
            "max_features": Parameter(0.8, Range(0.3, 1.0)),
            "max_bins": Parameter(255),
        },
        complexity=partial(_leaves, trees="max_iter", leaves="max_leaf_nodes", penalty="l2_regularization"),
        library="scikit-learn",
    ),
    "lightgbm": Estimator(
        fit=fit_lightgbm,
        load=load_lightgbm,
        parameters={
            "n_estimators": Parameter(200, Range(50, 600, log=True), above_zero=True),
            "num_leaves": Parameter(8, Range(4, 32, log=True), above_zero=True),
            "max_depth": Parameter(3, Range(2, 6), above_zero=True),
            "learning_rate": Parameter(0.03, Range(0.01, 0.2, log=True), above_zero=True),
            "min_child_samples": Parameter(200, Range(20, 500, log=True)),
            "reg_lambda": Parameter(10.0, Range(0.1, 100.0, log=True)),
            "subsample": Parameter(0.8, Range(0.5, 1.0)),
            "subsample_freq": Parameter(1),
            "colsample_bytree": Parameter(0.8, Range(0.3, 1.0)),
            "max_bin": Parameter(255),
        },
        complexity=partial(_leaves, trees="n_estimators", leaves="num_leaves", penalty="reg_lambda"),
        library="lightgbm",
    ),
    "xgboost": Estimator(
        fit=fit_xgboost,
        load=load_xgboost,
        parameters={
            "n_estimators": Parameter(200, Range(50, 600, log=True), above_zero=True),
            "max_depth": Parameter(3, Range(2, 6), above_zero=True),
            "learning_rate": Parameter(0.03, Range(0.01, 0.2, log=True), above_zero=True),
            "min_child_weight": Parameter(10.0, Range(1.0, 100.0, log=True)),
            "reg_lambda": Parameter(10.0, Range(0.1, 100.0, log=True)),
            "reg_alpha": Parameter(0.0),
            "gamma": Parameter(0.0),
            "subsample": Parameter(0.8, Range(0.5, 1.0)),
            "colsample_bytree": Parameter(0.8, Range(0.3, 1.0)),
            "max_bin": Parameter(256),
            "scale_pos_weight": Parameter(1.0),
            "max_cat_to_onehot": Parameter(4),
            "max_cat_threshold": Parameter(64),
        },
        complexity=partial(_leaves, trees="n_estimators", leaves=None, penalty="reg_lambda"),
        library="xgboost",
    ),
}


def estimator_names() -> tuple[str, ...]:
    """What a recipe may name, from the simplest on."""
    return (*ESTIMATORS, ENSEMBLE)


def require_estimator(name: str, where: str) -> None:
    """Refuse a name that no row has and no ensemble: InputError with the nearest valid name."""
    names = estimator_names()
    if name not in names:
        raise InputError(
            f"unknown estimator {name!r}{did_you_mean(name, names)}",
            where=where,
            remedy=f"use one of {', '.join(names)}",
        )


def simplicity(name: str) -> int:
    """Smaller is simpler."""
    return estimator_names().index(name)


def complete_parameters(estimator: str, given: Mapping[str, Any]) -> dict[str, float | int]:
    """Defaults overlaid with a recipe's parameters; an ensemble has none.

    Raises
    ------
    InputError : unknown name (names the nearest valid one), wrong type, or a negative number.
    """
    where = f"model.parameters.{estimator}"
    require_estimator(estimator, where)
    known = ESTIMATORS[estimator].parameters if estimator in ESTIMATORS else {}
    for name, value in given.items():
        if name not in known:
            guess = _synonym(name, known) or nearest(name, known, cutoff=0.4)
            hint = f"did you mean {guess}? Valid: " if guess else "valid: "
            raise InputError(
                f"{estimator} has no parameter {name!r}",
                where=where,
                remedy=hint + (", ".join(sorted(known)) or "none, it takes no parameters"),
            )
        _check_value(name, value, known[name], where=where)
    return {name: type(parameter.default)(given.get(name, parameter.default)) for name, parameter in known.items()}


def _synonym(name: str, known: Mapping[str, Parameter]) -> str | None:
    """The known parameter that ``name`` is another name for."""
    return next((other for names in SAME_PARAMETER if name in names for other in names if other in known), None)


def _check_value(name: str, value: Any, parameter: Parameter, *, where: str) -> None:
    remedy = f"correct it, or remove it for the default {parameter.default}"
    whole = isinstance(parameter.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value >= 0:
        kind = "a whole number, 0 or more" if whole else "a number, 0 or more"
        raise InputError(f"{name} must be {kind}, not {value!r}", where=where, remedy=remedy)
    if value == 0 and parameter.above_zero:
        raise InputError(f"{name} must be more than 0", where=where, remedy=remedy)


def fit(
    estimator: str,
    matrix: np.ndarray,
    label: np.ndarray,
    *,
    columns: Columns,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> FittedModel:
    """Fit ``estimator`` with complete parameters on matrix float32 [n, k] and labels 0/1 [n].

    ``weight`` [n], 0 or more, says how much a row counts in the loss; None: all alike. Medians, scales and bins
    are those of the rows as they are.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"{estimator} is not fitted on a matrix")
    return ESTIMATORS[estimator].fit(matrix, label, columns, parameters=parameters, seed=seed, weight=weight)


def load_fitted(estimator: str, folder: Path, columns: Columns) -> FittedModel:
    """Read a fitted model from its folder as it was fitted, whatever preparation lies beside it.

    Raises
    ------
    InputError : no row of this name (a file's word is not trusted), or files that cannot be read.
    """
    if estimator not in ESTIMATORS:
        raise InputError(f"unknown estimator {estimator!r}", where=folder)
    return ESTIMATORS[estimator].load(folder, columns)


def space_of(estimator: str, defaults: Mapping[str, Any]) -> dict[str, Range]:
    """Ranges to search, by name in alphabetical order, widened so that ``defaults`` lie in them.

    A default no range can hold (0 where ratios count) is not searched and stays as it is.

    Raises
    ------
    InputError : the estimator has no parameters to search.
    """
    known = ESTIMATORS[estimator].parameters if estimator in ESTIMATORS else {}
    searched = {name: parameter.search for name, parameter in sorted(known.items()) if parameter.search}
    if not searched:
        others = [name for name, row in ESTIMATORS.items() if any(one.search for one in row.parameters.values())]
        raise InputError(f"{estimator} has no parameters to search", remedy=f"search one of {', '.join(others)}")
    return {
        name: Range(min(found.low, defaults[name]), max(found.high, defaults[name]), found.log)
        for name, found in searched.items()
        if not (found.log and defaults[name] <= 0)
    }


def complexity(estimator: str, parameters: Mapping[str, Any]) -> tuple[float, float]:
    """Sorts complete parameters of one estimator from the simplest on."""
    return ESTIMATORS[estimator].complexity(parameters)


def libraries() -> tuple[str, ...]:
    """Distributions the estimators' models depend on, each once."""
    return tuple(dict.fromkeys(row.library for row in ESTIMATORS.values()))
