"""What a model would have been served with at each decision: features rebuilt with all that was not known deleted.

Lives here: deletion and rebuilding. Not here: comparing with the training table (core/audit/replay does, to find
leaks), what the difference costs (numbers).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.guards import Guards
from leadscore_dagster.core.audit.kinship import OTHER_DECISIONS
from leadscore_dagster.core.audit.lineage import read_lineage
from leadscore_dagster.core.audit.safety import declarations_of
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import feature_sets, own_columns
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.warehouse import Relation, Warehouse, table
from leadscore_dagster.core.warehouse.dialect import translate

#: rebuilds at a time; more would multiply the memory
_WORKERS = 2
_LAST, _AS_OF = "served_last_decision_at", "served_as_of"


def served_values(
    warehouse: Warehouse,
    recipe: Recipe,
    rows: pa.Table,
    as_of: date,
    features: Sequence[str],
    wanted: pa.Array | pa.ChunkedArray | None = None,
    unknowable: Collection[str] = (),
) -> pa.Table:
    """The features as a model would have been served with them: rebuilt with all that was not known deleted.

    Vintages that had not arrived, rows of logs not known yet, facts dated later and later decisions are deleted;
    columns of a log that are filled in later are missing until they are, those declared to be written after the outcome
    always. Decisions that knew the same vintages are rebuilt together, up to the last of them; where a feature reads a
    log or other decisions, those of one day, so it may see what became known later on that day.

    Parameters
    ----------
    rows : the training table of ``as_of``: decision_id, decision_at, the entity, the features.
    features : stored features to rebuild. A column taken from the decision's own row is missing: one row that may have
        been written to later does not show what it held.
    wanted : decision_id of the rows to return; all when left out. The other rows stay visible as earlier decisions.
    unknowable : features of which nothing can be known, whatever a rebuild would give: missing.

    Returns decision_id and the features, in the order of ``wanted`` or of ``rows``.
    """
    own = {feature.name for feature in own_columns(recipe)} | set(unknowable)
    rebuilt = [name for name in features if name not in own]
    ids = rows["decision_id"] if wanted is None else wanted
    decisions = rows.select(["decision_id", recipe.decisions.entity, "decision_at"])
    found = _rebuilt(warehouse, recipe, decisions, rows_of(decisions, ids), as_of, rebuilt) if rebuilt else None
    values = pa.table({"decision_id": ids})
    for name in features:
        again = found[name] if found is not None and name in rebuilt else None
        column = pa.nulls(len(ids), rows.schema.field(name).type) if again is None else again
        values = values.append_column(name, column)
    return values


def _rebuilt(
    warehouse: Warehouse, recipe: Recipe, decisions: pa.Table, wanted: pa.Table, as_of: date, names: Sequence[str]
) -> pa.Table:
    """Stored features of the decisions ``wanted``, in their order, from what was known."""
    sets = [entry for entry in feature_sets(recipe) if not entry.is_fold]
    sets = [entry for entry in sets if {feature.name for feature in entry.features} & set(names)]
    given = {feature.name for entry in sets for feature in entry.features}
    exclude = tuple(name for name in recipe.features.exclude if name in given and name not in names)
    update = {"sets": tuple(entry.name for entry in sets), "columns": (), "exclude": exclude}
    narrowed = recipe.model_copy(update={"features": recipe.features.model_copy(update=update)})
    sql = feature_query(narrowed).sql

    def rebuild(part: np.ndarray) -> pa.Table:
        here = wanted.take(part)
        last = pc.max(here["decision_at"]).as_py()
        known: dict[str, Relation] = {source.table: as_known(source) for source in recipe.sources.values()}
        known["decisions"] = decisions.filter(pc.less_equal(decisions["decision_at"], pa.scalar(last)))
        found = table(warehouse, sql, {_LAST: last, _AS_OF: as_of}, known).select(["decision_id", *names])
        return found.filter(pc.is_in(found["decision_id"], value_set=here["decision_id"].combine_chunks()))

    parts = _intervals(
        wanted, _instants(warehouse, recipe, sql), changes_between_vintages(warehouse, recipe, sql, names)
    )
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        found = pa.concat_tables(pool.map(rebuild, parts), promote_options="permissive")
    return rows_of(found, wanted["decision_id"])


def as_known(source: VintageSource | LogSource) -> str:
    """SELECT of what a stored table would have held at the parameter's instant."""
    columns = source.contract.columns
    if isinstance(source, VintageSource):
        events = [column.name for column in columns if column.type == "date" and column.not_after_as_of]
        dated = [f"(`{name}` IS NULL OR `{name}` <= DATE(@{_LAST}))" for name in events]
        conditions = " AND ".join([f"as_of <= @{_AS_OF}", f"available_at <= @{_LAST}", *dated])
        return f"SELECT * FROM `{source.table}` WHERE {conditions}"
    # IF, not a bare NULL: the column keeps its type
    late = {name: f"`{when}` <= @{_LAST}" for name, when in source.known_later.items()}
    for column in columns:
        if column.known != "at_once" and column.name not in late:
            late[column.name] = "FALSE"
    replaced = ", ".join(f"IF({known}, `{name}`, NULL) AS `{name}`" for name, known in late.items())
    items = f"* REPLACE ({replaced})" if replaced else "*"
    return f"SELECT {items} FROM `{source.table}` WHERE as_of <= @{_AS_OF} AND known_at <= @{_LAST}"


def _instants(warehouse: Warehouse, recipe: Recipe, sql: str) -> np.ndarray:
    """When the vintages the statement reads became known: microseconds, in order."""
    read = set(translate(sql).tables)
    found: set[int] = set()
    for source in recipe.sources.values():
        if isinstance(source, VintageSource) and source.table in read:
            distinct = table(warehouse, f"SELECT DISTINCT available_at FROM `{source.table}`")["available_at"]
            found.update(distinct.drop_null().cast(pa.int64()).to_pylist())
    return np.array(sorted(found), dtype=np.int64)


def changes_between_vintages(warehouse: Warehouse, recipe: Recipe, sql: str, names: Sequence[str]) -> bool:
    """Whether a feature may change between two vintages: it reads a log, or other decisions."""
    declared, read = declarations_of(recipe), set(translate(sql).tables)
    if read & declared.logs:
        return True
    schemas = {name: warehouse.schema(name).names for name in sorted(read - {"decisions"})}
    schemas["decisions"] = ["decision_id", recipe.decisions.entity, "decision_at"]
    guards = Guards(read_lineage(sql, schemas), declared.guards)
    return any(found.table == OTHER_DECISIONS for name in names for found in guards.open_reads(name))


def _intervals(wanted: pa.Table, instants: np.ndarray, daily: bool) -> list[np.ndarray]:
    """Row numbers of the decisions between two instants (and of one day), interval by interval."""
    times = wanted["decision_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    day = times // 86_400_000_000 if daily else np.zeros_like(times)
    key = np.stack([np.searchsorted(instants, times, side="right"), day])
    order = np.lexsort(key[::-1])
    changes = np.flatnonzero(np.any(np.diff(key[:, order], axis=1), axis=0)) + 1
    return [part for part in np.split(order, changes) if part.size]
