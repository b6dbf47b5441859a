"""How long the training table takes at full scale, against the time DuckDB needs to read the same columns.

    python benchmarks/training_table.py FOLDER [--scale 1.0] [--repeat 5] [--threads 2] [--sets all|reps]

Writes synthetic vintages into FOLDER once (8 vintages of 477,901 representatives, 41,000 firms, 2.2 million jobs and
monthly firm assets, 79,002 leads at scale 1), then times, each in a process of its own: the reading of every column
the training query touches, and the building of one training partition. Values are invented; only counts, types and
skew (firms of very different size) resemble the originals.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.training import build_training_table, training_query
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster.core.warehouse.dialect import touched_columns
from leadscore_dagster_tests.table.features import world

VINTAGES = [date(2024, 1, 1), date(2024, 4, 1), date(2024, 10, 1), date(2025, 1, 1),
            date(2025, 4, 1), date(2025, 7, 1), date(2025, 10, 1), date(2026, 1, 1)]  # fmt: skip
AS_OF = date(2026, 4, 1)
REPS, FIRMS, LEADS = 477_901, 41_000, 79_002
#: a firm's size falls with its number: the largest has tens of thousands of people, most have a few
FIRM = "CAST(floor({firms} * pow((hash(rep, {salt}) % 1000003) / 1000003.0, 3)) AS BIGINT)"


def write(root: Path, scale: float) -> None:
    """All tables of the benchmark, unless they are there already."""
    lake = Lake(root, "benchmark")
    reps, firms, leads = (int(scale * number) for number in (REPS, FIRMS, LEADS))
    connection = duckdb.connect()
    connection.execute("SET timezone='UTC'")
    firm = FIRM.format(firms=firms, salt=1)
    before = FIRM.format(firms=firms, salt="job")
    integers = ", ".join(f"CAST(hash(rep, '{name}') % 9 AS BIGINT) AS {name}" for name in world.INTEGERS)
    numbers = ", ".join(
        f"CASE WHEN hash(rep, '{name}', v) % 10 > 0 THEN (hash(rep, '{name}', v) % 100000) / 100.0 END AS {name}"
        for name in world.NUMBERS
    )
    for number, as_of in enumerate(VINTAGES):
        available = datetime(as_of.year, as_of.month, as_of.day, 6, tzinfo=UTC) + timedelta(days=14)
        known = f"DATE '{as_of}' AS as_of, TIMESTAMPTZ '{available.isoformat()}' AS available_at"
        statements = {
            "rep_vintage": f"""SELECT rep AS RepCRD, {firm} AS RIAFirmCRD, {firm} AS PrimaryRIAFirmCRD,
                'Metro ' || hash(rep) % 400 AS Home_MetropolitanArea, 'S' || hash(rep) % 50 AS Branch_State,
                {integers}, {numbers}, {known}
                FROM (SELECT range AS rep, {number} AS v FROM range({reps})) WHERE hash(rep, v) % 50 > 0""",
            "firm_vintage": f"""SELECT range AS RIAFirmCRD, 'Independent' AS OwnershipType,
                CAST(hash(range, 1) % 500 AS BIGINT) AS Number_Employees,
                CAST(hash(range, 2) % 5000 AS BIGINT) AS Number_InvestmentAdvisoryClients,
                (hash(range, 3) % 1000000) / 1.0 AS AverageAccountSize,
                (hash(range, 4) % 1000) / 10.0 AS Percent_ClientsUS,
                {known} FROM range({firms})""",
            "employment_vintage": f"""SELECT rep AS RIA_CONTACT_CRD_ID,
                {before} AS PREVIOUS_REGISTRATION_COMPANY_CRD_ID,
                start_date AS PREVIOUS_REGISTRATION_COMPANY_START_DATE,
                CASE WHEN end_date < DATE '{as_of}' THEN end_date END AS PREVIOUS_REGISTRATION_COMPANY_END_DATE, {known}
                FROM (SELECT rep, job, start_date, lead(start_date) OVER (PARTITION BY rep ORDER BY start_date)
                          - CAST(hash(rep, job) % 60 AS INTEGER) AS end_date
                      FROM (SELECT rep, job,
                              DATE '1995-01-01' + CAST(hash(rep, job, 's') % 11300 AS INTEGER) AS start_date
                            FROM (SELECT range AS rep FROM range({reps})), (SELECT range AS job FROM range(9))
                            WHERE hash(rep, job) % 9 < 5))
                WHERE start_date < DATE '{as_of}' ORDER BY rep, start_date""",
            "firm_history_vintage": f"""SELECT f.range AS RIA_INVESTOR_CRD_ID,
                CAST(2023 + m.range // 12 AS BIGINT) AS YEAR,
                CAST(1 + m.range % 12 AS BIGINT) AS MONTH, (hash(f.range, m.range) % 1000000000000) / 1.0 AS TOTAL_AUM,
                {known} FROM range({firms}) f, range(36) m
                WHERE make_date(2023 + m.range // 12, 1 + m.range % 12, 1) < DATE '{as_of}'""",
        }
        for name, sql in statements.items():
            if as_of.isoformat() not in lake.partitions(name):
                lake.write_partition(name, as_of.isoformat(), connection.sql(sql).to_arrow_reader(65_536))
    if not lake.partitions("crm_leads"):
        log = f"""SELECT 'L' || range AS Id, CAST(hash(range) % {reps} AS BIGINT) AS RepCRD, 'Some Company' AS Company,
            moment - INTERVAL 9 DAY AS New_at, moment AS Contacted_at,
            CASE WHEN hash(range, 'y') % 25 = 0 THEN moment + INTERVAL 5 DAY END AS Called_at,
            DATE '{AS_OF}' AS as_of, moment - INTERVAL 9 DAY AS known_at
            FROM (SELECT range, TIMESTAMPTZ '2024-02-01' + to_seconds(hash(range, 't') % 62000000) AS moment
                  FROM range({leads}))"""
        lake.write_partition("crm_leads", AS_OF.isoformat(), connection.sql(log).to_arrow_reader(65_536))
    build_labels(lake, world.recipe(), AS_OF)


SETS = {"all": world.ALL_SETS, "reps": ("rep_firm_base", "home_metro", "m5_engineered", "contact_time")}


def read(root: Path, threads: int, sets: tuple[str, ...]) -> int:
    """Read every column of the vintages that the training query touches; returns their number."""
    lake = Lake(root, "benchmark", threads=threads)
    schemas = {name: lake.schema(name).names for name in (*world.SCHEMAS, "labels", "crm_leads")}
    touched = touched_columns(training_query(world.recipe(sets)), schemas)
    connection = duckdb.connect(config={"threads": threads})
    count = 0
    for name in world.SCHEMAS:
        columns = ", ".join(f"max({column})" for column in sorted(touched[name]))
        connection.sql(f"SELECT {columns} FROM read_parquet('{root}/benchmark/{name}/*.parquet')").fetchall()
        count += len(touched[name])
    return count


def build(root: Path, threads: int, sets: tuple[str, ...]) -> int:
    """Build the training partition; returns its rows."""
    return build_training_table(Lake(root, "benchmark", threads=threads), world.recipe(sets), AS_OF).rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sets", choices=list(SETS), default="all", help="reps: without the employment history")
    parser.add_argument("--only", choices=["read", "build"])
    given = parser.parse_args()
    if given.only:
        started = time.perf_counter()
        result = (read if given.only == "read" else build)(given.folder, given.threads, SETS[given.sets])
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            json.dumps(
                {
                    "part": given.only,
                    "seconds": round(seconds, 2),
                    "cpu": round(time.process_time(), 2),
                    "peak_gib": round(peak, 2),
                    "n": result,
                }
            )
        )
        return
    write(given.folder, given.scale)
    for _ in range(given.repeat):
        for part in ("read", "build"):
            options = ["--only", part, "--threads", str(given.threads), "--sets", given.sets]
            command = [sys.executable, __file__, str(given.folder), *options]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
