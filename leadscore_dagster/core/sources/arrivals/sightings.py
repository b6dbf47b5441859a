"""What lies in the vendor's folders at one look: which periods' drops are complete, and what the others lack.

Lives here: the rules of completeness over listings, digests and manifests; they are those of the ingest
(core/sources/drops), without its need to read a row. Not here: what has been read before (cursor), what is to be done
about it (decision).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.sources.arrivals.cursor import LOOKS, Cursor, Mark, Wanted, advance
from leadscore_dagster.core.sources.connectors import Place, SeenFile
from leadscore_dagster.core.sources.drops import DropFile, digest_of, label_in, stem
from leadscore_dagster.core.sources.manifest import Manifest, manifest_name, parse_manifest


@dataclass(frozen=True)
class SourceDrop:
    """One source's files of a period.

    ``digest`` is of their contents, as the ledger of ingests has it; None while ``lacks`` says what is not right.
    ``in_flight``: not to be judged yet, rather than wrong. ``content`` names whatever lies there.
    """

    digest: str | None
    available_at: datetime | None
    lacks: str
    in_flight: bool
    content: str


@dataclass(frozen=True)
class PeriodDrop:
    """Everything of one period that lies there, by source."""

    as_of: date
    sources: Mapping[str, SourceDrop]

    @property
    def is_complete(self) -> bool:
        return all(drop.digest is not None for drop in self.sources.values())

    @property
    def in_flight(self) -> bool:
        return any(drop.in_flight for drop in self.sources.values())

    @property
    def lacks(self) -> list[str]:
        """What is not right, once each."""
        return list(dict.fromkeys(drop.lacks for drop in self.sources.values() if drop.lacks))

    @property
    def content(self) -> str:
        """Digest of what lies there and of the instant a manifest states; of neither names nor times of files."""
        told = (f"{name}\t{drop.digest or drop.content}\t{drop.available_at}" for name, drop in self.sources.items())
        return fingerprint(sorted(told))


@dataclass(frozen=True)
class Sightings:
    """Drops by period, oldest first; names of files nobody expects; and the cursor for the next look."""

    drops: tuple[PeriodDrop, ...]
    unknown: tuple[str, ...]
    cursor: Cursor
    cadence: Cadence


def sight(
    places: Sequence[Place],
    recipe: Recipe,
    cursor: Cursor,
    today: date,
    *,
    looks: int = LOOKS,
    hurry: Callable[[], bool] = lambda: False,
) -> Sightings:
    """What lies in the folders.

    Parameters
    ----------
    today : files of periods that have not ended by then, or lie outside the recipe's own, are nobody's.
    looks : how many looks must agree before a file is read; 1: it is read at once.
    hurry : asked before every file but the first: whether what is left is better read at the next look.
    """
    labels = _labels(recipe, today)
    expected = {place.key: _expected(place, recipe, labels) for place in places}
    wanted = sorted(_wanted(places, expected), key=lambda found: (found[0], found[1].mark))
    after = advance(cursor, (item for _, item in wanted), looks=looks, hurry=hurry)
    logs = [pattern for source in recipe.sources.values() if isinstance(source, LogSource) for pattern in source.files]
    unknown = {
        file.name
        for place in places
        for file in place.files
        if file.name not in expected[place.key] and label_in(logs, file.name) is None
    }
    there = {label for label, _ in wanted}
    found = [
        PeriodDrop(as_of, dict(_source_drops(as_of, places, expected, after, recipe)))
        for label, as_of in labels.items()
        if label in there
    ]
    return Sightings(tuple(found), tuple(sorted(unknown)), after, recipe.cadence)


def expected_files(places: Sequence[Place], recipe: Recipe, today: date) -> list[SeenFile]:
    """The files of the folders that belong to a drop; extracts and others that lie beside them do not."""
    labels = _labels(recipe, today)
    return [file for place in places for file in place.files if file.name in _expected(place, recipe, labels)]


def fingerprint(parts: Sequence[str]) -> str:
    """A short digest of texts in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _labels(recipe: Recipe, today: date) -> dict[str, date]:
    """The periods that have ended by a day, by how vendors write them."""
    return {recipe.cadence.label(as_of): as_of for as_of in recipe.as_ofs(today)}


def _expected(place: Place, recipe: Recipe, labels: Mapping[str, date]) -> dict[str, str]:
    """File name → period, for the files of a folder that somebody expects."""
    if place.stated is not None:
        return {name: label for name, label in place.stated.items() if label in labels}
    manifests = {manifest_name(label): label for label in labels}
    patterns = [pattern for name in place.sources for pattern in recipe.sources[name].files]
    stated = {file.name: manifests.get(file.name) or label_in(patterns, file.name) for file in place.files}
    return {name: label for name, label in stated.items() if label is not None and label in labels}


