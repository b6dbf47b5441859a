"""What restatement found about one column, and the numbers it is made of.

Facts arrive here already counted, grouped by the day they happened, the day they were first known and the day since
which their last value stands. Lives here: shares, lags, the maturity curve. Not here: counting (statements, measure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.restatement.association import AroundOutcome
from leadscore_dagster.core.measures.rates import wilson

#: event: a value of a dated fact. row: the dated fact itself (its key). state: the newest state of an entity.
#: versions: a table that states when each version held. log: rows of a log in several extracts.
Kind = Literal["event", "row", "state", "versions", "log"]
LAGS = (0, 3, 7, 30, 90, 180, 365)
TRUSTED = 0.95
#: days: how old the rows of a log may be when first seen to count as fresh
FRESH = (7, 30, 90)
#: fewer facts say nothing: the 95% interval of none in a hundred reaches 3.7%
MINIMUM_FACTS = 100


class Unjudged(StrEnum):
    """Why the numbers of a column prove nothing."""

    #: it is part of the key of something without a time
    IDENTIFIES = "identifies"
    #: it is a state, and states change
    NEW_STATE = "new_state"
    NOTHING_STORED = "nothing_stored"
    ONE_VINTAGE = "one_vintage"
    ONE_EXTRACT = "one_extract"
    EXTRACTS_ALIKE = "extracts_alike"
    TOO_FEW_FACTS = "too_few_facts"


_TOLD = {
    Unjudged.IDENTIFIES: "identifies the row",
    Unjudged.NEW_STATE: "a value that differs in the next vintage is a new state, not a changed past",
    Unjudged.NOTHING_STORED: "nothing is stored",
    Unjudged.ONE_VINTAGE: "only one vintage exists: nothing shows what changes",
    Unjudged.ONE_EXTRACT: "only one extract exists: nothing shows when this column was filled",
    Unjudged.EXTRACTS_ALIKE: ("nothing tells the stored extracts apart: nothing shows when this column was filled"),
}


@dataclass(frozen=True)
class Maturity:
    """One point of the maturity curve, ``lag`` days after the event.

    ``facts`` : facts followed that long. ``published`` : how many of them had any value by then. ``final`` : share of
    the facts whose last value was known by then. ``ratio`` : median of (value known then / last value) over the
    published facts, for numbers of a version table.
    """

    lag: int
    facts: int
    published: int
    final: float
    ratio: float | None = None


@dataclass(frozen=True)
class Fresh:
    """Rows of a log that were at most ``age`` days old when an extract first showed them, and how many of those a later
    extract shows changed; ``low``: of that share, the low end of the 95% Wilson interval.

    What is filled in within weeks is changed in few of all rows, because most were old when anybody first looked.
    """

    age: int
    facts: int
    changed: int
    low: float


@dataclass(frozen=True)
class ColumnRestatement:
    """How often and how late past facts of one column were written or changed.

    ``facts`` : past facts seen in at least two vintages (of an unjudged state: entities by quarters). ``changed`` : how
    many were written or changed afterwards; ``share`` of the facts with its 95% Wilson interval ``low`` … ``high``.
    ``filled_late`` : share whose missing value was filled in. ``lag_p50`` … : days, over the changed facts, from the
    event (the first sight, where facts have no date) to the day the last value was known. ``wait_days`` : how long
    after the event 95% of the facts were as they stayed; None if not within ``observed_days``, for which every fact
    of the curve was followed (None: no fact was). ``fresh`` : of a log, the rows caught
    young. ``one_in`` : every so many-th entity was counted.
    ``reason``: why the numbers, if any, prove nothing; None where they do.
    """

    table: str
    column: str
    kind: Kind
    facts: int = 0
    changed: int = 0
    share: float | None = None
    low: float | None = None
    high: float | None = None
    filled_late: float | None = None
    lag_p50: float | None = None
    lag_p90: float | None = None
    lag_p95: float | None = None
    maturity: tuple[Maturity, ...] = ()
    wait_days: int | None = None
    observed_days: int | None = None
    around_outcome: AroundOutcome | None = None
    fresh: Fresh | None = None
    vintages: int = 0
    one_in: int = 1
    judged: bool = True
    reason: Unjudged | None = None

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def why(self) -> str:
        """Why it is not judged, in words; empty where it is."""
        if self.reason is Unjudged.TOO_FEW_FACTS:
            return f"only {self.facts} facts were seen twice, {MINIMUM_FACTS} are needed"
        return _TOLD[self.reason] if self.reason else ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: every field, and ``why``."""
        return asdict(self) | {"why": self.why}


