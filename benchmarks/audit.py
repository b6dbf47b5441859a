"""How long the whole leakage audit of a training table takes, and how much memory.

    python benchmarks/audit.py HOME

HOME is one in which ``leadscore demo`` has run. What the audit remembers is passed over, so that every part is
computed; nothing is written. Prints Markdown.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import date
from pathlib import Path

from leadscore_dagster.commands.demo import QUARTER
from leadscore_dagster.core.audit import training_audit
from leadscore_dagster.core.audit.report import summary
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.warehouse import Lake


def measure(lake: Lake, recipe: Recipe, as_of: date) -> None:
    """Audit, and print what it took."""
    started, processor = time.perf_counter(), time.process_time()
    records = list(training_audit._audit(lake, recipe, as_of))
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    verdicts = [FeatureVerdict(**record["verdict"]) for record in records if "verdict" in record]
    size = next(record["size"] for record in records if "size" in record)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{summary(verdicts)}\n\n| rows | positives | seconds | of processor | GiB |\n|--:|--:|--:|--:|--:|")
    print(f"| {size['rows']:,} | {size['positives']:,} | {seconds:.1f} | {processor:.1f} | {memory:.2f} |")


def main(home: Path) -> None:
    recipe = load_recipe("advisor_mql")
    measure(Lake(home / "warehouse", recipe.name), recipe, QUARTER)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
