"""Whether vintages and log are young enough to score with.

Not here: whether they passed their gates (core/audit/admission).
"""

from __future__ import annotations

from datetime import date, timedelta

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.sources.log_checks import newest_row
from leadscore_dagster.core.warehouse import Warehouse, table


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


def newest_log_row(warehouse: Warehouse, recipe: Recipe, day: date) -> date | None:
    """Day (UTC) on which the newest row of the decision source became known, in the extract read to score ``day``;
    None: it was not read, or holds no row."""
    source = recipe.decision_source.model_copy(update={"table": f"{recipe.decision_source.table}_of_day"})
    read_until = day + timedelta(days=1)
    if read_until.isoformat() not in warehouse.partitions(source.table):
        return None
    newest = newest_row(warehouse, source, read_until)
    return None if newest is None else newest.date()


def require_fresh(warehouse: Warehouse, recipe: Recipe, day: date) -> None:
    """Refuse to score ``day`` on facts that are too old.

    Raises
    ------
    GateRefused : the newest vintage of a source that had arrived by then describes a state more than
        ``automation.vintage_stale_after_days`` days before ``day``, or none had arrived; or the newest row of the
        decision source became known more than ``automation.log_stale_after_days`` days before ``day``.
    """
    limit, newest = recipe.automation.log_stale_after_days, newest_log_row(warehouse, recipe, day)
    if limit is not None and newest is not None and (day - newest).days > limit:
        source = recipe.decisions.source
        raise GateRefused(
            f"The extract of {source!r} is stale on {day}: its newest row became known on {newest}, "
            f"{(day - newest).days} days before; at most {limit} are allowed. Remedy: put a new extract of {source!r} "
            "where it is read, or allow more with automation.log_stale_after_days (null: a log that does not grow)."
        )
    problems = stale(newest_vintages(warehouse, recipe, day), day, recipe)
    if problems:
        raise GateRefused(
            f"The vintages of {recipe.name!r} are stale on {day}: {'; '.join(problems.values())}. "
            f"Remedy: put the next drop into the vendor's folder and run `leadscore run {recipe.name}`, or allow "
            "more with automation.vintage_stale_after_days."
        )


def stale(newest: dict[str, date | None], day: date, recipe: Recipe) -> dict[str, str]:
    """Tables whose newest vintage is older on ``day`` than the recipe allows, or that have none, each told of."""
    limit = recipe.automation.vintage_stale_after_days
    return {
        name: f"{name}: no vintage had arrived"
        if as_of is None
        else f"{name}: the newest that had arrived is {recipe.cadence.label(as_of)}, as of {as_of}, "
        f"{(day - as_of).days} days old; at most {limit} are allowed"
        for name, as_of in sorted(newest.items())
        if as_of is None or (day - as_of).days > limit
    }
