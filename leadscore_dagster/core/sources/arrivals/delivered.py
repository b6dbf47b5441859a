"""Which periods a vendor has delivered, and which of them the warehouse does not hold as delivered.

Lives here: comparing what lies in a folder with the ledger of ingests. Not here: reading a file (core/sources).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.sources.arrivals.folders import Folder, local_folder
from leadscore_dagster.core.sources.drops import find_drop, label_in
from leadscore_dagster.core.sources.ledger import newest_digests
from leadscore_dagster.core.warehouse import Warehouse

Locate = Callable[[str], str]


def delivered_periods(recipe: Recipe, locate: Locate, until: date) -> list[date]:
    """Periods up to ``until``, by ``as_of``, for which at least one file of one vintage source lies in its folder.

    ``locate`` gives a source's folder. Raises InputError when a folder is not there.
    """
    there = {
        label_in(source.files, file.name)
        for name, source in vintage_sources(recipe).items()
        for file in Folder(locate(name)).files()
    }
    as_ofs = recipe.cadence.between(recipe.first_as_of, until)
    return [as_of for as_of in as_ofs if recipe.cadence.label(as_of) in there or "" in there]


def periods_to_ingest(warehouse: Warehouse, recipe: Recipe, locate: Locate, until: date, cache: Path) -> list[date]:
    """Delivered periods whose drop is not in the warehouse with the very content that was delivered.

    ``cache``: folder for copies of drops that lie behind a URL.
    """
    known = {name: newest_digests(warehouse, source.table) for name, source in vintage_sources(recipe).items()}
    return [
        as_of
        for as_of in delivered_periods(recipe, locate, until)
        if any(
            known[name].get(as_of) != _delivered(source, locate(name), as_of, recipe.cadence, cache)
            for name, source in vintage_sources(recipe).items()
        )
    ]


def newest_period(recipe: Recipe, locate: Locate, now: date) -> date:
    """The period (its ``as_of``) a run is for when nobody says: the newest delivered, else the newest begun."""
    if recipe.as_of:
        return recipe.as_of
    if not vintage_sources(recipe):
        return max(recipe.as_ofs(now), default=recipe.first_as_of)
    delivered = delivered_periods(recipe, locate, now)
    if not delivered:
        raise InputError(
            f"No drop of recipe {recipe.name!r} was found",
            where=Folder(locate(next(iter(vintage_sources(recipe))))).shown,
            remedy="check --source; file names are those of the recipe's `files` patterns",
        )
    return delivered[-1]


def vintage_sources(recipe: Recipe) -> dict[str, VintageSource]:
    """The sources a vendor drops, by name."""
    return {name: source for name, source in recipe.sources.items() if isinstance(source, VintageSource)}


def _delivered(source: VintageSource, location: str, as_of: date, cadence: Cadence, cache: Path) -> str:
    return find_drop(source, local_folder(location, source, as_of, cache, cadence), as_of, cadence).digest
