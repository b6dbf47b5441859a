"""Opening what a vendor sent: a file becomes a plain CSV or Parquet file at a safe path, or is refused.

Here: archives, truncation, headers, the types of a Parquet file. Not here: rows (reading.py).
"""

from __future__ import annotations

import csv
import gzip
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.text import nearest

_AGAIN = "request the file again"
_HEADER_BYTES = 1 << 20
_LARGEST_RATIO = 200  # of unpacked to packed; tables of text pack 5 to 20 times
_RATIO_MATTERS_FROM = 100 << 20


@dataclass(frozen=True)
class Staged:
    """A file ready to be read: at a path we chose, with the columns it has."""

    name: str
    path: Path
    kind: str  # "csv" or "parquet"
    columns: tuple[str, ...]
    ends_in_line_break: bool = True


def stage(path: Path, folder: Path, number: int, contract: Contract) -> Staged:
    """Unpack or link ``path`` into ``folder`` and check its columns against the contract.

    The new name holds nothing from outside: DuckDB takes ``*`` and ``[`` in a path for a pattern.
    Raises InputError for a damaged or dangerous archive, an unreadable header and columns that do not fit.
    """
    lower = path.name.lower()
    packed = folder / f"{number}.unpacked"
    if lower.endswith(".gz"):
        with _explained(path.name, "gzip"), gzip.open(path) as source, packed.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return _csv(path.name, packed, contract)
    if lower.endswith(".zip"):
        member = _unzip(path, packed)
        return (_parquet if member.lower().endswith(".parquet") else _csv)(path.name, packed, contract)
    packed.symlink_to(path.resolve())
    return (_parquet if lower.endswith(".parquet") else _csv)(path.name, packed, contract)


def check_columns(found: Sequence[str], contract: Contract, where: str) -> None:
    """InputError unless the columns are the contract's: none missing, repeated, renamed, and none extra
    (unless the contract ignores those)."""
    wanted = [column.raw_name for column in contract.columns if column.derived_equal is None]
    repeated = sorted({name for name in found if list(found).count(name) > 1})
    if repeated:
        raise InputError("the header names a column twice", where=where, column=repeated[0], remedy=_AGAIN)
    extra = [name for name in found if name not in wanted]
    for name in wanted:
        if name in found:
            continue
        near = nearest(name, extra, cutoff=0.7) or next((e for e in extra if e.lower() == name.lower()), None)
        if near:
            raise InputError(
                f"a column is renamed: the contract expects {name}, the file has {near}",
                where=where,
                column=name,
                remedy=f"state `raw: {near}` in contract {contract.name} if it is the same column",
            )
        raise InputError(
            "a column is missing",
            where=where,
            column=name,
            remedy=f"request the file again, or remove the column from contract {contract.name}",
        )
    if extra and contract.extra_columns == "refuse":
        raise InputError(
            f"{len(extra)} column{'s' if len(extra) > 1 else ''} the contract does not know",
            where=where,
            column=", ".join(extra[:5]),
            remedy=f"add to contract {contract.name}, or set extra_columns: ignore",
        )


class _explained:
    """Turns what a packed or truncated file raises into one InputError."""

    def __init__(self, where: str, kind: str) -> None:
        self.where, self.kind = where, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile | zipfile.BadZipFile | pa.ArrowException):
            raise InputError(
                f"unreadable {self.kind} file: truncated or damaged", where=self.where, remedy=_AGAIN
            ) from error


def _unzip(path: Path, target: Path) -> str:
    """Unpack the one member of a zip file; returns the member's name."""
    with _explained(path.name, "zip"), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise InputError(
                f"the zip file holds {len(members)} files instead of one",
                where=path.name,
                remedy="zip each file separately",
            )
        member = members[0]
        _refuse_dangerous(member, path)
        with archive.open(member) as source, target.open("wb") as unpacked:
            _copy_at_most(source, unpacked, member.file_size, path.name)
        return member.filename


def _refuse_dangerous(member: zipfile.ZipInfo, path: Path) -> None:
    parts = PurePosixPath(member.filename.replace("\\", "/"))
    reason = None
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        reason = "points outside the archive"
    elif stat.S_ISLNK(member.external_attr >> 16):
        reason = "is a link"
    elif member.flag_bits & 1:
        reason = "is encrypted"
    elif not parts.name.lower().endswith((".csv", ".parquet")):
        reason = "is neither CSV nor Parquet"
    elif member.file_size > max(_RATIO_MATTERS_FROM, _LARGEST_RATIO * member.compress_size):
        reason = f"unpacks to {member.file_size:,} bytes, more than {_LARGEST_RATIO} times its packed size"
    if reason:
        raise InputError(f"the member of the zip file {reason}", where=path.name, remedy="zip one CSV or Parquet file")


def _copy_at_most(source: IO[bytes], target: IO[bytes], size: int, where: str) -> None:
    """Copy, but never more than the archive declares: a header can lie about its size."""
    left = size
    while block := source.read(1 << 20):
        left -= len(block)
        if left < 0:
            raise InputError("the zip file unpacks to more than it declares", where=where, remedy=_AGAIN)
        target.write(block)


def _csv(name: str, path: Path, contract: Contract) -> Staged:
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
        stream.seek(0, 2)
        if stream.tell() == 0:
            raise InputError("the file is empty", where=name, rows=0, remedy=_AGAIN)
        stream.seek(-1, 2)
        complete = stream.read(1) in (b"\n", b"\r")
    if b"\x00" in start:
        raise InputError("the file is not text", where=name, remedy="send it as CSV in UTF-8")
    try:
        first = start.splitlines()[0].decode("utf-8-sig")
        header = next(csv.reader([first], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError("the header is not UTF-8 text", where=name, remedy="save the file as UTF-8") from error
    check_columns(header, contract, name)
    return Staged(name, path, "csv", tuple(header), complete)


def _parquet(name: str, path: Path, contract: Contract) -> Staged:
    with _explained(name, "Parquet"):
        schema = pq.read_schema(path)
    check_columns(schema.names, contract, name)
    for column in contract.columns:
        if column.derived_equal is None:
            check_type(schema.field(column.raw_name).type, column.type, column.name, name)
    return Staged(name, path, "parquet", tuple(schema.names))


def check_type(given: pa.DataType, kind: str, column: str, where: str) -> None:
    """InputError unless a typed column can hold what the contract says. Text can always be read."""
    types = pa.types
    if types.is_dictionary(given):
        given = given.value_type
    if kind == "timestamp" and types.is_timestamp(given) and given.tz is None:
        raise InputError(
            "times without a zone", where=where, column=column, remedy="store them as UTC timestamps (with a zone)"
        )
    number = types.is_integer(given) or types.is_floating(given) or types.is_decimal(given)
    moment = types.is_timestamp(given) or types.is_date(given)
    text = types.is_string(given) or types.is_large_string(given) or types.is_string_view(given)
    allowed = {
        "text": number or moment or types.is_boolean(given),
        "flag": number or types.is_boolean(given),
        "date": moment,
        "timestamp": types.is_timestamp(given),
    }
    if not (text or types.is_null(given) or allowed.get(kind, number)):
        raise InputError(
            f"wrong type: the file has {given}, the contract says {kind}",
            where=where,
            column=column,
            remedy="correct the column's type in the file or in the contract",
        )
