"""Files that are whole or not there: written beside their place, flushed to disk, renamed into it. And where the files
that come with the product lie.

Not here: what is written, and the Parquet files of the lake, which many processes write at once
(warehouse/lake/parquet).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """A file or folder that a checkout keeps at its top and an installed wheel inside the package.

    Inside comes first: beside an installed package lie the files of other packages. Raises FileNotFoundError if
    the installation is damaged.
    """
    for path in (_PACKAGE / name, _PACKAGE.parent / name):
        if path.exists():
            return path
    raise FileNotFoundError(f"{_PACKAGE / name} is missing: install the package again")


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
