"""Which quarters a vendor has delivered, and which of them the warehouse does not hold as delivered.

Lives here: comparing what lies in a folder with the ledger of ingests. Does not: reading a file (core/sources).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources.drops import SUFFIXES, find_drop, stem
from leadscore_dagster.core.sources.ledger import INGESTS
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.recipes.contract import quarter_of
from leadscore_dagster.recipes.schema import Recipe, VintageSource

Locate = Callable[[str], str]


def quarters_between(first: date, last: date) -> Iterator[date]:
    """First days of the quarters from ``first`` to ``last``, both included."""
    year, month = first.year, first.month
    while date(year, month, 1) <= last:
        yield date(year, month, 1)
        year, month = (year, month + 3) if month < 10 else (year + 1, 1)


def delivered_quarters(recipe: Recipe, locate: Locate, until: date) -> list[date]:
    """Quarters up to ``until`` for which at least one file of one vintage source lies in its folder.

    ``locate`` gives a source's folder. Raises InputError when a folder is not there.
    """
    names = {name: _stems(Path(locate(name))) for name in _vintages(recipe)}
    return [
        as_of
        for as_of in quarters_between(recipe.first_quarter, until)
        if any(_matches(source, names[name], as_of) for name, source in _vintages(recipe).items())
    ]


def quarters_to_ingest(warehouse: Warehouse, recipe: Recipe, locate: Locate, until: date) -> list[date]:
    """Delivered quarters whose drop is not in the warehouse with the very content that was delivered."""
    known = _ingested(warehouse)
    return [
        as_of
        for as_of in delivered_quarters(recipe, locate, until)
        if any(
            known.get((source.table, as_of)) != find_drop(source, Path(locate(name)), as_of).digest
            or as_of.isoformat() not in warehouse.partitions(source.table)
            for name, source in _vintages(recipe).items()
        )
    ]


def newest_quarter(recipe: Recipe, locate: Locate, now: date) -> date:
    """The quarter a run is for when nobody says: the newest delivered, else the newest that has begun."""
    if recipe.as_of:
        return recipe.as_of
    if not _vintages(recipe):
        return max(quarters_between(recipe.first_quarter, now), default=recipe.first_quarter)
    delivered = delivered_quarters(recipe, locate, now)
    if not delivered:
        raise InputError(
            f"No drop of recipe {recipe.name!r} was found",
            where=locate(next(iter(_vintages(recipe)))),
            remedy="check --source; file names are those of the recipe's `files` patterns",
        )
    return delivered[-1]


def _vintages(recipe: Recipe) -> dict[str, VintageSource]:
    return {name: source for name, source in recipe.sources.items() if isinstance(source, VintageSource)}


def _stems(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError("There is no such folder", where=folder, remedy="check --source")
    return [stem(path.name) for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES)]


def _matches(source: VintageSource, stems: list[str], as_of: date) -> bool:
    patterns = [pattern.replace("{quarter}", quarter_of(as_of)) for pattern in source.files]
    return any(fnmatchcase(name, pattern) for name in stems for pattern in patterns)


def _ingested(warehouse: Warehouse) -> dict[tuple[str, date], str]:
    if INGESTS not in warehouse.tables():
        return {}
    rows = table(warehouse, f"SELECT table_name, as_of, digest FROM {INGESTS}").to_pylist()
    return {(row["table_name"], row["as_of"]): row["digest"] for row in rows}
