"""State over SQLAlchemy Core, in SQLite or PostgreSQL.

Lives here: opening a store, and the statements behind the protocol. Not here: the databases' differences (engines,
guards), what an entry means (versions).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from leadscore_dagster.core.state import guards as guards  # registers the constraints with the tables
from leadscore_dagster.core.state.engines import engine_of, reading, writing
from leadscore_dagster.core.state.protocol import Row, State, Writing
from leadscore_dagster.core.state.tables import METADATA


def open_state(url: str | sa.URL, recipe: str) -> State:
    """The state of a recipe at an SQLAlchemy URL; its tables are made where there are none.

    Raises InputError: no SQLite file or PostgreSQL, or a database that does not answer.
    """
    engine = engine_of(url)
    with reading(engine) as connection:
        there = set(sa.inspect(connection).get_table_names())
    if not there.issuperset(METADATA.tables):
        with writing(engine, "") as connection:
            METADATA.create_all(connection)
    return _Store(recipe, engine)


@dataclass(frozen=True)
class _Store:
    """See `State`."""

    recipe: str
    engine: sa.Engine

    def rows(self, table: sa.Table, **equal: object) -> list[Row]:
        with reading(self.engine) as connection:
            return _Transaction(self.recipe, connection).rows(table, **equal)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        with writing(self.engine, self.recipe) as connection:
            yield _Transaction(self.recipe, connection)


@dataclass(frozen=True)
class _Transaction:
    """See `Writing`."""

    recipe: str
    connection: sa.Connection

    def rows(self, table: sa.Table, **equal: object) -> list[Row]:
        found = self.connection.execute(
            sa.select(table).where(*self._same(table, equal)).order_by(*table.primary_key.columns)
        )
        return [dict(row) for row in found.mappings()]

    def append(self, table: sa.Table, row: Row) -> None:
        self.connection.execute(table.insert().values(self._own(row)))

    def replace(self, table: sa.Table, row: Row) -> None:
        row = self._own(row)
        self.remove(table, **{column.name: row[column.name] for column in table.primary_key.columns})
        self.append(table, row)

    def remove(self, table: sa.Table, **equal: object) -> None:
        self.connection.execute(table.delete().where(*self._same(table, equal)))

    def next_sequence(self, table: sa.Table) -> int:
        highest = sa.select(sa.func.max(table.columns["sequence"])).where(*self._same(table, {}))
        return (self.connection.execute(highest).scalar() or 0) + 1

    def _same(self, table: sa.Table, equal: Row) -> list[sa.ColumnElement[bool]]:
        return [table.columns[name] == value for name, value in {"recipe": self.recipe, **equal}.items()]

    def _own(self, row: Row) -> Row:
        """The row with its recipe, which is that of the store."""
        assert row.get("recipe", self.recipe) == self.recipe, f"state of {self.recipe}, row of {row['recipe']}"
        return {**row, "recipe": self.recipe}
