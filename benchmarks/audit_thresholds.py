"""Figures of docs/audit_thresholds.md: what the caps of the statistical audit mean, detect and cost in false alarms.

    python benchmarks/audit_thresholds.py [WORLDS]

Prints Markdown: the binormal scale by base rate, detectable strength by rows and base rate, and, over WORLDS simulated
tables (default 200) a size, how often columns of a given true strength are called suspect by part ``strength``.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.statistics import caps
from leadscore_dagster.core.audit.statistics.prepared import prepare
from leadscore_dagster.core.audit.statistics.strength import strength_verdicts
from leadscore_dagster.core.table.features.catalogue import Feature

BASE_RATES = (0.01, 0.03, 0.10, 0.30)
SIZES = (2_000, 8_135, 20_000, 79_002)
TABLES = ((2_000, 0.10), (8_135, 0.029), (20_000, 0.10), (79_002, 0.03))
STRENGTHS = {"AUC .50": 0.0, "AUC .63": 0.23, "AUC .66": 0.34, "AUC .68": 0.4375, "AUC .73": 0.78, "AUC .80": 1.42}


def scale() -> None:
    print("| | IV | AUC | " + " | ".join(f"lift at {rate:.0%}" for rate in BASE_RATES) + " |")
    print("|---|--:|--:|" + "--:|" * len(BASE_RATES))
    marks = {
        "strongest honest lead model on record": 0.23,
        "cap, history not proven": caps.CAP,
        "the tenure of the original contact-to-call model": 0.78,
        "cap of a model of all columns": caps.MODEL_CAP,
    }
    for name, iv in marks.items():
        lifts = " | ".join(f"{caps.lift_of_iv(iv, rate):.1f}" for rate in BASE_RATES)
        print(f"| {name} | {iv:.2f} | {caps.auc_of_iv(iv):.3f} | {lifts} |")
    proven = " | ".join(f"IV {caps.proven_iv(rate):.2f}" for rate in BASE_RATES)
    print(f"| cap, history proven (lift {caps.PROVEN_LIFT:g}) | | | {proven} |")


def detectable() -> None:
    print("| rows | " + " | ".join(f"{rate:.0%} positive" for rate in BASE_RATES) + " |")
    print("|--:|" + "---|" * len(BASE_RATES))
    found = {(rows, rate): (iv, auc) for rows, rate, _, iv, auc in caps.detectable_table(SIZES, BASE_RATES)}
    for rows in SIZES:
        cells = [found[rows, rate] for rate in BASE_RATES]
        text = " | ".join("not judged" if iv != iv else f"IV {iv:.2f}, AUC {auc:.3f}" for iv, auc in cells)
        print(f"| {rows:,} | {text} |")


def refused(rows: int, rate: float, seed: int) -> dict[str, bool]:
    """Whether each column of one simulated table, over a year, is suspect."""
    random = np.random.default_rng(seed)
    moment = np.sort(random.random(rows)) * 365 * 86_400e6
    label = (random.random(rows) < rate).astype(np.int64)
    columns = {name: random.normal(size=rows) + np.sqrt(iv) * label for name, iv in STRENGTHS.items()}
    found = {}
    for name, values in columns.items():
        # each alone: how many others are above the cap is Holm's business, not this table's
        table = pa.table({"decision_at": pa.array(moment.astype("M8[us]")), "label": label, name: values})
        (verdict,) = strength_verdicts(prepare(table, [Feature(name, name, "number")], (), seed))
        found[name] = verdict.verdict == "suspect"
    return found


def simulated(worlds: int) -> None:
    print("| rows, positive | " + " | ".join(STRENGTHS) + " |")
    print("|---|" + "--:|" * len(STRENGTHS))
    for rows, rate in TABLES:
        found = [refused(rows, rate, seed) for seed in range(worlds)]
        shares = " | ".join(f"{np.mean([each[name] for each in found]):.1%}" for name in STRENGTHS)
        print(f"| {rows:,}, {rate:.1%} | {shares} |", flush=True)


if __name__ == "__main__":
    scale()
    print()
    detectable()
    print()
    simulated(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
