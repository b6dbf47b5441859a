"""Replay: destroy everything not known at the decision time, rebuild the features, require identical values.

Facts of vintages become known at few instants. Between two of them every decision knows the same vintages, so the
decisions of one interval are rebuilt together, on tables from which all that was not known at the interval's last
decision has been deleted: vintages that arrived later, log rows that became known later, facts dated later, and later
decisions. Earlier decisions stay: they had been taken. Behind the last decision everybody is decided on once more
(a decoy), so a feature that looks at later decisions changes even where none followed.

The proof is exact for vintages. A log row that became known between two decisions of one interval is still there for
the earlier one; what reads it is found where it reaches beyond the interval's last decision.

Lives here: destruction, rebuilding, comparison. Does not: the feature query (core/features), how it is run
(core/warehouse), why a feature leaks (lineage, safety).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.verdict import Verdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse.protocol import Relation, Warehouse, table

PART = "replay"
#: rebuilds at a time; more would multiply the memory
WORKERS = 2
_LAST = "replay_last_decision_at"


@dataclass(frozen=True)
class DatedTable:
    """A stored table whose rows become known over time.

    ``known``: TIMESTAMP column that says when (available_at of a vintage, known_at of a log). ``events``:
    DATE columns that say when the fact happened, where a fact can be destroyed for lying after the decision.
    """

    name: str
    known: str
    is_vintage: bool = True
    events: tuple[str, ...] = ()

    def as_known(self) -> str:
        """SELECT of the rows known, and of facts that had happened, at the parameter's instant."""
        events = [f"(`{event}` IS NULL OR `{event}` <= DATE(@{_LAST}))" for event in self.events]
        conditions = " AND ".join([f"`{self.known}` <= @{_LAST}", *events])
        return f"SELECT * FROM `{self.name}` WHERE {conditions}"


@dataclass(frozen=True)
class FeatureReplay:
    """One feature, stored and rebuilt. ``example``: decision_id, stored value, rebuilt value."""

    feature: str
    rows: int
    different: int
    example: tuple[str, object, object] | None = None


@dataclass(frozen=True)
class ReplayReport:
    """What replay found. ``rebuilds``: how many times the features were rebuilt."""

    features: tuple[FeatureReplay, ...]
    rebuilds: int

    def verdicts(self) -> list[Verdict]:
        """leak where a row differs, clear where none does, unproven where there was no row."""
        return [_verdict(feature, self.rebuilds) for feature in self.features]


def replay(
    warehouse: Warehouse,
    sql: str,
    training: pa.Table,
    tables: Sequence[DatedTable],
    features: Sequence[str],
    parameters: Mapping[str, object] | None = None,
) -> ReplayReport:
    """Rebuild the features of every training row without what was not known at its decision.

    Parameters
    ----------
    warehouse : holds the stored tables; nothing is written.
    sql : the feature query (GoogleSQL): reads ``decisions`` and the stored tables, returns decision_id and features.
    training : the stored training rows: decision_id (STRING, unique), decision_at, every other column of
        ``decisions``, and the features.
    tables : the stored tables the query reads.
    features : columns to compare.
    parameters : further parameters of ``sql``.

    Raises InputError for a missing column, a repeated decision_id, and a rebuild that repeats one.
    """
    missing = [name for name in ("decision_id", "decision_at", *features) if name not in training.column_names]
    if missing:
        raise InputError(f"the training table has no column {', '.join(missing)}", rows=training.num_rows)
    _require_unique(training, "the training table")
    parts = list(_intervals(training, _instants(warehouse, tables)))
    decisions = training.drop_columns(list(features))

    def rebuild(rows: np.ndarray) -> pa.Table:
        last = pc.max(training["decision_at"].take(rows)).as_py()
        relations: dict[str, Relation] = {dated.name: dated.as_known() for dated in tables}
        relations["decisions"] = _taken_until(decisions, decisions.take(rows), last)
        found = table(warehouse, sql, {**(parameters or {}), _LAST: last}, relations)
        found = found.select(["decision_id", *features])
        found = found.filter(
            pc.is_in(found["decision_id"], value_set=training["decision_id"].take(rows).combine_chunks())
        )
        _require_unique(found, "the rebuilt features")
        return found

    # intervals do not depend on each other, and one query alone does not keep two cores busy
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        rebuilt = list(pool.map(rebuild, parts))
    return ReplayReport(tuple(_compare(training, rebuilt, features)), len(parts))


