"""The constraints that make a rewritten past impossible, and the views, as the databases' own statements.

Lives here: DDL that runs when the tables are made. Not here: the tables (tables.py). Whoever may drop a table can
still do so: on PostgreSQL let the owner of the tables be another role than the one that writes.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from leadscore_dagster.core.state.tables import HISTORIES, METADATA, VIEWS

_REFUSAL = "is append-only: write a new entry instead"
_FUNCTION = f"""CREATE OR REPLACE FUNCTION leadscore_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% {_REFUSAL}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$"""


def _sqlite(table: sa.Table) -> Iterator[str]:
    """INSERT OR REPLACE deletes without asking a DELETE trigger, so a key that is there is refused before it."""
    name, refusal = table.name, f"SELECT RAISE(ABORT, '{table.name} {_REFUSAL}')"
    for event in ("UPDATE", "DELETE"):
        yield f"CREATE TRIGGER {name}_refuses_{event.lower()} BEFORE {event} ON {name} BEGIN {refusal}; END"
    for number, key in enumerate(_keys(table)):
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        yield (
            f"CREATE TRIGGER {name}_refuses_replace_{number} BEFORE INSERT ON {name}"
            f" WHEN EXISTS (SELECT 1 FROM {name} WHERE {same}) BEGIN {refusal}; END"
        )


def _postgresql(table: sa.Table) -> Iterator[str]:
    name, what = table.name, "EXECUTE FUNCTION leadscore_append_only()"
    yield f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE ON {name} FOR EACH ROW {what}"
    yield f"CREATE TRIGGER {name}_refuses_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT {what}"


def _keys(table: sa.Table) -> list[list[str]]:
    unique = [one for one in table.constraints if isinstance(one, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]
    return sorted([column.name for column in one.columns] for one in unique)


def _when(created: sa.Table | sa.MetaData, event: str, statement: str, dialect: str) -> None:
    ddl = sa.DDL(statement.replace("%", "%%"))
    sa.event.listen(created, event, ddl.execute_if(dialect=dialect))


_when(METADATA, "before_create", _FUNCTION, "postgresql")
for _table in HISTORIES:
    for _statement in _sqlite(_table):
        _when(_table, "after_create", _statement, "sqlite")
    for _statement in _postgresql(_table):
        _when(_table, "after_create", _statement, "postgresql")
for _name, _select in VIEWS.items():
    _when(METADATA, "after_create", f"CREATE VIEW IF NOT EXISTS {_name} AS {_select}", "sqlite")
    _when(METADATA, "after_create", f"CREATE OR REPLACE VIEW {_name} AS {_select}", "postgresql")
