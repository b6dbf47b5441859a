"""How long the intervals of a test period take: 1,000 replicates of 100,000 rows, single thread.

All curve metrics, Brier score and skill, and the calibration error, of rows drawn one by one and of whole entities;
and a paired difference. Run: ``python -m benchmarks.intervals [--rows N] [--replicates N]``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.period import paired_difference, period_metrics


def _timed(name: str, run: Callable[[], object]) -> None:
    started, processor = time.perf_counter(), time.process_time()
    run()
    print(f"| {name} | {time.process_time() - processor:.1f} | {time.perf_counter() - started:.1f} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--replicates", type=int, default=1000)
    given = arguments.parse_args()
    random, rows, replicates = np.random.default_rng(0), given.rows, given.replicates
    label = (random.random(rows) < 0.039).astype(int)
    margin = random.normal(size=rows) + 0.8 * label - 3
    other = margin + 0.3 * random.normal(size=rows)
    probability = 1 / (1 + np.exp(-margin))
    codes = random.integers(0, int(0.95 * rows), rows)
    print(f"| {replicates:,} replicates of {rows:,} rows | processor s | elapsed s |\n|---|--:|--:|")
    for name, entity in (("all metrics, rows", None), ("all metrics, entities", codes)):
        _timed(
            name,
            lambda e=entity: period_metrics(Judged(label, margin, probability, e), 0.039, Bootstrap(replicates, 1)),
        )  # type: ignore[misc]
    _timed(
        "paired difference of AUC-PR",
        lambda: paired_difference(Judged.ranked(label, margin), other, "auc_pr", bootstrap=Bootstrap(replicates, 1)),
    )


if __name__ == "__main__":
    main()
