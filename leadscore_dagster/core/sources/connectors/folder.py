"""A folder in which a vendor drops files, on this machine or behind any URL fsspec opens (s3://, sftp://, memory://).

Lives here: listing it, reading from it, and local copies of what lies behind a URL for the ingest. Not here: what the
names mean (core/sources/drops), whether a drop is complete (sightings).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources.connectors import connections
from leadscore_dagster.core.sources.connectors.protocol import Extract, Place, SeenFile, Session
from leadscore_dagster.core.sources.drops import Drop, digest_of, find_drop, find_files, label_in, stem
from leadscore_dagster.core.sources.manifest import manifest_name
from leadscore_dagster.core.sources.reading import Loaded, load_files

_BLOCK = 1 << 20
_MANIFEST_BYTES = 1 << 16
_READS_UNDER_WAY = 64  # of 32 KiB each over SFTP: one at a time, every one would cost a journey there and back
#: whatever a file system tells of a file's content or of its last change: if none of it differs, it is the same file
_IDENTITY = ("ETag", "etag", "md5Hash", "contentHash", "generation", "version_id", "ino")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Folder:
    """A folder, or one file of a log, by its location: a path, or a URL fsspec opens. See protocol.Connector."""

    location: str = field(repr=False)  # a URL may hold a password

    @property
    def is_remote(self) -> bool:
        return connections.is_remote(self.location)

    @property
    def path(self) -> Path | None:
        """The path on this machine; None behind a URL."""
        return None if self.is_remote else Path(self.location.removeprefix("file://"))

    def describe(self) -> str:
        """The location as a message may quote it."""
        return connections.shown_as(self.location)

    def require(self) -> None:
        """Raise InputError for a path where nothing is."""
        if self.path is not None and not self.path.exists():
            raise InputError("There is no such file or folder", where=self.location, remedy="nothing was remembered")

    @property
    def name(self) -> str:
        """The last part of its path; what a copy of it is called, and so what a message about the copy quotes."""
        return Path(self.describe()).name

    @property
    def key(self) -> str:
        """A short name of the folder that may stand in a cursor; a new password does not make it another folder."""
        return hashlib.sha256(connections.without_password(self.location).encode()).hexdigest()[:8]

    def files(self) -> list[SeenFile]:
        """What lies in the folder, by name, but for hidden files and folders. Raises InputError: it does not answer."""
        with self._opened() as (system, path):
            return self._listed(system, path)

    def sha256(self, seen: SeenFile) -> str | None:
        """Digest of a file's bytes; None if it is no longer the file that was seen."""
        digest = hashlib.sha256()

        def take(stream: BinaryIO) -> str:
            while block := stream.read(_BLOCK):
                digest.update(block)
            return digest.hexdigest()

        return self._read(seen, take)

    def text(self, seen: SeenFile) -> str | None:
        """The first 64 KiB of a file as text, unreadable characters replaced; None if it is gone or has changed."""
        start = self._read(seen, lambda stream: stream.read(_MANIFEST_BYTES))
        return None if start is None else start.decode("utf-8", errors="replace")

    def copy(self, wanted: Sequence[SeenFile], target: Path) -> bool:
        """Copy files into a folder, with their times: without a manifest the time says since when the drop can have
        been known. False if one of them is no longer the file that was seen."""
        for seen in wanted:
            copied = target / seen.name
            if self._read(seen, lambda stream, copied=copied: _write(stream, copied)) is None:  # type: ignore[misc]
                return False
            if seen.modified is not None:
                os.utime(copied, (seen.modified.timestamp(), seen.modified.timestamp()))
        return True

    def delivered(self, source: VintageSource, as_ofs: Sequence[date], cadence: Cadence, today: date) -> list[date]:
        """The periods a file of the source names; all of them, if its pattern names none."""
        there = {label_in(source.files, file.name) for file in self.files()}
        return [as_of for as_of in as_ofs if cadence.label(as_of) in there or "" in there]

    def fingerprint(
        self, source: VintageSource, as_of: date, cadence: Cadence, *, cache: Path, now: datetime
    ) -> str | None:
        """Digest of the files' contents. Raises InputError where the drop is not complete."""
        return find_drop(source, local_folder(self, source, as_of, cache, cadence), as_of, cadence).digest

    def places(self, sources: Mapping[str, VintageSource], as_ofs: Sequence[date], cadence: Cadence) -> list[Place]:
        """The folder as it lies there, for all its sources at once."""
        return [Place(self.key, tuple(sources), tuple(self.files()), self)]

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
        """The rows of a period's files, each of them checked against the manifest, if there is one."""
        here = local_folder(self, source, as_of, cache or session.scratch / "copy", cadence)
        drop = find_drop(source, here, as_of, cadence)
        return drop, load_files(session.connection, session.scratch, drop.files, source.contract)

    def load_log(self, session: Session, source: LogSource) -> tuple[Extract, list[Loaded]]:
        """The rows of the file, or of those files of the folder that fit the source's patterns."""
        files = find_files(source.files, local_log(self, source, session.scratch))
        loaded = load_files(session.connection, session.scratch, files, source.contract)
        return Extract(files, tuple(file.name for file in files), digest_of(files)), loaded

    def _read(self, seen: SeenFile, take: Callable[[BinaryIO], _T]) -> _T | None:
        """What ``take`` makes of a file; None if the file is not the one that was seen, before or afterwards."""
        with self._opened() as (system, path):
            try:
                with system.open(_join(path, seen.name), "rb") as stream:
                    if hasattr(stream, "prefetch"):
                        stream.prefetch(max_concurrent_requests=_READS_UNDER_WAY)
                    taken = take(stream)
            except Exception:
                if seen in self._listed(system, path):
                    raise
                return None
            return taken if seen in self._listed(system, path) else None

    def _listed(self, system: Any, path: str) -> list[SeenFile]:
        system.invalidate_cache()
        try:
            entries = system.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            entries = None
        if entries is None or [entry["name"] for entry in entries] == [path]:  # a file lists itself
            raise connections.absent(self.location)
        seen = [_seen(entry) for entry in _followed(system, entries) if entry["type"] == "file"]
        return sorted((file for file in seen if not file.name.startswith(".")), key=lambda file: file.name)

    def _opened(self) -> AbstractContextManager[tuple[Any, str]]:
        return connections.opened(self.location) if self.is_remote else _here(self.location)


