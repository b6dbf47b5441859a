"""What a state store offers: rows of one recipe, read as they stand, and written one writer at a time.

Not here: a store (store.py), the tables (tables.py), what an entry means (versions).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

Row = dict[str, Any]


class Reading(Protocol):
    """Rows of one recipe's state."""

    @property
    def recipe(self) -> str: ...

    def rows(self, table: sa.Table, **equal: object) -> list[Row]:
        """Rows of the recipe whose columns equal the values, in the order of the primary key; instants in UTC."""
        ...


class Writing(Reading, Protocol):
    """One transaction. Nobody else writes the recipe's state while it lasts, so what it has read still stands when it
    writes. All of it is there after the block, or nothing."""

    def append(self, table: sa.Table, row: Row) -> None:
        """A new row. Raises `sqlalchemy.exc.IntegrityError` for a key that is there."""
        ...

    def replace(self, table: sa.Table, row: Row) -> None:
        """A row in place of the one with its primary key. The database refuses it for a history."""
        ...

    def remove(self, table: sa.Table, **equal: object) -> None:
        """Delete rows; none is no error. The database refuses it for a history."""
        ...

    def next_sequence(self, table: sa.Table) -> int:
        """One more than the recipe's highest ``sequence``: 1, 2, 3 … without a gap."""
        ...


class State(Reading, Protocol):
    """The state of one recipe: ledger, versions, waivers, candidates, audits of versions."""

    def writing(self) -> AbstractContextManager[Writing]:
        """A transaction that waits its turn. An exception undoes it."""
        ...