def _wanted(places: Sequence[Place], expected: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, Wanted]]:
    for place in places:
        for file in place.files:
            label = expected[place.key].get(file.name)
            if label is not None:
                is_manifest = file.name == manifest_name(label)
                yield label, Wanted(f"{place.key}/{file.name}", file, place.contents, is_manifest)


def _source_drops(
    as_of: date,
    places: Sequence[Place],
    expected: Mapping[str, Mapping[str, str]],
    cursor: Cursor,
    recipe: Recipe,
) -> Iterator[tuple[str, SourceDrop]]:
    label = recipe.cadence.label(as_of)
    for place in places:
        mine = {name: cursor.marks[f"{place.key}/{name}"] for name, of in expected[place.key].items() if of == label}
        if place.stated is not None:
            yield from ((name, _snapshot(snapshot, mark)) for name in place.sources for snapshot, mark in mine.items())
            continue
        told = mine.pop(manifest_name(label), None)
        for name in place.sources:
            source = recipe.sources[name]
            assert isinstance(source, VintageSource)
            files = {file: mark for file, mark in mine.items() if label_in(source.files, file) == label}
            yield name, _source_drop(source, as_of, files, told, recipe)


def _snapshot(name: str, mark: Mark) -> SourceDrop:
    """A snapshot of a table: it has no manifest, and is complete once its rows have stopped changing."""
    lacks = "" if mark.is_read else f"the snapshot {name} is still being written, or waits to be read"
    return SourceDrop(mark.content, None, lacks, not mark.is_read, fingerprint([name, str(mark.size)]))


def _source_drop(
    source: VintageSource,
    as_of: date,
    files: Mapping[str, Mark],
    told: Mark | None,
    recipe: Recipe,
) -> SourceDrop:
    manifest, lacks, label = None, "", recipe.cadence.label(as_of)
    if told is not None and told.content is not None:
        try:
            manifest = parse_manifest(told.content, as_of, recipe.cadence)
        except InputError as error:
            lacks = str(error)
    elif told is not None or recipe.automation.manifest_required:
        lacks = f"{manifest_name(label)} is not there yet, or being written"
    lacks = lacks or next(_problems(source, label, as_of, files, manifest), "")
    in_flight = any(not mark.is_read for mark in (*files.values(), *([told] if told else [])))
    if in_flight and not lacks:
        unread = next(name for name, mark in files.items() if not mark.is_read)
        lacks = f"{unread} is still being copied, or waits to be read"
    contents = {name: mark.content or "" for name, mark in files.items()}
    known = [
        *sorted(f"{text}\t{files[name].size}" for name, text in contents.items()),
        told.content or "" if told else "",
    ]
    return SourceDrop(
        digest=None if lacks else digest_of([DropFile(Path(name), text) for name, text in contents.items()]),
        available_at=manifest.available_at if manifest else None,
        lacks=lacks,
        in_flight=in_flight,
        content=fingerprint(known),
    )


def _problems(
    source: VintageSource, label: str, as_of: date, files: Mapping[str, Mark], manifest: Manifest | None
) -> Iterator[str]:
    """What the ingest would refuse, as far as it can be told without reading a row."""
    stems = [stem(name).lower() for name in files]
    yield from (f"{name} is empty" for name, mark in files.items() if mark.size == 0)
    if manifest is not None:
        listed = [name for name in manifest.sha256 if label_in(source.files, name) is not None]
        missing = [name for name in listed if stem(name).lower() not in stems]
        yield from (f"{name} of {manifest.name} is not there yet" for name in missing)
        known = {stem(name) for name in listed}
        yield from (f"{name} is not listed in {manifest.name}" for name in files if stem(name) not in known)
        for name, mark in files.items():
            if mark.content is not None and manifest.sha256.get(name, mark.content) != mark.content:
                yield f"{name} is not the file {manifest.name} describes: still being copied, truncated or changed"
        if manifest.available_at.date() < as_of:
            yield f"{manifest.name} states available_at {manifest.available_at.date()}, before as_of {as_of}"
    if len(set(stems)) != len(stems):
        yield f"a file of {source.table} for {label} exists in two formats"
    if len(files) != source.expected_files:
        yield f"{len(files)} of {source.expected_files} files of {source.table} for {label}"
    contents = [mark.content for mark in files.values() if mark.content is not None]
    if len(set(contents)) != len(contents):
        yield f"two files of {source.table} for {label} have the same content"
