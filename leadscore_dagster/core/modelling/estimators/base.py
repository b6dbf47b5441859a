"""What an estimator is to the rest of the room: one row of the registry, and a fitted model's four abilities.

Lives here: the form of both, and the assertion that an explanation explains. Not here: the rows (registry), any
estimator (a module each), what stands before it (preparation) and what is made of several (ensemble).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from leadscore_dagster.core.modelling.matrix import Columns

#: bias + contributions may differ from the margin by float32 rounding only
ADDITIVITY_TOLERANCE = 1e-4


class FittedModel(Protocol):
    """What the rest of the room needs of a fitted model. Matrices are float32 [n, k]."""

    @property
    def estimator(self) -> str: ...

    def margin(self, matrix: np.ndarray) -> np.ndarray: ...

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]: ...

    def save(self, folder: Path) -> None: ...


class Fit(Protocol):
    """Fits on matrix float32 [n, k] and labels 0/1 [n], with complete ``parameters``; ``weight`` [n], 0 or more, says
    how much a row counts in the loss, None: all alike. The same arguments give the same model."""

    def __call__(
        self,
        matrix: np.ndarray,
        label: np.ndarray,
        columns: Columns,
        *,
        parameters: Mapping[str, Any],
        seed: int,
        weight: np.ndarray | None = None,
    ) -> FittedModel: ...


@dataclass(frozen=True)
class Range:
    """Where a search looks for a parameter. Both ends belong to it. Whole numbers if ``low`` is one. ``log``: each
    doubling is as likely as any other."""

    low: float | int
    high: float | int
    log: bool = False


@dataclass(frozen=True)
class Parameter:
    """A parameter a recipe may set: 0 or more, of the type of its ``default``; ``above_zero``: 0 would be no model.
    ``search`` None: a search leaves it alone."""

    default: float | int
    search: Range | None = None
    above_zero: bool = False


@dataclass(frozen=True)
class Estimator:
    """One row of the registry.

    Attributes
    ----------
    load : reads what the fitted model's ``save`` wrote into a folder. Nothing is unpickled.
    parameters : by their names in the library, in the order they are offered.
    complexity : sorts complete parameters from the simplest model on.
    library : the distribution whose version is kept with a model.
    missing, categories : whether it takes missing numbers and categories (codes) as they are. If not, the preparation
        puts medians and one-hot columns in their place.
    """

    fit: Fit
    load: Callable[[Path, Columns], FittedModel]
    parameters: Mapping[str, Parameter]
    complexity: Callable[[Mapping[str, Any]], tuple[float, float]]
    library: str
    missing: bool = True
    categories: bool = True

    @property
    def defaults(self) -> dict[str, float | int]:
        return {name: parameter.default for name, parameter in self.parameters.items()}


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
