"""Leads of the demo market whose true probability of converting is known: what the proofs of the intervals draw from.

The market's own careers, contacts and conversion model (core/simulation/market), without vendor files and CRM: what a
vendor could at best have shown on the contact day is the features. No pipeline, no metric here.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from leadscore_dagster.core.simulation.market.conversion import simulate_leads
from leadscore_dagster.core.simulation.market.shown import newest_job
from leadscore_dagster.core.simulation.market.size import MarketSize, month_of
from leadscore_dagster.core.simulation.market.world import simulate_world

Found = TypeVar("Found")
NAMES = (
    "months_at_firm", "moves_in_3_years", "log_firm_size", "firm_growth", "years_registered",
    "series_65_only", "certified_planner", "dual", "weekday", "own_firm",
)  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Contacted leads: ``features`` float32 [n, k], ``truth`` probability of converting within 30 days [n], ``entity``
    advisor's number [n], ``contacted_at`` seconds since 1970 UTC [n]."""

    features: np.ndarray
    truth: np.ndarray
    entity: np.ndarray
    contacted_at: np.ndarray

    def take(self, rows: np.ndarray) -> Population:
        return Population(self.features[rows], self.truth[rows], self.entity[rows], self.contacted_at[rows])


def simulate_population(leads: int = 200_000, seed: int = 7) -> Population:
    """A larger market of the same make. The true propensity also depends on what no vendor shows (mobility, being
    between two jobs, an end not filed yet), so the features cannot reproduce it."""
    world = simulate_world(MarketSize(reps=int(leads * 1.45), firms=int(leads * 0.116), leads=leads), seed)
    simulated = simulate_leads(world)
    contacted = simulated.kind != 3
    rep, seconds = simulated.rep[contacted], simulated.contacted_at[contacted]
    day = seconds // 86_400
    jobs, month = world.jobs, month_of(day)
    job = newest_job(jobs, rep, day)
    firm = jobs.firm[job]
    size = np.log1p(world.headcount[month, firm])
    held = {name: since[rep] <= day for name, since in world.advisors.licence_since.items()}
    columns = (
        (day - jobs.start[job]) / 30.4,
        job - newest_job(jobs, rep, day - 1095),
        size,
        size - np.log1p(world.headcount[np.maximum(month - 12, 0), firm]),
        (day - world.advisors.career_start[rep]) / 365,
        held["Has_Series_65"] & ~held["Has_Series_7"],
        held["Has_CFP"],
        world.advisors.is_dual[rep],
        (day + 3) % 7,
        world.firms.ownership[firm] == 0,
    )
    features = np.column_stack([np.asarray(column, dtype=np.float32) for column in columns])
    return Population(features, simulated.propensity[contacted], rep, seconds)


def draw_outcomes(truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Labels 0/1 [n] of one world."""
    return (random.random(len(truth)) < truth).astype(np.int64)


def draw_entities(entity: np.ndarray, random: np.random.Generator, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of about ``wanted`` leads, whole advisors at a time with replacement, and a number for each one drawn."""
    order = np.argsort(entity, kind="stable")
    people, first, sizes = np.unique(entity[order], return_index=True, return_counts=True)
    drawn = random.integers(0, len(people), round(wanted / sizes.mean()))
    codes = np.repeat(np.arange(len(drawn)), sizes[drawn])
    inside = np.arange(len(codes)) - np.repeat(np.cumsum(sizes[drawn]) - sizes[drawn], sizes[drawn])
    return order[np.repeat(first[drawn], sizes[drawn]) + inside], codes


def in_parallel(one_world: Callable[[int], Found], worlds: int, processes: int) -> list[Found]:
    """Worlds 0 … ``worlds`` - 1, each from its own number as seed: the same however many processes there are."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(one_world, range(worlds), chunksize=max(1, worlds // (4 * processes)))
