"""One small market on disk, the demo-size world and its leads in memory: each made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from leadscore_dagster.core.simulation.market import (
    DEMO,
    MarketSize,
    MarketSummary,
    World,
    generate_market,
    simulate_world,
)
from leadscore_dagster.core.simulation.market.conversion import Leads, simulate_leads

SMALL = MarketSize(reps=3_000, firms=240, leads=2_000)


@dataclass(frozen=True)
class SmallMarket:
    folder: Path
    summary: MarketSummary
    world: World


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> SmallMarket:
    folder = tmp_path_factory.mktemp("small") / "market"
    return SmallMarket(folder, generate_market(folder, SMALL, seed=11), simulate_world(SMALL, 11))


@pytest.fixture(scope="session")
def demo_world() -> World:
    return simulate_world(DEMO, 7)


@pytest.fixture(scope="session")
def demo_leads(demo_world: World) -> Leads:
    return simulate_leads(demo_world)
