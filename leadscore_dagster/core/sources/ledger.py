"""The ledger of ingests: which delivery every partition was made from. Table ``ingests``, one row a partition.

Here: recording, and which arrival a new delivery is. Not here: the ingest (ingest.py), where arrivals lie (arrived.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources.arrived import arrival_name
from leadscore_dagster.core.sources.drops import Drop, DropFile
from leadscore_dagster.core.sources.quarantine import partition_name
from leadscore_dagster.core.sources.report import IngestReport
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.core.warehouse import table as read

INGESTS = "ingests"
#: who says when a correction without a manifest became available: whoever saw it first
SEEN = "first seen"
#: who says when something became available where nobody states it: delivered again it does not become newer
UNSTATED = ("file time", "time of reading")
_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("table_name", pa.string()),
        ("as_of", pa.date32()),
        ("available_at", pa.timestamp("us", tz="UTC")),
        ("available_at_from", pa.string()),
        ("digest", pa.string()),
        ("files", pa.string()),
        ("rows_read", pa.int64()),
        ("rows_kept", pa.int64()),
        ("rows_quarantined", pa.int64()),
        ("duplicates", pa.int64()),
        ("unreadable_cells", pa.int64()),
        ("not_yet_known", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Arrival:
    """A delivery's place among those of its vintage: its partition, when it became available and who says so."""

    number: int
    partition: str
    available_at: datetime
    stated_by: str


def record(warehouse: Warehouse, report: IngestReport, files: Sequence[DropFile], partition: str) -> None:
    """Write the ledger's row of this ingest; ``files`` holds names and SHA-256 as JSON."""
    contents = {file.name: file.sha256 for file in files} or dict.fromkeys(report.files, "")
    row = {
        "source": report.source,
        "table_name": report.table,
        "as_of": report.as_of,
        "available_at": report.available_at,
        "available_at_from": report.available_at_from,
        "digest": report.digest,
        "files": json.dumps(contents, sort_keys=True),
        "rows_read": report.rows_read,
        "rows_kept": report.rows_kept,
        "rows_quarantined": report.rows_quarantined,
        "duplicates": report.duplicates,
        "unreadable_cells": sum(item.cells for item in report.unreadable),
        "not_yet_known": report.not_yet_known,
    }
    name = partition_name(report.table, partition)
    warehouse.write_partition(INGESTS, name, pa.Table.from_pylist([row], schema=_SCHEMA))


def arrival_of(warehouse: Warehouse, table: str, drop: Drop, seen_at: datetime | None = None) -> Arrival:
    """Which arrival of its vintage a drop is, and when it became available.

    The content of the newest arrival delivered again is that arrival, with the time it was first seen if only a
    file's time says otherwise. Other content is the next arrival. Without a manifest that became available when
    somebody could first see it: at ``seen_at`` or the time of its newest file, whichever is later, and not before the
    arrival it corrects.
    Raises InputError for other content whose manifest states no later time than that of the arrival before, and for
    files whose content was delivered for another period (unless a manifest vouches for it).
    """
    known = _entries(warehouse, table)
    before = [entry for entry in known if entry["as_of"] == drop.as_of]
    newest = before.pop() if before and before[-1]["digest"] == drop.digest else None
    if newest is None:
        _refuse_other_periods(drop, [entry for entry in known if entry["as_of"] != drop.as_of])
    number = newest["number"] if newest else before[-1]["number"] + 1 if before else 1
    earlier = before[-1]["available_at"].astimezone(UTC) if before else None
    available_at, stated_by = _available(drop, newest, earlier, seen_at)
    if earlier is not None and available_at <= earlier:
        raise InputError(
            f"the drop is older than the one already stored: available {available_at.isoformat()}, "
            f"stored {earlier.isoformat()}",
            where=", ".join(file.name for file in drop.files),
            remedy="a correction states a later available_at in its manifest",
        )
    return Arrival(number, arrival_name(drop.as_of, number), available_at, stated_by)


def newest_digests(warehouse: Warehouse, table: str) -> dict[date, str]:
    """as_of → content of its newest arrival, as far as the partition is still there."""
    return {entry["as_of"]: entry["digest"] for entry in _entries(warehouse, table)}


def _available(
    drop: Drop, again: dict[str, Any] | None, earlier: datetime | None, seen_at: datetime | None
) -> tuple[datetime, str]:
    stated = drop.available_at, str(drop.available_at_from)
    if drop.available_at_from == "manifest":
        return stated
    if again is not None:
        first = again["available_at"].astimezone(UTC), str(again["available_at_from"])
        return first if first[1] == SEEN else min(stated, first) if drop.available_at_from in UNSTATED else stated
    if earlier is None:
        return stated
    seen = [instant for instant in (drop.changed_at, seen_at) if instant is not None]
    return max([*seen, earlier + timedelta(microseconds=1)]), SEEN


def _refuse_other_periods(drop: Drop, others: Sequence[dict[str, Any]]) -> None:
    for entry in others if drop.available_at_from != "manifest" else ():
        delivered = {sha: name for name, sha in json.loads(entry["files"]).items()}
        again = next((file for file in drop.files if file.sha256 in delivered), None)
        if again is not None:
            raise InputError(
                f"wrong period: the file's content was delivered as {delivered[again.sha256]} for {entry['as_of']}",
                where=again.name,
                remedy="ask for the file of this period",
            )


def _entries(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """Ledger rows of the table's partitions that are still there, by as_of and arrival, with the arrival's number."""
    if INGESTS not in warehouse.tables():
        return []
    columns = "as_of, available_at, available_at_from, digest, files"
    sql = (
        f"SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY as_of ORDER BY available_at) AS number"
        f" FROM {INGESTS} WHERE table_name = @name ORDER BY as_of, number"
    )
    there = set(warehouse.partitions(table))
    rows = read(warehouse, sql, {"name": table}).to_pylist()
    return [row for row in rows if arrival_name(row["as_of"], row["number"]) in there]
