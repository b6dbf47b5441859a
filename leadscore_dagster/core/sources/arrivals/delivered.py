"""Which periods a vendor has delivered, and which of them the warehouse does not hold as delivered.

Lives here: comparing what lies at a source's location with the ledger of ingests. Not here: reading a file or a table
(core/sources/connectors).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.sources.connectors import Connector
from leadscore_dagster.core.sources.ledger import newest_digests
from leadscore_dagster.core.warehouse import Warehouse

Locate = Callable[[str], Connector]


def delivered_periods(recipe: Recipe, locate: Locate, until: date, today: date) -> list[date]:
    """Periods up to ``until``, by ``as_of``, of which at least one vintage source has something at its location.

    ``locate`` gives a source's connector. Raises InputError when a location does not answer.
    """
    as_ofs = list(recipe.cadence.between(recipe.first_as_of, until))
    there = {
        as_of
        for name, source in vintage_sources(recipe).items()
        for as_of in locate(name).delivered(source, as_ofs, recipe.cadence, today)
    }
    return [as_of for as_of in as_ofs if as_of in there]


def periods_to_ingest(
    warehouse: Warehouse, recipe: Recipe, locate: Locate, until: date, *, cache: Path, now: datetime
) -> list[date]:
    """Delivered periods whose drop is not in the warehouse with the very content that was delivered.

    ``cache``: folder for copies of drops that lie behind a URL.
    """
    sources = vintage_sources(recipe)
    known = {name: newest_digests(warehouse, source.table) for name, source in sources.items()}

    def is_new(name: str, as_of: date) -> bool:
        found = locate(name).fingerprint(sources[name], as_of, recipe.cadence, cache=cache, now=now)
        return as_of not in known[name] if found is None else known[name].get(as_of) != found

    delivered = delivered_periods(recipe, locate, until, now.date())
    return [as_of for as_of in delivered if any(is_new(name, as_of) for name in sources)]


def newest_period(recipe: Recipe, locate: Locate, now: date) -> date:
    """The period (its ``as_of``) a run is for when nobody says: the newest delivered, else the newest begun."""
    if recipe.as_of:
        return recipe.as_of
    if not vintage_sources(recipe):
        return max(recipe.as_ofs(now), default=recipe.first_as_of)
    delivered = delivered_periods(recipe, locate, now, now)
    if not delivered:
        raise InputError(
            f"No drop of recipe {recipe.name!r} was found",
            where=locate(next(iter(vintage_sources(recipe)))).describe(),
            remedy="check --source; file names are those of the recipe's `files` patterns, snapshots lie after its "
            "first_as_of",
        )
    return delivered[-1]


def vintage_sources(recipe: Recipe) -> dict[str, VintageSource]:
    """The sources a vendor drops, by name."""
    return {name: source for name, source in recipe.sources.items() if isinstance(source, VintageSource)}
