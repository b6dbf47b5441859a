"""Which files are a period's drop, whether they are all there, and since when they can have been known.

Here: file names, digests, completeness. Not here: a manifest's text (manifest.py), what is inside a file (files.py,
reading.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import VintageSource
from leadscore_dagster.core.sources.manifest import Manifest, manifest_name, parse_manifest

SUFFIXES = (".csv.gz", ".csv", ".parquet", ".zip")
#: how vendors write a period that exists
_LABEL = {Cadence.QUARTER: re.compile(r"\d{4}_q[1-4]"), Cadence.MONTH: re.compile(r"\d{4}_(0[1-9]|1[0-2])")}
_LOOKS_LIKE_A_LABEL = r"(?P<label>\d{4}[_-]?[a-z]?\d+)"

AvailableFrom = Literal["manifest", "declared lag", "file time", "time of reading"]


@dataclass(frozen=True)
class DropFile:
    """One file: where it is, SHA-256 of its bytes, and its data rows where a manifest states them."""

    path: Path
    sha256: str
    expected_rows: int | None = None

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Drop:
    """A complete delivery of one source, sorted by file name. ``digest`` is of the contents.

    ``changed_at``: when its newest file was last written; None for a table, which does not say.
    """

    files: tuple[DropFile, ...]
    as_of: date
    available_at: datetime
    available_at_from: AvailableFrom
    digest: str
    changed_at: datetime | None = None


def find_drop(source: VintageSource, folder: Path, as_of: date, cadence: Cadence = Cadence.QUARTER) -> Drop:
    """The drop of ``source`` that describes ``as_of``.

    ``available_at`` is the manifest's, else ``as_of`` plus the declared lag, else the newest file's own time.
    Raises InputError: no drop for that period, an incomplete or too large set, one file twice, a quarter or
    month that does not exist in a name, a manifest that disagrees, an availability before ``as_of``.
    """
    label = cadence.label(as_of)
    paths, others = _matching(source.files, folder, label)
    manifest = _read_manifest(folder / manifest_name(label), as_of, cadence)
    _refuse_incomplete(source, folder, as_of, cadence, paths, others, manifest)
    _refuse_two_formats(paths)
    files = digested(paths)
    if manifest is not None:
        files = tuple(_verified(file, manifest) for file in files)
    available_at, stated_by = _available_at(source, as_of, paths, manifest)
    return Drop(files, as_of, available_at, stated_by, digest_of(files), _written_at(paths))


def find_files(patterns: Sequence[str], location: Path) -> tuple[DropFile, ...]:
    """The files of a log: ``location`` itself, or the files of that folder that match a pattern.

    Raises InputError if there is none or if one is there twice.
    """
    if not location.exists():
        raise InputError("no such file or folder", where=location.name, remedy="check the source's location")
    if location.is_file():
        paths = [location]
    else:
        paths, _ = _matching(patterns, location, None)
        if not paths:
            raise InputError("no file of this source", where=location.name, remedy=f"expected {' or '.join(patterns)}")
    _refuse_two_formats(paths)
    return digested(paths)


def digested(paths: Iterable[Path]) -> tuple[DropFile, ...]:
    """The files with their digests. Raises InputError if two have the same content or one has none."""
    seen: dict[str, str] = {}
    files = []
    for path in paths:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", where=path.name, rows=0, remedy="request the file again")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest in seen:
            raise InputError(
                f"the same file twice: it has the same content as {seen[digest]}",
                where=path.name,
                remedy="remove one of the two, or request the missing file",
            )
        seen[digest] = path.name
        files.append(DropFile(path, digest))
    return tuple(files)


def digest_of(files: Sequence[DropFile]) -> str:
    """One digest of the contents of several files, whatever their names and order."""
    return hashlib.sha256("\n".join(sorted(file.sha256 for file in files)).encode()).hexdigest()


def stem(name: str) -> str:
    """A file name without its format; the whole name if the format is not one we read."""
    suffix = _suffix(name)
    return name[: -len(suffix)] if suffix else name


def label_in(patterns: Sequence[str], name: str) -> str | None:
    """The period a file's name states, in lower case as written; "" if its pattern states none; None if the name is
    hidden, of a format we do not read, or fits no pattern."""
    if name.startswith(".") or not _suffix(name):
        return None
    expressions = (_expression(pattern) for pattern in patterns)
    found = next((match for e in expressions if (match := e.fullmatch(stem(name)))), None)
    return None if found is None else found.groupdict().get("label", "").lower()


def _suffix(name: str) -> str:
    lower = name.lower()
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def _matching(patterns: Sequence[str], folder: Path, label: str | None) -> tuple[list[Path], dict[str, list[str]]]:
    """Paths of the wanted period, and the names of the other periods' files by period as written."""
    if not patterns:
        raise InputError("the recipe names no files of this source", where=folder.name, remedy="state its files")
    if not folder.is_dir():
        raise InputError("no such folder", where=folder.name, remedy="check the source's location")
    wanted: list[Path] = []
    others: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        written = label_in(patterns, path.name)
        if written is None or not path.is_file():
            continue
        if not written or label is None or written == label:
            wanted.append(path)
        else:
            others.setdefault(written, []).append(path.name)
    return wanted, others


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{quarter\}|\{month\}|\*)", stem(pattern))
    special = {"*": r"[^/]*", **{cadence.placeholder: _LOOKS_LIKE_A_LABEL for cadence in Cadence}}
    return re.compile("".join(special.get(part, re.escape(part)) for part in parts), re.IGNORECASE)