@dataclass(frozen=True)
class Measured:
    """The numbers of ``ColumnRestatement`` that come from counted facts."""

    facts: int
    changed: int
    filled: int
    lags: tuple[float | None, float | None, float | None] = (None, None, None)
    maturity: tuple[Maturity, ...] = ()
    wait_days: int | None = None
    observed_days: int | None = None


def measured(
    groups: pa.Table,
    window: tuple[date, date],
    last_known: date,
    lags: Sequence[int] = LAGS,
    curve: bool = True,
) -> Measured:
    """Shares, lags and maturity of counted facts.

    Parameters
    ----------
    groups : event_date, first_known, settled (DATE), changed, filled, followed (INT64, 0 or 1), n (facts of the group).
    window : first and last event date of the maturity curve: those whose whole history the vintages show.
    last_known : the last day anything was known; the curve ends where facts of the window were not followed further.
    curve : False where facts have no date of their own, so that there is no curve.
    """
    columns = {name: _numbers(groups[name]) for name in groups.column_names}
    weights = columns["n"].astype(np.int64)
    followed, changed = columns["followed"] == 1, columns["changed"] == 1
    restated = followed & changed
    lag = columns["settled"] - columns["event_date"]
    found = Measured(
        int(weights[followed].sum()),
        int(weights[restated].sum()),
        int(weights[restated & (columns["filled"] == 1)].sum()),
        tuple(_quantile(lag[restated], weights[restated], q) for q in (0.5, 0.9, 0.95)),  # type: ignore[arg-type]
    )
    first, last = (_day(day) for day in window)
    inside = (columns["event_date"] >= first) & (columns["event_date"] <= last) & ~np.isnan(columns["first_known"])
    observed = _day(last_known) - last
    if not curve or observed < 1 or not weights[inside].sum():
        return found
    weight, settled = weights[inside], lag[inside]
    published = columns["first_known"][inside] - columns["event_date"][inside]
    total = int(weight.sum())
    points = tuple(
        Maturity(day, total, int(weight[published <= day].sum()), float(weight[settled <= day].sum() / total))
        for day in lags
        if day <= observed
    )
    wait = _quantile(settled, weight, TRUSTED)
    wait_days = None if wait is None or wait > observed else max(int(wait), 0)
    return Measured(found.facts, found.changed, found.filled, found.lags, points, wait_days, observed)


def caught_fresh(groups: pa.Table, seen_on: Sequence[date]) -> Fresh | None:
    """Of the ages in `FRESH`, the one whose rows were demonstrably changed most; None without such rows.

    Parameters
    ----------
    groups : as for ``measured``, ``event_date`` being the day a row became known.
    seen_on : the days of the extracts.
    """
    days = np.array(sorted(_day(day) for day in seen_on))
    event, changed, followed, n = (_numbers(groups[name]) for name in ("event_date", "changed", "followed", "n"))
    place = np.searchsorted(days, event)
    age = np.where(place < len(days), days[np.minimum(place, len(days) - 1)] - event, np.inf)
    found = []
    for limit in FRESH:
        young = (followed == 1) & (age <= limit)
        facts, hits = int(n[young].sum()), int(n[young & (changed == 1)].sum())
        if facts:
            found.append(Fresh(limit, facts, hits, wilson(hits, facts)[0]))
    return max(found, key=lambda one: one.low, default=None)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Dates as days since 1970, everything as float64 with NaN for missing."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.date32()).cast(pa.int32())
    return column.cast(pa.float64()).to_numpy()


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float | None:
    """Smallest value that at least that share of the facts does not exceed; None without facts."""
    there = ~np.isnan(values)
    values, weights = values[there], weights[there]
    if not weights.sum():
        return None
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    position = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12)))
    return float(values[order][position])
