"""Replay: destroy everything not known at the decision time, rebuild the features, require identical values.

Facts of vintages become known at few instants. Between two of them every decision knows the same vintages, so the
decisions of one interval are rebuilt together, on tables from which all that was not known at the interval's last
decision has been deleted: vintages that arrived later, log rows that became known later, facts dated later, and later
decisions. Earlier decisions stay: they had been taken. Behind the last decision everybody is decided on once more
(a decoy), so a feature that looks at later decisions changes even where none followed.

That is exact for vintages. A log row that became known between two decisions of one interval is still there for the
earlier one. So at a few decisions drawn at random it is done again to the very instant, for that decision and all
before it: by turns what was not known is deleted, or scrambled, which is stays with other values and more follows it.

Lives here: which decisions are rebuilt in which world. Not here: making the world (destruction), comparing
(comparison), the feature query (core/table/features), how it is run (core/warehouse), why a feature leaks (lineage,
safety).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.comparison import Compared, Differences, differences, require_unique, summary
from leadscore_dagster.core.audit.destruction import CUT, DatedTable
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse.protocol import Relation, Warehouse, table

PART = "replay"
#: rebuilds at a time; more would multiply the memory
WORKERS = 2
#: decisions that are rebuilt to their very instant, with all that were taken before them
MOMENTS = 2
_DECOYS = 500
_UTC = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class ReplayReport:
    """What replay found. ``rebuilds``: how many intervals were rebuilt; ``moments``: how many single instants."""

    features: tuple[Compared, ...]
    rebuilds: int
    moments: int = 0

    def verdicts(self) -> list[FeatureVerdict]:
        """leak where a row differs, clear where none does, unproven where there was no row."""
        return [_verdict(feature, self) for feature in self.features]


@dataclass(frozen=True)
class _Rebuild:
    """Rows to rebuild, in time order, in the world as known when the last was decided: deleted, or scrambled.

    ``decoys``: how many of the last rows are decided on once more.
    """

    rows: np.ndarray
    decoys: int
    is_scrambled: bool = False


def replay(
    warehouse: Warehouse,
    sql: str,
    training: pa.Table,
    tables: Sequence[DatedTable],
    features: Sequence[str],
    parameters: Mapping[str, object] | None = None,
    moments: int = MOMENTS,
    seed: int = 0,
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
    moments : at how many decisions, drawn with ``seed``, to do it to the very instant.

    Raises InputError for a missing column, a repeated decision_id, and a rebuild that repeats one.
    """
    missing = [name for name in ("decision_id", "decision_at", *features) if name not in training.column_names]
    if missing:
        raise InputError(f"the training table has no column {', '.join(missing)}", rows=training.num_rows)
    require_unique(training, "the training table")
    times = instants_of(training["decision_at"])
    intervals = [_Rebuild(rows, len(rows)) for rows in intervals_of(times, arrivals(warehouse, tables))]
    drawn = _drawn(times, moments, seed)
    decisions = training.drop_columns(list(features))
    schemas = {dated.name: _mentioned(warehouse.schema(dated.name), sql, features) for dated in tables if drawn}

    def rebuild(part: _Rebuild) -> Differences:
        last = training["decision_at"][int(part.rows[-1])].as_py()
        relations: dict[str, Relation] = {dated.name: dated.as_known() for dated in tables}
        if part.is_scrambled:
            relations = {dated.name: dated.as_scrambled(schemas[dated.name]) for dated in tables}
        relations["decisions"] = _taken_until(decisions, decisions.take(part.rows[-part.decoys :]), last)
        found = table(warehouse, sql, {**(parameters or {}), CUT: last}, relations)
        found = found.select(["decision_id", *features])
        if not part.is_scrambled:  # where more follows, a join that takes it in repeats decisions: a difference
            require_unique(_those(found, training, part.rows), "the rebuilt features")
        return differences(training, part.rows, found, features)

    # rebuilds do not depend on each other, and one query alone does not keep two cores busy
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        found = list(pool.map(rebuild, [*intervals, *drawn]))
    return ReplayReport(summary(features, training.num_rows, found), len(intervals), len(drawn))


