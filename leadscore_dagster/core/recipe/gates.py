"""The part of a recipe that says what a candidate must reach, and when it replaces the champion.

Lives here: the schema. Not here: which metrics there are (core/measures/catalogue), judging (core/versions/gates),
measuring (core/modelling).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from leadscore_dagster.core.measures.catalogue import curve_metrics, gate_metrics
from leadscore_dagster.core.recipe.contract import Strict
from leadscore_dagster.core.text import did_you_mean


def _known(name: str, among: Collection[str], what: str) -> str:
    if name not in among:
        raise ValueError(f"there is no metric {name!r}{did_you_mean(name, among)}; {what} {', '.join(among)}")
    return name


#: name of a metric a gate may hold against a threshold, and of one two models can be compared by on the same rows; each
#: is measured once per candidate, with n and a 95% interval (core/modelling)
GateMetric = Annotated[str, AfterValidator(lambda name: _known(name, gate_metrics(), "a gate may name"))]
PairedMetric = Annotated[str, AfterValidator(lambda name: _known(name, curve_metrics(), "models are compared by"))]


class Gate(Strict):
    """A threshold on a metric. It must hold at the unfavourable end of the metric's 95% interval unless
    ``use: point``."""

    at_least: float | None = Field(default=None, strict=False)
    at_most: float | None = Field(default=None, strict=False)
    use: Literal["interval", "point"] = "interval"

    @model_validator(mode="after")
    def _one_threshold(self) -> Gate:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self

    @property
    def threshold(self) -> float:
        return self.at_least if self.at_least is not None else self.at_most  # type: ignore[return-value]


class Promotion(Strict):
    """When a candidate that passed every gate replaces the champion."""

    metric: PairedMetric = "auc_pr"
    #: a champion older than this is stale: a candidate replaces it unless it is clearly worse
    stale_after_periods: int = Field(default=2, ge=1)
    #: for a stale champion: how much of the metric, relative, the paired interval's low end may lose
    tolerance: float = Field(default=0.1, ge=0, le=1)
