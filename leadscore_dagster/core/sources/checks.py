"""Gates of the sources: pure functions of what is stored, for a check to show and for a consumer to ask again.

A blocking check holds only inside one run, so whoever reads a partition calls ``vintage_checks`` (of a log
``log_checks``) for it and passes the answer to ``refuse``. Everything is asked of the stored partition, nothing is
remembered from the ingest. Not here: what is asked of logs (log_checks.py), cleaning, Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeAlias

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import VintageSource
from leadscore_dagster.core.sources.arrived import as_of_of, delivered_last, place_of, published
from leadscore_dagster.core.sources.rules import ARROW_TYPES, quoted, rules_of
from leadscore_dagster.core.verdict import Reason, Verdict, held
from leadscore_dagster.core.warehouse import Part, Warehouse
from leadscore_dagster.core.warehouse import table as read

DEFAULT_COMPLETENESS = 0.95  # of the key, where a contract names no critical column
Relations: TypeAlias = Mapping[str, Part] | None

#: name to what it asks, in the order of the results
VINTAGE_CHECKS = {
    "contract": "Types, ranges, allowed values and dates of the stored rows are those of the contract.",
    "uniqueness": "One row per key.",
    "completeness": "Critical columns are filled.",
    "freshness": "The drop arrived soon after the date it describes, and its content is of that date.",
    "row_count": "As many rows as a full snapshot has, compared with the vintage before.",
}


def vintage_checks(warehouse: Warehouse, source: VintageSource, as_of: date) -> list[Verdict]:
    """Every check of the arrival of a vintage that was taken in last, published or not.

    Raises InputError if there is none.
    """
    return arrival_checks(warehouse, source, require_delivered(warehouse, source.table, as_of))


def require_delivered(warehouse: Warehouse, table: str, as_of: date) -> Part:
    """The arrival of a vintage that was taken in last. Raises InputError if there is none."""
    return delivered_last(warehouse, table, as_of) or require_partition(warehouse, table, as_of)


def arrival_checks(warehouse: Warehouse, source: VintageSource, arrival: Part) -> list[Verdict]:
    """Every check of one arrival, by the names of VINTAGE_CHECKS. Nothing but its partition is read, and of the
    vintage before that one it is compared with."""
    as_of, contract, here = as_of_of(arrival.partition), source.contract, {source.table: arrival}
    return [
        contract_check(warehouse, source.table, contract, as_of, here),
        uniqueness(warehouse, source.table, contract, as_of, here),
        completeness(warehouse, source.table, contract, as_of, here),
        vintage_freshness(warehouse, source, as_of, here),
        row_count(warehouse, source, arrival),
    ]


def refuse(results: Sequence[Verdict], what: str) -> None:
    """Raise GateRefused if a check of severity error has failed: the consumer's own gate."""
    failed = refusals(results)
    if failed:
        raise GateRefused(f"{what}: {failed}")


def refusals(results: Sequence[Verdict]) -> str:
    """What the failed checks of severity error say; empty if there is none."""
    failed = [result for result in results if result.blocks]
    return "; ".join(f"{result.name}: {result.why}" for result in failed)


def contract_check(
    warehouse: Warehouse, table: str, contract: Contract, as_of: date, here: Relations = None
) -> Verdict:
    """Stored types, required values, ranges, allowed values and dates; value: violations found, 0 allowed.

    ``here``: what takes the place of the stored table, in this and the other checks.
    """
    stored = read(warehouse, f"SELECT * FROM `{table}` LIMIT 0", None, here).schema
    wrong = [
        c.name
        for c in contract.columns
        if c.name not in stored.names or stored.field(c.name).type != ARROW_TYPES[c.type]
    ]
    if wrong:
        why = f"{len(wrong)} columns are missing or of another type than the contract's: {', '.join(wrong[:5])}"
        return held("contract", False, value=len(wrong), threshold=0, why=why)
    rules = rules_of(contract, as_of)
    items = ", ".join(["COUNT(*) AS row_count", *rules.counts])
    row = row_of(warehouse, f"SELECT {items} FROM `{table}` WHERE as_of = @as_of", rules.parameters, here)
    broken = [(rule, int(row[f"broken_{i}"])) for i, rule in enumerate(rules.rules) if row[f"broken_{i}"]]
    total = sum(rows for _, rows in broken)
    texts = [f"{rule.column} {rule.name.replace('_', ' ')} in {rows:,} rows" for rule, rows in broken[:3]]
    why = "; ".join(texts) or f"{row['row_count']:,} rows obey {len(rules.rules)} rules"
    return held("contract", not broken, value=total, threshold=0, n=row["row_count"], why=why)


def uniqueness(warehouse: Warehouse, table: str, contract: Contract, as_of: date, here: Relations = None) -> Verdict:
    """Rows beyond the first of their key; 0 allowed."""
    key = ", ".join(quoted(name) for name in contract.key)
    row = row_of(
        warehouse,
        f"SELECT COALESCE(SUM(n - 1), 0) AS extra FROM (SELECT COUNT(*) AS n FROM `{table}` WHERE as_of = @as_of"
        f" GROUP BY {key} HAVING COUNT(*) > 1)",
        {"as_of": as_of},
        here,
    )
    extra = int(row["extra"])
    why = f"{extra:,} rows repeat the key ({', '.join(contract.key)})" if extra else "every key occurs once"
    return held("uniqueness", extra == 0, value=extra, threshold=0, why=why)