def _instants(warehouse: Warehouse, tables: Sequence[DatedTable]) -> list[datetime]:
    """When any vintage became known, in order."""
    instants: set[datetime] = set()
    for dated in tables:
        if dated.is_vintage:
            found = table(warehouse, f"SELECT DISTINCT `{dated.known}` AS instant FROM `{dated.name}`")
            instants.update(found["instant"].drop_null().to_pylist())
    return sorted(instants)


def _intervals(training: pa.Table, instants: Sequence[datetime]) -> Iterator[np.ndarray]:
    """Row numbers of the decisions between two instants, interval by interval."""
    kind = pa.timestamp("us", tz="UTC")
    times = training["decision_at"].cast(kind).cast(pa.int64()).to_numpy()
    edges = pa.array(instants, kind).cast(pa.int64()).to_numpy(zero_copy_only=False)
    interval = np.searchsorted(edges, times, side="right")
    order = np.argsort(interval, kind="stable")
    yield from (rows for rows in np.split(order, np.flatnonzero(np.diff(interval[order])) + 1) if rows.size)


def _taken_until(decisions: pa.Table, of_interval: pa.Table, last: datetime) -> pa.Table:
    """Decisions until ``last``, and a decoy behind it for each decision of the interval."""
    until = decisions.filter(pc.less_equal(decisions["decision_at"], pa.scalar(last)))
    identity, moment = (decisions.schema.get_field_index(name) for name in ("decision_id", "decision_at"))
    names = pc.binary_join_element_wise("decoy", of_interval["decision_id"].cast(pa.string()), ":")
    after = pa.array([last + timedelta(microseconds=1)] * of_interval.num_rows, decisions.schema.field(moment).type)
    decoys = of_interval.set_column(identity, "decision_id", names).set_column(moment, "decision_at", after)
    return pa.concat_tables([until, decoys])


def _compare(training: pa.Table, rebuilt: Sequence[pa.Table], features: Sequence[str]) -> Iterator[FeatureReplay]:
    if not rebuilt:
        yield from (FeatureReplay(feature, 0, 0) for feature in features)
        return
    found = pa.concat_tables(rebuilt, promote_options="permissive")
    stored_ids = training["decision_id"].combine_chunks()
    places = pc.index_in(stored_ids, value_set=found["decision_id"].combine_chunks())
    aligned = found.take(places)  # a decision the rebuild lacks gets missing values, and counts as different
    absent = places.is_null().to_numpy(zero_copy_only=False)
    for feature in features:
        stored, again = training[feature].combine_chunks(), aligned[feature].combine_chunks()
        different = ~_same(stored, again) | absent
        count = int(different.sum())
        example = None
        if count:
            row = int(np.argmax(different))
            example = (str(stored_ids[row].as_py()), stored[row].as_py(), again[row].as_py())
        yield FeatureReplay(feature, training.num_rows, count, example)


def _same(stored: pa.Array, again: pa.Array) -> np.ndarray:
    """Row by row: equal, both missing, or both NaN. Floats must agree to the last bit."""
    if stored.type != again.type:
        again = again.cast(stored.type)
    equal = pc.fill_null(pc.equal(stored, again), False)
    if pa.types.is_floating(stored.type):
        equal = pc.or_(equal, pc.fill_null(pc.and_(pc.is_nan(stored), pc.is_nan(again)), False))
    both_missing = pc.and_(stored.is_null(), again.is_null())
    return np.asarray(pc.or_(equal, both_missing).to_numpy(zero_copy_only=False))


def _require_unique(rows: pa.Table, where: str) -> None:
    repeated = rows.num_rows - len(rows["decision_id"].unique())
    if repeated:
        raise InputError("decision_id is repeated", where=where, column="decision_id", rows=repeated)


def _verdict(found: FeatureReplay, rebuilds: int) -> Verdict:
    if not found.rows:
        return Verdict(found.feature, PART, "unproven", "there was no training row to rebuild")
    if not found.different:
        evidence = f"{found.rows:,} rows rebuilt in {rebuilds} intervals from what was known then: identical"
        return Verdict(found.feature, PART, "clear", evidence, "rows_different", 0, 0)
    assert found.example is not None
    decision, stored, again = found.example
    evidence = (
        f"{found.different:,} of {found.rows:,} rows change when what was not known is destroyed; "
        f"decision {decision}: stored {stored!r}, rebuilt {again!r}"
    )
    return Verdict(found.feature, PART, "leak", evidence, "rows_different", found.different, 0)
