"""The recipe: one scoring model, from its sources to its gates, as a strict pydantic model.

Lives here: the schema. Not here: reading YAML and naming the line of a mistake (loading), the data contracts
(contract), the meaning of the parts (the room of that name in core/).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from leadscore_dagster.core.measures.catalogue import METRICS
from leadscore_dagster.core.recipe.automation import OF_MONTHS, Automation, Retention
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.contract import Contract, Identifier, Strict
from leadscore_dagster.core.recipe.gates import Gate, GateMetric, Promotion
from leadscore_dagster.core.recipe.model import (
    ENSEMBLE,
    BaseRate,
    Categories,
    Filters,
    Imbalance,
    Model,
    Periods,
    Search,
    Segment,
)
from leadscore_dagster.core.recipe.monitoring import Monitoring, Shadow

__all__ = [
    "ENSEMBLE",
    "Acknowledgement",
    "Automation",
    "BaseRate",
    "Bucket",
    "Cadence",
    "Categories",
    "ColumnLabel",
    "Contract",
    "Decisions",
    "Features",
    "Filters",
    "Gate",
    "Identifier",
    "Imbalance",
    "Label",
    "LogSource",
    "Model",
    "Monitoring",
    "Periods",
    "Promotion",
    "Recipe",
    "Retention",
    "Scoring",
    "Search",
    "Segment",
    "Shadow",
    "Source",
    "VintageSource",
    "WindowLabel",
]


class VintageSource(Strict):
    """Full snapshots a vendor drops once a period. One partition per period, keyed by ``as_of``."""

    kind: Literal["vintage"]
    table: Identifier
    contract: Contract
    #: file names; ``{quarter}`` is the quarter as vendors write it (2024_q1), ``{month}`` the month (2024_03), ``*``
    #: matches a territory; not needed where the source is read from a table
    files: tuple[str, ...] = Field(default=(), strict=False)
    #: how many files of a drop must be there before it is complete
    expected_files: int = Field(default=1, ge=1)
    #: days from as_of until the drop can have been known, where no manifest says; unset: the file's own time
    available_after_days: int | None = Field(default=None, ge=0, le=366)
    #: fewest rows, as a share of the newest earlier vintage, that still looks like a full snapshot
    minimum_rows_share: float = Field(default=0.8, gt=0, le=1)
    #: days after as_of from which a drop is late: the next one is nearer than this one
    late_after_days: int = Field(default=60, ge=1, le=366)
    #: the newest date in a full snapshot lies at most so many days before as_of: it shows something of its own period
    content_within_days: int = Field(default=100, ge=1, le=3660)


class LogSource(Strict):
    """A table that grows: each row says when it became known. Read as it stood at the partition's ``as_of``."""

    kind: Literal["log"]
    table: Identifier
    contract: Contract
    files: tuple[str, ...] = Field(default=(), strict=False)
    #: GoogleSQL expression over contract columns: when the row became known (TIMESTAMP)
    known_at: str
    #: columns filled in later, with the column that says when: nulled while that instant is not before ``as_of``
    known_later: dict[Identifier, Identifier] = Field(default_factory=dict)
    #: the newest row became known at most so many days before as_of: the extract is the log as it stood then
    content_within_days: int = Field(default=100, ge=1, le=3660)


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
    """Feature sets (statement and catalogue under ``features/``) and columns taken from the decision's own row."""

    sets: tuple[str, ...] = Field(default=(), strict=False)
    columns: tuple[Identifier, ...] = Field(default=(), strict=False)
    exclude: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _not_empty(self) -> Features:
        if not self.sets and not self.columns:
            raise ValueError("no features: name at least one set or column")
        return self


class Bucket(Strict):
    """A rank band: leads whose percentile is at least ``from_percentile``."""

    name: str
    from_percentile: float = Field(ge=0, le=100)
    action: str


