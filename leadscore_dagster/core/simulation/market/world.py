"""The world from a seed number: advisors and firms, month by month, with every job they ever held.

A job start is known at once. A job end is filed with the next job, so it is known only when that job starts.
Not here: who is contacted and converts (conversion), what a vendor shows of all this (shown, drops).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.advisors import Advisors, make_advisors
from leadscore_dagster.core.simulation.market.firms import Firms, simulate_firms
from leadscore_dagster.core.simulation.market.size import (
    MONTH_STARTS,
    MONTHS,
    NEVER,
    WORLD_START,
    MarketSize,
    random_source,
)

MONTHLY_HAZARD = 0.0115
"""Chance per month that an advisor of average mobility leaves the firm."""


@dataclass(frozen=True)
class Jobs:
    """One entry per job, sorted by (rep, start). Days since 1970; NEVER for what has not happened."""

    rep: np.ndarray
    firm: np.ndarray
    start: np.ndarray
    end: np.ndarray
    end_known: np.ndarray


@dataclass(frozen=True)
class World:
    """Everything that is true. `jobs` is the career; `side_jobs` are second jobs that overlap it."""

    size: MarketSize
    seed: int
    firms: Firms
    advisors: Advisors
    jobs: Jobs
    side_jobs: Jobs
    headcount: np.ndarray  # (M, F) advisors employed at the month's start
    left_industry: np.ndarray  # (P,) bool: the last job's end is final


def simulate_world(size: MarketSize, seed: int) -> World:
    """Simulate firms and careers. Deterministic in (size, seed); memory grows with the number of jobs."""
    metro_weights = np.array([metro[4] for metro in words.METROS])
    metro_weights = metro_weights / metro_weights.sum()
    firms = simulate_firms(size, seed, metro_weights)
    advisors = make_advisors(size, seed)
    jobs, headcount, left_industry = _careers(firms, advisors, seed)
    return World(size, seed, firms, advisors, jobs, _side_jobs(jobs, firms, seed), headcount, left_industry)


class _Ledger:
    """Jobs collected in chunks while the months pass."""

    def __init__(self) -> None:
        self.chunks: list[tuple[np.ndarray, ...]] = []

    def add(self, *columns: np.ndarray) -> None:
        self.chunks.append(tuple(np.asarray(column, dtype=np.int32) for column in columns))

    def sorted(self) -> Jobs:
        columns = [np.concatenate(column) for column in zip(*self.chunks, strict=True)]
        rep, firm, start, end, end_known = columns
        order = np.lexsort((start, rep))
        return Jobs(rep[order], firm[order], start[order], end[order], end_known[order])


def gap_days(random: np.random.Generator, count: int) -> np.ndarray:
    """Days between two jobs: 15 % move within days, the rest log-normal; overall median about 115."""
    gap = np.clip(np.exp(random.normal(np.log(134), 0.55, count)), 5, 900)
    at_once = random.random(count) < 0.15
    return np.where(at_once, random.integers(0, 4, count), gap).astype(int)


def _filed(random: np.random.Generator, end: np.ndarray, next_start: np.ndarray) -> np.ndarray:
    """Day an end becomes known: with the next job's filing, except 3 % that are filed early."""
    early = (random.random(len(end)) < 0.03) & (next_start > end + 30)
    return np.where(early, end + random.integers(10, 30, len(end)), np.maximum(next_start, end))


