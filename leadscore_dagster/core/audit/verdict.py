"""Verdicts: what one part of the audit found about one feature.

Lives here: the verdict, the worst of several, their table and JSON form. Does not: reaching one (the other
modules)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Answer = Literal["clear", "unproven", "suspect", "leak"]
#: from harmless to blocking
SEVERITY: tuple[Answer, ...] = ("clear", "unproven", "suspect", "leak")
#: metric of an ``unproven`` that a clear replay settles: replay rebuilds the feature without the other
#: decisions
SETTLED_BY_REPLAY = "mixes_decisions"


@dataclass(frozen=True)
class Verdict:
    """What ``part`` (lineage, replay, known_time, ...) says about ``feature``, and why.

    clear: proven for what the part looks at. leak: it uses what was not known. suspect: too good to be true.
    unproven: the part cannot tell. ``value`` of ``metric`` was compared with ``threshold`` where there is a
    number."""

    feature: str
    part: str
    verdict: Answer
    evidence: str
    metric: str | None = None
    value: float | None = None
    threshold: float | None = None

    def as_dict(self) -> dict[str, object]:
        """JSON-able: feature, part, verdict, evidence, metric, value, threshold."""
        return asdict(self)


def overall(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """The verdict that counts for each feature, in order of first appearance: the worst of its parts.

    An ``unproven`` that only replay can settle (``SETTLED_BY_REPLAY``) does not count where replay is clear.
    """
    every = list(verdicts)
    replayed = {verdict.feature for verdict in every if verdict.part == "replay" and verdict.verdict == "clear"}
    found: dict[str, Verdict] = {}
    for verdict in every:
        settled = verdict.verdict == "unproven" and verdict.metric == SETTLED_BY_REPLAY and verdict.feature in replayed
        known = found.get(verdict.feature)
        if settled and known is None:
            continue
        if known is None or (not settled and SEVERITY.index(verdict.verdict) > SEVERITY.index(known.verdict)):
            found[verdict.feature] = verdict
    return found


def blocks(verdicts: Iterable[Verdict]) -> bool:
    """Whether any feature leaks. ``suspect`` and ``unproven`` are shown, not refused."""
    return any(verdict.verdict == "leak" for verdict in overall(verdicts).values())


def table(verdicts: Iterable[Verdict]) -> str:
    """Markdown table of single verdicts, worst first."""
    ordered = sorted(verdicts, key=lambda verdict: -SEVERITY.index(verdict.verdict))
    lines = ["| feature | part | verdict | evidence |", "|---|---|---|---|"]
    for verdict in ordered:
        evidence = cell(verdict.evidence)
        lines.append(f"| {cell(verdict.feature)} | {verdict.part} | {verdict.verdict} | {evidence} |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
