"""Restatement: from the stored vintages, how often and how late past facts are written or changed, nothing declared.

One pass per table compares consecutive vintages, all columns at once, by an equi-join on the contract's key. Columns
in which nothing differs are done then; the others are read once more, with the key alone, and followed through every
vintage. Of a table with more than ``shape.SAMPLED_FACTS`` rows every so many-th entity is looked at: the cost is that
of reading. The Wilson intervals cover the sampling.

Lives here: running the statements. Not here: their text (statements), the numbers (result), verdicts (verdicts).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pyarrow as pa

from leadscore_dagster.core.audit.restatement import statements
from leadscore_dagster.core.audit.restatement.association import AroundOutcome, around_outcome
from leadscore_dagster.core.audit.restatement.result import (
    LAGS,
    MINIMUM_FACTS,
    ColumnRestatement,
    Kind,
    Measured,
    Unjudged,
    caught_fresh,
    measured,
)
from leadscore_dagster.core.audit.restatement.shape import (
    SAMPLED_FACTS,
    Shape,
    entity_in_outcomes,
    is_dated,
    shape_of,
)
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.contract import Column
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.warehouse.protocol import Relation, Warehouse, table

#: share of the outcomes' entities a table must show for its facts to be held against the outcomes
_ENTITIES_FOUND = 0.5
#: entities of the outcomes that are looked up at most: a thousand positives at a rate of 4%
_ENTITIES = 25_000
#: events of the last year are not in the maturity curve: too little time has passed to call their values final
_FOLLOWED_DAYS = 365
Steps = Callable[..., str]


@dataclass(frozen=True)
class _Asked:
    """The outcomes, their entity, the table's column that holds it, and the condition that keeps the rows of theirs."""

    outcomes: Relation
    entity: str
    column: str
    only: str


@dataclass(frozen=True)
class _Reading:
    """What every statement about one table needs. ``rows`` : its sample, once read, takes the table's place.
    ``asked`` : the outcomes, if the table knows their entities."""

    warehouse: Warehouse
    shape: Shape
    asked: _Asked | None = None
    rows: pa.Table | None = None

    def run(self, sql: str) -> pa.Table:
        relations: dict[str, Relation] = {statements.CALENDAR: self.shape.calendar()}
        if self.asked is not None:
            relations[statements.OUTCOMES] = self.asked.outcomes
        if self.rows is not None:
            relations[self.shape.table] = self.rows
        return table(self.warehouse, sql, {"newest": self.shape.vintages[-1].as_of}, relations)

    def sampled(self, columns: Sequence[str]) -> _Reading:
        """The same over the sample of these columns, read now."""
        return replace(self, rows=self.run(statements.sampled(self.shape, columns)))

    def whole(self) -> _Reading:
        """The same over the stored table."""
        return replace(self, rows=None)


def restatements(
    warehouse: Warehouse,
    recipe: Recipe,
    as_of: date,
    columns: Mapping[str, Collection[str]] | None = None,
    outcomes: Relation | None = None,
    sampled_facts: int = SAMPLED_FACTS,
) -> tuple[ColumnRestatement, ...]:
    """Restatement of the columns of the recipe's sources, from the vintages with ``as_of`` at most the given one.

    Parameters
    ----------
    columns : stored table to the columns to look at; all columns of every contract where left out. Names that are no
        contract columns (as_of, available_at, known_at) are passed over.
    outcomes : relation (the recipe's entity, decision_at TIMESTAMP, label INT64); without it nothing is said about the
        outcome.
    sampled_facts : facts of a vintage to count at most, by taking every so many-th entity.

    Raises InputError where a stored table lacks a column of its contract.
    """
    found: list[ColumnRestatement] = []
    for source in recipe.sources.values():
        wanted = set(columns.get(source.table, ())) if columns is not None else None
        looked_at = [c for c in source.contract.columns if wanted is None or c.name in wanted]
        if looked_at:
            found += _of_source(warehouse, recipe, source, as_of, looked_at, outcomes, sampled_facts)
    return tuple(found)


