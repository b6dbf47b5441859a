"""The audit's report: a matrix of features and parts as Markdown, and the JSON form.

Lives here: rendering. Not here: verdicts and how they combine (verdict), the parts, the HTML page (core/pages/audit).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from leadscore_dagster.core.audit.verdict import CLOCK, SEVERITY, FeatureVerdict, blocking, cell, one_line, overall

#: what a cell says where a part has not judged the feature
_NOT_JUDGED = "-"


def as_markdown(
    verdicts: Sequence[FeatureVerdict], acknowledged: Collection[tuple[str, str]] = (), title: str = "Leakage audit"
) -> str:
    """Counts, the matrix (worst feature first), and the evidence of all that is not clear."""
    worst = overall(verdicts)
    parts = list(dict.fromkeys(verdict.part for verdict in verdicts))
    names = sorted(worst, key=lambda name: -SEVERITY.index(worst[name].verdict))
    ascending = sorted(verdicts, key=lambda verdict: SEVERITY.index(verdict.verdict))
    by_cell = {(verdict.feature, verdict.part): answer(verdict, acknowledged) for verdict in ascending}
    lines = [f"# {title}", "", summary(verdicts, acknowledged), ""]
    lines += [f"| feature | {' | '.join([*parts, 'overall'])} |", "|---" * (len(parts) + 2) + "|"]
    for name in names:
        answers = [by_cell.get((name, part), _NOT_JUDGED) for part in parts]
        lines.append(f"| {cell(name)} | {' | '.join([*answers, answer(worst[name], acknowledged)])} |")
    found = [verdict for verdict in verdicts if verdict.verdict != "clear"]
    if found:
        lines += ["", "## Evidence", ""]
        lines += [
            f"- **{cell(v.feature)}** ({v.part}: {answer(v, acknowledged)}): {one_line(v.evidence)}" for v in found
        ]
    return "\n".join(lines) + "\n"


def as_json(verdicts: Sequence[FeatureVerdict], acknowledged: Collection[tuple[str, str]] = ()) -> dict[str, object]:
    """``{blocks, features: [{feature, verdict, part, metric, value, threshold, evidence, parts}]}``: for each feature
    the verdict that counts, worst first, and under ``parts`` what every part says."""
    worst = sorted(overall(verdicts).values(), key=lambda verdict: -SEVERITY.index(verdict.verdict))
    by_feature: dict[str, list[dict[str, object]]] = {verdict.feature: [] for verdict in worst}
    for verdict in verdicts:
        record = verdict.as_dict()
        record["acknowledged"] = verdict.verdict == "suspect" and (verdict.feature, verdict.part) in acknowledged
        by_feature[verdict.feature].append({key: value for key, value in record.items() if key != "feature"})
    return {
        "blocks": bool(blocking(verdicts, acknowledged)),
        "features": [{**verdict.as_dict(), "parts": by_feature[verdict.feature]} for verdict in worst],
    }


def summary(verdicts: Sequence[FeatureVerdict], acknowledged: Collection[tuple[str, str]] = ()) -> str:
    """How many features got which verdict, and whether that blocks, in two sentences."""
    worst = overall(verdicts).values()
    counts = Counter(verdict.verdict for verdict in worst)
    told = ", ".join(f"{counts[name]} {name}" for name in reversed(SEVERITY) if counts[name])
    clocks = sum(verdict.metric == CLOCK for verdict in worst)
    told += f" (of them {clocks} clocks)" if clocks else ""
    refused = blocking(verdicts, acknowledged)
    effect = "Nothing blocks."
    if refused:
        kinds = " and ".join(dict.fromkeys(f"a {verdict.verdict}" for verdict in refused))
        effect = f"Training is refused for {kinds}."
    return f"{len(worst)} features: {told or 'none judged'}. {effect}"


def answer(verdict: FeatureVerdict, acknowledged: Collection[tuple[str, str]] = ()) -> str:
    """The word a cell shows."""
    if verdict.metric == CLOCK and verdict.verdict == "unproven":
        return CLOCK
    if verdict.verdict == "suspect" and (verdict.feature, verdict.part) in acknowledged:
        return "suspect (acknowledged)"
    return verdict.verdict
