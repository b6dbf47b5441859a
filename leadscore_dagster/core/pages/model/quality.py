"""Sections on how good the model is: gates and metrics, calibration, by segment and month, track record.

Not here: what sales gets from it (business), why it scores as it does (drivers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leadscore_dagster.core.measures.catalogue import METRICS, phrase_of, rests_on
from leadscore_dagster.core.pages.frame.drawing import whisker
from leadscore_dagster.core.pages.frame.numbers import form_of
from leadscore_dagster.core.pages.frame.text import escaped, finite, number, section, table
from leadscore_dagster.core.pages.model import charts
from leadscore_dagster.core.pages.model.reading import Record, absent, at, basis, day, percent, short, spanned
from leadscore_dagster.core.versions.comparison import PROMOTION


def gates(evidence: Record) -> str:
    """Every gate with value, interval, threshold and reason, and the comparison with the champion of its day."""
    lead = (
        "Conditions a version must meet before it may score. The unfavourable end of the interval decides, unless the "
        "recipe says otherwise; red is the threshold, dotted 0. One refusal is enough, unless it was waived."
    )
    results = [gate for gate in evidence.get("gates") or [] if gate["name"] != PROMOTION]
    paired = next((gate for gate in evidence.get("gates") or [] if gate["name"] == PROMOTION), None)
    measured = at(evidence, "manifest", "metrics") or {}
    rows = [
        [
            _verdict(gate),
            _metric(gate["name"]),
            spanned(gate, form_of(gate["name"])) + _against_threshold(gate),
            percent(gate["threshold"]) if form_of(gate["name"]) == "percent" else short(gate["threshold"]),
            number(at(measured, gate["name"], "n")),
            _positives(gate["name"], measured.get(gate["name"])),
            escaped(_rule(gate)),
        ]
        for gate in results
    ]
    header = ["verdict", "gate", "value [95% interval]", "threshold", "n", "positives", "why"]
    body = absent("no gate has judged this version")
    if rows:
        body = table(header, rows, numeric=(2, 3, 4, 5), kind="gates tight stack")
    if paired:
        word = "Promoted" if paired["passed"] else "Unchanged"
        body += f"<h3>Against the champion of its day</h3><p><b>{word}.</b> {escaped(paired['why'])}</p>"
    return section("Gates", lead, body, "gates")


def metrics(evidence: Record) -> str:
    """All metrics of the test period beside the logistic baseline's."""
    manifest = evidence.get("manifest") or {}
    measured = {**(manifest.get("metrics") or {}), **(manifest.get("extra_metrics") or {})}
    baseline = manifest.get("baseline_metrics") or {}
    lead = "Measured once, on the test period, unless named otherwise. Positives are decisions that converted."
    if not measured:
        return section("Metrics", lead, absent("no metric is stored with this version"), "metrics")
    itself = bool(baseline) and all(baseline[name] == measured.get(name) for name in baseline)
    rows = [
        [
            _metric(name),
            spanned(interval, form_of(name)),
            _resting_on(name, interval),
            _positives(name, interval),
            *([] if itself else [spanned(baseline.get(name), form_of(name))]),
        ]
        for name, interval in measured.items()
        if name != "test_positives"
    ]
    header = ["metric", "value [95% interval]", "n", "positives", *([] if itself else ["baseline"])]
    told = "Baseline: a logistic regression on the same rows"
    told += ", which is what was chosen: there is nothing to compare." if itself else "."
    first = next((entry for name, entry in measured.items() if name == "auc_roc"), None)
    note = f'<p class="note">{basis(first)}. {told}</p>' if first else ""
    made = table(header, rows, numeric=range(1, len(header)), kind="metrics tight stack")
    return section("Metrics", lead, made + note, "metrics")


