"""The two databases state may lie in: how each is opened, made durable, and written by one writer at a time.

Lives here: engines and transactions. Not here: the tables, what is written.
SQLite: write-ahead log and ``synchronous=FULL``, so that what was committed survives a power cut; it needs a file
system with working locks, so no network share. PostgreSQL: as the server is set.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from leadscore_dagster.core.errors import InputError

#: name of the SQLite file in a home
STATE_FILE = "state.db"
#: so long a writer waits for the others
WAIT_SECONDS = 60
_WRITES = "leadscore_writes"
#: first half of the key of an advisory lock; the second is the recipe's
_LOCK = 0x1EAD


def file_url(path: Path) -> sa.URL:
    """The URL of a SQLite file, whatever characters its path has."""
    return sa.URL.create("sqlite", database=str(path.absolute()))


@lru_cache(maxsize=16)
def engine_of(url: str | sa.URL) -> sa.Engine:
    """The engine of a URL, one a process. Raises InputError for another database, or a URL that does not read."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            return _of_one_process(_sqlite(parsed))
        if parsed.get_backend_name() == "postgresql":
            options = {"connect_timeout": WAIT_SECONDS}
            return _of_one_process(sa.create_engine(parsed, pool_pre_ping=True, connect_args=options))
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise InputError(
            f"the URL of the state store does not read ({type(error).__name__})",
            where="LEADSCORE_STATE",
            remedy="write postgresql+psycopg://user:$PASSWORD@host/database, and install the extra `postgres`",
        ) from error
    raise InputError(
        "state is kept in a SQLite file or in PostgreSQL",
        where="LEADSCORE_STATE",
        remedy="leave it out for a file in the home, or write postgresql+psycopg://user:$PASSWORD@host/database",
    )


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose errors are told without the URL, which may hold a password."""
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise InputError(
            f"the state store does not answer ({_first_line(error)})",
            where=engine.url.set(password=None).render_as_string() if engine.url.host else engine.url.database,
            remedy="check that the database runs and may be written, and LEADSCORE_STATE",
        ) from error


@contextmanager
def writing(engine: sa.Engine, recipe: str) -> Iterator[sa.Connection]:
    """A transaction that no other writer of the recipe is in; committed at the end, undone by an exception."""
    with reading(engine) as connection, connection.execution_options(**{_WRITES: True}).begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(recipe))))
        yield connection


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _sqlite(url: sa.URL) -> sa.Engine:
    path = Path(str(url.database))
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})

    @sa.event.listens_for(engine, "do_connect")
    def make(*_: object) -> None:
        _make_file(path)

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own
        connection.execute("PRAGMA synchronous=FULL")
        record.info["file"] = _identity(path)

    @sa.event.listens_for(engine, "checkout")
    def check(_: object, record: Any, __: object) -> None:
        """A home may have been moved away and made again since."""
        if record.info["file"] != _identity(path):
            raise sa.exc.DisconnectionError("another file has its name now")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _of_one_process(engine: sa.Engine) -> sa.Engine:
    """The engine, whose connections are not used on by a process that was forked."""

    @sa.event.listens_for(engine, "connect")
    def mark(_: object, record: Any) -> None:
        record.info["process"] = os.getpid()

    @sa.event.listens_for(engine, "checkout")
    def check(_: object, record: Any, fairy: Any) -> None:
        if record.info["process"] != os.getpid():
            record.dbapi_connection = fairy.dbapi_connection = None
            raise sa.exc.DisconnectionError("the connection belongs to another process")

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    """An empty database with a write-ahead log, made beside its place and linked there: of several processes that open
    a new home at once one makes it, and none finds a file that changes its journal under its hands."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        connection = sqlite3.connect(beside)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        with suppress(FileExistsError):
            os.link(beside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        beside.unlink(missing_ok=True)