class Scoring(Strict):
    """Who is scored each day, and what sales reads."""

    #: statement under ``scoring/`` that SELECTs decision_id, the entity and decision_at for day @day
    decisions: str
    prospects: str | None = None
    buckets: tuple[Bucket, ...] = Field(strict=False, min_length=1)
    #: columns of the decision source that go into the list sales opens
    carry: tuple[Identifier, ...] = Field(default=(), strict=False)
    drivers: int = Field(default=5, ge=1, le=20)
    #: who is never listed: a reason, and a GoogleSQL condition over columns of the decision source (it then counts for
    #: the person) or over features (for the decision). Such people are counted, and get no score, rank or action.
    never: dict[str, str] = Field(default_factory=dict)
    #: values at which features that describe the call instead of the lead are held while a list is scored, so that the
    #: scores of two days can be compared: nobody has called yet when a list is made
    reference: dict[str, float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _buckets_cover_everyone(self) -> Scoring:
        edges = [bucket.from_percentile for bucket in self.buckets]
        if edges != sorted(edges, reverse=True) or len(set(edges)) != len(edges) or edges[-1] != 0:
            raise ValueError("buckets must go down from the highest percentile to 0, without repeats")
        return self


class Acknowledgement(Strict):
    """A suspicion of the audit that a person has looked into: it is still shown, and no longer blocks.

    Only ``suspect`` can be acknowledged; a leak is proven, and must be fixed instead.
    """

    feature: str
    #: the part of the audit that raised it, as the report names it
    part: Literal["restatement", "strength", "missingness", "categories", "joint", "identity", "lag_decay"]
    reason: str = Field(min_length=10)
    on: date


def _of_months(source: Any) -> Any:
    """A source as it stands in a monthly recipe, with the days it does not state."""
    if not isinstance(source, dict):
        return source
    lateness = {"late_after_days": 20} if source.get("kind") == "vintage" else {}
    return {"content_within_days": 35, **lateness, **source}


class Recipe(Strict):
    """One scoring model: everything that differs between two users of this product."""

    name: Identifier
    title: str
    description: str = ""
    owner: str | None = None
    #: where SQL is looked for after the recipe's own ``sql/``: a library of the installation by its name, or a folder
    #: by its path relative to the recipe (``./shared``)
    libraries: tuple[str, ...] = Field(default=(), strict=False)
    #: how often vintages arrive and a model is trained
    cadence: Cadence = Field(default=Cadence.QUARTER, strict=False)
    #: the first day of a quarter or month: the earliest that is run, on what was known before it
    first_as_of: date
    as_of: date | None = None  # default for `leadscore run` without --as-of, for closed data sets
    sources: dict[Identifier, Source]
    decisions: Decisions
    label: Label
    policy: Literal["true_vintage"] = "true_vintage"
    features: Features
    #: statements under ``audits/`` that SELECT the rows of the training table that break a rule; none may return a
    #: row. A recipe that names none gets all of the product's (see core/table/audits)
    audits: tuple[str, ...] = Field(default=(), strict=False)
    acknowledged: tuple[Acknowledgement, ...] = Field(default=(), strict=False)
    model: Model = Model()
    gates: dict[GateMetric, Gate]
    promotion: Promotion = Promotion()
    scoring: Scoring
    automation: Automation = Automation()
    shadow: Shadow = Shadow()
    monitoring: Monitoring = Monitoring()
    _folder: Path | None = PrivateAttr(default=None)

    @property
    def folder(self) -> Path | None:
        """The folder the recipe was read from; None for one that was made in memory. No part of a dump or a digest."""
        return self._folder

    def in_folder(self, folder: Path) -> Recipe:
        """The same recipe, its own SQL and relative paths looked for in ``folder``."""
        moved = self.model_copy()
        moved._folder = folder.resolve()
        return moved

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
            low, high = METRICS[metric].lowest, METRICS[metric].highest
            if not low <= gate.threshold <= high:
                raise ValueError(f"gate {metric}: threshold {gate.threshold} lies outside {low:g} … {high:g}")
        return self

    @model_validator(mode="after")
    def _periods_are_the_cadences(self) -> Recipe:
        for name in ("first_as_of", "as_of"):
            day = getattr(self, name)
            if day is not None and not self.cadence.is_first_day(day):
                raise ValueError(f"{name} {day} is not the first day of a {self.cadence.value}")
        others = [cadence.placeholder for cadence in Cadence if cadence is not self.cadence]
        for name, source in self.sources.items():
            found = next((o for o in others if any(o in pattern for pattern in source.files)), None)
            if found:
                wanted = self.cadence.placeholder
                raise ValueError(
                    f"files of source {name!r}: a recipe of cadence {self.cadence.value} writes {wanted}, not {found}"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _days_follow_the_cadence(cls, given: Any) -> Any:
        """The days a monthly recipe does not state are a third of a quarterly one's defaults."""
        if not isinstance(given, dict) or given.get("cadence") not in (Cadence.MONTH, Cadence.MONTH.value):
            return given
        automation, sources = given.get("automation", {}), given.get("sources")
        if isinstance(automation, dict):
            given = {**given, "automation": {**OF_MONTHS, **automation}}
        if isinstance(sources, dict):
            given = {**given, "sources": {name: _of_months(source) for name, source in sources.items()}}
        return given

    def as_ofs(self, until: date) -> Iterator[date]:
        """The recipe's periods that have ended by a day, by ``as_of``; a closed data set ends with its own."""
        return self.cadence.between(self.first_as_of, min(until, self.as_of) if self.as_of else until)

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
