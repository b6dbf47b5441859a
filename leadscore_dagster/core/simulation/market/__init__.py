"""A simulated market: advisors, firms, a vendor that reports them late and dirty, and a CRM that calls them.

It stands in for the paid data of the original systems. Nothing in the pipeline imports it, except the demo.
"""

from leadscore_dagster.core.simulation.market.generate import MarketSummary, generate_market
from leadscore_dagster.core.simulation.market.shown import employment_as_shown, known_facts
from leadscore_dagster.core.simulation.market.size import DEMO, FULL_SCALE, OWN_COMPANY, QUARTERS, MarketSize
from leadscore_dagster.core.simulation.market.world import World, simulate_world

__all__ = [
    "DEMO",
    "FULL_SCALE",
    "OWN_COMPANY",
    "QUARTERS",
    "MarketSize",
    "MarketSummary",
    "World",
    "employment_as_shown",
    "generate_market",
    "known_facts",
    "simulate_world",
]