def copies_of(home: str | Path) -> Path:
    """Where a home keeps copies of drops that lie behind a URL."""
    return Path(home) / "arrivals"


def local_folder(
    folder: Folder, source: VintageSource, as_of: date, cache: Path, cadence: Cadence = Cadence.QUARTER
) -> Path:
    """A folder on this machine that holds the period's files of ``source`` and their manifest.

    A local folder is returned as it is. From a URL they are copied to ``cache/<digest of the listing>/<its name>``,
    which appears whole or not at all; as long as the listing stays the same it is not copied again.
    Raises InputError: the folder does not answer, or a file changed while it was copied.
    """
    if folder.path is not None:
        return folder.path
    label = cadence.label(as_of)
    wanted = _of_period(folder, source, label)
    described = "\n".join(f"{file.name}\t{file.size}\t{file.stamp}" for file in wanted)
    target = cache / hashlib.sha256(f"{folder.key}\n{folder.name}\n{described}".encode()).hexdigest()[:32]
    if target.is_dir():
        os.utime(target)  # what is used is not pruned
        return target / folder.name
    beside = cache / f".{target.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    (beside / folder.name).mkdir(parents=True)
    try:
        if not folder.copy(wanted, beside / folder.name) or _of_period(folder, source, label) != wanted:
            raise _changed(f"the drop of {label}", folder)
        beside.rename(target)
    except OSError:
        if not target.is_dir():  # if it is there, another run was quicker: its copy has the same content
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target / folder.name


def local_log(folder: Folder, source: LogSource, scratch: Path) -> Path:
    """A log's file or folder on this machine; what lies behind a URL is copied into ``scratch``.

    Raises InputError: it does not answer, there is no such file, or it changed while it was copied.
    """
    if folder.path is not None:
        return folder.path
    above, _, name = folder.location.rpartition("/")
    one = name if stem(name) != name else ""
    there = Folder(above if one else folder.location)
    wanted = [
        file
        for file in there.files()
        if file.name == one or (not one and label_in(source.files, file.name) is not None)
    ]
    if one and not wanted:
        raise InputError(f"There is no file {one}", where=there.describe(), remedy="check --source")
    copied = scratch / "copy" / there.name
    copied.mkdir(parents=True)
    if not there.copy(wanted, copied):
        raise _changed(f"the extract {one}".rstrip(), there)
    return copied / one


def _changed(what: str, folder: Folder) -> InputError:
    return InputError(
        f"{what} changed while it was copied", where=folder.describe(), remedy="run it again when it is complete"
    )


def _of_period(folder: Folder, source: VintageSource, label: str) -> list[SeenFile]:
    names = (label, "")
    return [
        file
        for file in folder.files()
        if file.name == manifest_name(label) or label_in(source.files, file.name) in names
    ]


@contextmanager
def _here(location: str) -> Iterator[tuple[Any, str]]:
    import fsspec

    yield fsspec.filesystem("file"), str(Path(location.removeprefix("file://")).absolute())


def _join(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"


def _write(stream: BinaryIO, path: Path) -> Path:
    with path.open("wb") as written:
        shutil.copyfileobj(stream, written, _BLOCK)
    return path


def _followed(system: Any, entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Entries of a listing: of a link what it points to, and not the empty object that holds a folder's place."""
    for entry in entries:
        if str(entry["name"]).endswith("/"):
            continue
        if not (entry.get("islink") or entry["type"] == "link"):
            yield entry
            continue
        try:
            yield {**system.info(entry["name"]), "name": entry["name"]}
        except FileNotFoundError:  # it points to nothing, or is gone by now
            continue


def _seen(entry: Mapping[str, Any]) -> SeenFile:
    known = [_told(entry[name]) for name in (*_IDENTITY, *_TIMES) if entry.get(name) not in (None, "")]
    stamp = hashlib.sha256("\n".join(known).encode()).hexdigest()[:16] if known else ""
    instants = [found for name in _TIMES if (found := _instant(entry.get(name))) is not None]
    size = entry.get("size")
    name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
    return SeenFile(name, int(size) if size is not None else -1, stamp, max(instants, default=None))


def _told(value: object) -> str:
    """A time in UTC: where this machine is, and whether it is summer there, does not change a file."""
    return str(value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value)


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