def instants_of(column: pa.ChunkedArray) -> np.ndarray:
    """Timestamps as whole microseconds, int64; missing ones left out."""
    return np.asarray(column.drop_null().cast(_UTC).cast(pa.int64()).to_numpy())


def arrivals(warehouse: Warehouse, tables: Sequence[DatedTable]) -> np.ndarray:
    """When any vintage became known, in order, as whole microseconds."""
    found = [
        instants_of(table(warehouse, f"SELECT DISTINCT `{dated.known}` AS instant FROM `{dated.name}`")["instant"])
        for dated in tables
        if dated.is_vintage
    ]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))


def intervals_of(times: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """Row numbers of the decisions between two arrivals, interval by interval, each in time order."""
    order = np.argsort(times, kind="stable")
    cuts = np.searchsorted(times[order], edges, side="left")  # what arrives at the very instant is known
    return [rows for rows in np.split(order, cuts) if rows.size]


def _drawn(times: np.ndarray, moments: int, seed: int) -> list[_Rebuild]:
    """Decisions drawn from equal stretches of the training rows, each with all rows until then."""
    random = np.random.default_rng(seed)
    order = np.argsort(times, kind="stable")
    first = int(random.integers(2))
    made = []
    for place, stretch in enumerate(np.array_split(order, min(moments, len(order)) or 1)):
        if stretch.size:
            last = times[random.choice(stretch)]
            until = order[: np.searchsorted(times[order], last, side="right")]
            made.append(_Rebuild(until, min(len(until), _DECOYS), is_scrambled=(first + place) % 2 == 1))
    return made if moments else []


def _taken_until(decisions: pa.Table, again: pa.Table, last: datetime) -> pa.Table:
    """Decisions until ``last``, and a decoy behind it for each decision of ``again``."""
    until = decisions.filter(pc.less_equal(decisions["decision_at"], pa.scalar(last)))
    identity, moment = (decisions.schema.get_field_index(name) for name in ("decision_id", "decision_at"))
    names = pc.binary_join_element_wise("decoy", again["decision_id"].cast(pa.string()), ":")
    after = pa.array([last + timedelta(microseconds=1)] * again.num_rows, decisions.schema.field(moment).type)
    decoys = again.set_column(identity, "decision_id", names).set_column(moment, "decision_at", after)
    return pa.concat_tables([until, decoys])


def _mentioned(schema: pa.Schema, sql: str, features: Sequence[str]) -> pa.Schema:
    """Columns whose name stands in the query or among the features: what a feature can be made of."""
    words = {word.lower() for word in (*re.findall(r"\w+", sql), *features)}
    return pa.schema([column for column in schema if column.name.lower() in words])


def _those(found: pa.Table, training: pa.Table, rows: np.ndarray) -> pa.Table:
    ids = training["decision_id"].take(rows).combine_chunks()
    return found.filter(pc.is_in(found["decision_id"], value_set=ids))


def _verdict(found: Compared, report: ReplayReport) -> FeatureVerdict:
    if not found.rows:
        return FeatureVerdict(found.feature, PART, "unproven", "there was no training row to rebuild")
    if not found.different:
        evidence = f"{found.rows:,} rows rebuilt in {report.rebuilds} intervals from what was known then: identical"
        if report.moments:
            evidence += f", and at {report.moments} decisions to the very instant, the rest deleted or scrambled"
        return FeatureVerdict(found.feature, PART, "clear", evidence, "rows_different", 0, 0)
    assert found.example is not None
    decision, stored, again = found.example
    evidence = (
        f"{found.different:,} of {found.rows:,} rows change when what was not known is destroyed; "
        f"decision {decision}: stored {stored!r}, rebuilt {again!r}"
    )
    return FeatureVerdict(found.feature, PART, "leak", evidence, "rows_different", found.different, 0)
