"""Rows of files and of Arrow batches, as text, in one private DuckDB; rows that do not parse are set aside.

Here: the tables ``raw`` (file, one text column per contract column) and ``rejects`` (file, row_number, rule, line).
Not here: opening files (files.py), meaning (cleaning.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.sources.drops import DropFile
from leadscore_dagster.core.sources.files import Staged, stage

_LONGEST_LINE = 8 << 20
_ROWS = "SELECT count(*) FROM raw"
_RULES = {"MISSING COLUMNS": "too_few_fields", "TOO MANY COLUMNS": "too_many_fields"}


@dataclass(frozen=True)
class Loaded:
    """One input: rows that parsed (``first`` ... ``first + rows - 1`` of ``raw``) and where those set aside stood."""

    name: str
    first: int
    rows: int
    rejected_at: tuple[int, ...] = ()

    def row_numbers(self, positions: np.ndarray) -> np.ndarray:
        """Row numbers in the file, the header being row 1, of positions within this input's parsed rows."""
        rejected = np.asarray(self.rejected_at, dtype=np.int64)
        parsed_before = rejected - 2 - np.arange(len(rejected))
        return positions + 2 + np.searchsorted(parsed_before, positions, side="right")


@contextmanager
def session(memory_limit: str, threads: int | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A DuckDB in memory that spills to a temporary folder, and that folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="leadscore-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(Path(folder) / "spill"),
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
        }
        if threads is not None:
            settings["threads"] = threads
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET timezone='UTC'")
            yield connection, Path(folder)


