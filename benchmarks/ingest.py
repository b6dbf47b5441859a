"""Seconds and peak memory of ingesting one quarter of representatives at the scale of the original systems' data.

    python benchmarks/ingest.py FOLDER [csv|parquet]

Makes the simulated market of that scale in FOLDER once (some minutes), then ingests the rep drop of one quarter into a
throw-away warehouse.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import VintageSource
from leadscore_dagster.core.simulation.market import FULL_SCALE, generate_market
from leadscore_dagster.core.sources import ingest_vintage
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.warehouse import Lake

AS_OF = date(2025, 10, 1)


def main(folder: Path, file_format: str) -> None:
    market = folder / file_format
    if not (market / "drops").is_dir():
        generate_market(market, FULL_SCALE, file_format=file_format, progress=print)
    source = load_recipe("advisor_mql").sources["reps"]
    assert isinstance(source, VintageSource)
    with tempfile.TemporaryDirectory() as home:
        started, used = time.perf_counter(), time.process_time()
        report = ingest_vintage(Lake(Path(home), "benchmark"), "reps", source, connector_of(market / "drops"), AS_OF)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{file_format}: {report.rows_read:,} rows read, {report.rows_kept:,} kept, {wall:.1f} s, "
        f"{cpu:.1f} s CPU, peak {peak:.2f} GiB of the process"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "csv")
