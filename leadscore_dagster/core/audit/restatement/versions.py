"""Restatement of a table that states, for every version of a value, since when and until when it was the known one.

Lives here: tables of versions (``valid_from``, ``valid_to`` as knowledge time). Not here: vintages and logs (measure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from leadscore_dagster.core.audit.restatement import statements
from leadscore_dagster.core.audit.restatement.measure import of_measured
from leadscore_dagster.core.audit.restatement.result import LAGS, ColumnRestatement, Unjudged, measured
from leadscore_dagster.core.recipe.contract import Identifier, Strict
from leadscore_dagster.core.warehouse.protocol import Relation, Warehouse, table


class VersionTable(Strict):
    """Columns of a table of versions. A fact is one combination of ``key`` and ``event`` (DATE); the version of its
    ``value`` (a number) was the known one from ``valid_from`` until before ``valid_to`` (DATE; missing: still is)."""

    table: Identifier
    key: tuple[Identifier, ...]
    event: Identifier = "event_date"
    value: Identifier = "value"
    valid_from: Identifier = "valid_from"
    valid_to: Identifier = "valid_to"


@dataclass(frozen=True)
class _Bounds:
    first: date
    last: date
    last_known: date


def version_restatement(
    warehouse: Warehouse,
    versions: VersionTable,
    window: tuple[date, date] | None = None,
    lags: Sequence[int] = LAGS,
    relations: dict[str, Relation] | None = None,
) -> ColumnRestatement:
    """How many facts have more than one version, how late they settle, and how complete they are after ``lags`` days.

    Parameters
    ----------
    window : first and last event date of the maturity curve; all events where left out.
    relations : may narrow the table, e.g. to one measure.

    Raises InputError for a table or column that does not exist.
    """
    bounds = _bounds(warehouse, versions, relations)
    if bounds is None:
        return ColumnRestatement(
            versions.table, versions.value, "versions", judged=False, reason=Unjudged.NOTHING_STORED
        )
    first, last = window or (bounds.first, bounds.last)
    key = versions.key
    steps = statements.version_steps(
        versions.table, key, versions.event, versions.value, versions.valid_from, (*key, versions.event)[0]
    )
    groups = table(warehouse, statements.facts(steps, len(key) + 1), {}, relations)
    found = measured(groups, (first, last), bounds.last_known, lags)
    result = of_measured(ColumnRestatement(versions.table, versions.value, "versions"), found)
    if not result.maturity:
        return result
    sql = statements.ratios(versions.table, key, versions.event, versions.value, versions.valid_from, versions.valid_to)
    parameters = {"first": first, "last": last, "lags": [point.lag for point in result.maturity]}
    ratios = {row["lag"]: row["ratio"] for row in table(warehouse, sql, parameters, relations).to_pylist()}
    return replace(result, maturity=tuple(replace(point, ratio=ratios.get(point.lag)) for point in result.maturity))


def _bounds(warehouse: Warehouse, versions: VersionTable, relations: dict[str, Relation] | None) -> _Bounds | None:
    """First and last event, and the last day anything became known."""
    sql = (
        f"SELECT MIN(h.`{versions.event}`) AS first, MAX(h.`{versions.event}`) AS last, "
        f"MAX(h.`{versions.valid_from}`) AS last_known FROM `{versions.table}` AS h"
    )
    row = table(warehouse, sql, {}, relations).to_pylist()[0]
    return _Bounds(**row) if row["first"] is not None else None
