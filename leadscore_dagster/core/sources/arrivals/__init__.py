"""Arrivals: what a vendor has delivered, whether a drop is complete, and which run it asks for.

``periods_to_ingest`` compares folders with the warehouse, for a run that somebody starts. ``sight`` and ``decide``
compare them with what runs have done, for the sensor. Not here: reading a drop's rows (core/sources), Dagster.
"""

from leadscore_dagster.core.sources.arrivals.cursor import Cursor
from leadscore_dagster.core.sources.arrivals.decision import (
    Arrival,
    Asked,
    Decision,
    Known,
    Request,
    decide,
    hand_over,
)
from leadscore_dagster.core.sources.arrivals.delivered import (
    delivered_periods,
    newest_period,
    periods_to_ingest,
    vintage_sources,
)
from leadscore_dagster.core.sources.arrivals.sightings import PeriodDrop, Sightings, expected_files, sight

__all__ = [
    "Arrival",
    "Asked",
    "Cursor",
    "Decision",
    "Known",
    "PeriodDrop",
    "Request",
    "Sightings",
    "decide",
    "delivered_periods",
    "expected_files",
    "hand_over",
    "newest_period",
    "periods_to_ingest",
    "sight",
    "vintage_sources",
]
