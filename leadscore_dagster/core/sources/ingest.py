"""From a drop or an extract to a partition of the warehouse, with its quarantine, or a refusal that changes nothing.

Order of writing: quarantine, the table, the ledger. Each is replaced whole, so a crash in between leaves every
table readable and a re-run completes it.

A drop of a quarter that is already there is a correction if its content differs: its available_at must be later
than the stored one, because decisions taken in between saw the first delivery (they then see the quarter
before: never more than they knew). Older quarters may be delivered late, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources import ledger
from leadscore_dagster.core.sources.cleaning import (
    WRONG_QUARTER_SHARE,
    Cleaned,
    clean,
    kept_rows,
    share_after_as_of,
)
from leadscore_dagster.core.sources.databases import is_database, read_database
from leadscore_dagster.core.sources.drops import Drop, DropFile, digest_of, find_drop, find_files
from leadscore_dagster.core.sources.files import stage
from leadscore_dagster.core.sources.quarantine import QUARANTINE, partition_name, quarantine_table
from leadscore_dagster.core.sources.reading import Loaded, load_batches, load_file, number, prepare, session
from leadscore_dagster.core.sources.report import IngestReport, rows_read, unreadable_of, violations_of
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.recipes.contract import Contract, quarter_of
from leadscore_dagster.recipes.schema import LogSource, VintageSource

_BATCH_ROWS = 65_536
_MEMORY = "1500MB"


def ingest_vintage(
    warehouse: Warehouse,
    source_name: str,
    source: VintageSource,
    folder: Path,
    as_of: date,
    *,
    memory_limit: str = _MEMORY,
    threads: int | None = None,
) -> IngestReport:
    """Write the quarter's drop as partition ``as_of`` of ``source.table``.

    Columns: the contract's, then ``as_of`` DATE and ``available_at`` TIMESTAMP; rows in key order, so equal input
    gives equal bytes. Raises InputError, and leaves the warehouse as it was, for anything wrong with the drop.
    """
    contract = source.contract
    _refuse_reserved(contract, ("as_of", "available_at"))
    drop = find_drop(source, folder, as_of)
    available_at, stated_by = ledger.agree(warehouse, source.table, drop)
    with session(memory_limit, threads) as (connection, scratch):
        loaded = _load(connection, scratch, drop.files, contract)
        cleaned = clean(connection, contract, as_of)
        _refuse_wrong_quarter(connection, contract, drop)
        _refuse_too_dirty(connection, contract, cleaned, loaded)
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
            available_at,
            stated_by,
        )
        extra = "CAST($as_of AS DATE) AS as_of, CAST($available_at AS TIMESTAMPTZ) AS available_at"
        values = {"as_of": as_of, "available_at": available_at}
        _write(warehouse, connection, contract, cleaned, loaded, report, extra, values)
    ledger.record(warehouse, report, drop.files)
    return report


def ingest_log(
    warehouse: Warehouse,
    source_name: str,
    source: LogSource,
    location: Path | str,
    as_of: date,
    *,
    memory_limit: str = _MEMORY,
    threads: int | None = None,
) -> IngestReport:
    """Write the log as it stood at ``as_of`` as partition ``as_of`` of ``source.table``.

    Kept are rows with ``known_at`` before as_of; columns of ``known_later`` are NULL where the instant that says
    when they were filled in is not before as_of. Columns: the contract's, then ``as_of`` DATE and ``known_at``
    TIMESTAMP. ``location``: a file, a folder, or an SQLAlchemy URL with ``?table=`` (see databases.py).
    Raises InputError, and leaves the warehouse as it was, for anything wrong with the extract.
    """
    contract = source.contract
    _refuse_reserved(contract, ("as_of", "known_at"))
    files: tuple[DropFile, ...]
    with session(memory_limit, threads) as (connection, scratch):
        if isinstance(location, str) and is_database(location):
            prepare(connection, contract)
            name, batches = read_database(location, contract)
            loaded = [load_batches(connection, name, batches, contract)]
            files, names, digest = (), [name], _content_digest(connection)
        else:
            files = find_files(source.files, Path(location))
            loaded = _load(connection, scratch, files, contract)
            names, digest = [file.name for file in files], digest_of(files)
        cleaned = clean(connection, contract, as_of, source)
        _refuse_too_dirty(connection, contract, cleaned, loaded)
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
            digest,
            names,
            known,
            "newest row",
        )
        extra = "CAST($as_of AS DATE) AS as_of, known_at"
        _write(warehouse, connection, contract, cleaned, loaded, report, extra, {"as_of": as_of})
    ledger.record(warehouse, report, files)
    return report


def _load(
    connection: duckdb.DuckDBPyConnection, scratch: Path, files: Sequence[DropFile], contract: Contract
) -> list[Loaded]:
    """All files into ``raw``; every header is checked before the first row is read."""
    prepare(connection, contract)
    staged = [stage(file.path, scratch, position, contract) for position, file in enumerate(files)]
    loaded = []
    for position, (file, ready) in enumerate(zip(files, staged, strict=True)):
        item = load_file(connection, position, ready, contract)
        found = item.rows + len(item.rejected_at)
        if file.expected_rows is not None and found != file.expected_rows:
            raise InputError(
                f"the manifest states {file.expected_rows:,} rows, found {found:,} (truncated?)",
                where=file.name,
                rows=abs(found - file.expected_rows),
                remedy="copy the file again",
            )
        ready.path.unlink()
        loaded.append(item)
    return loaded


def _write(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    cleaned: Cleaned,
    loaded: Sequence[Loaded],
    report: IngestReport,
    extra: str,
    values: Mapping[str, object],
) -> None:
    rejected = quarantine_table(connection, contract, cleaned, loaded, report.source, report.as_of)
    kept = connection.sql(kept_rows(contract, extra), params=values).to_arrow_reader(_BATCH_ROWS)
    warehouse.write_partition(QUARANTINE, partition_name(report.table, report.as_of), rejected)
    written = warehouse.write_partition(report.table, report.as_of.isoformat(), kept)
    if written != report.rows_kept:
        raise AssertionError(f"{written} rows written, {report.rows_kept} expected in {report.table}")


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
) -> IngestReport:
    return IngestReport(
        source=source,
        table=table,
        as_of=as_of,
        files=tuple(files),
        digest=digest,
        rows_read=rows_read(loaded),
        rows_kept=number(connection, "SELECT count(*) FROM kept"),
        violations=violations_of(cleaned, _rejects(connection)),
        unreadable=unreadable_of(cleaned, contract),
        null_share=cleaned.null_share,
        available_at=available_at,
        available_at_from=stated_by,
        not_yet_known=cleaned.not_yet_known,
    )


def _refuse_wrong_quarter(connection: duckdb.DuckDBPyConnection, contract: Contract, drop: Drop) -> None:
    for column, share in share_after_as_of(connection, contract, drop.as_of).items():
        if share > WRONG_QUARTER_SHARE:
            raise InputError(
                f"wrong quarter: {share:.0%} of the dates lie after {drop.as_of}, so this is not the drop of "
                f"{quarter_of(drop.as_of)}",
                where=_names(drop.files),
                column=column,
                remedy="check which quarter the files describe and rename them",
            )


def _refuse_too_dirty(
    connection: duckdb.DuckDBPyConnection, contract: Contract, cleaned: Cleaned, loaded: Sequence[Loaded]
) -> None:
    """InputError where more is unreadable or in quarantine than the contract tolerates (duplicates aside)."""
    where = ", ".join(item.name for item in loaded)
    for item in unreadable_of(cleaned, contract):
        if item.cells > contract.maximum_unreadable * max(cleaned.rows, 1):
            kind = contract.column(item.column).type
            raise InputError(
                f"{item.cells / max(cleaned.rows, 1):.1%} of the cells do not read as {kind} (such as "
                f"{', '.join(repr(example) for example in item.examples)}); the contract tolerates "
                f"{contract.maximum_unreadable:.1%}",
                where=where,
                column=item.column,
                rows=item.cells,
                remedy="ask for the file again, or correct the column's type in the contract",
            )
    violations = [v for v in violations_of(cleaned, _rejects(connection)) if v.rule != "duplicate"]
    removed, read = sum(v.rows for v in violations), rows_read(loaded)
    if removed > contract.maximum_quarantined * read:
        worst = max(violations, key=lambda violation: violation.rows)
        raise InputError(
            f"{removed / read:.1%} of the rows break the contract (most by rule {worst.rule}); it tolerates "
            f"{contract.maximum_quarantined:.1%}",
            where=where,
            column=worst.column,
            rows=removed,
            remedy="ask for the file again, or correct the contract",
        )


def _refuse_reserved(contract: Contract, names: tuple[str, ...]) -> None:
    for column in contract.columns:
        if column.name.lower() in names:
            raise InputError(
                "the column's name is reserved for our own",
                where=contract.name,
                column=column.name,
                remedy="give it another name and state its name in the file as `raw`",
            )


def _rejects(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {
        str(r): int(n) for r, n in connection.execute("SELECT rule, count(*) FROM rejects GROUP BY rule").fetchall()
    }


def _content_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Digest of the rows read from a database, whatever their order."""
    row = connection.execute("SELECT count(*), coalesce(sum(hash(raw)::HUGEINT), 0) FROM raw").fetchone() or (0, 0)
    return f"{int(row[0]):x}-{int(row[1]):x}"


def _names(files: Sequence[DropFile]) -> str:
    return ", ".join(file.name for file in files)