def prepare(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create the empty tables ``raw`` and ``rejects``."""
    cells = ", ".join(f"c{i} VARCHAR" for i in range(len(contract.columns)))
    connection.execute(f"CREATE TABLE raw (file INTEGER, {cells})")
    connection.execute("CREATE TABLE rejects (file INTEGER, row_number BIGINT, rule VARCHAR, line VARCHAR)")


def load_files(
    connection: duckdb.DuckDBPyConnection, scratch: Path, files: Sequence[DropFile], contract: Contract
) -> list[Loaded]:
    """All files into ``raw``; every header is checked before the first row is read.

    Raises InputError for a file that does not read, or has other rows than a manifest states.
    """
    prepare(connection, contract)
    staged = [stage(file.path, scratch, position, contract) for position, file in enumerate(files)]
    loaded = []
    for position, (file, ready) in enumerate(zip(files, staged, strict=True)):
        item = load_file(connection, position, ready, contract)
        found = item.rows + len(item.rejected_at)
        if file.expected_rows is not None and found != file.expected_rows:
            raise InputError(
                f"the manifest states {file.expected_rows:,} rows, found {found:,} (truncated?)",
                where=file.name,
                rows=abs(found - file.expected_rows),
                remedy="copy the file again",
            )
        ready.path.unlink()
        loaded.append(item)
    return loaded


def load_file(connection: duckdb.DuckDBPyConnection, position: int, staged: Staged, contract: Contract) -> Loaded:
    """Append one file to ``raw``. Raises InputError for what is not UTF-8, truncated, or does not decode."""
    first = number(connection, _ROWS)
    try:
        if staged.kind == "csv":
            rejected_at = _insert_csv(connection, position, staged, contract)
        else:
            cells = _cells(contract, {name: _quoted(name) for name in staged.columns})
            connection.execute(f"INSERT INTO raw SELECT ?, {cells} FROM read_parquet(?)", [position, str(staged.path)])
            rejected_at = ()
    except duckdb.Error as error:
        raise InputError(
            f"the file cannot be read ({type(error).__name__})", where=staged.name, remedy="request the file again"
        ) from error
    rows = number(connection, _ROWS) - first
    if rows + len(rejected_at) == 0:
        raise InputError("the file is empty: no row of data", where=staged.name, rows=0, remedy="request it again")
    return Loaded(staged.name, first, rows, rejected_at)


def load_batches(
    connection: duckdb.DuckDBPyConnection, name: str, batches: Iterable[pa.RecordBatch], contract: Contract
) -> Loaded:
    """Append Arrow batches (columns named as in the source) to ``raw``."""
    first = number(connection, _ROWS)
    for batch in batches:
        connection.register("batch", batch)
        cells = _cells(contract, {column: _quoted(column) for column in batch.schema.names})
        connection.execute(f"INSERT INTO raw SELECT 0, {cells} FROM batch")
        connection.unregister("batch")
    return Loaded(name, first, number(connection, _ROWS) - first)


def content_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Digest of the rows in ``raw``, whatever their order; the same with every version of the engine."""
    row = "left(sha256(CAST(to_json(raw) AS VARCHAR)), 32)"
    found = connection.execute(f"SELECT sha256(string_agg(d, '' ORDER BY d)) FROM (SELECT {row} AS d FROM raw)")
    return str(found.fetchall()[0][0])


def _insert_csv(
    connection: duckdb.DuckDBPyConnection, position: int, staged: Staged, contract: Contract
) -> tuple[int, ...]:
    first = number(connection, _ROWS)
    names = [f"f{i}" for i in range(len(staged.columns))]
    cells = _cells(contract, dict(zip(staged.columns, names, strict=True)))
    connection.execute(
        f"INSERT INTO raw SELECT $number, {cells} FROM read_csv($path, columns = $columns, header = true,"
        " auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', strict_mode = true,"
        " store_rejects = true, rejects_limit = 0, max_line_size = $longest, compression = 'none')",
        {
            "number": position,
            "path": str(staged.path),
            "columns": dict.fromkeys(names, "VARCHAR"),
            "longest": _LONGEST_LINE,
        },
    )
    errors = connection.execute(
        "SELECT line, any_value(error_type), any_value(csv_line),"
        " contains(rtrim(any_value(csv_line), chr(10)), chr(10)) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE reject_scans")
    _refuse_broken(errors, staged, number(connection, _ROWS) - first)
    values = [(position, line, _RULES.get(kind, "unreadable_row"), text) for line, kind, text, _ in errors]
    if values:
        connection.executemany("INSERT INTO rejects VALUES (?, ?, ?, ?)", values)
    return tuple(line for line, *_ in errors)


def _refuse_broken(errors: list[tuple[int, str, str, bool]], staged: Staged, parsed: int) -> None:
    """Rejects that are not about one row: encoding, a quote that is never closed, a file that ends too early."""
    encoding = [line for line, kind, *_ in errors if kind == "INVALID ENCODING"]
    if encoding:
        raise InputError(
            f"the file is not UTF-8 (first in row {encoding[0]})",
            where=staged.name,
            rows=len(encoding),
            remedy="save the file as UTF-8",
        )
    swallowing = [line for line, kind, _, several in errors if kind == "UNQUOTED VALUE" and several]
    if swallowing:
        raise InputError(
            f"a quoted value opened in row {swallowing[0]} is never closed",
            where=staged.name,
            rows=len(swallowing),
            remedy="request the file again; quotes inside a value must be doubled",
        )
    is_last = bool(errors) and errors[-1][0] == parsed + len(errors) + 1
    if is_last and not staged.ends_in_line_break and errors[-1][1] in ("MISSING COLUMNS", "UNQUOTED VALUE"):
        raise InputError(
            f"the file is truncated: it ends in the middle of row {errors[-1][0]}",
            where=staged.name,
            remedy="request the file again",
        )


def _cells(contract: Contract, names: dict[str, str]) -> str:
    """Text of every contract column; a derived one has none."""
    return ", ".join(
        "NULL" if column.derived_equal is not None else f"CAST({names[column.raw_name]} AS VARCHAR)"
        for column in contract.columns
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def name_of(column: Column) -> str:
    """A contract's column in DuckDB. Contracts only hold plain identifiers, so nothing needs escaping."""
    return f'"{column.name}"'


def number(connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object] | None = None) -> int:
    """The one number a query gives."""
    rows = connection.execute(query, parameters or {}).fetchall()  # fetchone would leave the result open
    return int(rows[0][0])
