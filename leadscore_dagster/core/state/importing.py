"""Where the state of a recipe comes from when a store is opened for the first time, and copies of it.

Before there was a store, each entry was a partition of one row in the warehouse. They are read once, in one
transaction, so that a kill in the middle leaves nothing and the next opening begins again; they stay where they are,
and nobody reads them any more.

State that lay in the home's own file moves to a server the first time the server is asked for it; the file is then
marked, so that nobody who has not been told of the server goes on writing into it.
Not here: which store a home has (defs/resources).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state.protocol import Row, State, Writing
from leadscore_dagster.core.state.tables import (
    CANDIDATES,
    IMPORTS,
    LEDGER,
    METADATA,
    VERSION_AUDITS,
    VERSIONS,
    WAIVERS,
)
from leadscore_dagster.core.warehouse import Part, Warehouse
from leadscore_dagster.core.warehouse import table as read_table

#: former table of the warehouse to the table that takes its entries, and what the name of an entry's partition says
_FORMER: dict[str, tuple[sa.Table, Callable[[str, Row], Row]]] = {
    "champion_ledger": (LEDGER, lambda name, row: {"entry": name}),
    "model_versions": (VERSIONS, lambda name, row: {}),
    "waivers": (WAIVERS, lambda name, row: {"waiver": name}),
    "model_audits": (VERSION_AUDITS, lambda name, row: {}),
    "candidate_model": (CANDIDATES, lambda name, row: {}),
}
#: tables a home of before may still hold in its warehouse: nobody reads them
FORMER = frozenset(_FORMER)


def import_once(state: State, warehouse: Warehouse, own: State | None = None) -> None:
    """Bring the state of a recipe into its store, unless it is there.

    Parameters
    ----------
    own : the state in the home's own file, where ``state`` lies on a server.

    Raises InputError: the file's state has moved to a server, or differs from that on the server.
    """
    mark = _mark(state)
    if mark is None:
        with state.writing() as writing:
            if not writing.rows(IMPORTS):
                _fill(writing, warehouse, own)
    elif mark["moved"]:
        raise InputError(
            f"the state of {state.recipe!r} has moved from this home to a server",
            where=mark["origin"],
            remedy="set LEADSCORE_STATE to the URL of the server",
        )
    if own is not None:
        _mark_moved(own, state)


def copy_state(source: State, target: Writing) -> None:
    """Every row of a recipe's state into an empty store."""
    for table in METADATA.sorted_tables:
        for row in source.rows(table):
            target.append(table, row)


def _mark(reading: State) -> Row | None:
    return next(iter(reading.rows(IMPORTS)), None)


def _fill(writing: Writing, warehouse: Warehouse, own: State | None) -> None:
    if own is not None and _mark(own) is not None:
        copy_state(own, writing)
        return
    for name, (table, named) in _FORMER.items():
        rows = [{**row, **named(partition, row)} for partition, row in _partitions(warehouse, name)]
        for row in _numbered(rows) if table is LEDGER else rows:
            writing.append(table, {column.name: row[column.name] for column in table.columns if column.name in row})
    writing.append(IMPORTS, {"origin": "the warehouse", "moved": False})


def _partitions(warehouse: Warehouse, name: str) -> Iterator[tuple[str, Row]]:
    """Partition and row of a former table."""
    for partition in warehouse.partitions(name):
        for row in read_table(warehouse, f"SELECT * FROM {name}", relations={name: Part(name, partition)}).to_pylist():
            yield partition, row


def _numbered(rows: list[Row]) -> list[Row]:
    """Entries in the order they were read in, numbered anew: two processes may have given the same number."""
    ordered = sorted(rows, key=lambda row: (row["sequence"], row["entry"]))
    return [{**row, "sequence": number} for number, row in enumerate(ordered, 1)]


def _mark_moved(own: State, state: State) -> None:
    mark = _mark(own)
    if mark is None or mark["moved"]:
        return
    there = {row["entry"] for row in state.rows(LEDGER)}
    if not there.issuperset(row["entry"] for row in own.rows(LEDGER)):
        raise InputError(
            f"the server has another history of {state.recipe!r} than this home",
            where="LEADSCORE_STATE",
            remedy="use a database of its own for this home",
        )
    with own.writing() as writing:
        writing.replace(IMPORTS, {**mark, "moved": True})
