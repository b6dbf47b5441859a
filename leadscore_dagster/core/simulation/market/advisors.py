"""Who the advisors are: what does not change with their jobs. Careers live in world, printing in drops.

Not here: careers (world), printing (drops).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.size import NEVER, WORLD_START, MarketSize, day_number, random_source

LICENCES = {
    "Has_Series_7": 0.738,
    "Has_Series_65": 0.34,
    "Has_Series_66": 0.43,
    "Has_Series_24": 0.09,
    "Has_CFP": 0.185,
    "Has_CFA": 0.035,
    "Has_CIMA": 0.018,
    "Has_AIF": 0.03,
    "Has_Disclosure": 0.12,
    "Has_Insurance_License": 0.36,
}
"""Share who ever obtain each; of the rows shown 69 % hold Series 7 and 17 % CFP, as in the sources."""
TERRITORY_SHARES = (198_024 / 477_901, 173_631 / 477_901, 106_246 / 477_901)


@dataclass(frozen=True)
class Advisors:
    """One entry per advisor (P); flags are bool, codes index the lists in words, days since 1970."""

    crd: np.ndarray
    career_start: np.ndarray
    mobility: np.ndarray  # gamma frailty, mean 1
    exit_hazard: np.ndarray  # chance per month of leaving the industry
    first_name: np.ndarray
    last_name: np.ndarray
    title: np.ndarray
    education: np.ndarray
    metro: np.ndarray
    territory: np.ndarray
    zip_suffix: np.ndarray
    miles: np.ndarray  # NaN where the vendor has none
    registered_states: np.ndarray
    known_non_advisor: np.ndarray  # 0 No, 1 Unknown, 2 Yes
    home_known: np.ndarray
    is_male: np.ndarray
    has_email: np.ndarray
    has_linkedin: np.ndarray
    has_webpage: np.ndarray
    is_owner: np.ndarray
    is_contractor: np.ndarray
    is_dual: np.ndarray
    is_breakaway: np.ndarray
    licence_since: dict[str, np.ndarray]  # day obtained, NEVER if not held
    extra_rep: np.ndarray  # further firm associations: (rep, firm) pairs
    extra_firm: np.ndarray

    @property
    def count(self) -> int:
        return len(self.crd)


def make_advisors(size: MarketSize, seed: int) -> Advisors:
    """All who are, were or will be in the industry: about `size.reps` of them show in the newest drop."""
    random = random_source(seed, 3)
    count = int(size.reps / 0.925)
    last = day_number("2026-01-15")
    entering = random.random(count) < 0.115
    experience = np.clip(random.gamma(2.4, 6.4 * 365, count), 200, 45 * 365).astype(int)
    career_start = np.where(entering, random.integers(WORLD_START, last, count), WORLD_START - experience)
    shares = np.array([metro[4] for metro in words.METROS])
    # Stated shares are of all rows but only 53 % have a known home, so they are larger among advisors.
    main = shares[:5] / 100 / 0.53
    weights = np.concatenate([main, shares[5:] / shares[5:].sum() * (1 - main.sum())])
    extra_rep, extra_firm = _extra_associations(random, count, size.firms)
    return Advisors(
        crd=1_000_000 + random.permutation(count).astype(np.int64) * 11 + random.integers(0, 11, count),
        career_start=career_start,
        mobility=np.minimum(random.gamma(0.6, 1 / 0.6, count), 6.0),
        exit_hazard=np.where(experience > 30 * 365, 0.004, 0.0014),
        first_name=random.integers(0, len(words.FIRST_NAMES), count),
        last_name=random.integers(0, len(words.LAST_NAMES), count),
        title=random.integers(0, len(words.TITLES), count),
        education=random.integers(0, len(words.EDUCATION), count),
        metro=random.choice(len(shares), count, p=weights),
        territory=random.choice(3, count, p=TERRITORY_SHARES),
        zip_suffix=random.integers(0, 100, count),
        miles=np.where(random.random(count) < 0.613, np.nan, np.round(random.gamma(1.1, 14, count), 1)),
        registered_states=1 + random.geometric(0.22, count) // 2,
        known_non_advisor=random.choice(3, count, p=[0.554, 0.25, 0.196]),
        home_known=random.random(count) >= 0.471,
        is_male=random.random(count) < 0.7,
        has_email=random.random(count) < 0.6,
        has_linkedin=random.random(count) < 0.5,
        has_webpage=random.random(count) < 0.08,
        is_owner=random.random(count) < 0.1,
        is_contractor=random.random(count) < 0.22,
        is_dual=random.random(count) < 0.69,
        is_breakaway=random.random(count) < 0.76,
        licence_since=_licences(random, career_start),
        extra_rep=extra_rep,
        extra_firm=extra_firm,
    )


def _licences(random: np.random.Generator, career_start: np.ndarray) -> dict[str, np.ndarray]:
    since = {}
    for name, share in LICENCES.items():
        obtained = career_start + random.exponential(2.5 * 365, len(career_start)).astype(int)
        since[name] = np.where(random.random(len(career_start)) < share, obtained, NEVER)
    return since


def _extra_associations(random: np.random.Generator, count: int, firms: int) -> tuple[np.ndarray, np.ndarray]:
    """About 3.3 % more rows than advisors; a few advisors have dozens (at most 50 besides the first)."""
    has_many = random.random(count) < 0.003
    many = np.where(has_many, random.integers(2, 12, count), random.geometric(0.85, count))
    holders = np.flatnonzero(random.random(count) < 0.0255)
    pairs = np.repeat(holders, np.minimum(many[holders], 50))
    if len(holders):
        pairs = np.concatenate([pairs, np.full(min(50, firms // 2), holders[0])])
    firm = random.integers(0, firms, len(pairs))
    keys = np.unique(pairs.astype(np.int64) * firms + firm)
    return keys // firms, keys % firms