def calibration(evidence: Record) -> str:
    """Reliability diagram, distribution of the scores, slope and calibration error, overall and by segment."""
    lead = "Whether a lead given 5% converts 5 times in 100."
    found, counts = at(evidence, "measured", "reliability"), at(evidence, "measured", "histogram")
    if not found:
        return section(
            "Calibration", lead, absent("this version was registered without its reliability"), "calibration"
        )
    drawn = charts.reliability(found["bins"]) + (charts.histogram(counts) if counts else "")
    rows = [["<b>all decisions</b>", *_calibration(found["overall"])]]
    for segment, parts in (found.get("segments") or {}).items():
        rows += [
            [f"{escaped(name)}<small>{escaped(segment.replace('_', ' '))}</small>", *_calibration(part)]
            for name, part in parts.items()
        ]
    header = ["decisions", "n", "positives", "calibration error", "shift needed, log-odds"]
    sizes = [one["n"] for one in found["bins"]]
    line = (
        f"Slope {spanned(found.get('slope'))}: 1 is right, below 1 the probabilities are too far apart. Intercept "
        f"{spanned(found.get('intercept'))}: 0 is right. Calibration error: mean distance of what was said from what "
        "came, over tenths of equal size, freed from what chance adds. Shift: what would have to be added to all "
        f"log-odds; below 0 the probabilities are too high. A dot of the diagram is {_span(sizes)} decisions."
    )
    body = f'<div class="charts">{drawn}</div>{table(header, rows, numeric=(1, 2, 3, 4), kind="tight stack")}'
    return section("Calibration", lead, f'{body}<p class="note">{line}</p>', "calibration")


def cohorts(evidence: Record) -> str:
    """The same measures in each segment and month."""
    lead = "A good average can hide a part where the model is useless. Small parts are marked: do not rely on them."
    measured = evidence.get("measured") or {}
    months, segments = measured.get("months") or [], measured.get("segments") or {}
    if not months and not segments:
        return section(
            "Segments and months", lead, absent("this version was registered without its cohorts"), "cohorts"
        )
    catalogue = {str(one["name"]): one for one in at(evidence, "manifest", "features") or []}
    body = "".join(_segment(name, entry, catalogue) for name, entry in segments.items())
    if not segments:
        body = absent("the recipe names no segments (model.segments)")
    if months:
        drawn = charts.over_time(months) + charts.order_over_time(months)
        body += f'<h3>By month of the decision</h3><div class="charts">{drawn}</div>{_cells(months, "month")}'
    note = (
        "Rate and lift: Wilson's 95% interval; AUC-ROC: that of DeLong. Promised: the sum of the probabilities. Lift: "
        "of the best tenth inside the part. Small: too few decisions or positives to judge by."
    )
    return section("Segments and months", lead, f'{body}<p class="note">{note}</p>', "cohorts")


def _segment(name: str, entry: Record, catalogue: dict[str, Any]) -> str:
    feature = catalogue.get(str(entry["feature"]), {})
    unit = f" ({escaped(feature['unit'])})" if feature.get("unit") else ""
    told = f": {escaped(feature['definition'])}{unit}" if feature.get("definition") else ""
    source = f'<p class="note source"><code>{escaped(entry["feature"])}</code>{told}</p>'
    return f"<h3>By {escaped(name.replace('_', ' '))}</h3>{source}{_cells(entry['parts'], 'part')}"


#: what a track record shows
DELIVERED = ("top_decile_lift", "auc_pr", "auc_roc", "ece")


