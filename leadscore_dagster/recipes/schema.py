"""The recipe: one scoring model, from its sources to its gates, as a strict pydantic model.

Lives here: the schema. Does not: reading YAML and naming the line of a mistake (loading), the data contracts
(contract), the meaning of the parts (the room of that name in core/).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from leadscore_dagster.recipes.automation import Automation
from leadscore_dagster.recipes.contract import Contract, Identifier, Strict

Estimator = Literal["logistic_regression", "xgboost"]
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
    "decile_order": (0, 1),
    "shuffled_label_auc": (0, 1),
}


class VintageSource(Strict):
    """Full snapshots a vendor drops once a quarter. One partition per quarter, keyed by ``as_of``."""

    kind: Literal["vintage"]
    table: Identifier
    contract: Contract
    #: file names; ``{quarter}`` is the quarter as vendors write it (2024_q1), ``*`` matches a territory
    files: tuple[str, ...] = Field(strict=False, min_length=1)
    #: how many files of a drop must be there before it is complete
    expected_files: int = Field(default=1, ge=1)
    #: days from as_of until the drop can have been known, where no manifest says; unset: the file's own time
    available_after_days: int | None = Field(default=None, ge=0, le=366)
    #: fewest rows, as a share of the newest earlier vintage, that still looks like a full snapshot
    minimum_rows_share: float = Field(default=0.8, gt=0, le=1)


class LogSource(Strict):
    """A table that grows: each row says when it became known. Read as it stood at the partition's ``as_of``."""

    kind: Literal["log"]
    table: Identifier
    contract: Contract
    files: tuple[str, ...] = Field(strict=False, min_length=1)
    #: GoogleSQL expression over contract columns: when the row became known (TIMESTAMP)
    known_at: str
    #: columns filled in later, with the column that says when: nulled while that instant is not before ``as_of``
    known_later: dict[Identifier, Identifier] = Field(default_factory=dict)


Source = Annotated[VintageSource | LogSource, Field(discriminator="kind")]


class Decisions(Strict):
    """Which rows of a log source are decisions: who, and at what instant a score would have been used."""

    source: Identifier
    id: Identifier
    entity: Identifier
    at: str  # GoogleSQL expression over the source's columns (TIMESTAMP); NULL while no decision has been taken
    exclude_when: str | None = None  # GoogleSQL condition; such rows are counted, not scored
    #: an entity decided on again within so many days of its last decision is recycled: counted, not trained on
    recycle_after_days: int = Field(default=0, ge=0)


class WindowLabel(Strict):
    """Positive when the outcome falls within ``days`` after the decision."""

    kind: Literal["window"]
    outcome_at: Identifier
    days: int = Field(ge=1, le=3660)


class ColumnLabel(Strict):
    """The outcome stands in a column of the decision's own row and is known ``known_after_days`` later."""

    kind: Literal["column"]
    column: Identifier
    positive: str | int
    known_after_days: int = Field(default=0, ge=0)


Label = Annotated[WindowLabel | ColumnLabel, Field(discriminator="kind")]


class Features(Strict):
    """Feature sets (SQL plus catalogue, see sql/features) and columns taken from the decision's own row."""

    sets: tuple[str, ...] = Field(default=(), strict=False)
    columns: tuple[Identifier, ...] = Field(default=(), strict=False)
    exclude: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _not_empty(self) -> Features:
        if not self.sets and not self.columns:
            raise ValueError("no features: name at least one set or column")
        return self


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


class Model(Strict):
    """What is trained, and how it is chosen."""

    estimators: tuple[Estimator, ...] = Field(default=("logistic_regression", "xgboost"), strict=False, min_length=1)
    parameters: dict[Estimator, dict[str, float | int | str | bool]] = Field(default_factory=dict)
    folds: int = Field(default=5, ge=2, le=20)
    gap_days: int = Field(default=30, ge=0)
    periods: Periods = Periods()
    calibration: Literal["isotonic", "platt"] = "isotonic"
    minimum_positives: int = Field(default=100, ge=10)  # fewer in the development period: refuse to train
    bootstrap_replicates: int = Field(default=1000, ge=100, le=100_000)
    seed: int = 42


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


