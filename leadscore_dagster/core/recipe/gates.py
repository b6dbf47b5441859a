"""The part of a recipe that says what a candidate must reach, and when it replaces the champion.

Lives here: the schema. Not here: judging (core/versions/gates), measuring (core/modelling).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from leadscore_dagster.core.recipe.contract import Strict

#: Metrics a gate may name. Each is computed once per candidate, with n and a 95% interval (core/modelling).
Metric = Literal[
    "test_positives",
    "auc_roc",
    "auc_pr",
    "auc_pr_over_base",
    "top_decile_lift",
    "precision_at_10pct",
    "ece",
    "brier_skill",
    "train_test_gap",
    "cross_validation_auc_pr",
    "decile_order",
    "shuffled_label_auc",
    "cross_validation_variation",
    "fold_score_ks",
    "segment_ece",
    "business_signals",
    "reference_rank_correlation",
    "importance_stability",
]
#: range a metric's threshold can lie in; a threshold outside it is a mistake in the recipe
METRIC_RANGE: dict[str, tuple[float, float]] = {
    "test_positives": (1, 1e9),
    "auc_roc": (0, 1),
    "auc_pr": (0, 1),
    "auc_pr_over_base": (0, 1000),
    "top_decile_lift": (0, 10),
    "precision_at_10pct": (0, 1),
    "ece": (0, 1),
    "brier_skill": (-1, 1),
    "train_test_gap": (-1, 1),
    "cross_validation_auc_pr": (0, 1),
    "decile_order": (-1, 1),
    "shuffled_label_auc": (0, 1),
    "cross_validation_variation": (0, 10),
    "fold_score_ks": (0, 1),
    "segment_ece": (0, 1),
    "business_signals": (0, 5),
    "reference_rank_correlation": (-1, 1),
    "importance_stability": (-1, 1),
}


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

    metric: Literal["auc_pr", "auc_roc", "top_decile_lift"] = "auc_pr"
    #: a champion older than this is stale: a candidate replaces it unless it is clearly worse
    stale_after_quarters: int = Field(default=2, ge=1)
    #: for a stale champion: how much of the metric, relative, the paired interval's low end may lose
    tolerance: float = Field(default=0.1, ge=0, le=1)
