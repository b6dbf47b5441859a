"""Gates of the sources: pure functions of what is stored, for a check to show and for a consumer to ask again.

A blocking check holds only inside one run, so whoever reads a partition calls ``vintage_checks`` or ``log_checks``
for it and passes the answer to ``refuse``. Everything is asked of the stored partition, nothing is remembered from
the ingest. Not here: cleaning, Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.sources.rules import ARROW_TYPES, quoted, rules_of
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.core.warehouse import table as read
from leadscore_dagster.recipes.contract import Column, Contract
from leadscore_dagster.recipes.schema import LogSource, Recipe, VintageSource

MINIMUM_MATCH_RATE = 0.90
DEFAULT_COMPLETENESS = 0.95  # of the key, where a contract names no critical column
LATEST_AVAILABLE_DAYS = 60  # after as_of: later, the next quarter is nearer than this one
OLDEST_CONTENT_DAYS = 100  # before as_of: a full snapshot shows something of its own quarter
_FEW_LEADS = 30

#: name to what it asks, in the order of the results
VINTAGE_CHECKS = {
    "contract": "Types, ranges, allowed values and dates of the stored rows are those of the contract.",
    "uniqueness": "One row per key.",
    "completeness": "Critical columns are filled.",
    "freshness": "The drop arrived soon after the date it describes, and describes it.",
    "row_count": "As many rows as a full snapshot has, compared with the vintage before.",
}
LOG_CHECKS = {
    "contract": "As for a vintage; and nothing in it became known at or after as_of.",
    "uniqueness": VINTAGE_CHECKS["uniqueness"],
    "completeness": VINTAGE_CHECKS["completeness"],
    "freshness": "The log has rows from shortly before as_of.",
    "match_rate": "Enough of the log's entities are in the newest vintage that had arrived.",
}


@dataclass(frozen=True)
class CheckResult:
    """``value`` against ``threshold``, ``rows`` concerned, and ``why`` in one sentence without personal data."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    value: float
    threshold: float
    why: str
    rows: int | None = None


def vintage_checks(warehouse: Warehouse, source: VintageSource, as_of: date) -> list[CheckResult]:
    """Every check of one stored vintage, by the names of VINTAGE_CHECKS.

    Raises InputError if the partition is not there.
    """
    _refuse_absent(warehouse, source.table, as_of)
    return [
        contract_check(warehouse, source.table, source.contract, as_of),
        uniqueness(warehouse, source.table, source.contract, as_of),
        completeness(warehouse, source.table, source.contract, as_of),
        vintage_freshness(warehouse, source, as_of),
        row_count(warehouse, source, as_of),
    ]


def log_checks(warehouse: Warehouse, source: LogSource, as_of: date, recipe: Recipe) -> list[CheckResult]:
    """Every check of a log as stored for ``as_of``, by the names of LOG_CHECKS.

    Raises InputError if the partition is not there.
    """
    _refuse_absent(warehouse, source.table, as_of)
    contract = contract_check(warehouse, source.table, source.contract, as_of)
    return [
        known_time(warehouse, source, as_of) if contract.passed else contract,
        uniqueness(warehouse, source.table, source.contract, as_of),
        completeness(warehouse, source.table, source.contract, as_of),
        log_freshness(warehouse, source, as_of),
        match_rate(warehouse, source, recipe, as_of),
    ]


def refuse(results: Sequence[CheckResult], what: str) -> None:
    """Raise GateRefused if a check of severity error has failed: the consumer's own gate."""
    failed = [result for result in results if not result.passed and result.severity == "error"]
    if failed:
        raise GateRefused(f"{what}: " + "; ".join(f"{result.name}: {result.why}" for result in failed))


def contract_check(warehouse: Warehouse, table: str, contract: Contract, as_of: date) -> CheckResult:
    """Stored types, required values, ranges, allowed values and dates; value: violations found, 0 allowed."""
    stored = warehouse.schema(table)
    wrong = [
        c.name
        for c in contract.columns
        if c.name not in stored.names or stored.field(c.name).type != ARROW_TYPES[c.type]
    ]
    if wrong:
        why = f"{len(wrong)} columns are missing or of another type than the contract's: {', '.join(wrong[:5])}"
        return CheckResult("contract", False, "error", len(wrong), 0, why)
    rules = rules_of(contract, as_of)
    items = ", ".join(["COUNT(*) AS row_count", *rules.counts])
    row = _row(warehouse, f"SELECT {items} FROM `{table}` WHERE as_of = @as_of", rules.parameters)
    broken = [(rule, int(row[f"broken_{i}"])) for i, rule in enumerate(rules.rules) if row[f"broken_{i}"]]
    total = sum(rows for _, rows in broken)
    texts = [f"{rule.column} {rule.name.replace('_', ' ')} in {rows:,} rows" for rule, rows in broken[:3]]
    why = "; ".join(texts) or f"{row['row_count']:,} rows keep {len(rules.rules)} rules"
    return CheckResult("contract", not broken, "error", total, 0, why, total)