def _of_source(
    warehouse: Warehouse,
    recipe: Recipe,
    source: VintageSource | LogSource,
    as_of: date,
    columns: Sequence[Column],
    outcomes: Relation | None,
    sampled_facts: int,
) -> Iterator[ColumnRestatement]:
    shape = shape_of(warehouse, source, as_of, sampled_facts)
    later = source.known_later if isinstance(source, LogSource) else {}
    if not shape.vintages:
        yield from (_unjudged(shape, column, Unjudged.NOTHING_STORED) for column in columns)
        return
    reading = _Reading(warehouse, shape, _asked(warehouse, recipe, shape, outcomes))
    compared = [c.name for c in columns if c.name not in shape.keys and c.name not in later]
    judged = [c.name for c in columns if c.name in compared and not _is_state(shape, c)]
    matched, different = _differences(reading, compared)
    prevented = _prevented(shape, sum(different.values()))
    differing = [name for name in judged if different[name]]
    if not prevented and (judged or shape.kind == "event"):
        reading = reading.sampled(differing)
    unchanged: Measured | None = None
    row: ColumnRestatement | None = None
    for column in columns:
        if column.name in later:
            instant = source.contract.column(later[column.name])
            yield _followed(reading.whole(), column, "log", statements.instant_steps, instant)
        elif column.name in shape.keys and shape.kind != "event":
            yield _unjudged(shape, column, Unjudged.IDENTIFIES)
        elif prevented:
            yield _unjudged(shape, column, prevented)
        elif column.name in shape.keys:
            row = replace(row, column=column.name) if row else _row(reading, column)
            yield row
        elif _is_state(shape, column):
            yield _state(shape, column, matched, different[column.name])
        elif column.name in differing:
            by_date = shape.kind == "state" and column.temporal != "stable"
            steps = statements.date_steps if by_date else statements.value_steps
            yield _followed(reading, column, shape.kind, steps)
        else:
            unchanged = unchanged or Measured(_count(reading, statements.seen_twice(shape)), 0, 0)
            yield _result(shape, column, shape.kind, unchanged)


def _is_state(shape: Shape, column: Column) -> bool:
    """Whether a value that differs in the next vintage is a new state."""
    return shape.kind == "state" and column.temporal != "stable" and not is_dated(column)


