"""Whether the vintages are young enough to score with. Not here: whether they passed their gates (battery)."""

from __future__ import annotations

from datetime import date

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.recipes.contract import quarter_of
from leadscore_dagster.recipes.schema import Recipe, VintageSource


def newest_vintages(warehouse: Warehouse, recipe: Recipe, day: date) -> dict[str, date | None]:
    """Table → ``as_of`` of the newest vintage that had arrived when ``day`` began (UTC); None: there was none."""
    newest: dict[str, date | None] = {}
    for source in recipe.sources.values():
        if isinstance(source, VintageSource):
            newest[source.table] = None
            if warehouse.partitions(source.table):
                sql = f"SELECT MAX(as_of) AS as_of FROM {source.table} WHERE available_at <= TIMESTAMP(@day)"
                newest[source.table] = table(warehouse, sql, {"day": day})["as_of"][0].as_py()
    return newest


def require_fresh(warehouse: Warehouse, recipe: Recipe, day: date) -> None:
    """Refuse to score ``day`` on facts that are too old.

    Raises
    ------
    GateRefused : the newest vintage of a source that had arrived by then describes a state more than
        ``automation.vintage_stale_after_days`` days before ``day``, or none had arrived.
    """
    problems = stale(newest_vintages(warehouse, recipe, day), day, recipe.automation.vintage_stale_after_days)
    if problems:
        raise GateRefused(
            f"The vintages of {recipe.name!r} are stale on {day}: {'; '.join(problems)}. "
            f"Remedy: put the next drop where the vendor's files lie and run `leadscore run {recipe.name}`, or allow "
            "more with automation.vintage_stale_after_days."
        )


def stale(newest: dict[str, date | None], day: date, limit: int) -> list[str]:
    """One sentence per table whose newest vintage is more than ``limit`` days old on ``day``, or that has none."""
    return [
        f"{name}: no vintage had arrived"
        if as_of is None
        else f"{name}: the newest that had arrived is {quarter_of(as_of)}, as of {as_of}, {(day - as_of).days} days "
        f"old; at most {limit} are allowed"
        for name, as_of in sorted(newest.items())
        if as_of is None or (day - as_of).days > limit
    ]
