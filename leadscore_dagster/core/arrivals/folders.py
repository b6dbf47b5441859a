"""A folder in which a vendor drops files, on this machine or behind any URL fsspec opens (s3://, sftp://, memory://).

Lives here: listing it, reading from it, and a local copy of one quarter's files for the ingest. Does not: what the
names mean (core/sources/drops), whether a drop is complete (sightings).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources.drops import quarter_in
from leadscore_dagster.core.sources.manifest import manifest_name
from leadscore_dagster.recipes.contract import quarter_of
from leadscore_dagster.recipes.schema import VintageSource

_BLOCK = 1 << 20
_MANIFEST_BYTES = 1 << 16
#: whatever a file system tells of a file's content or of its last change: if none of it differs, it is the same file
_IDENTITY = ("ETag", "etag", "md5Hash", "contentHash", "generation", "version_id", "ino")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True)
class SeenFile:
    """A file as a listing shows it. ``stamp`` changes when the file is written; "" where nothing tells."""

    name: str
    size: int
    stamp: str
    modified: datetime | None = None


@dataclass(frozen=True)
class Folder:
    """A folder by its location: a path, or a URL fsspec opens. Its URL is never shown: it may hold a password."""

    location: str

    @property
    def is_remote(self) -> bool:
        return "://" in self.location and not self.location.startswith("file://")

    @property
    def shown(self) -> str:
        """The location as a message may quote it."""
        return f"a folder behind {self.location.split('://')[0]}://" if self.is_remote else self.location

    @property
    def key(self) -> str:
        """A short name of the folder that may stand in a cursor."""
        return hashlib.sha256(self.location.encode()).hexdigest()[:8]

    def files(self) -> list[SeenFile]:
        """What lies in the folder, by name, but for hidden files and folders. Raises InputError: it does not answer."""
        with self._opened() as (system, path):
            if not system.isdir(path):
                raise InputError(
                    "There is no such folder",
                    where=self.shown,
                    remedy="check --source",
                )
            entries = [
                system.info(entry["name"]) if entry.get("islink") else entry for entry in system.ls(path, detail=True)
            ]
        seen = [_seen(entry) for entry in entries if entry["type"] == "file"]
        return sorted((file for file in seen if not file.name.startswith(".")), key=lambda file: file.name)

    def sha256(self, seen: SeenFile) -> str | None:
        """Digest of a file's bytes; None if it is no longer the file that was seen."""
        digest = hashlib.sha256()
        with self._opened() as (system, path):
            try:
                with system.open(f"{path}/{seen.name}", "rb") as stream:
                    while block := stream.read(_BLOCK):
                        digest.update(block)
            except FileNotFoundError:
                return None
        return digest.hexdigest() if seen in self.files() else None

    def text(self, seen: SeenFile) -> str | None:
        """The first 64 KiB of a file as text, unreadable characters replaced; None if it is gone or has changed."""
        with self._opened() as (system, path):
            try:
                with system.open(f"{path}/{seen.name}", "rb") as stream:
                    start = stream.read(_MANIFEST_BYTES)
            except FileNotFoundError:
                return None
        return start.decode("utf-8", errors="replace") if seen in self.files() else None

    def copy(self, seen: SeenFile, target: Path) -> None:
        """Copy a file, with its time: without a manifest the time says since when the drop can have been known."""
        with self._opened() as (system, path):
            system.get_file(f"{path}/{seen.name}", str(target))
        if seen.modified is not None:
            os.utime(target, (seen.modified.timestamp(), seen.modified.timestamp()))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, str]]:
        """The file system and the path in it. Its errors may quote the URL, so none is shown or chained."""
        import fsspec

        if not self.is_remote:
            yield fsspec.filesystem("file"), str(Path(self.location.removeprefix("file://")).absolute())
            return
        try:
            system, path = fsspec.core.url_to_fs(self.location)
            system.invalidate_cache()
            yield system, path.rstrip("/")
        except InputError:
            raise
        except ImportError as error:
            raise InputError(f"the library for {self.shown} is missing", remedy=f"install {error.name}") from None
        except Exception as error:  # every file system has errors of its own
            raise InputError(
                f"the location does not answer ({type(error).__name__})",
                where=self.shown,
                remedy="check the location and its rights",
            ) from None


def copies_of(home: str | Path) -> Path:
    """Where a home keeps copies of drops that lie behind a URL."""
    return Path(home) / "arrivals"


def local_folder(location: str, source: VintageSource, as_of: date, cache: Path) -> Path:
    """A folder on this machine that holds the quarter's files of ``source`` and their manifest.

    A local location is returned as it is. From a URL they are copied to ``cache/<digest of the listing>``, which
    appears whole or not at all; as long as the listing stays the same it is not copied again.
    Raises InputError: the folder does not answer, or a file changed while it was copied.
    """
    folder = Folder(location)
    if not folder.is_remote:
        return Path(location.removeprefix("file://"))
    quarter = quarter_of(as_of)
    wanted = _of_quarter(folder, source, quarter)
    described = "\n".join(f"{file.name}\t{file.size}\t{file.stamp}" for file in wanted)
    target = cache / hashlib.sha256(f"{folder.key}\n{described}".encode()).hexdigest()[:32]
    if target.is_dir():
        return target
    beside = cache / f".{target.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for file in wanted:
        folder.copy(file, beside / file.name)
    if _of_quarter(folder, source, quarter) != wanted:
        shutil.rmtree(beside)
        raise InputError(
            f"the drop of {quarter} changed while it was copied", remedy="run it again when it is complete"
        )
    try:
        beside.rename(target)
    except OSError:  # another run was quicker: its copy has the same content
        shutil.rmtree(beside)
    return target


def _of_quarter(folder: Folder, source: VintageSource, quarter: str) -> list[SeenFile]:
    names = (quarter, "")
    return [
        file
        for file in folder.files()
        if file.name == manifest_name(quarter) or quarter_in(source.files, file.name) in names
    ]


def _seen(entry: Mapping[str, Any]) -> SeenFile:
    known = [str(entry[name]) for name in (*_IDENTITY, *_TIMES) if entry.get(name) not in (None, "")]
    stamp = hashlib.sha256("\n".join(known).encode()).hexdigest()[:16] if known else ""
    instants = [found for name in _TIMES if (found := _instant(entry.get(name))) is not None]
    size = entry.get("size")
    name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
    return SeenFile(name, int(size) if size is not None else -1, stamp, max(instants, default=None))


def _instant(value: object) -> datetime | None:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None
