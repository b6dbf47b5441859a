"""Where a search looks for parameters, and which of two sets of parameters is the simpler.

Lives here: ranges per estimator, complexity. Does not: the search (search), defaults and checks (estimators).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadscore_dagster.core.errors import InputError


@dataclass(frozen=True)
class Range:
    """Both ends belong to it. Whole numbers if ``low`` is one. ``log``: each doubling is as likely as any other."""

    low: float | int
    high: float | int
    log: bool = False


#: For some hundred to some thousand positives at a few percent: shallow trees, heavy leaves, strong penalties. With
#: rare positives a leaf of few rows holds none or one, and its rate is noise.
SPACE: dict[str, dict[str, Range]] = {
    "logistic_regression": {"C": Range(1e-4, 1.0, log=True)},
    "hist_gradient_boosting": {
        "max_iter": Range(50, 600, log=True),
        "max_leaf_nodes": Range(4, 32, log=True),
        "max_depth": Range(2, 6),
        "learning_rate": Range(0.01, 0.2, log=True),
        "min_samples_leaf": Range(20, 500, log=True),
        "l2_regularization": Range(0.1, 100.0, log=True),
        "max_features": Range(0.3, 1.0),
    },
    "lightgbm": {
        "n_estimators": Range(50, 600, log=True),
        "num_leaves": Range(4, 32, log=True),
        "max_depth": Range(2, 6),
        "learning_rate": Range(0.01, 0.2, log=True),
        "min_child_samples": Range(20, 500, log=True),
        "reg_lambda": Range(0.1, 100.0, log=True),
        "subsample": Range(0.5, 1.0),
        "colsample_bytree": Range(0.3, 1.0),
    },
    "xgboost": {
        "n_estimators": Range(50, 600, log=True),
        "max_depth": Range(2, 6),
        "learning_rate": Range(0.01, 0.2, log=True),
        "min_child_weight": Range(1.0, 100.0, log=True),
        "reg_lambda": Range(0.1, 100.0, log=True),
        "subsample": Range(0.5, 1.0),
        "colsample_bytree": Range(0.3, 1.0),
    },
}
#: names of the number of trees, of leaves and of the penalty, which differ between libraries
TREES = ("n_estimators", "max_iter")
LEAVES = ("num_leaves", "max_leaf_nodes")
PENALTY = ("reg_lambda", "l2_regularization")


def space_of(estimator: str, defaults: Mapping[str, Any]) -> dict[str, Range]:
    """Ranges to search, by name in alphabetical order, widened so that ``defaults`` lie in them.

    A default no range can hold (0 where ratios count) is not searched and stays as it is.

    Raises
    ------
    InputError : the estimator has no parameters to search.
    """
    if estimator not in SPACE:
        raise InputError(f"{estimator} has no parameters to search", remedy=f"search one of {', '.join(SPACE)}")
    return {
        name: Range(min(found.low, defaults[name]), max(found.high, defaults[name]), found.log)
        for name, found in sorted(SPACE[estimator].items())
        if not (found.log and defaults[name] <= 0)
    }


def complexity(parameters: Mapping[str, Any]) -> tuple[float, float]:
    """Sorts parameters of one estimator from the simplest on: logistic regression by its weakness of penalty, trees by
    the number of leaves in all (what scoring and explaining a row costs, too), then by weakness of penalty."""
    if "C" in parameters:
        return float(parameters["C"]), 0.0
    trees, penalty = (next(parameters[n] for n in names if n in parameters) for names in (TREES, PENALTY))
    leaves = min([2 ** parameters["max_depth"], *(parameters[n] for n in LEAVES if n in parameters)])
    return float(trees * leaves), -float(penalty)
