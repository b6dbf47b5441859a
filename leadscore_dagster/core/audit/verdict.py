"""Verdicts: what one part of the audit found about one feature.

Lives here: the verdict, the worst of several, what blocks. Not here: reaching one (the other
modules)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Answer = Literal["clear", "unproven", "suspect", "leak"]
#: from harmless to blocking
SEVERITY: tuple[Answer, ...] = ("clear", "unproven", "suspect", "leak")
#: metric of an ``unproven`` that a clear replay settles: replay rebuilds the feature without the other
#: decisions
SETTLED_BY_REPLAY = "mixes_decisions"
#: metric of an ``unproven`` that says: strong only because it tells the time
CLOCK = "clock"


@dataclass(frozen=True)
class FeatureVerdict:
    """What ``part`` (lineage, replay, known_time, ...) says about ``feature``, and why.

    leak: proof that it uses what was not known. suspect: statistics alone say it is too good to be true.
    unproven: the part cannot tell. clear: nothing wrong in what the part looks at. ``value`` of ``metric`` was compared
    with ``threshold`` where there is a number."""

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


def overall(verdicts: Iterable[FeatureVerdict]) -> dict[str, FeatureVerdict]:
    """The verdict that counts for each feature, in order of first appearance: the worst of its parts, of equals the
    one that names a clock, then the first.

    An ``unproven`` that only replay can settle (``SETTLED_BY_REPLAY``) does not count where replay is clear.
    """
    every = list(verdicts)
    replayed = {verdict.feature for verdict in every if verdict.part == "replay" and verdict.verdict == "clear"}
    found: dict[str, FeatureVerdict] = {}
    for verdict in every:
        settled = verdict.verdict == "unproven" and verdict.metric == SETTLED_BY_REPLAY and verdict.feature in replayed
        known = found.get(verdict.feature)
        if not settled and (known is None or _weight(verdict) > _weight(known)):
            found[verdict.feature] = verdict
    return found


def _weight(verdict: FeatureVerdict) -> tuple[int, bool]:
    return SEVERITY.index(verdict.verdict), verdict.metric == CLOCK


def blocking(
    verdicts: Iterable[FeatureVerdict], acknowledged: Collection[tuple[str, str]] = ()
) -> list[FeatureVerdict]:
    """The verdicts that block, worst first: every leak, and every suspicion not acknowledged.

    Parameters
    ----------
    acknowledged : (feature, part) of the suspicions a person has looked into. A leak cannot be acknowledged.
    """
    found = [
        verdict
        for verdict in verdicts
        if verdict.verdict == "leak"
        or (verdict.verdict == "suspect" and (verdict.feature, verdict.part) not in acknowledged)
    ]
    return sorted(found, key=lambda verdict: -SEVERITY.index(verdict.verdict))


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return one_line(text).replace("|", "\\|")


def kind_of(verdict: FeatureVerdict) -> str:
    """The verdict, or ``clock``: what a reader is to be told apart by."""
    return CLOCK if verdict.verdict == "unproven" and verdict.metric == CLOCK else verdict.verdict