def uniqueness(warehouse: Warehouse, table: str, contract: Contract, as_of: date) -> CheckResult:
    """Rows beyond the first of their key; 0 allowed."""
    key = ", ".join(quoted(name) for name in contract.key)
    row = _row(
        warehouse,
        f"SELECT COALESCE(SUM(n - 1), 0) AS extra FROM (SELECT COUNT(*) AS n FROM `{table}` WHERE as_of = @as_of"
        f" GROUP BY {key} HAVING COUNT(*) > 1)",
        {"as_of": as_of},
    )
    extra = int(row["extra"])
    why = f"{extra:,} rows repeat the key ({', '.join(contract.key)})" if extra else "every key stands once"
    return CheckResult("uniqueness", extra == 0, "error", extra, 0, why, extra)


def completeness(warehouse: Warehouse, table: str, contract: Contract, as_of: date) -> CheckResult:
    """Share of filled cells of the critical column that is furthest below its threshold."""
    critical = {c.name: c.minimum_completeness for c in contract.columns if c.minimum_completeness is not None}
    thresholds: dict[str, float] = critical or dict.fromkeys(contract.key, DEFAULT_COMPLETENESS)
    counts = ", ".join(f"COUNT({quoted(name)}) AS filled_{i}" for i, name in enumerate(thresholds))
    row = _row(warehouse, f"SELECT COUNT(*) AS n, {counts} FROM `{table}` WHERE as_of = @as_of", {"as_of": as_of})
    total = row["n"]
    shares = {name: row[f"filled_{i}"] / total if total else 0.0 for i, name in enumerate(thresholds)}
    worst = min(shares, key=lambda name: shares[name] - thresholds[name])
    value, threshold = shares[worst], thresholds[worst]
    why = f"{worst} is filled in {value:.2%} of {total:,} rows, at least {threshold:.0%} is asked"
    return CheckResult("completeness", value >= threshold, "error", value, threshold, why, total - round(value * total))


def vintage_freshness(warehouse: Warehouse, source: VintageSource, as_of: date) -> CheckResult:
    """Days from as_of to available_at; fails if it is late (warn), before as_of (error), or the newest date in the
    content lies so far back that the drop describes an earlier quarter (error)."""
    dates = [column for column in source.contract.columns if column.not_after_as_of]
    newest = ", ".join(f"MAX({_as_date(column)}) AS newest_{i}" for i, column in enumerate(dates))
    row = _row(
        warehouse,
        f"SELECT MIN(available_at) AS first, MAX(available_at) AS last{', ' + newest if newest else ''}"
        f" FROM `{source.table}` WHERE as_of = @as_of",
        {"as_of": as_of},
    )
    start = datetime.combine(as_of, time(), UTC)
    if row["last"] is None:
        return CheckResult("freshness", False, "error", 0, LATEST_AVAILABLE_DAYS, "the partition has no rows")
    days = (row["last"] - start).total_seconds() / 86_400
    content = [row[f"newest_{i}"] for i in range(len(dates)) if row[f"newest_{i}"] is not None]
    age = (as_of - max(content)).days if content else 0
    if row["first"] < start:
        return CheckResult(
            "freshness", False, "error", days, LATEST_AVAILABLE_DAYS, f"available_at is before as_of {as_of}"
        )
    if age > OLDEST_CONTENT_DAYS:
        why = f"the newest date in the content is {age} days before as_of: it describes an earlier quarter"
        return CheckResult("freshness", False, "error", age, OLDEST_CONTENT_DAYS, why)
    why = f"available {days:.0f} days after as_of" + (f", newest date {age} days before it" if content else "")
    return CheckResult("freshness", days <= LATEST_AVAILABLE_DAYS, "warn", days, LATEST_AVAILABLE_DAYS, why)


def row_count(warehouse: Warehouse, source: VintageSource, as_of: date) -> CheckResult:
    """Rows as a share of the newest earlier vintage's; without one, any rows at all."""
    counts = read(
        warehouse,
        f"SELECT as_of, COUNT(*) AS n FROM `{source.table}` WHERE as_of <= @as_of"
        " GROUP BY as_of ORDER BY as_of DESC LIMIT 2",
        {"as_of": as_of},
    ).to_pylist()
    here = counts.pop(0)["n"] if counts and counts[0]["as_of"] == as_of else 0
    if not counts:
        return CheckResult("row_count", here > 0, "error", float(here), 1.0, f"{here:,} rows, no earlier vintage", here)
    before = counts[0]
    share, threshold = here / before["n"], source.minimum_rows_share
    why = f"{here:,} rows, {share:.1%} of the {before['n']:,} of {before['as_of']}"
    return CheckResult("row_count", share >= threshold, "error", share, threshold, why, here)


