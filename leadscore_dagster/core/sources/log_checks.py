"""Gates of a log: what is asked of its partition, besides what every source is asked (checks.py).

Here: its known time, its freshness, and how many of its entities the vendor knows. Not here: cleaning, Dagster.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Literal

from leadscore_dagster.core.recipe.contract import Column
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.sources.checks import (
    VINTAGE_CHECKS,
    completeness,
    contract_check,
    require_partition,
    row_of,
    uniqueness,
)
from leadscore_dagster.core.sources.rules import quoted
from leadscore_dagster.core.verdict import Reason, Verdict, held
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.core.warehouse import table as read

MINIMUM_MATCH_RATE = 0.90
_FEW_LEADS = 30
LOG_CHECKS = {
    "contract": "As for a vintage; and nothing in it became known at or after as_of.",
    "uniqueness": VINTAGE_CHECKS["uniqueness"],
    "completeness": VINTAGE_CHECKS["completeness"],
    "freshness": "The log has rows from shortly before as_of.",
    "match_rate": "Enough of the log's entities are in the newest vintage that had arrived.",
}


def log_checks(warehouse: Warehouse, source: LogSource, as_of: date, recipe: Recipe) -> list[Verdict]:
    """Every check of a log as stored for ``as_of``, by the names of LOG_CHECKS.

    Raises InputError if the partition is not there.
    """
    require_partition(warehouse, source.table, as_of)
    contract = contract_check(warehouse, source.table, source.contract, as_of)
    return [
        known_time(warehouse, source, as_of) if contract.passed else contract,
        uniqueness(warehouse, source.table, source.contract, as_of),
        completeness(warehouse, source.table, source.contract, as_of),
        log_freshness(warehouse, source, as_of),
        match_rate(warehouse, source, recipe, as_of),
    ]


def known_time(warehouse: Warehouse, source: LogSource, as_of: date) -> Verdict:
    """Rows, and instants in rows, at or after as_of; 0 allowed. Part of a log's contract. Columns declared
    after_outcome are no features and may say when the record last changed."""
    columns = [c for c in source.contract.columns if c.type in ("timestamp", "date") and c.known != "after_outcome"]
    conditions = {"known_at": "known_at IS NULL OR known_at >= TIMESTAMP(@as_of)"}
    conditions |= {c.name: f"{quoted(c.name)} >= {_limit(c)}" for c in columns}
    items = ", ".join(f"COUNTIF({condition}) AS late_{i}" for i, condition in enumerate(conditions.values()))
    row = row_of(warehouse, f"SELECT {items} FROM `{source.table}` WHERE as_of = @as_of", {"as_of": as_of})
    late = {name: int(row[f"late_{i}"]) for i, name in enumerate(conditions) if row[f"late_{i}"]}
    total = sum(late.values())
    texts = [f"{name} in {rows:,} rows" for name, rows in late.items()]
    why = (
        f"at or after {as_of}: {', '.join(texts)}; declare it in known_later"
        if late
        else f"the rows obey the contract and were all known before {as_of}"
    )
    return held("contract", not late, value=total, threshold=0, why=why)


def log_freshness(warehouse: Warehouse, source: LogSource, as_of: date) -> Verdict:
    """Days from the newest row to as_of: an extract made long before as_of is not the log as it stood then."""
    newest, oldest = newest_row(warehouse, source, as_of), source.content_within_days
    if newest is None:
        why = f"no row was known before {as_of}"
        return Verdict(
            "freshness", False, Reason.NOT_MEASURED, severity="warn", value=0, threshold=oldest, n=0, why=why
        )
    days = (datetime.combine(as_of, time(), UTC) - newest).total_seconds() / 86_400
    why = f"the newest row became known {days:.1f} days before as_of"
    return held("freshness", days <= oldest, severity="warn", value=days, threshold=oldest, why=why)


def newest_row(warehouse: Warehouse, source: LogSource, as_of: date) -> datetime | None:
    """When the newest row of the log as stored for ``as_of`` became known; None: it has no row."""
    sql = f"SELECT MAX(known_at) AS newest FROM `{source.table}` WHERE as_of = @as_of"
    newest: datetime | None = row_of(warehouse, sql, {"as_of": as_of})["newest"]
    return newest


def match_rate(warehouse: Warehouse, log: LogSource, recipe: Recipe, as_of: date) -> Verdict:
    """Share of the log's rows known at ``as_of`` whose entity is in the newest vintage available before it.

    The vintage is the recipe's first one keyed by the decisions' entity. Rows without an entity count as unmatched:
    nobody can score them. Where no vintage was available yet, the oldest there is takes its place, and ``why`` says
    so. A recipe without such a vintage has nothing to match: it needs every row to name its entity.
    """
    require_partition(warehouse, log.table, as_of)
    entity = recipe.decisions.entity
    vintage = next(
        (s for s in recipe.sources.values() if isinstance(s, VintageSource) and s.contract.key == (entity,)), None
    )
    if vintage is None:
        row = row_of(
            warehouse,
            f"SELECT COUNT(*) AS n, COUNT({quoted(entity)}) AS matched FROM `{log.table}` WHERE as_of = @as_of",
            {"as_of": as_of},
        )
        return _match(row["n"], row["matched"], f"name their {entity}; no vintage describes it")
    vintages = (
        read(
            warehouse,
            f"SELECT as_of, available_at FROM `{vintage.table}` GROUP BY as_of, available_at ORDER BY 1, 2",
        ).to_pylist()
        if warehouse.partitions(vintage.table)
        else []
    )
    if not vintages:
        return Verdict(
            "match_rate",
            False,
            Reason.NOT_MEASURED,
            value=0,
            threshold=MINIMUM_MATCH_RATE,
            why=f"{vintage.table} has no vintage",
        )
    start = datetime.combine(as_of, time(), UTC)
    available = [entry for entry in vintages if entry["available_at"] < start]
    chosen = available[-1] if available else vintages[0]
    row = row_of(
        warehouse,
        f"SELECT COUNT(*) AS n, COUNTIF(v.entity IS NOT NULL) AS matched FROM `{log.table}` AS l LEFT JOIN"
        f" (SELECT DISTINCT {quoted(entity)} AS entity FROM `{vintage.table}`"
        f" WHERE as_of = @vintage AND available_at = @arrived) AS v"
        f" ON v.entity = l.{quoted(entity)} WHERE l.as_of = @as_of",
        {"as_of": as_of, "vintage": chosen["as_of"], "arrived": chosen["available_at"]},
    )
    note = "" if available else " (none was available yet: the oldest one)"
    return _match(row["n"], row["matched"], f"are in the vintage of {chosen['as_of']}{note}")


def _match(total: int, matched: int, what: str) -> Verdict:
    value = matched / total if total else 0.0
    severity: Literal["error", "warn"] = "error" if total >= _FEW_LEADS else "warn"
    why = f"{matched:,} of {total:,} rows {what}"
    return held(
        "match_rate",
        value > MINIMUM_MATCH_RATE,
        severity=severity,
        value=value,
        threshold=MINIMUM_MATCH_RATE,
        n=total,
        why=why,
    )


def _limit(column: Column) -> str:
    return "TIMESTAMP(@as_of)" if column.type == "timestamp" else "@as_of"
