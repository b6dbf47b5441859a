"""What is learned on the training rows before an estimator sees them: filters, encoding, treatment of rare positives.

Lives here: their order, and the model that carries them along. Not here: each of them (filters, encoding, imbalance),
the estimators.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.base import Estimator, FittedModel
from leadscore_dagster.core.modelling.estimators.registry import ESTIMATORS, fit, load_fitted
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.encoding import Encoding, Rule, learn_encoding
from leadscore_dagster.core.modelling.preparation.filters import Dropped, keep_features
from leadscore_dagster.core.modelling.preparation.imbalance import (
    balancing_weights,
    fill_numbers,
    learn_medians,
    oversample,
)
from leadscore_dagster.core.recipe.schema import Categories, Filters, Imbalance

FILE = "preparation.json"
FORMAT = 1


@dataclass(frozen=True)
class Preparation:
    """The part of a recipe this room answers for."""

    filters: Filters = field(default_factory=Filters)
    categories: Categories = field(default_factory=Categories)
    imbalance: Imbalance = "none"


@dataclass(frozen=True)
class PreparedModel:
    """A fitted model behind its preparation. Matrices are the outer ones, float32 [n, k], a column per feature.

    Attributes
    ----------
    names : the features, in the order of the outer matrix.
    columns : columns of the inner matrix, which ``model`` was fitted on.
    dropped : features the filters left out, with the reason.
    medians : of the inner columns, put where a number is missing; None: missing values stay.
    """

    model: FittedModel
    names: tuple[str, ...]
    columns: Columns
    encoding: Encoding
    dropped: Mapping[str, Dropped]
    medians: tuple[float, ...] | None

    @property
    def estimator(self) -> str:
        return self.model.estimator

    @cached_property
    def _owners(self) -> np.ndarray:
        return self.encoding.owners

    def inner(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix the inner model reads, float32 [n, m]."""
        return _filled(self.encoding.apply(matrix), self.medians, self.columns)

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds float64 [n]."""
        return self.model.margin(self.inner(matrix))

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """Contributions per original feature, float32 [n, k], and bias: 0 for a feature left out, the sum of its parts
        for a one-hot category. SHAP values of a group of columns add up to the group's."""
        parts, bias = self.model.contributions(self.inner(matrix))
        values = np.zeros((len(matrix), len(self.names)), dtype=np.float32)
        for part, owner in enumerate(self._owners):
            values[:, owner] += parts[:, part]
        return values, bias

    def save(self, folder: Path) -> None:
        """Write the inner model's files and the preparation beside them."""
        self.model.save(folder)
        content = {
            "format": FORMAT,
            "estimator": self.estimator,
            "features": list(self.names),
            "columns": {
                "names": list(self.columns.names),
                "types": list(self.columns.types),
                "levels": {name: list(values) for name, values in self.columns.levels.items()},
            },
            "rules": [asdict(rule) for rule in self.encoding.rules],
            "dropped": {name: asdict(reason) for name, reason in self.dropped.items()},
            "medians": None if self.medians is None else list(self.medians),
        }
        (folder / FILE).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def fit_prepared(
    estimator: str,
    matrix: np.ndarray,
    label: np.ndarray,
    *,
    columns: Columns,
    parameters: Mapping[str, Any],
    preparation: Preparation,
    seed: int,
) -> FittedModel:
    """Filter, encode, treat the imbalance and fit, all on these training rows: matrix float32 [n, k], labels 0/1 [n].

    Where nothing about the matrix changes (no filters, encoding or SMOTE, and the estimator takes missing values and
    categories as they are) the estimator's own model is returned; weights leave no trace in it but the fit. Features
    are filtered before categories are encoded, and positives are made up last, from the encoded matrix.

    Raises
    ------
    InputError : the strategy against imbalance cannot run on these rows. It is never exchanged for another.
    """
    weight = balancing_weights(label) if preparation.imbalance == "class_weight" else None
    row = ESTIMATORS[estimator]
    fit_on = partial(fit, estimator, parameters=parameters, seed=seed, weight=weight)
    preparation = _as_the_estimator_needs(preparation, row)
    if _leaves_alone(preparation, columns) and row.missing:
        return fit_on(matrix, label, columns=columns)
    kept = keep_features(matrix, label, columns, filters=preparation.filters)
    encoding, training = learn_encoding(
        matrix, label, columns, indices=kept.indices, categories=preparation.categories, seed=seed
    )
    inner, medians = encoding.columns(columns), None
    if preparation.imbalance == "smote" or not row.missing:
        medians = learn_medians(training, inner.categories)
        training = _filled(training, medians, inner)
    if preparation.imbalance == "smote":
        training, label = oversample(training, label, inner.categories, seed=seed)
    model = fit_on(training, label, columns=inner)
    return PreparedModel(model, columns.names, inner, encoding, kept.dropped, medians)


def load_member(estimator: str, folder: Path, columns: Columns) -> FittedModel:
    """Read a fitted model from its folder, with its preparation if it has one."""
    if (folder / FILE).is_file():
        return load_prepared(folder, columns)
    return load_fitted(estimator, folder, columns)


def load_prepared(folder: Path, columns: Columns) -> PreparedModel:
    """Read what ``PreparedModel.save`` wrote; ``columns`` are the outer ones. Nothing is unpickled.

    Raises
    ------
    InputError : the file is of another format or for other features.
    """
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if stored.get("format") != FORMAT or tuple(stored["features"]) != columns.names:
        raise InputError("this preparation is not for these features", where=folder / FILE, remedy="train again")
    levels = {name: tuple(values) for name, values in stored["columns"]["levels"].items()}
    inner = Columns(tuple(stored["columns"]["names"]), tuple(stored["columns"]["types"]), levels)
    rules = tuple(Rule(**{**rule, "table": tuple(rule["table"])}) for rule in stored["rules"])
    return PreparedModel(
        model=load_fitted(stored["estimator"], folder, inner),
        names=columns.names,
        columns=inner,
        encoding=Encoding(rules),
        dropped={name: Dropped(**reason) for name, reason in stored["dropped"].items()},
        medians=None if stored["medians"] is None else tuple(stored["medians"]),
    )


def _as_the_estimator_needs(preparation: Preparation, row: Estimator) -> Preparation:
    """One-hot columns for an estimator that takes no categories."""
    if row.categories:
        return preparation
    return replace(preparation, categories=preparation.categories.model_copy(update={"encoding": "one_hot"}))


def _leaves_alone(preparation: Preparation, columns: Columns) -> bool:
    filters, categories = preparation.filters, preparation.categories
    filtered = filters.information_value_below is not None or filters.variance_inflation_above is not None
    encoded = any(columns.categories) and (
        categories.encoding != "native" or categories.target_above_levels is not None
    )
    return not filtered and not encoded and preparation.imbalance != "smote"


def _filled(matrix: np.ndarray, medians: tuple[float, ...] | None, columns: Columns) -> np.ndarray:
    return matrix if medians is None else fill_numbers(matrix, medians, columns.categories)
