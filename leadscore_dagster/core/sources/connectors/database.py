"""Asking a database: the rows of a table as Arrow batches, and which snapshots it holds.

Every statement is SQLAlchemy Core over the table as the database describes it, so names are quoted and values are
bound. No error of a driver is shown or chained: it may quote the connection.

Not here: what a table answers a recipe (table).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.sources.connectors.address import Address
from leadscore_dagster.core.sources.files import check_columns, check_type
from leadscore_dagster.core.text import nearest_or

_ROWS = 50_000


@dataclass(frozen=True)
class Window:
    """Snapshots after one day and up to another, midnight UTC; ``day``: those of one date alone."""

    after: date
    until: date
    day: date | None = None

    def on(self, day: date) -> Window:
        """Of the snapshots in it those of ``day``."""
        return replace(self, day=day)


def rows(address: Address, contract: Contract, window: Window | None) -> Iterator[pa.RecordBatch]:
    """The contract's columns, named as in the table; of a window with a ``day`` its snapshot alone.

    Raises InputError: no such table or column, columns that do not fit the contract, a server that does not answer.
    """
    import sqlalchemy as sa

    where = address.describe()
    wanted = [column.raw_name for column in contract.columns if column.derived_equal is None]
    with _reflected(address) as (connection, table):
        found = [column.name for column in table.columns]
        check_columns([n for n in found if n in wanted or n != address.snapshot], contract, where)
        query = sa.select(*(table.columns[name] for name in wanted))
        if window is not None:
            query = query.where(_within(_dating(address, table), window, address))
        result = connection.execution_options(stream_results=True, yield_per=_ROWS).execute(query)
        for part in result.partitions(_ROWS):
            yield _batch(part, wanted, contract, address.utc, where)


def snapshots(address: Address, windows: Mapping[date, Window]) -> dict[date, tuple[date, int]]:
    """as_of → date of the newest snapshot in its window and rows in the window, where there is one: one statement, one
    pass over the snapshot column."""
    import sqlalchemy as sa

    if not windows:
        return {}
    with _reflected(address) as (connection, table):
        column = _dating(address, table)
        dated = [sa.case((_within(column, window, address), column)) for window in windows.values()]
        asked = [part for case in dated for part in (sa.func.max(case, type_=column.type), sa.func.count(case))]
        row = connection.execute(sa.select(*asked)).one()
    found = zip(windows, row[::2], row[1::2], strict=True)
    return {as_of: (_date(newest, address), int(n)) for as_of, newest, n in found if newest is not None}


def span(address: Address) -> tuple[date, date] | None:
    """Dates of the oldest and of the newest snapshot; None: the table has none."""
    import sqlalchemy as sa

    with _reflected(address) as (connection, table):
        column = _dating(address, table)
        ends = [sa.func.min(column, type_=column.type), sa.func.max(column, type_=column.type)]
        first, last = connection.execute(sa.select(*ends)).one()
    return None if first is None else (_date(first, address), _date(last, address))


@contextmanager
def _reflected(address: Address) -> Iterator[tuple[Any, Any]]:
    """A connection, and the table as the database describes it."""
    import sqlalchemy as sa

    engine = address.engine()
    try:
        with engine.connect() as connection:
            try:
                table = sa.Table(address.table, sa.MetaData(), schema=address.schema, autoload_with=connection)
            except sa.exc.NoSuchTableError:
                raise _no_table(address, sa.inspect(connection)) from None
            yield connection, table
    except InputError:
        raise
    except Exception as error:  # every driver has errors of its own
        raise _in_words(address, error) from None
    finally:
        engine.dispose()


def _in_words(address: Address, error: Exception) -> InputError:
    import sqlalchemy as sa

    kind = type(error).__name__
    if isinstance(error, sa.exc.DBAPIError | OSError):
        remedy = (
            "check that the server is up and can be reached from here, user, password (percent-encoded) and permissions"
        )
        return InputError(f"the database does not respond ({kind})", where=address.describe(), remedy=remedy)
    return InputError(
        f"the table cannot be read ({kind})", where=address.describe(), remedy="check the types of its columns"
    )


def _no_table(address: Address, inspector: Any) -> InputError:
    there = [*inspector.get_table_names(schema=address.schema), *inspector.get_view_names(schema=address.schema)]
    remedy = nearest_or(address.table, there, "check ?table= and &schema=")
    return InputError("no such table in the database", where=address.describe(), remedy=remedy)


def _dating(address: Address, table: Any) -> Any:
    """The snapshot column."""
    import sqlalchemy as sa

    name = address.snapshot or ""
    if name not in table.columns:
        remedy = nearest_or(name, table.columns.keys(), "check &snapshot=")
        raise InputError("no such snapshot column", where=address.describe(), column=name, remedy=remedy)
    column = table.columns[name]
    if not isinstance(column.type, sa.Date | sa.DateTime | sa.String):
        raise InputError(
            f"the snapshot column is of type {column.type}",
            where=address.describe(),
            column=name,
            remedy="it must hold dates, times, or text that begins with an ISO date",
        )
    if isinstance(column.type, sa.DateTime) and not (getattr(column.type, "timezone", False) or address.utc):
        raise InputError(
            "the snapshot column holds times without a zone",
            where=address.describe(),
            column=name,
            remedy="add &zone=UTC if they are in UTC",
        )
    return column


def _within(column: Any, window: Window, address: Address) -> Any:
    """The condition that a row's snapshot lies in the window: after its first day begins, not after the last does."""
    import sqlalchemy as sa

    def at(day: date) -> Any:
        if isinstance(column.type, sa.DateTime):
            instant = datetime.combine(day, time(), UTC)
            value: Any = instant if getattr(column.type, "timezone", False) else instant.replace(tzinfo=None)
        else:
            value = day.isoformat() if isinstance(column.type, sa.String) else day
        return sa.bindparam(None, value, type_=column.type)

    inside = sa.and_(column > at(window.after), column <= at(window.until))
    if window.day is None:
        return inside
    return sa.and_(inside, column >= at(window.day), column < at(window.day + timedelta(days=1)))


def _date(value: Any, address: Address) -> date:
    """The day (UTC) of a snapshot."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise InputError(
            "a snapshot is not dated by an ISO date",
            where=address.describe(),
            column=address.snapshot,
            remedy="write it as 2024-03-31",
        ) from None


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
