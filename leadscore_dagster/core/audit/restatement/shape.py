"""A stored table as restatement sees it: what its rows are facts of, and which vintages may be compared.

Lives here: the kind of a table, its vintages, its event date, the sample. Not here: statements, numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import pyarrow as pa

from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.sources.ledger import INGESTS
from leadscore_dagster.core.warehouse.protocol import Warehouse, table

#: facts of a vintage that are counted at most: a share is then known to within a third of a percent point, and the
#: cost is that of reading, however large the table grows
SAMPLED_FACTS = 100_000
_INTEGERS = ("key", "integer", "count")


@dataclass(frozen=True)
class Vintage:
    """One stored version of a table: the state it describes and the day it could be known. ``corrected_at``: when its
    last arrival came, where it has several; the others are not looked at."""

    as_of: date
    known_on: date
    rows: int
    corrected_at: datetime | None = None


@dataclass(frozen=True)
class Shape:
    """``entity`` : the column that says whose fact a row is. ``event`` : GoogleSQL over alias ``h`` for the date of the
    fact its key states, None where the key has no time. ``one_in`` : every so many-th entity is counted."""

    table: str
    kind: Literal["event", "state", "log"]
    contract: Contract
    entity: str
    event: str | None
    vintages: tuple[Vintage, ...]
    one_in: int = 1
    extracts: int = 0  # of a log: how many of its partitions were cut from different files

    @property
    def keys(self) -> tuple[str, ...]:
        return self.contract.key

    def calendar(self) -> pa.Table:
        """as_of, known_on, and the vintage before."""
        days = [vintage.as_of for vintage in self.vintages]
        return pa.table(
            {
                "as_of": pa.array(days, pa.date32()),
                "known_on": pa.array([vintage.known_on for vintage in self.vintages], pa.date32()),
                "before": pa.array([None, *days[:-1]], pa.date32()),
            }
        )


def shape_of(
    warehouse: Warehouse, source: VintageSource | LogSource, as_of: date, sampled_facts: int = SAMPLED_FACTS
) -> Shape:
    """The table of a source with its vintages until ``as_of``; of several log partitions cut from the same files only
    the last is kept, for they prove nothing against each other."""
    contract = source.contract
    extracts = 0
    if isinstance(source, LogSource):
        vintages, extracts = _log_vintages(warehouse, source.table, as_of)
        kind: Literal["event", "state", "log"] = "log"
        event: str | None = "DATE(h.`known_at`)"
    else:
        vintages = _vintages(warehouse, source.table, as_of)
        event = event_of(contract)
        kind = "event" if event else "state"
    most = max((vintage.rows for vintage in vintages), default=0)
    one_in = max(-(-most // sampled_facts), 1)
    entity = next((name for name in contract.key if contract.column(name).type not in ("date", "timestamp")), None)
    return Shape(source.table, kind, contract, entity or contract.key[0], event, vintages, one_in, extracts)


def event_of(contract: Contract) -> str | None:
    """GoogleSQL over alias ``h`` for the day of the fact a key states: a date in the key, or the last day of its YEAR
    and MONTH. None where the key has no time."""
    for name in contract.key:
        if contract.column(name).type == "date":
            return f"h.`{name}`"
        if contract.column(name).type == "timestamp":
            return f"DATE(h.`{name}`)"
    parts = {name.upper(): name for name in contract.key if contract.column(name).type in _INTEGERS}
    if {"YEAR", "MONTH"} <= set(parts):
        return f"LAST_DAY(DATE(h.`{parts['YEAR']}`, h.`{parts['MONTH']}`, 1))"
    return None


def entity_in_outcomes(recipe: Recipe, shape: Shape) -> str | None:
    """The column that may hold the recipe's entity: the one of its name, or the one whose facts the rows are. None
    where that is of another type: a table by region says nothing of one customer."""
    names = {column.name for column in shape.contract.columns}
    found = recipe.decisions.entity if recipe.decisions.entity in names else shape.entity
    entity = recipe.decision_source.contract.column(recipe.decisions.entity)
    same = (shape.contract.column(found).type in _INTEGERS) == (entity.type in _INTEGERS)
    return found if same else None


def of_vintages(shape: Shape) -> str:
    """Condition on alias ``h`` that keeps the vintages compared, each as it last arrived; of constants, so that an
    engine need not read the others."""
    days = ", ".join(f"DATE '{vintage.as_of.isoformat()}'" for vintage in shape.vintages)
    corrected = [
        f" AND (h.as_of != DATE '{vintage.as_of}' OR h.available_at = TIMESTAMP '{vintage.corrected_at}')"
        for vintage in shape.vintages
        if vintage.corrected_at is not None
    ]
    return "".join([f"h.as_of IN ({days})", *corrected])


def sample(shape: Shape, alias: str) -> str:
    """Condition that keeps every ``one_in``-th entity, the same in every vintage; empty where all are kept."""
    if shape.one_in == 1:
        return ""
    name = f"{alias}.`{shape.entity}`"
    if shape.contract.column(shape.entity).type in _INTEGERS:
        return f" AND MOD(ABS({name}), {shape.one_in}) = 0"
    edge = f"{16**6 // shape.one_in:06x}"
    return f" AND SUBSTR(TO_HEX(MD5(CAST({name} AS STRING))), 1, 6) < '{edge}'"


def is_dated(column: Column) -> bool:
    return column.type in ("date", "timestamp")


def _vintages(warehouse: Warehouse, name: str, as_of: date) -> tuple[Vintage, ...]:
    if name not in warehouse.tables():
        return ()
    found = table(
        warehouse,
        f"SELECT v.as_of, v.available_at, COUNT(*) AS n FROM `{name}` AS v "
        "WHERE v.as_of <= @as_of GROUP BY v.as_of, v.available_at ORDER BY v.as_of, v.available_at",
        {"as_of": as_of},
    ).to_pylist()
    arrivals = Counter(row["as_of"] for row in found)
    vintages: list[Vintage] = []
    for row in reversed(list({row["as_of"]: row for row in found}.values())):  # the last arrival of each
        # a vintage delivered late tells nothing a later one has told before
        known_on = min([row["available_at"].date(), *(vintage.known_on for vintage in vintages)])
        corrected_at = row["available_at"] if arrivals[row["as_of"]] > 1 else None
        vintages.append(Vintage(row["as_of"], known_on, row["n"], corrected_at))
    return tuple(reversed(vintages))


def _log_vintages(warehouse: Warehouse, name: str, as_of: date) -> tuple[tuple[Vintage, ...], int]:
    """One partition per extract, and how many extracts the ledger tells apart (0: it does not know them all)."""
    if name not in warehouse.tables():
        return (), 0
    found = table(
        warehouse,
        f"SELECT v.as_of, COUNT(*) AS n FROM `{name}` AS v WHERE v.as_of <= @as_of GROUP BY v.as_of ORDER BY v.as_of",
        {"as_of": as_of},
    ).to_pylist()
    contents = _contents(warehouse, name)
    kept: dict[object, Vintage] = {}
    for row in found:
        content = contents.get(row["as_of"], row["as_of"])
        kept.pop(content, None)
        kept[content] = Vintage(row["as_of"], row["as_of"], row["n"])
    stated = all(row["as_of"] in contents for row in found)
    return tuple(sorted(kept.values(), key=lambda vintage: vintage.as_of)), len(kept) if stated else 0


def _contents(warehouse: Warehouse, name: str) -> dict[date, str]:
    """as_of to what its files held, as the ledger of ingests states it."""
    if INGESTS not in warehouse.tables():
        return {}
    sql = f"SELECT i.as_of, i.digest FROM `{INGESTS}` AS i WHERE i.table_name = @name"
    return {row["as_of"]: row["digest"] for row in table(warehouse, sql, {"name": name}).to_pylist()}
