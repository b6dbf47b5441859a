"""How long the whole leakage audit of a training table takes, and how much memory.

    python benchmarks/audit.py HOME [RECIPE] [QUARTER]

HOME is one in which ``leadscore demo`` (or ``leadscore run``) has run. What the audit remembers is passed over, so that
every part is computed; nothing is written. Prints Markdown.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import date
from pathlib import Path

from leadscore_dagster.core import training_audit
from leadscore_dagster.core.audit.report import summary
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster.recipes.loading import load_recipe


def main(home: Path, name: str = "advisor_mql", quarter: str = "2026-01-01") -> None:
    recipe = load_recipe(name)
    lake = Lake(home / "warehouse", recipe.name)
    started, cpu = time.perf_counter(), time.process_time()
    records = list(training_audit._audit(lake, recipe, date.fromisoformat(quarter)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    verdicts = [training_audit.Verdict(**record["verdict"]) for record in records if "verdict" in record]
    size = next(record["size"] for record in records if "size" in record)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{summary(verdicts)}\n\n| rows | positives | seconds | of processor | GiB |\n|--:|--:|--:|--:|--:|")
    print(f"| {size['rows']:,} | {size['positives']:,} | {seconds:.1f} | {cpu:.1f} | {memory:.2f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
