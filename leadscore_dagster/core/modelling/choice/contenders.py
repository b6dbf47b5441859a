"""What is compared: an estimator with its parameters and one treatment of rare positives, or an ensemble of such.

Lives here: naming and fitting a contender. Not here: how it did (selection), the fitting itself (estimators,
preparation, ensemble), where parameters come from (search).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leadscore_dagster.core.modelling.ensemble import EnsembleModel
from leadscore_dagster.core.modelling.estimators.base import FittedModel
from leadscore_dagster.core.modelling.estimators.registry import simplicity
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.preparation import Preparation, fit_prepared
from leadscore_dagster.core.recipe.schema import ENSEMBLE, Imbalance, Model

STRATEGIES: tuple[Imbalance, ...] = ("none", "class_weight", "smote")  # from the simplest on


@dataclass(frozen=True)
class Contender:
    """One way to make a model. An ensemble has ``members``, their ``weights`` and a ``bias``, in log-odds."""

    estimator: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    imbalance: Imbalance = "none"
    members: tuple[Contender, ...] = ()
    weights: tuple[float, ...] = ()
    bias: float = 0.0

    @property
    def name(self) -> str:
        return self.estimator if self.imbalance == "none" else f"{self.estimator} + {self.imbalance}"

    @property
    def simplicity(self) -> tuple[int, int]:
        """Smaller is simpler: the estimator counts first, then the treatment of rare positives."""
        return simplicity(self.estimator), STRATEGIES.index(self.imbalance)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, everything needed to fit it again."""
        described: dict[str, Any] = {"estimator": self.estimator, "imbalance": self.imbalance}
        if self.members:
            return described | {
                "members": [member.to_dict() for member in self.members],
                "weights": list(self.weights),
                "bias": self.bias,
            }
        return described | {"parameters": dict(self.parameters)}


def contenders_of(model: Model, parameters: Mapping[str, Mapping[str, Any]]) -> list[Contender]:
    """Every estimator of the recipe, with its parameters, under every treatment of rare positives. The ensemble is
    not among them: it is made of them."""
    return [
        Contender(estimator, parameters[estimator], imbalance)
        for estimator in model.estimators
        if estimator != ENSEMBLE
        for imbalance in model.imbalance
    ]


def fit_contender(
    contender: Contender, matrix: np.ndarray, label: np.ndarray, *, columns: Columns, model: Model
) -> FittedModel:
    """Fit on matrix float32 [n, k] and labels 0/1 [n]. Filters, encodings and weights are learned on these rows.

    Raises InputError when the treatment of rare positives cannot be carried out on these rows.
    """
    if contender.members:
        fitted = _fit_members(contender.members, matrix, label, columns, model)
        return EnsembleModel(fitted, contender.weights, contender.bias)
    preparation = Preparation(model.filters, model.categories, contender.imbalance)
    return fit_prepared(
        contender.estimator,
        matrix,
        label,
        columns=columns,
        parameters=contender.parameters,
        preparation=preparation,
        seed=model.seed,
    )


def _fit_members(
    members: Sequence[Contender], matrix: np.ndarray, label: np.ndarray, columns: Columns, model: Model
) -> tuple[FittedModel, ...]:
    return tuple(fit_contender(member, matrix, label, columns=columns, model=model) for member in members)
