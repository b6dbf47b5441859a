"""The ledger of ingests: which delivery every partition was made from. Table ``ingests``, one row a partition.

Here: recording, and whether a new delivery may replace or join what is there. Not here: the ingest (ingest.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources.drops import Drop, DropFile
from leadscore_dagster.core.sources.quarantine import partition_name
from leadscore_dagster.core.sources.report import IngestReport
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.core.warehouse import table as read

INGESTS = "ingests"
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


def record(warehouse: Warehouse, report: IngestReport, files: Sequence[DropFile]) -> None:
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
    partition = partition_name(report.table, report.as_of)
    warehouse.write_partition(INGESTS, partition, pa.Table.from_pylist([row], schema=_SCHEMA))


def agree(warehouse: Warehouse, table: str, drop: Drop) -> tuple[datetime, str]:
    """When the drop became available and who says so, given what the ledger already knows.

    The same content delivered again keeps the time it was first seen if only a file's time says otherwise.
    Raises InputError for a drop of that quarter that is not newer than the one already there, and for files whose
    content was delivered for another quarter (unless a manifest vouches for it).
    """
    stated = drop.available_at, str(drop.available_at_from)
    known = _entries(warehouse, table)
    same_quarter = next((entry for entry in known if entry["as_of"] == drop.as_of), None)
    if same_quarter is not None:
        before = same_quarter["available_at"].astimezone(UTC)
        if same_quarter["digest"] == drop.digest:
            seen = before, str(same_quarter["available_at_from"])
            return min(stated, seen) if drop.available_at_from == "file time" else stated
        if drop.available_at <= before:
            raise InputError(
                f"the drop is older than the one already there: available {drop.available_at.isoformat()}, "
                f"stored {before.isoformat()}",
                where=", ".join(file.name for file in drop.files),
                remedy="a correction states a later available_at in its manifest",
            )
        return stated
    for entry in known if drop.available_at_from != "manifest" else ():
        delivered = {sha: name for name, sha in json.loads(entry["files"]).items()}
        again = next((file for file in drop.files if file.sha256 in delivered), None)
        if again is not None:
            raise InputError(
                f"wrong quarter: the file's content was delivered as {delivered[again.sha256]} for {entry['as_of']}",
                where=again.name,
                remedy="ask for the file of this quarter",
            )
    return stated


def _entries(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """Ledger rows of the table's partitions that are still there, in order of as_of."""
    if INGESTS not in warehouse.tables():
        return []
    columns = "as_of, available_at, available_at_from, digest, files"
    sql = f"SELECT {columns} FROM {INGESTS} WHERE table_name = @name ORDER BY as_of"
    there = set(warehouse.partitions(table))
    rows = read(warehouse, sql, {"name": table}).to_pylist()
    return [row for row in rows if row["as_of"].isoformat() in there]
