"""Files that are whole or not there: written beside their place, flushed to disk, renamed into it.

Not here: what is written, and the Parquet files of the lake, which many processes write at once
(warehouse/lake/parquet).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends; an exception leaves the old file as it was.

    Two processes may write the same path at once: the later one wins, and nobody reads half of either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Replace ``path`` by ``text`` in UTF-8; returns the path."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))
    return path