def known_time(warehouse: Warehouse, source: LogSource, as_of: date) -> CheckResult:
    """Rows, and instants in rows, at or after as_of; 0 allowed. Part of a log's contract. Columns declared
    after_outcome are no features and may say when the record last changed."""
    columns = [c for c in source.contract.columns if c.type in ("timestamp", "date") and c.known != "after_outcome"]
    conditions = {"known_at": "known_at IS NULL OR known_at >= TIMESTAMP(@as_of)"}
    conditions |= {c.name: f"{quoted(c.name)} >= {_limit(c)}" for c in columns}
    items = ", ".join(f"COUNTIF({condition}) AS late_{i}" for i, condition in enumerate(conditions.values()))
    row = _row(warehouse, f"SELECT {items} FROM `{source.table}` WHERE as_of = @as_of", {"as_of": as_of})
    late = {name: int(row[f"late_{i}"]) for i, name in enumerate(conditions) if row[f"late_{i}"]}
    total = sum(late.values())
    texts = [f"{name} in {rows:,} rows" for name, rows in late.items()]
    why = (
        f"at or after {as_of}: {', '.join(texts)}; declare it in known_later"
        if late
        else f"the rows keep the contract, all known before {as_of}"
    )
    return CheckResult("contract", not late, "error", total, 0, why, total)


def log_freshness(warehouse: Warehouse, source: LogSource, as_of: date) -> CheckResult:
    """Days from the newest row to as_of: an extract made long before as_of is not the log as it stood then."""
    row = _row(
        warehouse, f"SELECT MAX(known_at) AS newest FROM `{source.table}` WHERE as_of = @as_of", {"as_of": as_of}
    )
    if row["newest"] is None:
        return CheckResult("freshness", False, "warn", 0, OLDEST_CONTENT_DAYS, f"no row was known before {as_of}", 0)
    days = (datetime.combine(as_of, time(), UTC) - row["newest"]).total_seconds() / 86_400
    why = f"the newest row became known {days:.1f} days before as_of"
    return CheckResult("freshness", days <= OLDEST_CONTENT_DAYS, "warn", days, OLDEST_CONTENT_DAYS, why)


def match_rate(warehouse: Warehouse, log: LogSource, recipe: Recipe, as_of: date) -> CheckResult:
    """Share of the log's rows known at ``as_of`` whose entity is in the newest vintage available before it.

    The vintage is the recipe's first one keyed by the decisions' entity. Rows without an entity count as unmatched:
    nobody can score them. Where no vintage was available yet, the oldest there is takes its place, and ``why`` says
    so. A recipe without such a vintage has nothing to match: it needs every row to name its entity.
    """
    _refuse_absent(warehouse, log.table, as_of)
    entity = recipe.decisions.entity
    vintage = next(
        (s for s in recipe.sources.values() if isinstance(s, VintageSource) and s.contract.key == (entity,)), None
    )
    if vintage is None:
        row = _row(
            warehouse,
            f"SELECT COUNT(*) AS n, COUNT({quoted(entity)}) AS matched FROM `{log.table}` WHERE as_of = @as_of",
            {"as_of": as_of},
        )
        return _match(row["n"], row["matched"], f"name their {entity}; no vintage describes it")
    vintages = (
        read(
            warehouse,
            f"SELECT as_of, MAX(available_at) AS available_at FROM `{vintage.table}` GROUP BY as_of ORDER BY as_of",
        ).to_pylist()
        if warehouse.partitions(vintage.table)
        else []
    )
    if not vintages:
        return CheckResult("match_rate", False, "error", 0, MINIMUM_MATCH_RATE, f"{vintage.table} has no vintage")
    start = datetime.combine(as_of, time(), UTC)
    available = [entry for entry in vintages if entry["available_at"] < start]
    chosen = available[-1] if available else vintages[0]
    row = _row(
        warehouse,
        f"SELECT COUNT(*) AS n, COUNTIF(v.entity IS NOT NULL) AS matched FROM `{log.table}` AS l LEFT JOIN"
        f" (SELECT DISTINCT {quoted(entity)} AS entity FROM `{vintage.table}` WHERE as_of = @vintage) AS v"
        f" ON v.entity = l.{quoted(entity)} WHERE l.as_of = @as_of",
        {"as_of": as_of, "vintage": chosen["as_of"]},
    )
    note = "" if available else " (none was available yet: the oldest there is)"
    return _match(row["n"], row["matched"], f"are in the vintage of {chosen['as_of']}{note}")


def _match(total: int, matched: int, what: str) -> CheckResult:
    value = matched / total if total else 0.0
    severity: Literal["error", "warn"] = "error" if total >= _FEW_LEADS else "warn"
    why = f"{matched:,} of {total:,} rows {what}"
    return CheckResult(
        "match_rate", value > MINIMUM_MATCH_RATE, severity, value, MINIMUM_MATCH_RATE, why, total - matched
    )


def _as_date(column: Column) -> str:
    return f"DATE({quoted(column.name)})" if column.type == "timestamp" else quoted(column.name)


def _limit(column: Column) -> str:
    return "TIMESTAMP(@as_of)" if column.type == "timestamp" else "@as_of"


def _refuse_absent(warehouse: Warehouse, table: str, as_of: date) -> None:
    there = warehouse.partitions(table)
    if as_of.isoformat() not in there:
        raise InputError(
            f"no partition {as_of}",
            where=table,
            remedy=f"materialize it first; there are: {', '.join(there) or 'none'}",
        )


def _row(warehouse: Warehouse, sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = read(warehouse, sql, parameters).to_pylist()[0]
    return row
