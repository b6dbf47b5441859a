"""Seconds and peak memory of generating a market.

Usage: python benchmarks/market_generation.py [demo|full|REPS] [csv|parquet]
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from leadscore_dagster.core.simulation.market import DEMO, FULL_SCALE, MarketSize, generate_market


def main(name: str = "demo", file_format: str = "csv") -> None:
    size = {"demo": DEMO, "full": FULL_SCALE}.get(name) or _scaled(int(name))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        generate_market(Path(folder) / "market", size, file_format=file_format, progress=_to_stderr)
        seconds = time.perf_counter() - began
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "reps": size.reps,
                "firms": size.firms,
                "leads": size.leads,
                "format": file_format,
                "seconds": round(seconds, 1),
                "peak_rss_gib": round(peak / 2**30, 2),
                "written_mib": round(written / 2**20),
            }
        )
    )


def _scaled(reps: int) -> MarketSize:
    return MarketSize(reps=reps, firms=reps * DEMO.firms // DEMO.reps, leads=reps * DEMO.leads // DEMO.reps)


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
