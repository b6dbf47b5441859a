"""The arrivals of a vintage: which partition holds which of them, and which one is not published.

A vintage (one ``as_of``) may arrive more than once: a correction is a new arrival with its own ``available_at``, kept
beside the first. Partition ``2024-04-01`` holds the first arrival, ``2024-04-01.2`` the second. An arrival is written
into a table of its own (``<table>_aside``), is judged there, and moves into the vintage's table when nothing stands
against it; what is refused stays aside, where no statement reads it. Not here: judging (checks.py), moving (ingest.py).
"""

from __future__ import annotations

from datetime import date

from leadscore_dagster.core.warehouse import Part, Warehouse


def arrival_name(as_of: date, number: int) -> str:
    """Partition of the ``number``-th arrival of a vintage, counted from 1."""
    return as_of.isoformat() if number == 1 else f"{as_of.isoformat()}.{number}"


def as_of_of(partition: str) -> date:
    """The vintage a partition holds an arrival of."""
    return date.fromisoformat(partition[:10])


def aside(table: str) -> str:
    """The table of a vintage's arrivals that are not published."""
    return f"{table}_aside"


def published(warehouse: Warehouse, table: str, until: date = date.max) -> list[Part]:
    """Published arrivals of the vintages with ``as_of`` at most ``until``, by as_of, then in order of arrival."""
    found = [key for key in warehouse.partitions(table) if as_of_of(key) <= until]
    return sorted((Part(table, key) for key in found), key=place_of)


def unpublished(warehouse: Warehouse, table: str, until: date = date.max) -> list[Part]:
    """The arrival of each vintage that was set aside, if there is one."""
    return published(warehouse, aside(table), until)


def delivered_last(warehouse: Warehouse, table: str, as_of: date) -> Part | None:
    """The arrival of a vintage that was taken in last, published or not; None: there is none."""
    found = [*published(warehouse, table, as_of), *unpublished(warehouse, table, as_of)]
    return next((part for part in reversed(found) if as_of_of(part.partition) == as_of), None)


def place_of(part: Part) -> tuple[str, int]:
    """Vintage and number of an arrival: what they are sorted by."""
    return part.partition[:10], int(part.partition[11:] or 1)
