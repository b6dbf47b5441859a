"""Parquet files of the lake: GoogleSQL types only, equal bytes for equal data, replaced in one step.

Not here: which file belongs to which table (lake.py).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.core.errors import InputError

ROW_GROUP_ROWS = 122_880  # DuckDB's own: what one thread reads at a time


def googlesql_type(given: pa.DataType) -> pa.DataType:
    """The one Arrow type this project uses for a GoogleSQL type; InputError if GoogleSQL has none.

    DuckDB's HUGEINT, the type of SUM and COUNTIF over integers, arrives as decimal(38, 0) and becomes int64.
    """
    types = pa.types
    if types.is_integer(given) or (types.is_decimal(given) and given.scale == 0):
        return pa.int64()
    if types.is_floating(given) or types.is_decimal(given):
        return pa.float64()
    if types.is_string(given) or types.is_large_string(given) or types.is_string_view(given):
        return pa.string()
    if types.is_binary(given) or types.is_large_binary(given) or types.is_binary_view(given):
        return pa.binary()
    if types.is_timestamp(given):
        return pa.timestamp("us", tz="UTC" if given.tz else None)
    if types.is_date(given):
        return pa.date32()
    if types.is_boolean(given):
        return given
    if types.is_dictionary(given):
        return googlesql_type(given.value_type)
    if types.is_list(given) or types.is_large_list(given) or types.is_fixed_size_list(given):
        return pa.list_(googlesql_type(given.value_type))
    if types.is_struct(given):
        return pa.struct([(field.name, googlesql_type(field.type)) for field in given])
    if types.is_null(given):
        return pa.int64()  # GoogleSQL types a bare NULL as INT64
    raise InputError(f"GoogleSQL has no type for Arrow's {given}")


def googlesql_schema(given: pa.Schema) -> pa.Schema:
    """The schema with GoogleSQL types, every column nullable, without metadata.

    Raises InputError for two columns whose names differ by case alone: GoogleSQL cannot tell them apart.
    """
    seen: set[str] = set()
    for name in given.names:
        if name.lower() in seen:
            raise InputError(f"two columns are named {name!r}", remedy="rename one; capitals make no difference")
        seen.add(name.lower())
    return pa.schema([(field.name, googlesql_type(field.type)) for field in given])


def stream(data: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch], where: str) -> pa.RecordBatchReader:
    """Any Arrow data as one stream. An empty iterable has no schema and raises InputError."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.Table):
        return data.to_reader()
    batches = iter(data)
    first = next(batches, None)
    if first is None:
        raise InputError("no record batch to write", where=where, remedy="give an empty table")
    return pa.RecordBatchReader.from_batches(first.schema, chain((first,), batches))


def replace(path: Path, data: pa.RecordBatchReader) -> int:
    """Write the stream beside `path`, flush it to disk, rename it into place; returns the rows written.

    Whatever happens before the rename leaves the old file untouched. Raises InputError if the disk refuses.
    """
    where = f"{path.parent.name}/{path.stem}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise _refused(error, where) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed by the kernel when we die: tells `_sweep` we are alive
            rows = _write(file, data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refused(error, where) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return rows


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def column_bytes(path: Path, columns: Collection[str]) -> int:
    """Compressed bytes of some columns (matched without case) of one file, from its footer."""
    wanted = {name.lower() for name in columns}
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise damaged(f"{path.parent.name}/{path.stem}") from error
    chunks = (
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    return sum(c.total_compressed_size for c in chunks if c.path_in_schema.split(".")[0].lower() in wanted)


def is_readable(path: Path) -> bool:
    """Whether every page of the file decodes."""
    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError):
        return False
    return True


def damaged(where: str) -> InputError:
    """The error for a file that does not decode."""
    return InputError("the Parquet file is truncated or damaged", where=where, remedy="materialize it again")


def _write(file: object, data: pa.RecordBatchReader) -> int:
    schema = googlesql_schema(data.schema)
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd", store_schema=False) as writer:
        for group in _row_groups(data, schema):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows += group.num_rows
    return rows


def _row_groups(data: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of exactly ROW_GROUP_ROWS rows (the last may be shorter), each in one piece.

    Pages are cut by piece: without this the bytes would depend on how the producer batched its rows.
    """
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in data:
        waiting.append(_fitted(batch, schema))
        count += batch.num_rows
        if count >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting, schema)
            whole = count - count % ROW_GROUP_ROWS
            for start in range(0, whole, ROW_GROUP_ROWS):
                yield table.slice(start, ROW_GROUP_ROWS).combine_chunks()
            waiting = table.slice(whole).combine_chunks().to_batches()
            count -= whole
    if count:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    try:
        return batch.cast(schema)
    except pa.ArrowInvalid as error:
        raise InputError(f"a value does not fit its GoogleSQL type: {error}") from error


def _sweep(path: Path) -> None:
    """Remove what killed writers of this partition left; a living writer holds the lock on its file."""
    for left in path.parent.glob(f".{path.stem}.*.tmp"):
        try:
            with left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(error: OSError, where: str) -> InputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else f"the disk refused the write ({error.strerror or error})"
    remedy = "free some space and run again" if full else "check the folder and run again"
    return InputError(f"{what}; the partition is as it was before", where=where, remedy=remedy)
