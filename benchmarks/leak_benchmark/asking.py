"""The audit's answer about a world: asked exactly as the product asks, in this one place."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.leak_benchmark.world import World
from leadscore_dagster.core.audit.folds import fold_findings
from leadscore_dagster.core.audit.training_audit import audit_training_table
from leadscore_dagster.core.audit.verdict import SEVERITY, FeatureVerdict, overall

FLAGGED = ("leak", "suspect")


@dataclass(frozen=True)
class Answer:
    """What the audit said.

    ``verdicts``: feature to the verdict that counts. ``by_part``: (feature, part) to verdict. ``clocks``: features it
    calls a clock. ``failed``: findings about the table that do not pass, (part, name, severity). ``seconds``: of the
    audit.
    """

    verdicts: dict[str, FeatureVerdict]
    by_part: dict[tuple[str, str], str]
    clocks: frozenset[str]
    failed: tuple[tuple[str, str, str], ...]
    seconds: float


def ask(world: World) -> Answer:
    """Audit the world's training table."""
    started = time.perf_counter()
    report = audit_training_table(world.lake, world.recipe, world.as_of)
    brought = world.split
    found = list(report.findings)
    if brought is not None:
        findings = fold_findings(brought.times, brought.entity, brought.folds, brought.window_days, brought.gap_days)
        found += [("folds", finding) for finding in findings]
    seconds = time.perf_counter() - started
    ascending = sorted(report.verdicts, key=lambda verdict: SEVERITY.index(verdict.verdict))
    failed = [(part, finding.name, finding.severity) for part, finding in found if not finding.passed]
    failed += [("sql", name, "error") for name, rows, _ in report.violations if rows]
    return Answer(
        overall(report.verdicts),
        {(verdict.feature, verdict.part): verdict.verdict for verdict in ascending},
        frozenset(verdict.feature for verdict in report.verdicts if verdict.metric == "clock"),
        tuple(failed),
        seconds,
    )
