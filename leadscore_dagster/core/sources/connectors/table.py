"""A table or view in any database SQLAlchemy reaches, as a log or as dated vintages.

``DIALECT://USER:PASSWORD@HOST/DATABASE?table=NAME[&schema=NAME][&snapshot=COLUMN][&zone=UTC]``. With ``snapshot`` a
vintage is the rows of the newest snapshot after the period's first day and not after its ``as_of``; without, it is the
table as it stands, which can only be read for the period that is running out. ``zone=UTC`` states that times the
database stores without a zone are UTC; without it they are refused.
Lives here: what the table answers a recipe. Not here: reading the URL (address), talking to the server (database).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources.connectors import database
from leadscore_dagster.core.sources.connectors.address import Address, address_of
from leadscore_dagster.core.sources.connectors.database import Window
from leadscore_dagster.core.sources.connectors.protocol import Extract, Place, SeenFile, Session
from leadscore_dagster.core.sources.drops import AvailableFrom, Drop, DropFile
from leadscore_dagster.core.sources.reading import Loaded, content_digest, load_batches, prepare, session

_MEMORY = "1500MB"


@dataclass(frozen=True)
class SqlTable:
    """One table of a database. See protocol.Connector."""

    address: Address

    @staticmethod
    def of_url(url: str) -> SqlTable:
        """The table a URL names. Raises InputError for one that does not read."""
        return SqlTable(address_of(url))

    @property
    def key(self) -> str:
        url = self.address.url
        return hashlib.sha256(f"{self.describe()}\t{url.username}\t{url.port}".encode()).hexdigest()[:8]

    def describe(self) -> str:
        return self.address.describe()

    def anchored(self, location: str) -> str:
        """``location``, whose table this is, with the path of a database that is a file made absolute."""
        return location if self.address.file is None else self.address.anchored()

    def require(self) -> None:
        """Raise InputError for a database that is a file and is not there."""
        self.address.require_file()

    def delivered(self, source: VintageSource, as_ofs: Sequence[date], cadence: Cadence, today: date) -> list[date]:
        """The periods with a snapshot; of a table without snapshots the one that began last."""
        if self.address.snapshot is None:
            return [as_of for as_of in as_ofs if as_of == cadence.first_day(today)]
        return list(database.snapshots(self.address, windows(as_ofs, cadence)))

    def fingerprint(
        self, source: VintageSource, as_of: date, cadence: Cadence, *, cache: Path, now: datetime
    ) -> str | None:
        """Digest of the rows and of the date they are of; None: the table stands otherwise by now, or has no such
        snapshot any more."""
        if as_of not in self.delivered(source, [as_of], cadence, now.date()):
            return None
        with session(_MEMORY, None) as (connection, scratch):
            return self.load_drop(Session(connection, scratch), source, as_of, cadence, now=now)[0].digest

    def places(self, sources: Mapping[str, VintageSource], as_ofs: Sequence[date], cadence: Cadence) -> list[Place]:
        """Its snapshots, a place for each source; a table without snapshots announces nothing."""
        if self.address.snapshot is None:
            return []
        found = database.snapshots(self.address, windows(as_ofs, cadence))
        seen = {as_of: SeenFile(f"{self.address.table} {day}", rows, str(day)) for as_of, (day, rows) in found.items()}
        stated = {file.name: cadence.label(as_of) for as_of, file in seen.items()}
        dates = {file.name: as_of for as_of, file in seen.items()}
        return [
            Place(f"{self.key}-{name}", (name,), tuple(seen.values()), _Snapshots(self, source, dates, cadence), stated)
            for name, source in sources.items()
        ]

    def load_drop(
        self,
        session: Session,
        source: VintageSource,
        as_of: date,
        cadence: Cadence,
        *,
        cache: Path | None = None,
        now: datetime | None = None,
    ) -> tuple[Drop, list[Loaded]]:
        """The rows of the period's snapshot, or the table as it stands at ``now``."""
        if now is None:
            raise ValueError("a table is read at an instant")
        window = None if self.address.snapshot is None else self._dated(as_of, cadence)
        if window is None:
            self._require_standing(as_of, cadence, now)
        loaded = self._read(session, source.contract, window)
        # the date is part of it: a snapshot in which nothing has changed is not the file of the period before
        content = f"{window.day if window else as_of}\t{content_digest(session.connection)}"
        digest = hashlib.sha256(content.encode()).hexdigest()
        available_at, stated_by = _available(source, as_of, now)
        return Drop((DropFile(Path(loaded.name), digest),), as_of, available_at, stated_by, digest), [loaded]

    def load_log(self, session: Session, source: LogSource) -> tuple[Extract, list[Loaded]]:
        """Every row of the table."""
        loaded = self._read(session, source.contract, None)
        return Extract((), (loaded.name,), content_digest(session.connection)), [loaded]

    def _read(self, session: Session, contract: Contract, window: Window | None) -> Loaded:
        prepare(session.connection, contract)
        name = f"table {self.address.table}" + (f" of {window.day}" if window else "")
        loaded = load_batches(session.connection, name, database.rows(self.address, contract, window), contract)
        if loaded.rows == 0:
            raise InputError("the table has no row", where=self.describe(), rows=0, remedy="check who fills it")
        return loaded

    def _dated(self, as_of: date, cadence: Cadence) -> Window:
        window = windows([as_of], cadence)[as_of]
        found = database.snapshots(self.address, {as_of: window})
        if as_of in found:
            return window.on(found[as_of][0])
        span = database.span(self.address)
        there = f"there are snapshots from {span[0]} to {span[1]}" if span else "the table has no row"
        raise InputError(
            f"no snapshot after {window.after} and up to {as_of}, so no drop for {cadence.label(as_of)}",
            where=self.describe(),
            column=self.address.snapshot,
            remedy=f"{there}; check who writes them, or begin later with first_as_of",
        )

    def _require_standing(self, as_of: date, cadence: Cadence, now: datetime) -> None:
        if as_of != cadence.first_day(now.date()):
            raise InputError(
                f"a table without snapshots is what it is at {now:%Y-%m-%d %H:%M}, not what it was at {as_of}",
                where=self.describe(),
                remedy="name the column that dates its rows with &snapshot=COLUMN, or set first_as_of to "
                f"{cadence.first_day(now.date())}",
            )


@dataclass(frozen=True)
class _Snapshots:
    """How a look reads a snapshot: in full, and only its digest is kept."""

    table: SqlTable
    source: VintageSource
    dates: Mapping[str, date]
    cadence: Cadence

    def sha256(self, seen: SeenFile) -> str | None:
        as_of = self.dates[seen.name]
        now = datetime.combine(as_of, time(), UTC)  # what is dated is the same whenever it is read
        return self.table.fingerprint(self.source, as_of, self.cadence, cache=Path(), now=now)

    def text(self, seen: SeenFile) -> str | None:
        return None


def windows(as_ofs: Sequence[date], cadence: Cadence) -> dict[date, Window]:
    """The days of whose snapshots a vintage may be made: after the period's first day, up to its ``as_of``."""
    return {as_of: Window(cadence.back(as_of, 1), as_of) for as_of in as_ofs}


def _available(source: VintageSource, as_of: date, now: datetime) -> tuple[datetime, AvailableFrom]:
    if source.available_after_days is None:
        return now, "time of reading"
    return datetime.combine(as_of, time(), UTC) + timedelta(days=source.available_after_days), "declared lag"
