"""How large a simulated market is, and the calendar it lives on. Nothing here is random.

Not here: the random part (world).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

NEVER = 99_999
"""Day number (days since 1970-01-01) of things that have not happened; later than any date in the market."""

OWN_COMPANY = "Quillmere Advisors"
"""Invented name of the company whose sales team uses the scores; its own people appear among the leads."""


@dataclass(frozen=True)
class MarketSize:
    """reps: distinct advisors in the newest drop; firms: firms at the start; leads: distinct lead Ids."""

    reps: int
    firms: int
    leads: int

    def __post_init__(self) -> None:
        if self.firms < 50 or self.reps < 4 * self.firms or not 200 <= self.leads <= self.reps:
            raise ValueError(f"{self}: needs firms >= 50, reps >= 4 x firms and 200 <= leads <= reps")


DEMO = MarketSize(reps=52_000, firms=4_160, leads=36_000)
FULL_SCALE = MarketSize(reps=462_825, firms=38_543, leads=79_002)


@dataclass(frozen=True)
class Quarter:
    """One drop: `as_of` is the instant it describes (facts strictly before), `available_at` is UTC."""

    name: str
    as_of: date
    available_at: datetime


def _quarter(name: str, as_of: str, days_until_available: int) -> Quarter:
    day = date.fromisoformat(as_of)
    at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=days_until_available)
    return Quarter(name, day, at)


QUARTERS = (
    _quarter("2023_q4", "2024-01-01", 12),
    _quarter("2024_q1", "2024-04-01", 15),
    # 2024_q2 (as of 2024-07-01) was never delivered, as in the real history.
    _quarter("2024_q3", "2024-10-01", 9),
    _quarter("2024_q4", "2025-01-01", 31),
    _quarter("2025_q1", "2025-04-01", 21),
    _quarter("2025_q2", "2025-07-01", 14),
    _quarter("2025_q3", "2025-10-01", 26),
    _quarter("2025_q4", "2026-01-01", 11),
)


def day_number(day: date | str) -> int:
    """Days since 1970-01-01."""
    return int(np.datetime64(str(day), "D").astype(np.int64))


FIRST_CONTACT = day_number("2024-02-01")
TODAY = day_number("2026-02-01")
"""The CRM extract knows what happened before this day."""

WORLD_START = day_number("2022-01-01")
MONTH_STARTS = np.arange("2022-01", "2026-03", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
"""Day numbers of month starts; month m runs from MONTH_STARTS[m] to MONTH_STARTS[m + 1]."""
MONTHS = len(MONTH_STARTS) - 1
FIRST_REPORTED_MONTH = 12
"""The vendor's firm history begins in January 2023."""


def month_of(day: np.ndarray) -> np.ndarray:
    """Index into MONTH_STARTS of the month a day lies in, clipped to the world's months."""
    return np.clip(np.searchsorted(MONTH_STARTS, day, side="right") - 1, 0, MONTHS - 1)


def random_source(seed: int, *purpose: int) -> np.random.Generator:
    """An independent generator per purpose, so that adding one fact does not shift all the others."""
    return np.random.default_rng([seed, *purpose])
