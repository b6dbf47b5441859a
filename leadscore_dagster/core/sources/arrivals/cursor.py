"""What a look at the vendor's folders remembers for the next: how long a file has looked the same, and its content.

Lives here: marks and their cursor. Not here: whether a drop is complete (sightings).

A file counts once it has looked the same (size and stamp) at two looks: copies are slow. Only then it is read, once,
and its digest is kept as long as it looks the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from leadscore_dagster.core.sources.connectors import Contents, SeenFile

LOOKS = 2  # that must agree before a file is read


@dataclass(frozen=True)
class Wanted:
    """A file to be read: ``mark`` is its name in the cursor."""

    mark: str
    file: SeenFile
    contents: Contents
    is_manifest: bool


@dataclass(frozen=True)
class Mark:
    """What is kept of a file. ``content``: the digest of a drop's file, the text of a manifest."""

    size: int
    stamp: str
    looks: int = 1
    content: str | None = None

    @property
    def is_read(self) -> bool:
        """Nothing more can be learned of it as long as it looks the same. An empty file is never read."""
        return self.content is not None or self.size == 0


@dataclass(frozen=True)
class Cursor:
    """Marks by ``folder/file name``."""

    marks: Mapping[str, Mark]

    def to_json(self, **told: object) -> str:
        """As a sensor's cursor; ``told`` is for whoever reads it there."""
        marks = {name: vars(mark) for name, mark in sorted(self.marks.items())}
        return json.dumps({"version": 1, **told, "marks": marks})

    @staticmethod
    def from_json(text: str | None) -> Cursor:
        """The cursor that was stored; an empty one if there is none, or if it is not one of ours."""
        try:
            stored = json.loads(text or "{}")
            if stored.get("version") != 1:
                return Cursor({})
            return Cursor({name: Mark(**mark) for name, mark in stored["marks"].items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            return Cursor({})


def advance(cursor: Cursor, wanted: Iterable[Wanted], *, looks: int, hurry: Callable[[], bool]) -> Cursor:
    """The cursor after one more look at the files, in the order in which they are to be read.

    A file that changed while it was read starts anew. ``hurry``: whether what is left is better read at the next
    look; one file is always read.
    """
    marks: dict[str, Mark] = {}
    has_read = False
    for item in wanted:
        mark = marks[item.mark] = _seen_again(cursor.marks.get(item.mark), item.file, looks)
        if mark.is_read or mark.looks < looks or (has_read and hurry()):
            continue
        has_read = True
        content = item.contents.text(item.file) if item.is_manifest else item.contents.sha256(item.file)
        marks[item.mark] = replace(mark, content=content, looks=mark.looks if content is not None else 1)
    return Cursor(marks)


def _seen_again(before: Mark | None, file: SeenFile, looks: int) -> Mark:
    if before is None or (before.size, before.stamp) != (file.size, file.stamp):
        return Mark(file.size, file.stamp)
    content = before.content if file.stamp else None  # where nothing tells of a change, it is read every time
    return replace(before, looks=min(before.looks + 1, max(looks, LOOKS)), content=content)
