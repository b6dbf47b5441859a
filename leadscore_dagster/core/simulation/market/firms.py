"""Firms of the simulated world: size, instability and assets month by month, and when each is reported.

Not here: who works at a firm (world), how a drop prints it (drops).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.simulation.market.size import (
    FIRST_REPORTED_MONTH,
    MONTH_STARTS,
    MONTHS,
    NEVER,
    MarketSize,
    random_source,
)

TOP_SHARE = 0.05
"""Share of all advisors at the largest firm."""
_SMALLEST_ASSETS, _LARGEST_ASSETS = 35e6, 0.9e12
"""Typical dollars of a one-person firm and of the largest firm at the start, whatever the market's size."""


@dataclass(frozen=True)
class Firms:
    """One entry per firm (F) or per month and firm (M x F). Assets in dollars, days since 1970."""

    crd: np.ndarray  # (F,) int64
    share: np.ndarray  # (F,) target share of all advisors, sums to 1
    ownership: np.ndarray  # (F,) index into words.OWNERSHIP
    metro: np.ndarray  # (F,) index into words.METROS
    average_account: np.ndarray  # (F,) dollars
    individual_share: np.ndarray  # (F,) of clients, 0-1
    wealthy_share: np.ndarray  # (F,) of individual clients, 0-1
    united_states_share: np.ndarray  # (F,) of clients, 0-1
    employees_per_rep: np.ndarray  # (F,)
    early_growth: np.ndarray  # (F,) log growth over the years before the world starts
    undisclosed: np.ndarray  # (F,) 0 all figures shown, 1 growth hidden, 2 assets too, 3 clients too
    instability: np.ndarray  # (M, F) standardised
    assets: np.ndarray  # (M, F) dollars, true at the month's end
    first_report: np.ndarray  # (M, F) dollars, NaN where the firm did not report
    first_known: np.ndarray  # (M, F) day
    restated_known: np.ndarray  # (M, F) day the true value replaces the first report, NEVER if it was right

    @property
    def count(self) -> int:
        return len(self.crd)


def firm_shares(count: int) -> np.ndarray:
    """Shares of advisors per firm, largest first: (rank + shift)^-1.2 with TOP_SHARE at the top."""
    rank = np.arange(1, count + 1, dtype=float)
    low, high = 0.0, 1000.0
    for _ in range(60):
        shift = (low + high) / 2
        weights = (rank + shift) ** -1.2
        low, high = (shift, high) if weights[0] / weights.sum() > TOP_SHARE else (low, shift)
    return weights / weights.sum()


def simulate_firms(size: MarketSize, seed: int, metro_weights: np.ndarray) -> Firms:
    """All firms over all months. Instability is autoregressive; it drives moves (world) and slows growth."""
    random = random_source(seed, 1)
    count = round(size.firms * 1.05)  # some stand empty at any time and do not show
    share = firm_shares(count)
    instability = _instability(random, count) * (1 - 0.8 * np.sqrt(share / share[0]))
    assets = _assets(random, share * size.reps, instability)
    average_account = np.exp(random.normal(np.log(450_000), 0.9, count))
    first_report, first_known, restated_known = _reports(random_source(seed, 2), assets)
    return Firms(
        crd=100_000 + random.permutation(count).astype(np.int64) * 7 + random.integers(0, 7, count),
        share=share,
        ownership=random.choice(5, count, p=[0.62, 0.1, 0.14, 0.08, 0.06]),
        metro=random.choice(len(metro_weights), count, p=metro_weights),
        average_account=average_account,
        individual_share=random.beta(5, 2, count),
        wealthy_share=random.beta(2, 5, count),
        united_states_share=1 - 0.5 * random.beta(0.4, 5, count),
        employees_per_rep=1.2 + random.gamma(2.0, 0.5, count),
        early_growth=random.normal(0.25, 0.35, count) + 3 * (random.random(count) < 0.01),
        undisclosed=_undisclosed(random, share),
        instability=instability.astype(np.float32),
        assets=assets,
        first_report=first_report,
        first_known=first_known,
        restated_known=restated_known,
    )


def _instability(random: np.random.Generator, count: int) -> np.ndarray:
    level = random.normal(size=count)
    path = np.empty((MONTHS, count))
    for month in range(MONTHS):
        level = 0.96 * level + 0.28 * random.normal(size=count)
        path[month] = level
    return path


def _assets(random: np.random.Generator, reps: np.ndarray, instability: np.ndarray) -> np.ndarray:
    count = len(reps)
    power = np.log(_LARGEST_ASSETS / _SMALLEST_ASSETS) / np.log(reps[0])
    spread = 0.6 - 0.45 * np.sqrt(reps / reps[0])
    typical = np.log(_SMALLEST_ASSETS) + power * np.log(np.maximum(reps, 1))
    start = typical + random.normal(size=count) * spread
    drift = random.normal(0.006, 0.004, count)
    market = random.normal(0.004, 0.02, MONTHS)
    jump = (random.random((MONTHS, count)) < 0.0015) * random.normal(0.5, 0.6, (MONTHS, count))
    steps = market[:, None] + drift - 0.003 * instability + random.normal(0, 0.01, (MONTHS, count)) + jump
    return np.round(np.exp(start + np.cumsum(steps, axis=0)), -2)


def _undisclosed(random: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """Nested: firms employing 10.4 / 7.2 / 5.5 % of advisors hide growth / assets too / clients too."""
    order = 50 + random.permutation(len(share) - 50)
    covered = np.cumsum(share[order])
    level = np.zeros(len(share), dtype=np.int8)
    level[order] = (covered < 0.104).astype(np.int8) + (covered < 0.072) + (covered < 0.055)
    return level


def _reports(random: np.random.Generator, assets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = assets.shape
    lag = random.integers(18, 55, shape[1]) + random.integers(0, 12, shape)
    known = MONTH_STARTS[1:, None] + lag
    restated = random.random(shape) < 0.05
    first = np.where(restated, np.round(assets * np.exp(random.normal(0, 0.1, shape)), -2), assets)
    first[random.random(shape) < 0.075] = np.nan
    changed = restated & (first != assets) & ~np.isnan(first)
    restated_known = np.where(changed, known + random.integers(40, 300, shape), NEVER)
    return first, known, restated_known


def shown_assets(firms: Firms, day: int) -> np.ndarray:
    """(M, F) dollars as seen from outside on `day` (facts strictly before it); NaN where none is known."""
    value = np.where(firms.restated_known < day, firms.assets, firms.first_report)
    value = np.where(firms.first_known < day, value, np.nan)
    value[:FIRST_REPORTED_MONTH] = np.nan
    return value