def _refuse_incomplete(
    source: VintageSource,
    folder: Path,
    as_of: date,
    cadence: Cadence,
    paths: list[Path],
    others: dict[str, list[str]],
    manifest: Manifest | None,
) -> None:
    expected, label = source.expected_files, cadence.label(as_of)
    if manifest is not None:
        expressions = [_expression(pattern) for pattern in source.files]
        here = {stem(path.name) for path in paths}
        for name in sorted(manifest.sha256):
            if any(e.fullmatch(stem(name)) for e in expressions) and stem(name) not in here:
                raise InputError(
                    f"incomplete drop {label}: {name} is in {manifest.name} but not here",
                    where=folder.name,
                    remedy="wait for the file, or request it again",
                )
    if len(paths) == expected:
        return
    impossible = sorted(name for of, names in others.items() if not _LABEL[cadence].fullmatch(of) for name in names)
    if len(paths) < expected and impossible:
        raise InputError(
            f"wrong {cadence.value} in the name: {len(paths)} of {expected} files of {label}, and a {cadence.value} "
            "that does not exist",
            where=", ".join(impossible[:3]),
            remedy=f"rename the file to the {cadence.value} it describes, such as {label}",
        )
    if not paths:
        there = ", ".join(sorted(of for of in others if _LABEL[cadence].fullmatch(of))) or "none"
        raise InputError(
            f"no drop of {source.table} for {label}",
            where=folder.name,
            remedy=f"{cadence.value}s that are there: {there}; expected {' or '.join(source.files)}",
        )
    names = ", ".join(path.name for path in paths)
    kind = "incomplete" if len(paths) < expected else "more files than expected in"
    remedy = "wait for the missing file" if len(paths) < expected else "remove the files that do not belong"
    _refuse_two_formats(paths)
    digested(paths)  # a copy under another name is the better explanation
    raise InputError(
        f"{kind} drop {label}: expected {expected} files, found {len(paths)} ({names})",
        where=folder.name,
        remedy=f"{remedy}, or change expected_files in the recipe",
    )


def _refuse_two_formats(paths: Sequence[Path]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        key = stem(path.name).lower()
        if key in seen:
            raise InputError(
                f"the same file twice: {seen[key]} is there as well", where=path.name, remedy="keep one of the two"
            )
        seen[key] = path.name


def _verified(file: DropFile, manifest: Manifest) -> DropFile:
    """The file with the rows the manifest states. A repacked file (csv as gz) is only held to its rows."""
    name = file.name
    if name not in manifest.sha256:
        listed = next((other for other in manifest.sha256 if stem(other) == stem(name)), None)
        if listed is None:
            raise InputError(
                f"the file is not listed in {manifest.name}", where=name, remedy="remove it or correct the manifest"
            )
        return DropFile(file.path, file.sha256, manifest.rows[listed])
    if manifest.sha256[name] != file.sha256:
        raise InputError(
            f"not the file that {manifest.name} describes (truncated or changed): expected "
            f"{manifest.rows[name]:,} rows, found {_count_rows(file.path)}",
            where=name,
            remedy="copy the file again",
        )
    return DropFile(file.path, file.sha256, manifest.rows[name])


def _count_rows(path: Path) -> str:
    """Rows of a damaged file, for the message only: lines of a CSV, unknown for anything packed."""
    if not path.name.lower().endswith(".csv"):
        return "a different content"
    with path.open("rb") as stream:
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    return f"{max(lines - 1, 0):,}"


def _available_at(
    source: VintageSource, as_of: date, paths: Sequence[Path], manifest: Manifest | None
) -> tuple[datetime, AvailableFrom]:
    start = datetime.combine(as_of, time(), UTC)
    stated_by: AvailableFrom
    if manifest is not None:
        instant, stated_by = manifest.available_at, "manifest"
    elif source.available_after_days is not None:
        instant, stated_by = start + timedelta(days=source.available_after_days), "declared lag"
    else:
        instant, stated_by = _written_at(paths), "file time"
    if instant < start:
        raise InputError(
            f"available_at {instant.isoformat()} ({stated_by}) is before as_of {as_of}",
            where=manifest.name if manifest else paths[0].name,
            remedy="a drop cannot be known before the state it describes: correct the file's name or the time",
        )
    return instant, stated_by


def _written_at(paths: Sequence[Path]) -> datetime:
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), UTC)


def _read_manifest(path: Path, as_of: date, cadence: Cadence) -> Manifest | None:
    return parse_manifest(path.read_bytes(), as_of, cadence) if path.is_file() else None
