"""A small world with restated vintages, and feature queries over it: honest ones and leaking ones.

Not here: the shipped recipes, the tests.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.replay import DatedTable
from leadscore_dagster.core.warehouse.lake.engine import Lake
from leadscore_dagster.core.warehouse.protocol import table

START = datetime(2024, 1, 1, tzinfo=UTC)
TABLES = [
    DatedTable("job_vintage", "available_at", events=("start_date",)),
    DatedTable("call_log", "known_at", is_vintage=False),
]
HONEST = """
WITH calendar AS (SELECT j.as_of, MAX(j.available_at) AS available_at FROM job_vintage AS j GROUP BY j.as_of),
known AS (
  SELECT d.decision_id, MAX(c.as_of) AS as_of FROM decisions AS d
  JOIN calendar AS c ON c.available_at <= d.decision_at GROUP BY d.decision_id
),
calls AS (
  SELECT d.decision_id, COUNT(*) AS calls, SUM(c.size) AS size FROM decisions AS d
  JOIN call_log AS c ON c.person = d.person AND c.known_at <= d.decision_at GROUP BY d.decision_id
)
SELECT d.decision_id, j.pay, DATE_DIFF(DATE(d.decision_at), j.end_date, DAY) AS gap, j.firm, COALESCE(c.calls,
  0) AS calls,
  c.size
FROM decisions AS d
LEFT JOIN known AS k ON k.decision_id = d.decision_id
LEFT JOIN job_vintage AS j ON j.person = d.person AND j.as_of = k.as_of AND j.available_at <= d.decision_at
LEFT JOIN calls AS c ON c.decision_id = d.decision_id
"""
NEWEST = """
WITH newest AS (SELECT MAX(j.as_of) AS as_of FROM job_vintage AS j)
SELECT d.decision_id, j.pay FROM decisions AS d CROSS JOIN newest AS n
LEFT JOIN job_vintage AS j ON j.person = d.person AND j.as_of = n.as_of
"""
LATER_CALLS = """
SELECT d.decision_id, COUNT(c.person) AS calls FROM decisions AS d
LEFT JOIN call_log AS c ON c.person = d.person GROUP BY d.decision_id
"""
COMPANIONS = """
SELECT d.decision_id, COUNT(e.decision_id) AS companions FROM decisions AS d
LEFT JOIN decisions AS e ON e.person = d.person GROUP BY d.decision_id
"""


def make_world(root: Path, seed: int, *, people: int = 6, vintages: int = 4, decisions: int = 25) -> Lake:
    """A lake with tables job_vintage and call_log, and decisions in partition ``all`` of table ``asked``.

    Every vintage restates pay and fills in end dates; each becomes available 5 to 40 days after its as_of.
    """
    random = np.random.default_rng(seed)
    lake = Lake(root, f"world{seed}", threads=1)
    for number in range(vintages):
        as_of = START + timedelta(days=91 * number)
        lake.write_partition("job_vintage", as_of.date().isoformat(), _vintage(random, people, as_of))
    lake.write_partition("call_log", "all", _calls(random, people, 4 * people))
    moments = [START + timedelta(hours=int(hour)) for hour in random.integers(0, 24 * 91 * vintages, decisions)]
    asked = {
        "decision_id": [f"d{number:04}" for number in range(decisions)],
        "person": random.integers(0, people, decisions),
        "decision_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
    }
    lake.write_partition("asked", "all", pa.table(asked))
    return lake


def build(lake: Lake, sql: str) -> pa.Table:
    """The training rows: decisions with the features the query gives on everything there is."""
    found = table(lake, sql, {}, {"decisions": "SELECT * FROM asked"})
    asked = table(lake, "SELECT * FROM asked")
    return asked.join(found, "decision_id").sort_by("decision_id")


def features_of(rows: pa.Table) -> list[str]:
    return [name for name in rows.column_names if name not in ("decision_id", "person", "decision_at")]


def _vintage(random: np.random.Generator, people: int, as_of: datetime) -> pa.Table:
    here = np.flatnonzero(random.random(people) < 0.9)
    count = len(here)
    available = as_of + timedelta(days=int(random.integers(5, 41)))
    ended = random.random(count) < 0.5
    ends = [
        as_of.date() - timedelta(days=int(d)) if e else None
        for d, e in zip(random.integers(1, 90, count), ended, strict=True)
    ]
    return pa.table(
        {
            "person": here,
            "firm": random.integers(1, 4, count),
            "pay": np.where(random.random(count) < 0.1, np.nan, random.normal(100, 20, count)),
            "start_date": pa.array([date(2020, 1, 1)] * count, pa.date32()),
            "end_date": pa.array(ends, pa.date32()),
            "as_of": pa.array([as_of.date()] * count, pa.date32()),
            "available_at": pa.array([available] * count, pa.timestamp("us", tz="UTC")),
        }
    )


def _calls(random: np.random.Generator, people: int, count: int) -> pa.Table:
    moments = [START + timedelta(hours=int(hour)) for hour in random.integers(0, 24 * 364, count)]
    return pa.table(
        {
            "person": random.integers(0, people, count),
            "size": random.integers(1, 9, count),
            "known_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        }
    )
