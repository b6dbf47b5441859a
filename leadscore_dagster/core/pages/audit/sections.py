"""The sections around the matrix: what needs attention, what is unproven, the three numbers, the table as a whole,
restatement, acknowledgements.

Every function gives HTML, an empty string where there is nothing to show. Records are plain mappings, as they come out
of JSON, with keys that may be absent.

Not here: the matrix (matrix), the frame of the page (document).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, FeatureVerdict, kind_of
from leadscore_dagster.core.measures.catalogue import phrase_of
from leadscore_dagster.core.pages.audit.matrix import Pairs, chip
from leadscore_dagster.core.pages.frame.drawing import curve, whisker
from leadscore_dagster.core.pages.frame.text import counted, escaped, finite, listed, number, section, share, table
from leadscore_dagster.core.verdict import Verdict

Record = Mapping[str, Any]
#: metrics shown, with their decimals
_METRICS = {"top_decile_lift": 2, "auc_pr": 3, "auc_roc": 3}
_NUMBERS = (
    ("claimed", "Claimed", "the backtest with the flagged features as the table holds them"),
    ("honest", "Honest", "the same backtest without what was not known"),
    ("delivered", "Delivered", "the claiming model, served with what is known at the decision"),
)
_DIFFERENCES = (
    ("claimed_less_delivered", "Claimed less delivered"),
    ("honest_less_delivered", "Honest less delivered"),
)


def attention(verdicts: Sequence[FeatureVerdict], acknowledged: Pairs) -> str:
    """Leaks and suspicions, feature by feature, with all their evidence."""
    found: dict[str, list[FeatureVerdict]] = {}
    for verdict in sorted(verdicts, key=lambda verdict: verdict.verdict != "leak"):
        if verdict.verdict in ("leak", "suspect"):
            found.setdefault(verdict.feature, []).append(verdict)
    cards = "".join(_card(name, entries, acknowledged) for name, entries in found.items())
    return section("What needs attention", "Leaks first. Every sentence is evidence that you can check.", cards, "why")


def unproven(verdicts: Sequence[FeatureVerdict]) -> str:
    """What could not be proven, grouped by its evidence, clocks first. What replay has settled is no longer open."""
    settled = {verdict.feature for verdict in verdicts if verdict.part == "replay" and verdict.verdict == "clear"}
    groups: dict[tuple[str, str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.verdict == "unproven" and not (verdict.metric == SETTLED_BY_REPLAY and verdict.feature in settled):
            groups.setdefault((kind_of(verdict), verdict.part, verdict.evidence), []).append(verdict.feature)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0] != "clock", -len(group[1])))
    items = [
        f'<li class="{kind}"><b>{escaped(part.replace("_", " "))}</b> {escaped(evidence)}'
        f"<small>{counted(len(names), 'feature')}: {listed(names, 40)}</small></li>"
        for (kind, part, evidence), names in ordered
    ]
    if not items:
        return ""
    body = f"<details><summary>{counted(len(items), 'reason')}</summary><ul>{''.join(items)}</ul></details>"
    return section("What could not be proven", "A warning, not an accusation. Clocks come first.", body, "unproven")


def three_numbers_section(told: Record | None) -> str:
    """Claimed, honest and delivered, metric by metric, with intervals on a common scale."""
    if not told:
        return ""
    shown = [metric for metric in _METRICS if metric in told.get("claimed", {})]
    header = ["", *(phrase_of(metric) for metric in shown)]
    rows = [
        [f"<b>{name}</b><small>{what}</small>", *_intervals(told, key, shown, [entry[0] for entry in _NUMBERS])]
        for key, name, what in _NUMBERS
        if key in told
    ]
    rows += [
        [f"<b>{name}</b><small>paired</small>", *_intervals(told, key, shown, [entry[0] for entry in _DIFFERENCES])]
        for key, name in _DIFFERENCES
        if key in told
    ]
    first: Record = next(iter(told.get("claimed", {}).values()), {})
    basis = f"{number(first.get('n'))} decisions of the test period, {number(first.get('positives'))} positives"
    method = f"; 95% intervals, {escaped(first['method'])}" if first.get("method") else ""
    served = "".join(
        f"<li><code>{escaped(entry.get('feature'))}</code>: the served value differs from the training table in "
        f"{share(entry.get('changed'))} of the rows and is missing in {share(entry.get('missing'))}</li>"
        for entry in told.get("served", ())
    )
    chosen = "; ".join(f"{escaped(which)}: {escaped(name)}" for which, name in told.get("estimators", {}).items())
    note = f'<p class="note">{basis}{method}.{f" Model, {chosen}." if chosen else ""}</p><ul>{served}</ul>'
    return section(
        "Three numbers", escaped(told.get("sentence", "")), table(header, rows, kind="three stack") + note, "cost"
    )


def whole_table(findings: Sequence[tuple[str, Verdict]], violations: Sequence[tuple[str, int, str]]) -> str:
    """Findings with their numbers and thresholds, and the SQL audits with their violating rows."""
    rows = [
        [
            _holds(finding.passed, finding.severity),
            f"<b>{escaped(finding.name.replace('_', ' '))}</b>" + (f"<small>{escaped(part)}</small>" if part else ""),
            escaped(finding.why),
            number(finding.value),
            number(finding.threshold),
        ]
        for part, finding in findings
    ]
    rows += [
        [
            _holds(count == 0, "error"),
            f"<b>{escaped(name.replace('_', ' '))}</b><small>SQL audit</small>",
            escaped(sample) if count else "no violating row",
            number(count),
            "0",
        ]
        for name, count, sample in violations
    ]
    header = ["", "statement", "why", "value", "threshold"]
    body = table(header, rows, numeric=(3, 4), kind="findings stack") if rows else ""
    return section("The table as a whole", "Labels, folds and the recipe's own SQL audits.", body, "table")


def restatement(records: Sequence[Record]) -> str:
    """How often and how late facts change after the event, column by column, most restated first; then what the
    vintages cannot judge, grouped by the reason."""
    judged = [one for one in records if one.get("judged", True)]
    named = sorted(judged, key=lambda one: (str(one.get("table")), str(one.get("column"))))
    ordered = sorted(named, key=lambda one: -(-1.0 if (part := finite(one.get("share"))) is None else part))
    rows = [
        [
            f"<b>{escaped(one.get('column'))}</b><small>{escaped(one.get('table'))}</small>",
            number(one.get("facts")),
            share(one.get("share")) + _range(one),
            *(number(_lag(one, name), 3) for name in ("p50", "p90", "p95")),
            curve(_points(one), finite(one.get("wait_days"))),
            _wait(one),
            _around(one.get("around_outcome")),
        ]
        for one in ordered
    ]
    header = ["column", "facts", "changed later", "p50 days", "p90 days", "p95 days", "complete by lag", "wait days"]
    header.append("around the outcome")
    body = table(header, rows, numeric=(1, 2, 3, 4, 5, 7), kind="restated") if rows else ""
    reasons: dict[str, list[str]] = {}
    for one in records:
        if not one.get("judged", True):
            reasons.setdefault(str(one.get("why", "")), []).append(f"{one.get('table')}.{one.get('column')}")
    items = "".join(
        f"<li>{escaped(reason)}<small>{counted(len(names), 'column')}: {listed(names, 40)}</small></li>"
        for reason, names in reasons.items()
    )
    if items:
        count = counted(sum(map(len, reasons.values())), "column is", "columns are")
        body += f"<details><summary>{count} not judged</summary><ul>{items}</ul></details>"
    lead = (
        "The share of past facts that a later delivery wrote or changed, how late the changes came, how complete the "
        "facts are by lag, and how long to wait until they can be trusted (dashed)."
    )
    return section("Restatement", lead, body, "restatement")


def acknowledgements(records: Sequence[Record]) -> str:
    """Who looked into what, why it may stay, since when."""
    rows = [
        [
            f"<code>{escaped(one.get('feature'))}</code>",
            escaped(str(one.get("part", "")).replace("_", " ")),
            escaped(one.get("reason", "")),
            escaped(one.get("date", one.get("on", ""))),
        ]
        for one in records
    ]
    body = table(["feature", "part", "reason", "date"], rows) if rows else ""
    return section("Acknowledged", "Suspicions the recipe has looked into: shown, no longer blocking.", body, "known")


def _card(name: str, entries: Sequence[FeatureVerdict], acknowledged: Pairs) -> str:
    items = "".join(
        f"<li>{chip(entry, acknowledged)} <b>{escaped(entry.part.replace('_', ' '))}</b> {escaped(entry.evidence)}</li>"
        for entry in entries
    )
    return f'<article class="{entries[0].verdict}"><h3>{escaped(name)}</h3><ul>{items}</ul></article>'


def _holds(passed: bool, severity: str) -> str:
    if passed:
        return '<span class="chip clear"><s>✓</s><span>holds</span></span>'
    kind, symbol, word = ("leak", "✕", "fails") if severity == "error" else ("suspect", "!", "warns")
    return f'<span class="chip {kind}"><s>{symbol}</s><span>{word}</span></span>'


def _intervals(told: Record, key: str, metrics: Sequence[str], beside: Sequence[str]) -> list[str]:
    """Value, interval and drawing of one number, on the scale of all that stand beside it."""
    cells = []
    for metric in metrics:
        digits = _METRICS[metric]
        found = told[key].get(metric, {})
        value, low, high = (finite(found.get(name)) for name in ("value", "low", "high"))
        if value is None:
            cells.append(number(None))
            continue
        text = f"<b>{_fixed(value, digits)}</b>"
        if low is None or high is None:
            cells.append(f"{text}<small>no interval: too few decisions</small>")
            continue
        every = [told.get(other, {}).get(metric, {}) for other in beside]
        ends = [end for one in every for name in ("low", "high") if (end := finite(one.get(name))) is not None]
        scale = (min(ends), max(ends))
        interval = f"{_fixed(low, digits)} … {_fixed(high, digits)}"
        cells.append(f"{text} <small>{interval}</small>{whisker(value, low, high, scale, key)}")
    return cells


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _points(one: Record) -> list[tuple[float, float]]:
    """(lag in days, share complete) in order of the lag: from ``maturity``, points with ``lag`` and ``final``, or from
    ``completeness``, a mapping or pairs; keys may have become text in JSON."""
    given = one.get("completeness") or ()
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    pairs += [(point.get("lag"), point.get("final")) for point in one.get("maturity") or ()]
    points = [(finite(lag), finite(part)) for lag, part in pairs]
    return sorted((lag, part) for lag, part in points if lag is not None and part is not None)


def _lag(one: Record, name: str) -> Any:
    lags = one.get("lags") or {}
    return lags.get(name, one.get(f"lag_{name}", one.get(name)))


def _wait(one: Record) -> str:
    if one.get("wait_days") is None and (observed := finite(one.get("observed_days"))) is not None:
        return f"&gt; {number(observed)}"
    return number(one.get("wait_days"))


def _around(found: Any) -> str:
    """Whether the change arrives around the outcome: a mapping with an odds ratio, or a sentence."""
    if not isinstance(found, Mapping):
        return escaped(found or "")
    low, high = number(found.get("low"), 3), number(found.get("high"), 3)
    rates = [
        share(changed / count) if (count := finite(found.get(kind))) and changed is not None else share(None)
        for kind in ("positives", "negatives")
        for changed in [finite(found.get(f"{kind}_changed"))]
    ]
    return (
        f"odds ratio <b>{number(found.get('odds_ratio'), 3)}</b> <small>{low} … {high}; changed after the decision for "
        f"{rates[0]} of positives, {rates[1]} of negatives</small>"
    )


def _range(one: Record) -> str:
    low, high = finite(one.get("low")), finite(one.get("high"))
    return f"<small>{share(low)} … {share(high)}</small>" if low is not None and high is not None else ""
