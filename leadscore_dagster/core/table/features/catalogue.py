"""What a feature is. Lives here: the catalogue entry. Not here: reading catalogues from YAML, composing SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Feature:
    """One entry of the catalogue: a column of the training table that a model may use.

    ``phrase`` is what a salesperson reads; ``{value}`` stands for the value, e.g.
    ``"{value:.0f} months at the current firm"``. ``stage`` ``fold`` marks a feature that needs statistics learned
    on the training fold (quantiles, medians): it is computed inside the fold, never stored.
    """

    name: str
    definition: str
    type: Literal["number", "integer", "flag", "category"]
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    temporal: Literal["stable", "calculable", "mutable"] = "mutable"
    pii: bool = False
    phrase: str = ""
    feature_set: str = ""
    stage: Literal["row", "fold"] = "row"
