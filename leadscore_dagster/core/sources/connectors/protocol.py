"""What every location of a source can do, whatever lies behind it, and the values it answers with.

Lives here: the protocol. Not here: the kinds of locations (folder, table), the choice between them (locate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import duckdb

from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources.drops import Drop, DropFile
from leadscore_dagster.core.sources.reading import Loaded


@dataclass(frozen=True)
class Session:
    """Where rows are read into: the tables of reading.py, and a folder that is gone afterwards."""

    connection: duckdb.DuckDBPyConnection
    scratch: Path


@dataclass(frozen=True)
class Extract:
    """A log as it was read: its files (none, if it was a table), names to show, and a digest of the content."""

    files: tuple[DropFile, ...]
    names: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class SeenFile:
    """A file, or a snapshot of a table, as a listing shows it. ``stamp`` changes when the file is written; "" where
    nothing tells. ``size`` in bytes, of a snapshot in rows."""

    name: str
    size: int
    stamp: str
    modified: datetime | None = None


class Contents(Protocol):
    """How a look reads a file: None if it is no longer the file that was listed."""

    def sha256(self, seen: SeenFile) -> str | None: ...
    def text(self, seen: SeenFile) -> str | None: ...


@dataclass(frozen=True)
class Place:
    """One location at one look: which of the recipe's sources it is for, what it shows, and how to read from it.

    ``stated``: file name → period as vendors write it, where the place itself says so (a table's snapshots); None where
    names are to be understood by the recipe's patterns.
    """

    key: str
    sources: tuple[str, ...]
    files: tuple[SeenFile, ...]
    contents: Contents
    stated: Mapping[str, str] | None = None


class Connector(Protocol):
    """One location of a source. It may hold a secret: only ``describe()`` is shown.

    Every method that looks raises InputError where the location does not answer or is not what the source needs.
    """

    @property
    def key(self) -> str:
        """A short name of the location that may be stored; a new password does not make it another location."""
        ...

    def describe(self) -> str:
        """The location as a message may quote it."""
        ...

    def require(self) -> None:
        """Raise InputError where nothing can be there, as far as can be told without asking a server."""
        ...

    def delivered(self, source: VintageSource, as_ofs: Sequence[date], cadence: Cadence, today: date) -> list[date]:
        """Those of the periods (by ``as_of``) of which anything is there."""
        ...

    def fingerprint(
        self, source: VintageSource, as_of: date, cadence: Cadence, *, cache: Path, now: datetime
    ) -> str | None:
        """Digest of the content of a period's drop, as the ingest records it; None: it can be had no longer."""
        ...

    def places(self, sources: Mapping[str, VintageSource], as_ofs: Sequence[date], cadence: Cadence) -> list[Place]:
        """What there is for these sources, by name, at one look; none where the location announces nothing."""
        ...

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
        """Read a period's drop into the session. ``cache``: folder for copies of what lies behind a URL; ``now``: the
        instant of reading, for what states no other."""
        ...

    def load_log(self, session: Session, source: LogSource) -> tuple[Extract, list[Loaded]]:
        """Read a log as it stands into the session."""
        ...
