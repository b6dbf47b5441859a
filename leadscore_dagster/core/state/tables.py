"""The tables of the state store, and the views a BI tool reads. Every row belongs to one recipe.

``ledger``, ``model_versions`` and ``waivers`` are histories: the database itself refuses UPDATE, DELETE and a second
row under the same key (guards.py). The others hold the newest: the candidate of a quarter trained again, the audit of a
version.

For BI, open ``state.db`` (any SQLite driver, read-only: ``file:state.db?mode=ro``) or the PostgreSQL database and read
the views ``bi_ledger``, ``bi_champions``, ``bi_versions`` and ``bi_waivers``: times in UTC, no JSON.
``bi_champions`` has one row a reign (``effective_until`` is empty for the newest), so that the champion of a day is a
join with BETWEEN. On PostgreSQL grant SELECT on the views alone.

Not here: reading and writing them (store.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Instant(sa.TypeDecorator[datetime]):
    """A time with a zone, in UTC: TIMESTAMP WITH TIME ZONE, or in SQLite, which has no zones, a text without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


METADATA = sa.MetaData()


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **more)


def _key(name: str) -> sa.Column[str]:
    return _text(name, primary_key=True)


def _instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, Instant, nullable=False)


LEDGER = sa.Table(
    "ledger",
    METADATA,
    _key("recipe"),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    _text("entry"),
    _text("version"),
    _text("action"),
    _instant("effective_from"),
    _instant("recorded_at"),
    _text("why"),
    _text("gates_json"),
    sa.Column("waiver", sa.Text),
    sa.UniqueConstraint("recipe", "entry"),
    sa.CheckConstraint("sequence > 0"),
)
VERSIONS = sa.Table(
    "model_versions",
    METADATA,
    _key("recipe"),
    _key("version"),
    sa.Column("as_of", sa.Date, nullable=False),
    _instant("recorded_at"),
    _text("digest"),
    _text("metrics_json"),
    _text("lineage_json"),
)
WAIVERS = sa.Table(
    "waivers",
    METADATA,
    _key("recipe"),
    _key("waiver"),
    _text("version"),
    _text("gate"),
    _text("why"),
    _text("granted_by"),
    _instant("granted_at"),
    sa.Column("expires_on", sa.Date, nullable=False),
)
CANDIDATES = sa.Table(
    "candidates",
    METADATA,
    _key("recipe"),
    sa.Column("as_of", sa.Date, primary_key=True),
    _text("version"),
)
VERSION_AUDITS = sa.Table(
    "version_audits",
    METADATA,
    _key("recipe"),
    _key("version"),
    _text("audit_json"),
)
#: where the state of a recipe came from when it was first opened: a row says that it need not be looked for again, and
#: ``moved`` that it went on to a server
IMPORTS = sa.Table(
    "imports",
    METADATA,
    _key("recipe"),
    _text("origin"),
    sa.Column("moved", sa.Boolean, nullable=False),
)

HISTORIES = (LEDGER, VERSIONS, WAIVERS)
#: the actions after which a version is champion
CROWNING = ("promote", "rollback")

_LEDGER = "recipe, sequence, version, action, effective_from, recorded_at, why, waiver"
_CROWNED = (
    f"SELECT {_LEDGER}, ROW_NUMBER() OVER (PARTITION BY recipe, effective_from ORDER BY sequence DESC) AS place"
    f" FROM ledger WHERE action IN {CROWNING}"
)
#: name to its SELECT; valid in both dialects
VIEWS = {
    "bi_ledger": f"SELECT {_LEDGER} FROM ledger",
    "bi_champions": (
        "SELECT recipe, version, effective_from,"
        " LEAD(effective_from) OVER (PARTITION BY recipe ORDER BY effective_from) AS effective_until,"
        f" action, why, waiver FROM ({_CROWNED}) AS crowned WHERE place = 1"
    ),
    "bi_versions": "SELECT recipe, version, as_of, recorded_at, digest FROM model_versions",
    "bi_waivers": "SELECT recipe, version, gate, why, granted_by, granted_at, expires_on FROM waivers",
}
