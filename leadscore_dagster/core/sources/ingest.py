"""From a drop or an extract to a partition of the warehouse, with its quarantine, or a refusal that changes nothing.

Order of writing: quarantine, aside, the table, the ledger. Each is replaced whole, so a crash in between leaves every
table readable and a re-run completes it.

A drop of a period that is already there is a correction if its content differs: a further arrival of that vintage,
kept beside the first with its own later available_at, so that decisions taken in between go on seeing what they saw.
An arrival is judged before it is published: one that is refused stays aside and nobody reads it (arrived.py). Older
periods may be delivered late, in any order.

Not here: finding the files (drops), reading them (reading), cleaning (cleaning).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources import ledger
from leadscore_dagster.core.sources.arrived import as_of_of, aside, unpublished
from leadscore_dagster.core.sources.checks import refusals, vintage_checks
from leadscore_dagster.core.sources.cleaning import Cleaned, clean, kept_rows
from leadscore_dagster.core.sources.connectors import Connector, Session
from leadscore_dagster.core.sources.quarantine import QUARANTINE, partition_name, quarantine_table
from leadscore_dagster.core.sources.reading import Loaded, number, session
from leadscore_dagster.core.sources.refusals import (
    refuse_reserved,
    refuse_too_dirty,
    refuse_wrong_period,
    rejects_of,
)
from leadscore_dagster.core.sources.report import IngestReport, rows_read, unreadable_of, violations_of
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Part, Warehouse

_BATCH_ROWS = 65_536
_MEMORY = "1500MB"


def ingest_vintage(
    warehouse: Warehouse,
    source_name: str,
    source: VintageSource,
    connector: Connector,
    as_of: date,
    *,
    cadence: Cadence = Cadence.QUARTER,
    seen_at: datetime | None = None,
    cache: Path | None = None,
    judge: Callable[[], Sequence[Verdict]] | None = None,
    memory_limit: str = _MEMORY,
    threads: int | None = None,
) -> IngestReport:
    """Write the period's drop as an arrival of vintage ``as_of`` into ``source.table``, or set it aside.

    Columns: the contract's, then ``as_of`` DATE and ``available_at`` TIMESTAMP; rows in key order, so equal input
    gives equal bytes. Raises InputError, and leaves the warehouse as it was, for anything wrong with the drop.

    Parameters
    ----------
    connector : where the drop lies.
    seen_at : now; when a correction without a manifest, and what a table without dates holds, became available.
    cache : folder for copies of what lies behind a URL; a temporary one where left out.
    judge : the gates of the arrival as it lies aside; ``vintage_checks`` where left out.
    """
    contract = source.contract
    refuse_reserved(contract, ("as_of", "available_at"))
    with session(memory_limit, threads) as (connection, scratch):
        here = Session(connection, scratch)
        drop, loaded = connector.load_drop(here, source, as_of, cadence, cache=cache, now=seen_at)
        arrival = ledger.arrival_of(warehouse, source.table, drop, seen_at)
        cleaned = clean(connection, contract, as_of)
        refuse_wrong_period(connection, contract, drop, cadence)
        refuse_too_dirty(connection, contract, cleaned, loaded)
        report = _report(
            connection,
            source_name,
            source.table,
            contract,
            cleaned,
            loaded,
            as_of,
            drop.digest,
            [file.name for file in drop.files],
            arrival.available_at,
            arrival.stated_by,
            arrival.number,
        )
        extra = "CAST($as_of AS DATE) AS as_of, CAST($available_at AS TIMESTAMPTZ) AS available_at"
        values = {"as_of": as_of, "available_at": arrival.available_at}
        _drop_aside(warehouse, source.table, as_of)
        target = Part(aside(source.table), arrival.partition)
        _write(warehouse, connection, contract, cleaned, loaded, report, target, extra, values)
    refused = refusals(judge() if judge else vintage_checks(warehouse, source, as_of))
    if refused:
        return replace(report, refused=refused)
    warehouse.move_partition(target.table, target.partition, source.table, arrival.partition)
    ledger.record(warehouse, report, drop.files, arrival.partition)
    return report


def ingest_log(
    warehouse: Warehouse,
    source_name: str,
    source: LogSource,
    connector: Connector,
    as_of: date,
    *,
    memory_limit: str = _MEMORY,
    threads: int | None = None,
) -> IngestReport:
    """Write the log as it stood at ``as_of`` as partition ``as_of`` of ``source.table``.

    Kept are rows with ``known_at`` before as_of; columns of ``known_later`` are NULL where the instant that says
    when they were filled in is not before as_of. Columns: the contract's, then ``as_of`` DATE and ``known_at``
    TIMESTAMP. ``connector``: where the log lies.
    Raises InputError, and leaves the warehouse as it was, for anything wrong with the extract.
    """
    contract = source.contract
    refuse_reserved(contract, ("as_of", "known_at"))
    with session(memory_limit, threads) as (connection, scratch):
        extract, loaded = connector.load_log(Session(connection, scratch), source)
        cleaned = clean(connection, contract, as_of, source)
        refuse_too_dirty(connection, contract, cleaned, loaded)
        newest = connection.execute("SELECT max(known_at) FROM kept").fetchone()
        known = newest[0].astimezone(UTC) if newest and newest[0] is not None else None
        report = _report(
            connection,
            source_name,
            source.table,
            contract,
            cleaned,
            loaded,
            as_of,
            extract.digest,
            extract.names,
            known,
            "newest row",
        )
        extra = "CAST($as_of AS DATE) AS as_of, known_at"
        target = Part(source.table, as_of.isoformat())
        _write(warehouse, connection, contract, cleaned, loaded, report, target, extra, {"as_of": as_of})
    ledger.record(warehouse, report, extract.files, target.partition)
    return report


def _write(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    cleaned: Cleaned,
    loaded: Sequence[Loaded],
    report: IngestReport,
    target: Part,
    extra: str,
    values: Mapping[str, object],
) -> None:
    rejected = quarantine_table(connection, contract, cleaned, loaded, report.source, report.as_of)
    kept = connection.sql(kept_rows(contract, extra), params=values).to_arrow_reader(_BATCH_ROWS)
    warehouse.write_partition(QUARANTINE, partition_name(report.table, target.partition), rejected)
    written = warehouse.write_partition(target.table, target.partition, kept)
    if written != report.rows_kept:
        raise AssertionError(f"{written} rows written, {report.rows_kept} expected in {report.table}")


def _drop_aside(warehouse: Warehouse, table: str, as_of: date) -> None:
    """Only the arrival taken in last stands aside."""
    for part in unpublished(warehouse, table, as_of):
        if as_of_of(part.partition) == as_of:
            warehouse.drop_partition(part.table, part.partition)


def _report(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    contract: Contract,
    cleaned: Cleaned,
    loaded: Sequence[Loaded],
    as_of: date,
    digest: str,
    files: Sequence[str],
    available_at: datetime | None,
    stated_by: str,
    arrival: int = 1,
) -> IngestReport:
    return IngestReport(
        source=source,
        table=table,
        as_of=as_of,
        files=tuple(files),
        digest=digest,
        rows_read=rows_read(loaded),
        rows_kept=number(connection, "SELECT count(*) FROM kept"),
        violations=violations_of(cleaned, rejects_of(connection)),
        unreadable=unreadable_of(cleaned, contract),
        null_share=cleaned.null_share,
        available_at=available_at,
        available_at_from=stated_by,
        not_yet_known=cleaned.not_yet_known,
        arrival=arrival,
    )
