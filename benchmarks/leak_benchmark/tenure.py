"""The original contact-to-call model's 14 features: as a flat table without vintages, and through the vintages.

The flat table follows the published percentiles and conversion rates: about 8,135 contacts, 234 of them positive, and a
tenure whose information value is .78 while every other feature stays below .17. Nothing in it says when a value was
known, so the tenure must be called ``suspect``; nobody may be proven by it, and nobody else accused. Through vintages
the same features are computed as known, and must be clear.

Lives here: both worlds. Not here: the features' SQL (sql/advisor/features/employment).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.leak_benchmark.flat import Flat, empty, written
from benchmarks.leak_benchmark.market import market_world
from benchmarks.leak_benchmark.world import Entry, World

ROWS = 8_135
#: percentiles of the training set, and conversion by months of tenure
_PERCENTILES = [0, 1, 5, 25, 50, 75, 95, 99, 100]
_TENURE = [0, 6, 33, 74, 114, 166, 238, 312, 493]
_ASSETS = [0, 1e5, 1.18e8, 1.21e10, 4.17e10, 2.71e11, 1.27e12, 1.40e12, 1.75e12]
_GROWTH = [-100, -17.7, 0, 14.3, 16.3, 17.3, 33.2, 213, 500]
_NET = [-4687, -4580, -4197, -1254, -51, 0, 5, 1241, 2219]
_STAFF = [0, 0, 0, 1, 104, 852, 2331, 3265, 14882]
_INDUSTRY = [0, 0, 0, 46, 138, 294, 659, 1040, 1400]
_PRIOR = [0, 0, 0, 1, 2, 4, 7, 11, 20]
_RATE_BY_TENURE = ([12, 24, 48, 120], [0.114, 0.158, 0.064, 0.033, 0.011])
WITHIN_BANDS = 0.015  # logits a month
_UNPROVEN = ("unproven", "clear")


def as_flat_table(rng: np.random.Generator) -> Flat:
    """The contacts, as a file of features without dates."""
    flat = empty(rng, ROWS, months=8)
    tenure = np.floor(_drawn(rng, _TENURE))
    recent = tenure < 36
    moves = np.where(recent, 1 + rng.poisson(0.5, ROWS), rng.geometric(0.85, ROWS) - 1)
    # places in the ranking; one logit from end to end is an information value of about .08
    of_assets, of_growth, of_staff = rng.random((3, ROWS))
    # within a band it goes on falling; by so much that the information value by deciles is the published one
    flat.latent = -WITHIN_BANDS * tenure + 0.1 * moves - 1.1 * of_assets - 1.1 * of_growth - 1.0 * of_staff
    flat.outcome = _converted(rng, tenure, flat.latent)
    industry, prior = np.floor(_drawn(rng, _INDUSTRY)), np.round(_drawn(rng, _PRIOR))
    net = np.round(_drawn(rng, _NET))
    average_prior = np.maximum(0, industry - tenure) / np.maximum(1, prior)
    ratio = np.clip(np.where(average_prior > 0.1, tenure / np.maximum(average_prior, 0.1), tenure), 0, 100)
    columns: dict[str, tuple[np.ndarray, str]] = {
        "aum_growth_since_jan2024_pct": (np.where(rng.random(ROWS) < 0.3, np.nan, _at(of_growth, _GROWTH)), "number"),
        "current_firm_tenure_months": (tenure, "integer"),
        "firm_aum_pit": (np.where(rng.random(ROWS) < 0.2, np.nan, _at(of_assets, _ASSETS)), "number"),
        "firm_net_change_12mo": (net, "integer"),
        "firm_rep_count_at_contact": (np.round(_at(of_staff, _STAFF)), "integer"),
        "industry_tenure_months": (industry, "integer"),
        "num_prior_firms": (prior, "integer"),
        "pit_mobility_tier_Highly_Mobile": ((moves >= 3).astype(np.int64), "flag"),
        "pit_mobility_tier_Mobile": ((moves == 2).astype(np.int64), "flag"),
        "pit_mobility_tier_Stable": ((moves == 0).astype(np.int64), "flag"),
        "pit_moves_3yr": (moves, "integer"),
        "pit_restlessness_ratio": (ratio, "number"),
        "flight_risk_score": (np.clip(moves * -np.clip(net, -100, 100), -1000, 1000), "integer"),
        "is_fresh_start": ((tenure < 12).astype(np.int64), "flag"),
    }
    for name, (values, kind) in columns.items():
        flat.columns[name], flat.types[name] = values, kind
    return flat


def _flat(folder: Path, market: Path, seed: int) -> World:
    flat = as_flat_table(np.random.default_rng([seed, 8]))
    world = written(folder, flat)
    expected = dict.fromkeys(flat.columns, _UNPROVEN) | {"current_firm_tenure_months": ("suspect",)}
    # the tenure is neither a planted leak nor known to be clean: it is judged by ``expected`` alone
    clean = tuple(name for name in world.clean if name != "current_firm_tenure_months")
    return World(world.lake, world.recipe, world.as_of, clean=clean, expected=expected)


def _through_vintages(folder: Path, market: Path, seed: int) -> World:
    world = market_world(folder, market, ["employment"])
    expected = dict.fromkeys(world.clean, ("clear",))
    return World(world.lake, world.recipe, world.as_of, clean=world.clean, expected=expected)


def entries() -> Iterator[Entry]:
    """Both worlds; they are clean but for the tenure."""
    yield Entry("tenure/flat", _flat, is_clean=True, quick=True)
    yield Entry("tenure/through_vintages", _through_vintages, is_clean=True, needs_market=True)


def _drawn(rng: np.random.Generator, values: list[float]) -> np.ndarray:
    return _at(rng.random(ROWS), values)


def _converted(rng: np.random.Generator, tenure: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """In every band of tenure exactly the published share converts; who does within it follows the logit (the largest
    of logit plus Gumbel noise: sampling without replacement)."""
    edges, rates = _RATE_BY_TENURE
    band, urge = np.digitize(tenure, edges), logit + rng.gumbel(size=len(tenure))
    outcome = np.zeros(len(tenure), np.int8)
    for place, rate in enumerate(rates):
        rows = np.flatnonzero(band == place)
        outcome[rows[np.argsort(-urge[rows])[: round(rate * len(rows))]]] = 1
    return outcome


def _at(place: np.ndarray, values: list[float]) -> np.ndarray:
    return np.asarray(np.interp(place * 100, _PERCENTILES, values))