def completeness(warehouse: Warehouse, table: str, contract: Contract, as_of: date, here: Relations = None) -> Verdict:
    """Share of filled cells of the critical column that is furthest below its threshold."""
    critical = {c.name: c.minimum_completeness for c in contract.columns if c.minimum_completeness is not None}
    thresholds: dict[str, float] = critical or dict.fromkeys(contract.key, DEFAULT_COMPLETENESS)
    counts = ", ".join(f"COUNT({quoted(name)}) AS filled_{i}" for i, name in enumerate(thresholds))
    sql = f"SELECT COUNT(*) AS n, {counts} FROM `{table}` WHERE as_of = @as_of"
    row = row_of(warehouse, sql, {"as_of": as_of}, here)
    total = row["n"]
    shares = {name: row[f"filled_{i}"] / total if total else 0.0 for i, name in enumerate(thresholds)}
    worst = min(shares, key=lambda name: shares[name] - thresholds[name])
    value, threshold = shares[worst], thresholds[worst]
    why = f"{worst} is filled in {value:.2%} of {total:,} rows; at least {threshold:.0%} is required"
    return held(
        "completeness",
        value >= threshold,
        value=value,
        threshold=threshold,
        n=total,
        why=why,
    )


def vintage_freshness(warehouse: Warehouse, source: VintageSource, as_of: date, here: Relations = None) -> Verdict:
    """Days from as_of to available_at; fails if it is late (warn), before as_of (error), or the newest date in the
    content lies so far back that the drop describes an earlier period (error)."""
    dates = [column for column in source.contract.columns if column.not_after_as_of]
    newest = ", ".join(f"MAX({_as_date(column)}) AS newest_{i}" for i, column in enumerate(dates))
    row = row_of(
        warehouse,
        f"SELECT MIN(available_at) AS first, MAX(available_at) AS last{', ' + newest if newest else ''}"
        f" FROM `{source.table}` WHERE as_of = @as_of",
        {"as_of": as_of},
        here,
    )
    start, latest, oldest = datetime.combine(as_of, time(), UTC), source.late_after_days, source.content_within_days
    if row["last"] is None:
        why = "the partition has no rows"
        return Verdict("freshness", False, Reason.NOT_MEASURED, value=0, threshold=latest, why=why)
    days = (row["last"] - start).total_seconds() / 86_400
    content = [row[f"newest_{i}"] for i in range(len(dates)) if row[f"newest_{i}"] is not None]
    age = (as_of - max(content)).days if content else 0
    if row["first"] < start:
        return held("freshness", False, value=days, threshold=latest, why=f"available_at is before as_of {as_of}")
    if age > oldest:
        why = f"the newest date in the content is {age} days before as_of: it describes an earlier period"
        return held("freshness", False, value=age, threshold=oldest, why=why)
    why = f"available {days:.0f} days after as_of" + (f", newest date {age} days before it" if content else "")
    return held("freshness", days <= latest, severity="warn", value=days, threshold=latest, why=why)


def row_count(warehouse: Warehouse, source: VintageSource, arrival: Part) -> Verdict:
    """Rows as a share of those of what it is compared with; without that, any rows at all."""
    here = _rows(warehouse, arrival)
    before = compared_with(warehouse, source.table, arrival)
    earlier = _rows(warehouse, before) if before else 0
    if not before or not earlier:
        return held(
            "row_count",
            here > 0,
            value=float(here),
            threshold=1.0,
            n=here,
            why=f"{here:,} rows, no earlier vintage",
        )
    share, threshold = here / earlier, source.minimum_rows_share
    why = f"{here:,} rows, {share:.1%} of the {earlier:,} of {as_of_of(before.partition)}"
    return held(
        "row_count",
        share >= threshold,
        value=share,
        threshold=threshold,
        n=here,
        why=why,
    )


def compared_with(warehouse: Warehouse, table: str, arrival: Part) -> Part | None:
    """The arrival an arrival's rows are counted against: the one it corrects, else the newest of the vintage before
    that was known by then."""
    earlier = [part for part in published(warehouse, table) if place_of(part) < place_of(arrival)]
    if not earlier or as_of_of(earlier[-1].partition) == as_of_of(arrival.partition):
        return earlier[-1] if earlier else None
    of_one = [part for part in earlier if as_of_of(part.partition) == as_of_of(earlier[-1].partition)]
    if len(of_one) > 1:
        limit = _available_at(warehouse, arrival)
        of_one = [of_one[0], *(part for part in of_one[1:] if _available_at(warehouse, part) <= limit)]
    return of_one[-1]


def _as_date(column: Column) -> str:
    return f"DATE({quoted(column.name)})" if column.type == "timestamp" else quoted(column.name)


def require_partition(warehouse: Warehouse, table: str, as_of: date) -> Part:
    """The partition of that day. Raises InputError if it is not there."""
    there = warehouse.partitions(table)
    if as_of.isoformat() in there:
        return Part(table, as_of.isoformat())
    raise InputError(
        f"no partition {as_of}",
        where=table,
        remedy=f"materialize it first; available: {', '.join(there) or 'none'}",
    )


def _rows(warehouse: Warehouse, part: Part) -> int:
    return int(row_of(warehouse, "SELECT COUNT(*) AS n FROM part", {}, {"part": part})["n"])


def _available_at(warehouse: Warehouse, part: Part) -> datetime:
    sql = "SELECT COALESCE(MAX(available_at), TIMESTAMP '9999-12-31 00:00:00+00') AS instant FROM part"
    instant: datetime = row_of(warehouse, sql, {}, {"part": part})["instant"]
    return instant


def row_of(warehouse: Warehouse, sql: str, parameters: dict[str, Any], here: Relations = None) -> dict[str, Any]:
    """The one row of a query."""
    row: dict[str, Any] = read(warehouse, sql, parameters, here).to_pylist()[0]
    return row
