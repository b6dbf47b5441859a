"""Rows of a table in any database SQLAlchemy reaches, streamed as Arrow batches.

``URL?table=NAME[&schema=NAME][&zone=UTC]``: a plain Core select of the contract's columns. ``zone=UTC`` states that
times the database stores without a zone are UTC; without it they are refused.
Not here: what the values mean (cleaning.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.sources.files import check_columns, check_type

_ROWS = 50_000
_URL = re.compile(r"([a-z][a-z0-9+_]*)://")


def is_database(location: str) -> bool:
    """Whether a source's location is an SQLAlchemy URL, rather than a path or a URL of files (s3://, sftp://)."""
    import fsspec

    found = _URL.match(location)
    return found is not None and found[1] not in fsspec.available_protocols()


def read_database(location: str, contract: Contract) -> tuple[str, Iterator[pa.RecordBatch]]:
    """Name of the table (never the URL: it holds a password) and its rows.

    Raises InputError if the URL does not read, the table does not exist or its columns do not fit the contract.
    """
    from sqlalchemy import create_engine, exc
    from sqlalchemy.engine import make_url

    try:
        url = make_url(location)
        name, schema = _one(url.query.get("table")), _one(url.query.get("schema"))
        zone = _one(url.query.get("zone"))
        engine = create_engine(url.difference_update_query(["table", "schema", "zone"]))
    except (exc.SQLAlchemyError, ImportError) as error:
        raise InputError(
            f"the database URL cannot be read ({type(error).__name__})",
            remedy="dialect://user@host/database?table=NAME",
        ) from error
    if name is None or zone not in (None, "UTC"):
        raise InputError("the database URL needs ?table=NAME, and zone may only be UTC", remedy="add ?table=NAME")
    return f"table {name}", _rows(engine, name, schema, zone is not None, contract)


def _one(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value


def _rows(engine: Any, name: str, schema: str | None, utc: bool, contract: Contract) -> Iterator[pa.RecordBatch]:
    import sqlalchemy as sa

    where = f"table {name}"
    wanted = [column.raw_name for column in contract.columns if column.derived_equal is None]
    try:
        with engine.connect() as connection:
            table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection)
            check_columns([column.name for column in table.columns], contract, where)
            query = sa.select(*(table.columns[column] for column in wanted))
            result = connection.execution_options(stream_results=True, yield_per=_ROWS).execute(query)
            for rows in result.partitions(_ROWS):
                yield _batch(rows, wanted, contract, utc, where)
    except sa.exc.NoSuchTableError as error:
        raise InputError("no such table in the database", where=where, remedy="check ?table= and ?schema=") from error
    except sa.exc.SQLAlchemyError as error:
        raise InputError(
            f"the database does not respond ({type(error).__name__})",
            where=where,
            remedy="check the URL and the account's permissions",
        ) from error
    finally:
        engine.dispose()


def _batch(
    rows: Sequence[Sequence[Any]], names: Sequence[str], contract: Contract, utc: bool, where: str
) -> pa.RecordBatch:
    kinds = {column.raw_name: column for column in contract.columns}
    arrays = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        array = _array(values, utc)
        check_type(array.type, kinds[name].type, kinds[name].name, where)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(values: Sequence[Any], utc: bool) -> pa.Array:
    """One column. A column of mixed types (SQLite allows it) is read as text."""
    if utc and any(isinstance(value, datetime) for value in values):
        values = [v.replace(tzinfo=UTC) if isinstance(v, datetime) and v.tzinfo is None else v for v in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
