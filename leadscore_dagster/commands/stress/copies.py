"""Copies of a home, cheap because what is never changed in place is linked, and of a source, to be spoilt.

Not here: what is spoilt (scenarios), how (core/simulation/damage).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Cadence, LogSource, VintageSource
from leadscore_dagster.core.sources.connectors import Folder, connector_of
from leadscore_dagster.core.sources.drops import find_files
from leadscore_dagster.core.sources.manifest import manifest_name
from leadscore_dagster.core.state import STATE_FILE, State, copy_state, file_url, open_state

#: partitions and versions are replaced by a rename, never written in place: a link to them cannot change them
LINKED = ("warehouse", "models")
COPIED = ("outputs", "sources.yaml")


def copy_home(home: Path, target: Path, state: State) -> Path:
    """A home with the same tables, models, lists and sources, and no history of runs. ``state`` is written in place, so
    its rows are copied, into a file."""
    target.mkdir(parents=True)
    for name in (*LINKED, *COPIED):
        path = home / name
        if path.is_dir():
            hidden = shutil.ignore_patterns(".*")  # what others are just writing, and spill
            shutil.copytree(path, target / name, ignore=hidden, copy_function=link if name in LINKED else shutil.copy2)
        elif path.is_file():
            shutil.copy2(path, target / name)
    with state_of(target, state.recipe).writing() as writing:
        copy_state(state, writing)
    return target


def state_of(home: Path, recipe: str) -> State:
    """The state in a copy's own file, wherever that of the original lies."""
    return open_state(file_url(home / STATE_FILE), recipe)


def link(source: str, target: str) -> str:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every visible file, by its path in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    visible = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in visible}


def folder_of(location: str) -> Path:
    """The folder of a source. Raises InputError for one that is no folder here."""
    connector = connector_of(location)
    path = connector.path if isinstance(connector, Folder) else None
    if path is None or not path.exists():
        raise InputError("the source is not a folder on this machine", where=connector.describe())
    return path if path.is_dir() else path.parent


def spoilt_log(source: LogSource, location: str, target: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A folder with a log's files, each changed; every value is text."""
    target.mkdir(parents=True)
    folder_of(location)
    for file in find_files(source.files, Path(location)):
        rewrite(file.path, target / file.path.name, change)
    return target


def files_of_period(source: VintageSource, location: str, as_of: date, cadence: Cadence) -> list[Path]:
    """The files of a vintage source's drop."""
    patterns = [pattern.replace(cadence.placeholder, cadence.label(as_of)) for pattern in source.files]
    return [file.path for file in find_files(patterns, folder_of(location))]


def linked_drops(location: str, target: Path, as_of: date, cadence: Cadence) -> Path:
    """All drops of a folder as links, without the period's manifest, whose digests would be all a change meets."""
    target.mkdir(parents=True)
    for path in folder_of(location).iterdir():
        if path.is_file() and path.name != manifest_name(cadence.label(as_of)):
            link(str(path), str(target / path.name))
    return target


def rewrite(source: Path, target: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """A CSV or Parquet file with its rows changed. Raises InputError for any other file."""
    name = source.name.lower()
    if name.endswith(".parquet"):
        rows = change(pq.read_table(source))
        target.unlink(missing_ok=True)
        pq.write_table(rows, target)
        return
    if not name.endswith(".csv"):
        raise InputError("only CSV and Parquet files can be changed", where=source.name)
    with pacsv.open_csv(source) as reader:
        names = reader.schema.names
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    parsing = pacsv.ParseOptions(newlines_in_values=True)
    rows = change(pacsv.read_csv(source, convert_options=options, parse_options=parsing))
    target.unlink(missing_ok=True)  # a link: written in place it would change the original
    pacsv.write_csv(rows, target)