class Bucket(Strict):
    """A rank band: leads whose percentile is at least ``from_percentile``."""

    name: str
    from_percentile: float = Field(ge=0, le=100)
    action: str


class Scoring(Strict):
    """Who is scored each day, and what sales reads."""

    #: statement in sql/scoring that SELECTs decision_id, the entity and decision_at for day @day
    decisions: str
    prospects: str | None = None
    buckets: tuple[Bucket, ...] = Field(strict=False, min_length=1)
    #: columns of the decision source that go into the list sales opens
    carry: tuple[Identifier, ...] = Field(default=(), strict=False)
    drivers: int = Field(default=5, ge=1, le=20)

    @model_validator(mode="after")
    def _buckets_cover_everyone(self) -> Scoring:
        edges = [bucket.from_percentile for bucket in self.buckets]
        if edges != sorted(edges, reverse=True) or len(set(edges)) != len(edges) or edges[-1] != 0:
            raise ValueError("buckets must fall from the highest percentile to 0, each once")
        return self


class Acknowledgement(Strict):
    """A suspicion of the audit that a person has looked into: it is still shown, and no longer blocks.

    Only ``suspect`` can be acknowledged; a leak is proven, and is mended instead.
    """

    feature: str
    #: the part of the audit that raised it, as the report names it
    part: Literal["restatement", "strength", "missingness", "categories", "joint", "identity", "lag_decay"]
    reason: str = Field(min_length=10)
    on: date


class Recipe(Strict):
    """One scoring model: everything that differs between two users of this product."""

    name: Identifier
    title: str
    description: str = ""
    owner: str | None = None
    first_quarter: date
    as_of: date | None = None  # default for `leadscore run` without --as-of, for closed data sets
    sources: dict[Identifier, Source]
    decisions: Decisions
    label: Label
    policy: Literal["true_vintage"] = "true_vintage"
    features: Features
    #: statements in sql/audits that SELECT the rows of the training table that break a rule; none may return a row
    audits: tuple[str, ...] = Field(default=(), strict=False)
    acknowledged: tuple[Acknowledgement, ...] = Field(default=(), strict=False)
    model: Model = Model()
    gates: dict[Metric, Gate]
    promotion: Promotion = Promotion()
    scoring: Scoring
    automation: Automation = Automation()

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Recipe:
        source = self.sources.get(self.decisions.source)
        if not isinstance(source, LogSource):
            raise ValueError(f"decisions.source {self.decisions.source!r} must be one of the log sources")
        columns = {column.name for column in source.contract.columns}
        wanted = [self.decisions.id, self.decisions.entity, *self.features.columns, *self.scoring.carry]
        wanted.append(self.label.outcome_at if isinstance(self.label, WindowLabel) else self.label.column)
        for name in wanted:
            if name not in columns:
                raise ValueError(f"column {name!r} does not exist in source {self.decisions.source!r}")
        for metric, gate in self.gates.items():
            low, high = METRIC_RANGE[metric]
            if not low <= gate.threshold <= high:
                raise ValueError(f"gate {metric}: threshold {gate.threshold} lies outside {low} … {high}")
        if self.first_quarter.day != 1 or self.first_quarter.month not in (1, 4, 7, 10):
            raise ValueError(f"first_quarter {self.first_quarter} is not the first day of a quarter")
        return self

    @property
    def decision_source(self) -> LogSource:
        """The log source the decisions come from."""
        source = self.sources[self.decisions.source]
        assert isinstance(source, LogSource)
        return source

    @property
    def label_window_days(self) -> int:
        """Days after a decision until its outcome is known."""
        return self.label.days if isinstance(self.label, WindowLabel) else self.label.known_after_days