def _asked(warehouse: Warehouse, recipe: Recipe, shape: Shape, outcomes: Relation | None) -> _Asked | None:
    """The outcomes with the table's column that holds their entity; None where most of them are not found in it."""
    if outcomes is None:
        return None
    column, entity = entity_in_outcomes(recipe, shape), recipe.decisions.entity
    if column is None:
        return None
    sql = statements.found_entities(shape, column, entity)
    values = {"newest": shape.vintages[-1].as_of}
    row = table(warehouse, sql, values, {statements.OUTCOMES: outcomes}).to_pylist()[0]
    if not row["n"] or row["found"] < _ENTITIES_FOUND * row["n"]:
        return None
    one_in = -(-row["n"] // _ENTITIES)
    only = statements.among_outcomes(replace(shape, entity=column, one_in=one_in), entity)
    return _Asked(outcomes, entity, column, only)


def _differences(reading: _Reading, names: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Rows that two consecutive vintages share, over all of them, and per column in how many it differs."""
    if not names or len(reading.shape.vintages) < 2:
        return 0, dict.fromkeys(names, 0)
    row = reading.run(statements.differences(reading.shape, names)).to_pylist()[0]
    return row["matched"], {name: row[f"c{position}"] for position, name in enumerate(names)}


def _prevented(shape: Shape, different: int) -> Unjudged | None:
    """What prevents every judgement on a table; None: nothing does."""
    if len(shape.vintages) < 2:
        return Unjudged.ONE_EXTRACT if shape.kind == "log" else Unjudged.ONE_VINTAGE
    return Unjudged.EXTRACTS_ALIKE if shape.kind == "log" and shape.extracts < 2 and not different else None


def _row(reading: _Reading, column: Column) -> ColumnRestatement:
    shape, asked = reading.shape, reading.asked
    groups = reading.run(statements.facts(statements.row_steps(shape, shape.entity), len(shape.keys)))
    around = None
    if asked is not None and _changed(groups):
        around = _around(reading.whole(), statements.row_steps(shape, asked.column, asked.only))
    return _result(shape, column, "row", _measured(shape, groups), around)


def _followed(reading: _Reading, column: Column, kind: Kind, steps: Steps, *further: Column) -> ColumnRestatement:
    """One column through all vintages, on the sample; then, where facts changed, on the entities with outcomes."""
    shape, asked = reading.shape, reading.asked
    keys = len(shape.keys) + (steps is statements.date_steps)  # there a fact is an entity with a date
    groups = reading.run(statements.facts(steps(shape, column, *further, shape.entity), keys))
    around = None
    if asked is not None and _changed(groups):
        around = _around(reading.whole(), steps(shape, column, *further, asked.column, asked.only))
    dated = shape.event is not None or steps is statements.date_steps
    result = _result(shape, column, kind, _measured(shape, groups, dated), around)
    if kind != "log":
        return result
    return replace(result, fresh=caught_fresh(groups, [vintage.known_on for vintage in shape.vintages]))


def _around(reading: _Reading, steps: str) -> AroundOutcome | None:
    assert reading.asked is not None
    strata: dict[object, list[int]] = {}
    for row in reading.run(statements.hits(steps, reading.asked.entity)).to_pylist():
        stratum = strata.setdefault(row["quarter"], [0, 0, 0, 0])
        place = 0 if row["label"] == 1 else 2
        stratum[place] += row["hits"]
        stratum[place + 1] += row["n"]
    # in one order, whatever the engine's: sums of floats must come out the same to the last bit
    return around_outcome((a, b, c, d) for a, b, c, d in sorted(strata.values()))


def _measured(shape: Shape, groups: pa.Table, dated: bool = True) -> Measured:
    """The curve covers events from the first vintage on (earlier ones were first written before anybody looked) until
    a year before the last, or half of the time there is."""
    first, last = shape.vintages[0], shape.vintages[-1]
    followed = min(_FOLLOWED_DAYS, (last.known_on - first.as_of).days // 2)
    window = (first.as_of, last.known_on - timedelta(days=followed))
    return measured(groups, window, last.known_on, LAGS, curve=dated)


def _changed(groups: pa.Table) -> bool:
    return bool(groups.num_rows) and 1 in groups["changed"].to_pylist()


def _count(reading: _Reading, sql: str) -> int:
    return int(reading.run(sql)["n"][0].as_py())


def _unjudged(shape: Shape, column: Column, reason: Unjudged) -> ColumnRestatement:
    return ColumnRestatement(
        shape.table, column.name, shape.kind, vintages=len(shape.vintages), judged=False, reason=reason
    )


def _state(shape: Shape, column: Column, matched: int, different: int) -> ColumnRestatement:
    low, high = wilson(different, matched)
    return replace(
        _unjudged(shape, column, Unjudged.NEW_STATE),
        facts=matched,
        changed=different,
        share=different / matched if matched else None,
        low=low,
        high=high,
        one_in=shape.one_in,
    )


def _result(
    shape: Shape, column: Column, kind: Kind, found: Measured, around: AroundOutcome | None = None
) -> ColumnRestatement:
    result = of_measured(ColumnRestatement(shape.table, column.name, kind), found)
    return replace(result, vintages=len(shape.vintages), one_in=shape.one_in, around_outcome=around)


def of_measured(result: ColumnRestatement, found: Measured) -> ColumnRestatement:
    """``result`` with the numbers; not judged where the facts are too few."""
    low, high = wilson(found.changed, found.facts)
    enough = found.facts >= MINIMUM_FACTS
    return replace(
        result,
        facts=found.facts,
        changed=found.changed,
        share=found.changed / found.facts if found.facts else None,
        low=low,
        high=high,
        filled_late=found.filled / found.facts if found.facts else None,
        lag_p50=found.lags[0],
        lag_p90=found.lags[1],
        lag_p95=found.lags[2],
        maturity=found.maturity,
        wait_days=found.wait_days,
        observed_days=found.observed_days,
        judged=enough,
        reason=None if enough else Unjudged.TOO_FEW_FACTS,
    )
