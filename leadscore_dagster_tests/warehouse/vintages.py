"""The small table the protocol's tests read: two vintages of three representatives, available ten days later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from leadscore_dagster.core.warehouse import Warehouse

TIMESTAMP = pa.timestamp("us", tz="UTC")
FIRST, SECOND = date(2024, 1, 1), date(2024, 4, 1)
#: partitions are dates, or a date and the number of an arrival: what every engine can hold
DAY, CORRECTED, NEXT = "2024-01-01", "2024-01-01.2", "2024-04-01"


def vintage(as_of: date, reps: int = 3) -> pa.Table:
    """Key, as_of, available_at and one number with a NULL."""
    available = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=10)
    return pa.table(
        {
            "RepCRD": pa.array(range(reps), pa.int64()),
            "as_of": pa.array([as_of] * reps, pa.date32()),
            "available_at": pa.array([available] * reps, TIMESTAMP),
            "Number_IAReps": pa.array([None, *range(1, reps)], pa.int64()),
        }
    )


def filled(warehouse: Warehouse) -> Warehouse:
    """With both vintages in ``rep_vintage``."""
    for as_of in (FIRST, SECOND):
        warehouse.write_partition("rep_vintage", as_of.isoformat(), vintage(as_of))
    return warehouse
