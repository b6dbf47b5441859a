"""Serve parity: the scoring path, run with the clock set back to past decisions, gives the training rows bit for bit.

The same function computes the features of today's list (core/table/features/serving). Here it sees what it would have
seen then: vintages that had arrived, rows of logs known by then, of the decision source the extract of that day, with
the columns that are filled in later as empty as they were. A few instants are drawn from equal stretches of the
training rows, and with each the decisions taken just before it, after the last arrival of a vintage. For those the
world is the one of the instant: exact for vintages, and for logs exact at the instant itself.

Lives here: what a past moment could see, the comparison's verdicts. Not here: computing features (core/table/features),
comparing (comparison), every row without its future (replay).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.comparison import Compared, Differences, differences, require_unique, summary
from leadscore_dagster.core.audit.destruction import CUT, DatedTable
from leadscore_dagster.core.audit.replay import WORKERS, arrivals, instants_of
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import ColumnLabel, LogSource, Recipe, VintageSource
from leadscore_dagster.core.table.decisions import scalar
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.warehouse import Relation, Warehouse

PART = "parity"
#: instants the clock is set back to: each is one run of the feature query
CLOCKS = 3
_UTC = pa.timestamp("us", tz="UTC")


def serve_parity(
    warehouse: Warehouse,
    recipe: Recipe,
    rows: pa.Table,
    as_of: date,
    features: Sequence[str],
    sample: int = 200,
    seed: int = 0,
) -> list[FeatureVerdict]:
    """Serve a sample of past decisions again and compare with what was trained on.

    Parameters
    ----------
    rows : partition ``as_of`` of the training table: decision_id (STRING, unique), the recipe's entity, decision_at and
        the features.
    features : columns to compare; values and types.
    sample : about how many decisions.
    seed : draws them.

    Returns
    -------
    One verdict of part ``parity`` per feature: leak where a row differs (training used what serving will not see),
    unproven where there was no row. Raises InputError for a missing column and for a repeated decision_id.
    """
    entity = recipe.decisions.entity
    missing = [name for name in ("decision_id", entity, "decision_at", *features) if name not in rows.column_names]
    if missing:
        raise InputError(f"the training table has no column {', '.join(missing)}", rows=rows.num_rows)
    require_unique(rows, "the training table")
    vintages = [_dated(source) for source in recipe.sources.values() if isinstance(source, VintageSource)]
    groups = _groups(instants_of(rows["decision_at"]), arrivals(warehouse, vintages), sample, seed)
    types: dict[str, pa.DataType] = {}

    def serve(group: np.ndarray) -> Differences:
        clock = rows["decision_at"].cast(_UTC)[int(group[-1])].as_py()
        decisions = rows.select(list(dict.fromkeys(["decision_id", entity, "decision_at"]))).take(group)
        values = {CUT: clock, "extract": _extract_at(warehouse, recipe, clock, as_of)}
        served = served_features(warehouse, recipe, decisions, _seen(recipe), values).read_all()
        require_unique(served, "the served features")
        types.update({name: served.schema.field(name).type for name in features})
        return differences(rows, group, served, features, with_types=True)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        found = list(pool.map(serve, groups))
    asked = len(np.unique(np.concatenate(groups))) if groups else 0
    lines = summary(features, asked, found)
    return [_verdict(line, len(groups), rows.schema.field(line.feature).type, types) for line in lines]


def _groups(times: np.ndarray, edges: np.ndarray, sample: int, seed: int) -> list[np.ndarray]:
    """Row numbers of the sampled decisions, in time order, group by group: the last one's instant is the clock.

    The others of a group are those taken just before it, none of them before the last arrival.
    """
    random = np.random.default_rng(seed)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    made = []
    for stretch in np.array_split(np.arange(len(order)), CLOCKS):
        if stretch.size:
            clock = ordered[random.choice(stretch)]
            until = int(np.searchsorted(ordered, clock, side="right"))
            arrived = np.searchsorted(edges, clock, side="right")
            first = int(np.searchsorted(ordered, edges[arrived - 1], side="left")) if arrived else 0
            made.append(order[max(first, until - max(1, sample // CLOCKS)) : until])
    return made


def _extract_at(warehouse: Warehouse, recipe: Recipe, clock: datetime, as_of: date) -> date:
    """The stored extract of the decision source that is nearest to what was there that day: the first after it."""
    keys = map(date.fromisoformat, warehouse.partitions(recipe.decision_source.table))
    return min((key for key in keys if clock.date() < key <= as_of), default=as_of)


def _seen(recipe: Recipe) -> dict[str, Relation]:
    """Every source's table as the scoring path saw it at the instant."""
    tables: dict[str, Relation] = {source.table: _dated(source).as_known() for source in recipe.sources.values()}
    tables[recipe.decision_source.table] = _log_of_day(recipe)
    return tables


def _dated(source: VintageSource | LogSource) -> DatedTable:
    if isinstance(source, VintageSource):
        return DatedTable(source.table, "available_at")
    return DatedTable(source.table, "known_at", is_vintage=False, later=source.known_later)


def _log_of_day(recipe: Recipe) -> str:
    """The extract as it stood at the instant: rows known by then, nothing filled in that was filled in later.

    An outcome is filled in when its window has passed; that of the decision itself never is.
    """
    source, label = recipe.decision_source, recipe.label
    later = dict(source.known_later)
    after = {column.name for column in source.contract.columns if column.known == "after_outcome"}
    if isinstance(label, ColumnLabel):
        after.add(label.column)
    else:
        later.setdefault(label.outcome_at, label.outcome_at)
    columns = [*(column.name for column in source.contract.columns), "known_at"]
    decided = scalar(recipe.decisions.at, columns, "decisions.at")
    is_out = f"COALESCE(TIMESTAMP_ADD({decided}, INTERVAL {recipe.label_window_days} DAY) < @{CUT}, FALSE)"
    items = {
        column: f"IF(COALESCE(l.`{since}` > @{CUT}, FALSE), NULL, l.`{column}`)" for column, since in later.items()
    }
    items |= {column: f"IF({is_out}, l.`{column}`, NULL)" for column in sorted(after - set(later))}
    items["as_of"] = f"DATE_ADD(DATE(@{CUT}), INTERVAL 1 DAY)"
    replaced = ", ".join(f"{value} AS `{name}`" for name, value in items.items())
    return f"SELECT * REPLACE ({replaced}) FROM `{source.table}` AS l WHERE l.as_of = @extract AND l.known_at <= @{CUT}"


def _verdict(found: Compared, clocks: int, stored: pa.DataType, types: Mapping[str, pa.DataType]) -> FeatureVerdict:
    if not found.rows:
        return FeatureVerdict(found.feature, PART, "unproven", "there was no past decision to serve again")
    if not found.different:
        evidence = (
            f"{found.rows:,} past decisions served again at {clocks} instants from what was there then: "
            "values and types identical"
        )
        return FeatureVerdict(found.feature, PART, "clear", evidence, "rows_different", 0, 0)
    assert found.example is not None
    decision, trained, served = found.example
    evidence = (
        f"{found.different:,} of {found.rows:,} past decisions would have been served another value than they are "
        f"trained on; decision {decision}: trained {trained!r}, served {served!r}"
    )
    if types[found.feature] != stored:
        evidence += f" (trained as {stored}, served as {types[found.feature]})"
    return FeatureVerdict(found.feature, PART, "leak", evidence, "rows_different", found.different, 0)
