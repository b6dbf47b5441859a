"""The audit's report: a matrix of features and parts, and the JSON form.

Lives here: rendering. Does not: verdicts and how they combine (verdict), the parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from leadscore_dagster.core.audit.verdict import SEVERITY, Verdict, blocks, cell, overall

#: what a cell says where a part has not judged the feature
_NOT_JUDGED = "-"


def as_markdown(verdicts: Sequence[Verdict], title: str = "Leakage audit") -> str:
    """Counts, the matrix (worst feature first), and the evidence of all that is not clear."""
    worst = overall(verdicts)
    parts = list(dict.fromkeys(verdict.part for verdict in verdicts))
    names = sorted(worst, key=lambda name: -SEVERITY.index(worst[name].verdict))
    ascending = sorted(verdicts, key=lambda verdict: SEVERITY.index(verdict.verdict))
    by_cell = {(verdict.feature, verdict.part): verdict.verdict for verdict in ascending}
    counts = Counter(verdict.verdict for verdict in worst.values())
    summary = ", ".join(f"{counts[answer]} {answer}" for answer in reversed(SEVERITY) if counts[answer])
    lines = [
        f"# {title}",
        "",
        f"{len(names)} features: {summary or 'none judged'}. {_sentence(verdicts)}",
        "",
    ]
    lines += [f"| feature | {' | '.join([*parts, 'overall'])} |", "|---" * (len(parts) + 2) + "|"]
    for name in names:
        answers = [by_cell.get((name, part), _NOT_JUDGED) for part in parts]
        lines.append(f"| {cell(name)} | {' | '.join([*answers, worst[name].verdict])} |")
    found = [verdict for verdict in verdicts if verdict.verdict != "clear"]
    if found:
        lines += ["", "## Evidence", ""]
        lines += [f"- **{cell(v.feature)}** ({v.part}: {v.verdict}): {' '.join(v.evidence.split())}" for v in found]
    return "\n".join(lines) + "\n"


def as_json(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """``{blocks, features: [{feature, verdict, part, metric, value, threshold, evidence}]}``: for each
    feature the verdict that counts, worst first."""
    worst = sorted(overall(verdicts).values(), key=lambda verdict: -SEVERITY.index(verdict.verdict))
    return {"blocks": blocks(verdicts), "features": [verdict.as_dict() for verdict in worst]}


def _sentence(verdicts: Sequence[Verdict]) -> str:
    return "A leak blocks training." if blocks(verdicts) else "Nothing blocks."