def _careers(firms: Firms, advisors: Advisors, seed: int) -> tuple[Jobs, np.ndarray, np.ndarray]:
    ledger, random = _Ledger(), random_source(seed, 4)
    firm, start, gap_until = _before_the_world(firms, advisors, ledger, random)
    exited = np.zeros(advisors.count, dtype=bool)
    small_owner = np.where(advisors.is_owner, 0.3, 1.0)
    headcount = np.empty((MONTHS, firms.count), dtype=np.int32)
    for month in range(MONTHS):
        random = random_source(seed, 5, month)
        first_day, next_first = MONTH_STARTS[month], MONTH_STARTS[month + 1]
        headcount[month] = np.bincount(firm[firm >= 0], minlength=firms.count)
        arriving = np.flatnonzero((firm < 0) & ~exited & (gap_until < next_first))
        firm[arriving] = _destinations(firms, headcount[month], month, random, len(arriving))
        start[arriving] = gap_until[arriving]
        instability = np.where(firm >= 0, firms.instability[month][firm], 0)
        tenure = np.maximum(first_day - start, 0)
        by_tenure = np.select([tenure < 365, tenure < 1095, tenure < 2555], [0.8, 1.3, 1.0], 0.75)
        hazard = MONTHLY_HAZARD * advisors.mobility * by_tenure * np.exp(0.55 * instability) * small_owner
        leaving = np.flatnonzero((random.random(advisors.count) < np.minimum(hazard, 0.4)) & (firm >= 0))
        retiring = np.flatnonzero((random.random(advisors.count) < advisors.exit_hazard) & (firm >= 0))
        leaving = np.setdiff1d(leaving, retiring, assume_unique=True)
        for group, forever in ((leaving, False), (retiring, True)):
            end = random.integers(np.maximum(first_day, start[group]), next_first)
            next_start = end + gap_days(random, len(group)) + (20 if forever else 0)
            known = _filed(random, end, next_start)
            ledger.add(group, firm[group], start[group], end, known)
            firm[group], gap_until[group] = -1, next_start
            exited[group] = forever
    working = np.flatnonzero(firm >= 0)
    never = np.full(len(working), NEVER)
    ledger.add(working, firm[working], start[working], never, never)
    return ledger.sorted(), headcount, exited


def _destinations(
    firms: Firms, headcount: np.ndarray, month: int, random: np.random.Generator, count: int
) -> np.ndarray:
    """Firms draw joiners in proportion to size and stability; an empty firm is refounded by somebody."""
    target = firms.share * headcount.sum()
    weight = target * np.exp(-0.5 * firms.instability[month]) + 4.0 * (headcount == 0)
    cumulative = np.cumsum(weight)
    return np.searchsorted(cumulative, random.random(count) * cumulative[-1], side="right")


def _before_the_world(
    firms: Firms, advisors: Advisors, ledger: _Ledger, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Careers up to WORLD_START by renewal; returns firm (-1 if none), start and next start per advisor."""
    count = advisors.count
    firm, start = np.full(count, -1), np.full(count, 0)
    gap_until = advisors.career_start.astype(int).copy()
    cumulative = np.cumsum(firms.share)
    active = np.flatnonzero(gap_until < WORLD_START)
    while len(active):
        begin = gap_until[active]
        years = random.exponential(1 / (12 * MONTHLY_HAZARD * np.maximum(advisors.mobility[active], 0.05)))
        end = begin + 90 + np.minimum(years * 365, 30_000).astype(int)
        employer = np.searchsorted(cumulative, random.random(len(active)) * cumulative[-1], side="right")
        next_start = end + gap_days(random, len(active))
        done = end < WORLD_START
        known = _filed(random, end, next_start)
        ledger.add(active[done], employer[done], begin[done], end[done], known[done])
        gap_until[active[done]] = next_start[done]
        start[active[~done]], firm[active[~done]] = begin[~done], 0
        active = active[done & (next_start < WORLD_START)]
    working = np.flatnonzero(firm >= 0)
    seats = np.maximum(np.floor(firms.share * len(working)).astype(int), 1)
    slots = np.repeat(np.arange(firms.count), seats)
    extra = np.searchsorted(cumulative, random.random(len(working)), side="right")
    slots = np.concatenate([slots, extra])[: len(working)]
    # Owners sit at small firms: hand the slots out from the largest firm on, owners mostly last.
    order = np.argsort(0.7 * advisors.is_owner[working] + random.random(len(working)), kind="stable")
    firm[working[order]] = slots[np.argsort(slots, kind="stable")]
    return firm, start, gap_until


def _side_jobs(jobs: Jobs, firms: Firms, seed: int) -> Jobs:
    """About 2 % of the finished jobs have a shorter second job inside them, at another firm."""
    random = random_source(seed, 6)
    long_enough = (jobs.end < NEVER) & (jobs.end - jobs.start > 200)
    host = np.flatnonzero(long_enough & (random.random(len(jobs.rep)) < 0.02))
    begin = jobs.start[host] + random.integers(10, 60, len(host))
    end = begin + ((jobs.end[host] - begin) * random.uniform(0.3, 0.8, len(host))).astype(np.int32)
    known = np.minimum(end + random.integers(20, 200, len(host)), NEVER - 1)
    other = (jobs.firm[host] + 1 + random.integers(0, firms.count - 1, len(host))) % firms.count
    columns = (jobs.rep[host], other, begin, end, known)
    return Jobs(*(np.asarray(column, dtype=np.int32) for column in columns))
