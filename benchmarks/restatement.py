"""Restatement against a truth known from outside, and its time against one scan of the same columns.

    python benchmarks/restatement.py PATH                    bitemporal_scd2.parquet of the NYC Health series
    python benchmarks/restatement.py --vintages FOLDER [--scale 1.0] [--repeat 3] [--threads 2] [--outcomes]

The first prints what the product finds beside the figures published with the data. The second writes the synthetic
vintages of benchmarks/training_table.py into FOLDER once, then, in one process, table by table and by turns, reads
every column that is examined and examines it; their ratio is what counts on a machine others use too.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq

from leadscore_dagster.core.audit.restatement import (
    VersionTable,
    restatement_markdown,
    restatements,
    version_restatement,
)
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.warehouse import Lake

WINDOW = date(2020, 5, 1), date(2022, 12, 31)
SHARE = 0.723
COMPLETENESS = {"CASE_COUNT": (0.734, 0.940, 0.994), "HOSPITALIZED_COUNT": (0.102, 0.796, 0.960)}
LAGS = (3, 7, 30)
PUBLISHED_BY_3 = 825


def against_truth(path: Path) -> bool:
    """Print found beside published; whether all of them agree as printed."""
    file = path / "bitemporal_scd2.parquet" if path.is_dir() else path
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder), "nyc")
        lake.write_partition("versions", "all", pq.read_table(file))
        versions = VersionTable(table="versions", key=("measure",))
        every = version_restatement(lake, versions)
        rows.append(("share of cells with more than one version", f"{every.share:.1%}", f"{SHARE:.1%}"))
        for measure, truth in COMPLETENESS.items():
            only = {"versions": f"SELECT * FROM versions WHERE measure = '{measure}'"}
            found = version_restatement(lake, versions, WINDOW, LAGS, only)
            for point, expected in zip(found.maturity, truth, strict=True):
                rows.append((f"{measure} after {point.lag} days", f"{point.ratio:.3f}", f"{expected:.3f}"))
            first = found.maturity[0]
            rows.append((f"{measure} published by 3 days", str(first.published), str(PUBLISHED_BY_3)))
            print(restatement_markdown([found]))
    print(f"{'':45}{'found':>8}{'truth':>8}")
    for what, found_text, truth_text in rows:
        print(f"{what:45}{found_text:>8}{truth_text:>8}{'' if found_text == truth_text else '  DIFFERS'}")
    return all(found_text == truth_text for _, found_text, truth_text in rows)


def against_one_scan(folder: Path, scale: float, repeat: int, threads: int, with_outcomes: bool) -> None:
    """Print seconds of one scan and of restatement, and the median of their ratio."""
    from benchmarks.training_table import AS_OF, write
    from leadscore_dagster_tests.table.features import world

    write(folder, scale)
    lake = Lake(folder, "benchmark", threads=threads)
    recipe = load_recipe("advisor_mql")
    columns = {
        source.table: [c.name for c in source.contract.columns if c.name in world.SCHEMAS[source.table].names]
        for source in recipe.sources.values()
        if source.table in world.SCHEMAS
    }
    outcomes = "SELECT RepCRD, decision_at, label FROM labels WHERE label IS NOT NULL" if with_outcomes else None
    ratios, found = [], ()
    for _ in range(repeat):
        spent = np.zeros((2, 2))
        found = ()
        for name, names in columns.items():  # table by table, so that both see the same of what else goes on
            started = clocks()
            with duckdb.connect(config={"threads": threads}) as connection:
                wanted = ", ".join(f"max({column})" for column in [*names, "as_of", "available_at"])
                connection.sql(f"SELECT {wanted} FROM read_parquet('{folder}/benchmark/{name}/*.parquet')").fetchall()
            middle = clocks()
            found += restatements(lake, recipe, AS_OF, {name: names}, outcomes)
            spent += np.array([middle - started, clocks() - middle])
        ratios.append(spent[1] / spent[0])
        print(
            f"scan {spent[0, 0]:.2f} s, restatement {spent[1, 0]:.2f} s, of the processor {spent[1, 1]:.2f} s",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    wall, processor = np.median(np.array(ratios), axis=0)
    print(restatement_markdown(found))
    print(f"{len(found)} columns: {wall:.2f} x one scan ({processor:.2f} x its processor time), peak {peak:.2f} GiB")


def clocks() -> np.ndarray:
    """Seconds on the wall and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--vintages", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--outcomes", action="store_true", help="hold changes against the labels too")
    given = parser.parse_args()
    if given.path is None and given.vintages is None:
        parser.error("give PATH, --vintages FOLDER, or both")
    agree = against_truth(given.path) if given.path else True
    if given.vintages:
        against_one_scan(given.vintages, given.scale, given.repeat, given.threads, given.outcomes)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
