"""Who is contacted when, and who converts: the true propensity and its outcome.

The propensity knows the true state of the contact day, including a gap between two jobs that nobody could see
then. Not here: how the CRM records it (crm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.shown import newest_job
from leadscore_dagster.core.simulation.market.size import (
    FIRST_CONTACT,
    MONTH_STARTS,
    NEVER,
    TODAY,
    month_of,
    random_source,
)
from leadscore_dagster.core.simulation.market.world import World

BASE_RATE = 0.039
"""Share of contacted leads that convert within 30 days."""
GAP_SHARE, GAP_RATE = 0.195, 0.112
"""Share of contacted leads that are between two jobs, and how many of those convert."""
WITHIN_WINDOW = 0.9
"""Share of all conversions that fall within 30 days."""
OPEN_SHARE = 0.035
_RECYCLED_SHARE, _TOO_SOON_SHARE = 0.055, 0.01
FRESH, RECYCLED, TOO_SOON, OPEN = 0, 1, 2, 3


@dataclass(frozen=True)
class Leads:
    """One entry per lead. Times are seconds since 1970 UTC; 0 for what has not happened."""

    rep: np.ndarray
    kind: np.ndarray  # FRESH, RECYCLED (again, > 180 days later), TOO_SOON (again, earlier), OPEN (never)
    contacted_at: np.ndarray
    in_gap: np.ndarray
    propensity: np.ndarray  # probability of converting within 30 days of contact; NaN for open leads
    converted_at: np.ndarray


def simulate_leads(world: World) -> Leads:
    """All leads in order of contact, open ones last. Rates are set by solving for two intercepts."""
    rep, day, kind = _contacts(world)
    random = random_source(world.seed, 8)
    in_gap, score = propensity_score(world, rep, day, random)
    share = in_gap.mean()
    propensity = np.empty(len(rep))
    propensity[in_gap] = _with_mean(score[in_gap], GAP_RATE)
    propensity[~in_gap] = _with_mean(score[~in_gap], (BASE_RATE - share * GAP_RATE) / (1 - share))
    seconds = day * 86_400 + 13 * 3600 + (random.beta(2, 2, len(rep)) * 9 * 3600).astype(int)
    converts = random.random(len(rep)) < propensity / WITHIN_WINDOW
    converted_at = np.where(converts, seconds + (_lag_days(random, len(rep)) * 86_400).astype(int), 0)
    order = np.lexsort((rep, seconds))
    open_reps = _open_leads(world, rep, random)
    blank = np.zeros(len(open_reps), dtype=np.int64)
    return Leads(
        rep=np.concatenate([rep[order], open_reps]),
        kind=np.concatenate([kind[order], blank + OPEN]),
        contacted_at=np.concatenate([seconds[order], blank]),
        in_gap=np.concatenate([in_gap[order], blank.astype(bool)]),
        propensity=np.concatenate([propensity[order], np.full(len(blank), np.nan)]),
        converted_at=np.concatenate([np.where(converted_at < TODAY * 86_400, converted_at, 0)[order], blank]),
    )


def _contacts(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rep, day, kind) of all contacts, drawn month by month; mobile advisors are preferred."""
    total = world.size.leads - int(world.size.leads * OPEN_SHARE)
    first, last = month_of(np.array([FIRST_CONTACT, TODAY - 1]))
    volume = random_source(world.seed, 7).uniform(0.8, 1.2, last - first + 1)
    per_month = np.diff(np.round(np.concatenate([[0], np.cumsum(volume) / volume.sum()]) * total)).astype(int)
    last_contact = np.full(world.advisors.count, -NEVER)
    found = []
    for month, wanted in zip(range(first, last + 1), per_month, strict=True):
        random = random_source(world.seed, 7, int(month))
        rep, day, kind = _contacts_of_month(world, int(month), int(wanted), last_contact, random)
        last_contact[rep] = day
        found.append((rep, day, kind))
    rep, day, kind = (np.concatenate(part) for part in zip(*found, strict=True))
    return rep, day, kind