def track_record(evidence: Record) -> str:
    """What the model of each period did on the decisions that came after it."""
    period = str(at(evidence, "recipe", "cadence"))
    lead = (
        f"The model of each earlier {period}, as it was, on decisions that came after it was trained: what the way of "
        "making these models delivers, not only what a test period claims."
    )
    records: Sequence[Record] = evidence.get("track_record") or []
    if not records:
        why = f"no later {period} has been scored with this recipe's earlier versions"
        return section("Track record", lead, absent(why), "record")
    known = any(at(one, "oracle", "top_decile_lift") for one in records)
    rows = [
        [
            f"<span class=nowrap>{day(one['as_of'])}</span><small>{escaped(one['role'])} "
            f"<code>{escaped(one['version'])}</code></small>{_not_measured(one)}",
            f"<span class=nowrap>{day(one['from'])}</span> to <span class=nowrap>{day(one['until'])}</span>",
            number(one["n"]),
            number(one["positives"]),
            spanned(at(one, "claimed", "top_decile_lift"), decimals=2),
            spanned(at(one, "metrics", "top_decile_lift"), decimals=2),
            *([spanned(at(one, "oracle", "top_decile_lift"), decimals=2)] if known else []),
            *(spanned(at(one, "metrics", name), form_of(name)) for name in DELIVERED[1:]),
        ]
        for one in records
    ]
    header = ["model of", "judged on", "n", "positives", "lift on its own test period"]
    delivered = [escaped(phrase_of(name)) for name in DELIVERED]
    header += [delivered[0], *(["lift of the true ranking"] if known else []), *delivered[1:]]
    drawn = charts.delivered(records, period)
    made = table(header, rows, numeric=range(2, len(header)), kind="tight stack record")
    note = "A champion really scored leads; a candidate could have, but did not. Intervals: 95%, bootstrap."
    note += " The true ranking is known because the market is simulated; in practice nobody has it." if known else ""
    body = (f'<div class="charts">{drawn}</div>' if drawn else "") + made + f'<p class="note">{note}</p>'
    return section("Track record", lead, body, "record")


def _not_measured(one: Record) -> str:
    return f"<small>not measured: {escaped(one['why'])}</small>" if one.get("why") else ""


def _calibration(found: Record) -> list[str]:
    ece = found["ece"]
    return [
        number(ece["n"]),
        number(ece["positives"]),
        spanned(ece, "percent", 1),
        spanned(found.get("shift"), "signed", 2),
    ]


def _span(sizes: Sequence[int]) -> str:
    """``767`` or ``767 to 768``."""
    ends = [number(size) for size in (min(sizes, default=0), max(sizes, default=0))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _metric(name: str) -> str:
    """A metric's name and what it is."""
    told = f"<small>{METRICS[name].meaning}</small>" if name in METRICS else ""
    return f"<b>{escaped(phrase_of(name))}</b>{told}"


def _resting_on(name: str, interval: Record | None) -> str:
    shown = number(at(interval, "n"))
    return f"{shown}<small>features</small>" if rests_on(name) == "features" else shown


def _positives(name: str, interval: Record | None) -> str:
    """Positives a metric rests on; a dash for one that does not look at outcomes."""
    return number(at(interval, "positives") if rests_on(name) == "outcomes" else None)


def _against_threshold(gate: Record) -> str:
    """The interval as a drawing, with the threshold in it; nothing for a number without an interval."""
    value, low, high, limit = (finite(gate[name]) for name in ("value", "low", "high", "threshold"))
    if value is None or low is None or high is None or limit is None or low == high:
        return ""
    ends = min(low, limit), max(high, limit)
    margin = 0.08 * (ends[1] - ends[0])
    return whisker(value, low, high, (ends[0] - margin, ends[1] + margin), "", limit)


def _rule(gate: Record) -> str:
    """Why a gate said so. Of one that passed, the numbers stand in the row already: what is left is the rule."""
    return str(gate["asked"] if gate["passed"] and gate.get("asked") else gate["why"])


def _cells(cells: Sequence[Record], what: str) -> str:
    mark = " <span class=chip>small</span>"
    rows = [
        [
            f"<span class=nowrap>{escaped(one['name'])}</span>{mark if one['small'] else ''}",
            number(one["n"]),
            number(one["positives"]),
            spanned({"value": one["rate"], "low": one["low"], "high": one["high"]}, "percent"),
            f"{one['expected']:,.1f}",
            spanned(one["lift"], decimals=2),
            spanned(one["auc_roc"], decimals=3),
        ]
        for one in cells
    ]
    header = [what, "n", "positives", "conversion rate", "promised", "lift", "AUC-ROC"]
    return table(header, rows, numeric=(1, 2, 3, 4, 5, 6), kind="tight stack")


def _verdict(gate: Record) -> str:
    kind, symbol, word = ("clear", "✓", "passed") if gate["passed"] else ("leak", "✕", "refused")
    if gate.get("waived"):
        kind, symbol, word = "suspect", "!", "waived"
    return f'<span class="chip {kind}"><s>{symbol}</s><span>{word}</span></span>'
