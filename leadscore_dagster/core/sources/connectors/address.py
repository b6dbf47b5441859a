"""What the URL of a table says, checked before any server is asked, and as much of it as may be shown.

A URL that does not read may hold a password anywhere, so no part of it is quoted then, and no error of a library is
chained. Not here: what is in the database (database).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadscore_dagster.core.errors import InputError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9.:\-]*")
_DATABASE = re.compile(r"[A-Za-z0-9_.\-]*")
_OURS = ("table", "schema", "snapshot", "zone")
_SPELLING = (
    "write DIALECT://USER:PASSWORD@HOST/DATABASE?table=NAME, user and password percent-encoded (@ is %40, : is %3A, "
    "/ is %2F), or $NAME for a password in the environment"
)
#: drivers that wait for ever for a server that does not answer, unless told otherwise
_CONNECT_TIMEOUT = {"psycopg", "psycopg2", "pymysql", "mysqldb"}
_SECONDS = 10


@dataclass(frozen=True)
class Address:
    """A table: the database's URL (SQLAlchemy's, with its password), and the names the location states."""

    url: Any = field(repr=False)
    table: str
    schema: str | None
    snapshot: str | None
    utc: bool

    def describe(self) -> str:
        """The table and its database, without user, password and options."""
        name = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"table {name} of {self.url.get_backend_name()}://{self.url.host or ''}/{self.url.database or ''}"

    @property
    def file(self) -> Path | None:
        """The file that is the database; None where a server is asked."""
        name = self.url.database
        return Path(name) if self.url.get_backend_name() == "sqlite" and name and name != ":memory:" else None

    def require_file(self) -> None:
        """Raise InputError where the database is a file that is not there; SQLite would make an empty one."""
        if self.file is not None and not self.file.is_file():
            raise InputError("There is no such database file", where=self.describe(), remedy="check the path")

    def anchored(self) -> str:
        """The location with the path of such a file made absolute."""
        url = self.url.set(database=str(self.file.absolute())) if self.file else self.url
        ours = {
            "table": self.table,
            "schema": self.schema,
            "snapshot": self.snapshot,
            "zone": "UTC" if self.utc else "",
        }
        given = {name: value for name, value in ours.items() if value}
        return str(url.update_query_dict(given).render_as_string(hide_password=False))

    def engine(self) -> Any:
        """An SQLAlchemy engine. Raises InputError where its driver is not installed."""
        from sqlalchemy import create_engine

        self.require_file()
        limits = {}
        if self.url.get_driver_name() in _CONNECT_TIMEOUT and "connect_timeout" not in self.url.query:
            limits["connect_timeout"] = _SECONDS
        try:
            return create_engine(self.url, connect_args=limits)
        except ImportError as error:
            name = error.name or self.url.get_driver_name()
        except Exception as error:  # dialects have errors of their own, which may quote the URL
            raise _unreadable(type(error).__name__) from None
        raise InputError(
            f"the driver {name} is not installed", where=self.describe(), remedy=f"pip install {name}"
        ) from None


def address_of(location: str) -> Address:
    """What a location says. Raises InputError, without quoting any of it where it does not read."""
    from sqlalchemy.engine import make_url

    try:
        url = make_url(location)
        url.get_dialect()
    except ImportError:  # the dialect is known and its driver is missing: told by whoever wants to read
        pass
    except Exception as error:  # a port that is no number, a dialect nobody knows: the text may hold a password
        raise _unreadable(type(error).__name__) from None
    is_file = url.get_backend_name() == "sqlite"
    if not _HOST.fullmatch(url.host or "") or not (is_file or _DATABASE.fullmatch(url.database or "")):
        raise _unreadable("characters that no host or database name has")
    stated = {name: _one(url.query.get(name)) for name in _OURS}
    table, zone = stated["table"], stated["zone"]
    if table is None or zone not in (None, "UTC"):
        raise InputError("the database URL needs ?table=NAME, and zone may only be UTC", remedy="add ?table=NAME")
    for name in ("table", "schema", "snapshot"):
        if stated[name] is not None and not _IDENTIFIER.fullmatch(stated[name] or ""):
            raise InputError(
                f"{name}= of the database URL is no plain name",
                remedy="letters, digits and _ only; a schema is named apart, with &schema=NAME",
            )
    return Address(url.difference_update_query(_OURS), table, stated["schema"], stated["snapshot"], zone == "UTC")


def _one(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value


def _unreadable(why: str) -> InputError:
    return InputError(f"the database URL cannot be read ({why})", remedy=_SPELLING)
