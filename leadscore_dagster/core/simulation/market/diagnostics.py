"""What the summary and the tests check about a market, computed from the truth. No pipeline uses this.

Not here: the simulation (world).
"""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.simulation.market.conversion import Leads
from leadscore_dagster.core.simulation.market.shown import newest_job
from leadscore_dagster.core.simulation.market.size import NEVER, QUARTERS, TODAY, day_number
from leadscore_dagster.core.simulation.market.world import World

WINDOW_SECONDS = 30 * 86_400


def top_decile_lift(score: np.ndarray, outcome: np.ndarray) -> float:
    """Mean outcome of the tenth with the highest score divided by the mean outcome; both arrays (n,)."""
    top = np.argsort(-score, kind="stable")[: max(1, len(score) // 10)]
    return float(outcome[top].mean() / outcome.mean())


def converted_within_window(leads: Leads) -> np.ndarray:
    """(n,) bool: the call was scheduled within 30 days of contact."""
    lag = leads.converted_at - leads.contacted_at
    return (leads.converted_at > 0) & (lag <= WINDOW_SECONDS)


def mature(leads: Leads) -> np.ndarray:
    """(n,) bool: contacted, and the 30 days have passed by the end of the market."""
    return (leads.contacted_at > 0) & (leads.contacted_at < TODAY * 86_400 - WINDOW_SECONDS)


def days_in_gap(world: World, rep: np.ndarray, day: np.ndarray, known_before: np.ndarray | int) -> np.ndarray:
    """(n,) days from the end of the newest job to `day`, 0 if it had not ended, by the history as known.

    Only job starts and ends filed strictly before day `known_before` count; side jobs are ignored.
    """
    job = newest_job(world.jobs, rep, np.minimum(day, known_before - 1))
    end = np.where(world.jobs.end_known[job] < known_before, world.jobs.end[job], NEVER)
    return np.where((job >= 0) & (end < day), day - end, 0)


def newest_vintage(day: np.ndarray) -> np.ndarray:
    """(n,) as_of day of the newest drop that had been delivered before `day`."""
    delivered = np.array([day_number(quarter.available_at.date()) for quarter in QUARTERS])
    as_of = np.array([day_number(quarter.as_of) for quarter in QUARTERS])
    return as_of[np.searchsorted(delivered, day, side="left") - 1]


def information_value(flag: np.ndarray, outcome: np.ndarray) -> float:
    """Information value of a yes/no feature: sum of (positives' share - negatives') x log of their ratio."""
    total = 0.0
    for side in (flag, ~flag):
        positives = ((side & outcome).sum() + 0.5) / (outcome.sum() + 1)
        negatives = ((side & ~outcome).sum() + 0.5) / ((~outcome).sum() + 1)
        total += (positives - negatives) * np.log(positives / negatives)
    return float(total)


def gap_information(world: World, leads: Leads) -> tuple[float, float]:
    """Information value of being in a gap: (as the newest drop shows it, as known at contact)."""
    rows = mature(leads)
    rep, day, outcome = (
        leads.rep[rows],
        leads.contacted_at[rows] // 86_400,
        converted_within_window(leads)[rows],
    )
    with_hindsight = days_in_gap(world, rep, day, day_number(QUARTERS[-1].as_of))
    as_known = days_in_gap(world, rep, day, newest_vintage(day))
    return information_value(with_hindsight > 0, outcome), information_value(as_known > 0, outcome)
