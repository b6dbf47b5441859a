"""The part of a recipe that says what is watched once a model scores, and how a challenger is tried beside it.

Lives here: the schema. Not here: the measures (core/monitoring), the comparison (core/versions/shadow), alerts.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from leadscore_dagster.core.recipe.contract import Strict


class Shadow(Strict):
    """A challenger that scores beside the champion for some days, into a table of its own, before it may replace it."""

    #: whether a candidate that has passed its gates waits in the shadow before it is promoted
    required: bool = False
    days: int = Field(default=7, ge=1, le=92)
    #: the challenger must have scored more than this share of the days' decisions
    minimum_success: float = Field(default=0.95, gt=0, lt=1)
    #: fewer decisions in all of the days prove nothing: it waits for more
    minimum_decisions: int = Field(default=100, ge=1)


class Monitoring(Strict):
    """Limits of what is watched. The defaults are those of the systems this product follows."""

    #: share of the day's decisions that must have a score
    minimum_success: float = Field(default=0.95, gt=0, le=1)
    #: population stability index of a feature or of the scores against the training rows, a month's decisions
    psi_warn: float = Field(default=0.2, gt=0)
    psi_error: float = Field(default=0.3, gt=0)
    #: how far the weekly rate of positives may lie from that of training, relative, beyond chance
    class_balance_tolerance: float = Field(default=0.05, gt=0)
    #: how far AUC-PR or lift of matured decisions may fall below the test period's, relative, beyond chance
    performance_drop: float = Field(default=0.10, gt=0, lt=1)
    #: fewer decisions than this in a period are not judged
    minimum_rows: int = Field(default=200, ge=20)

    @model_validator(mode="after")
    def _warn_before_error(self) -> Monitoring:
        if self.psi_warn > self.psi_error:
            raise ValueError("psi_warn must not be above psi_error")
        return self
