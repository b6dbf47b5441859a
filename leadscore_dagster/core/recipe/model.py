"""The part of a recipe that says what is trained, on which rows, and how it is chosen and calibrated.

Lives here: the schema. Not here: the meaning of the parts (core/modelling), thresholds (gates).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.recipe.contract import Identifier, Strict
from leadscore_dagster.core.text import did_you_mean

#: an estimator a recipe may name that is made of the others it names; which others there are, core/modelling says
ENSEMBLE = "ensemble"
#: what is done about positives being rare: nothing, their weight raised to that of the negatives, or made-up ones
Imbalance = Literal["none", "class_weight", "smote"]


class Periods(Strict):
    """Shares of the training rows, in time order: models are chosen on the first, calibrated on the second (and then
    fitted again with it), judged on the third. Between two periods the label window is purged."""

    development: float = Field(default=0.6, gt=0, lt=1)
    calibration: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.25, gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Periods:
        if abs(self.development + self.calibration + self.test - 1) > 1e-9:
            raise ValueError("development + calibration + test must be 1")
        return self


class Filters(Strict):
    """Features left out before fitting. Judged on the training rows of each fold alone; unset: no filter."""

    #: information value (sum over bins of the difference in shares times the log of their ratio) below this
    information_value_below: float | None = Field(default=None, gt=0, strict=False)
    #: variance inflation factor above this, the largest first, until none is
    variance_inflation_above: float | None = Field(default=None, gt=1, strict=False)


class Categories(Strict):
    """How categories become numbers. ``native``: as the estimator itself does (trees: sets of levels; logistic
    regression: one-hot)."""

    encoding: Literal["native", "one_hot"] = "native"
    #: a category with more levels than this becomes the cross-fitted mean of the label; unset: none does
    target_above_levels: int | None = Field(default=None, ge=0)


class Search(Strict):
    """A search for parameters inside the development period.

    ``tier``: ``reuse`` takes what a study of the same question found that holds at least ``trials`` trials, and
    continues one that holds fewer; ``resume`` is the same, said by somebody who knows that there is one to continue;
    ``fresh`` begins another one. Chosen is among the first ``trials`` trials of the study alone: the same seed, data
    and recipe give the same version, whatever was searched before.
    """

    trials: int = Field(default=30, ge=1, le=10_000)
    #: no trial begins after so many seconds; a study cut short this way is not reproducible, and the report says so
    seconds: int | None = Field(default=None, ge=1)
    tier: Literal["reuse", "resume", "fresh"] = "reuse"


class Segment(Strict):
    """A way to divide decisions: a number at ``edges`` (an edge belongs to the part above it), a category by level."""

    feature: Identifier
    edges: tuple[float, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _edges_rise(self) -> Segment:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        return self


class BaseRate(Strict):
    """Correction of the probabilities for a base rate that has moved, learned from outcomes that have matured."""

    #: days of matured decisions the correction is learned from
    window_days: int = Field(default=90, ge=7, le=730)
    #: with fewer positives or negatives in the window nothing is corrected
    minimum_positives: int = Field(default=30, ge=5)


class Model(Strict):
    """What is trained, and how it is chosen."""

    estimators: tuple[Identifier, ...] = Field(default=("logistic_regression", "xgboost"), strict=False, min_length=1)
    parameters: dict[Identifier, dict[str, float | int | str | bool]] = Field(default_factory=dict)
    imbalance: tuple[Imbalance, ...] = Field(default=("none",), strict=False, min_length=1)
    filters: Filters = Filters()
    categories: Categories = Categories()
    search: Search | None = None
    folds: int = Field(default=5, ge=2, le=20)
    gap_days: int = Field(default=30, ge=0)
    #: an entity of a fold's validation rows is taken out of its training rows
    group_folds: bool = False
    periods: Periods = Periods()
    calibration: Literal["isotonic", "platt"] = "isotonic"
    #: ways to divide decisions, for the reports and the gate on the calibration error of each part
    segments: dict[Identifier, Segment] = Field(default_factory=dict)
    #: the segment whose parts are calibrated each on their own, small ones drawn towards all
    calibrate_by: Identifier | None = None
    base_rate: BaseRate | None = None
    #: features a person would expect among the strongest, for the gate ``business_signals``
    business_signals: tuple[Identifier, ...] = Field(default=(), strict=False)
    #: another model's ranking, most important feature first, for the gate ``reference_rank_correlation``
    reference_ranking: tuple[Identifier, ...] = Field(default=(), strict=False)
    minimum_positives: int = Field(default=100, ge=10)  # fewer in the development period: refuse to train
    bootstrap_replicates: int = Field(default=1000, ge=100, le=100_000)
    seed: int = 42

    @property
    def bootstrap(self) -> Bootstrap:
        """How the rows of a period are drawn again for its intervals."""
        return Bootstrap(self.bootstrap_replicates, self.seed)

    @field_validator("calibrate_by")
    @classmethod
    def _names_a_segment(cls, name: str | None, given: ValidationInfo) -> str | None:
        segments = given.data.get("segments")  # absent when they have a mistake of their own
        if name is not None and segments is not None and name not in segments:
            known = f"it knows {', '.join(segments)}" if segments else "it is empty"
            raise ValueError(f"there is no segment {name!r} in model.segments{did_you_mean(name, segments)}; {known}")
        return name

    @model_validator(mode="after")
    def _parts_fit(self) -> Model:
        if len(set(self.estimators)) < len(self.estimators) or len(set(self.imbalance)) < len(self.imbalance):
            raise ValueError("an estimator or an imbalance strategy is named twice")
        if ENSEMBLE in self.estimators and len(self.estimators) < 3:
            raise ValueError("an ensemble needs at least two other estimators to be its members")
        return self