def _contacts_of_month(
    world: World, month: int, wanted: int, last_contact: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    people = np.arange(world.advisors.count)
    days = np.arange(MONTH_STARTS[month], MONTH_STARTS[month + 1])
    weight = np.where((days + 3) % 7 < 5, 1.0, 0.02)  # day 0 was a Thursday, so Monday is 0
    day = random.choice(days, len(people), p=weight / weight.sum())
    job = newest_job(world.jobs, people, day)
    in_gap = (job >= 0) & (world.jobs.end[job] < day)
    since = day - world.jobs.start[job]
    callable_now = (job >= 0) & (since > 20) & ~(in_gap & _is_final(world, job))
    settled = np.clip(since / 900, 0.08, 1)  # nobody likes to call people who have just moved
    preference = np.log(_sought(world) * settled) + random.gumbel(size=len(people))
    waited = np.where(last_contact > 0, day - last_contact, 0)
    pools = (
        (RECYCLED, max(1, int(wanted * _RECYCLED_SHARE)), callable_now & (waited > 185)),
        (TOO_SOON, max(1, int(wanted * _TOO_SOON_SHARE)), callable_now & (waited > 45) & (waited < 170)),
        (FRESH, wanted, callable_now & (last_contact < 0)),
    )
    chosen: list[np.ndarray] = []
    kinds = []
    for kind, most, pool in pools:
        count = min(most, wanted - sum(map(len, chosen)))
        between = _best(pool & in_gap, preference, round(count * GAP_SHARE))
        others = _best(pool & ~in_gap, preference, count - len(between))
        chosen += [between, others]
        kinds.append(np.full(len(between) + len(others), kind))
    rep = np.concatenate(chosen)
    return rep, day[rep], np.concatenate(kinds)


def _sought(world: World) -> np.ndarray:
    """How eagerly sales looks for each advisor: the mobile, and rather those known to advise."""
    producing = np.where(world.advisors.known_non_advisor == 2, 0.5, 1)
    return np.asarray(world.advisors.mobility**0.5 * producing)


def _best(pool: np.ndarray, preference: np.ndarray, count: int) -> np.ndarray:
    candidates = np.flatnonzero(pool)
    return candidates[np.argsort(-preference[candidates], kind="stable")[:count]]


def propensity_score(
    world: World, rep: np.ndarray, day: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(in_gap, score): log-odds of converting up to an intercept, from the true state on the contact day."""
    jobs, advisors, firms = world.jobs, world.advisors, world.firms
    job = newest_job(jobs, rep, day)
    firm, month = jobs.firm[job], month_of(day)
    months_there = (day - jobs.start[job]) / 30.4
    in_gap = jobs.end[job] < day
    leaves_soon = ~in_gap & (jobs.end[job] < day + 90)
    moves = job - newest_job(jobs, rep, day - 1095)
    scale = 462_825 / world.size.reps
    size = np.log(np.maximum(world.headcount[month, firm], 1) * np.where(firm < 50, scale, 1))
    instability = firms.instability[month, firm]
    held = {name: since[rep] <= day for name, since in advisors.licence_since.items()}
    weekday = np.array([0.12, 0.0, 0.0, 0.0, 0.1, 0.8, 0.2])[(day + 3) % 7]
    metro = np.array([entry[5] for entry in words.METROS])[advisors.metro[rep]]
    score = (
        -0.62 * np.log((months_there + 6) / 60)
        + 0.12 * np.minimum(moves, 4)
        + 0.06 * np.log(np.maximum(advisors.mobility[rep], 0.02))
        - 0.06 * size
        + 0.15 * instability * (0.4 + 0.6 * np.minimum(advisors.mobility[rep], 2))
        + 0.25 * (held["Has_Series_65"] & ~held["Has_Series_7"])
        - 0.10 * held["Has_CFP"]
        - 0.12 * advisors.is_dual[rep]
        + 0.20 * (firms.ownership[firm] == 0)
        + 0.45 * (firms.undisclosed[firm] > 1)
        + 0.30 * leaves_soon
        + weekday
        + metro
        + random.normal(0, 0.12, len(rep))
    )
    # Whoever is between two jobs listens, whatever the history: the other influences count for less.
    return in_gap, np.where(in_gap, 0.3 * score, score)


def _is_final(world: World, job: np.ndarray) -> np.ndarray:
    """Whether a job is the last of an advisor who left the industry."""
    following = np.minimum(job + 1, len(world.jobs.rep) - 1)
    is_last = (world.jobs.rep[following] != world.jobs.rep[job]) | (following == job)
    return is_last & world.left_industry[world.jobs.rep[job]]


def _with_mean(score: np.ndarray, rate: float) -> np.ndarray:
    """Probabilities 1 / (1 + exp(-(b + score))); the intercept b that gives the mean `rate` by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        probability = 1 / (1 + np.exp(-(middle + score)))
        low, high = (low, middle) if probability.mean() > rate else (middle, high)
    return np.minimum(probability, WITHIN_WINDOW)


def _lag_days(random: np.random.Generator, count: int) -> np.ndarray:
    """Days from contact to the scheduled call: 90 % within 30 (truncated exponential), the rest later."""
    uniform = random.random(count)
    early = -9 * np.log(1 - uniform * (1 - np.exp(-29.9 / 9)))
    late = 30.1 + random.exponential(45, count)
    return np.maximum(np.where(random.random(count) < WITHIN_WINDOW, early, late), 0.01)


def _open_leads(world: World, contacted: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Advisors working now, in the CRM but not contacted yet; sought like those who were."""
    free = np.ones(world.advisors.count, dtype=bool)
    free[contacted] = False
    job = newest_job(world.jobs, np.arange(len(free)), TODAY - 60)
    pool = np.flatnonzero(free & (job >= 0) & (world.jobs.end[job] >= TODAY))
    wanted = _sought(world)[pool]
    return random.choice(pool, int(world.size.leads * OPEN_SHARE), replace=False, p=wanted / wanted.sum())
