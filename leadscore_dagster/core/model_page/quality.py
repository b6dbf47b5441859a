"""Sections on how good the model is: gates and metrics, calibration, by segment and month, track record.

Does not belong here: what sales gets from it (business), why it scores as it does (drivers).
"""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.gates import PHRASES
from leadscore_dagster.core.model_page import charts
from leadscore_dagster.core.model_page.reading import Form, Record, absent, at, basis, day, percent, short, spanned
from leadscore_dagster.core.page.text import escaped, number, section, table

_SHARES = {"precision_at_10pct", "train_test_gap", "cross_validation_variation", "ece", "segment_ece"}
#: metrics that no gate may name
_FURTHER = {"brier": "Brier score", "training_auc_pr": "AUC-PR on the training rows"}


def gates(evidence: Record) -> str:
    """Every gate with value, interval, threshold and reason."""
    lead = (
        "The unfavourable end of the interval must hold, unless the recipe says otherwise. One refusal is enough, "
        "unless somebody has waived it."
    )
    results = evidence.get("gates") or []
    rows = [
        [
            _verdict(gate),
            f"<b>{escaped(PHRASES.get(gate['name'], gate['name'].replace('_', ' ')))}</b>",
            spanned(gate, _form(gate["name"])),
            percent(gate["threshold"]) if gate["name"] in _SHARES else short(gate["threshold"]),
            escaped(gate["why"]),
        ]
        for gate in results
    ]
    header = ["", "gate", "value [95% interval]", "threshold", "why"]
    body = (
        table(header, rows, numeric=(2, 3), kind="gates stack") if rows else absent("no gate has judged this version")
    )
    return section("Gates", lead, body, "gates")


def metrics(evidence: Record) -> str:
    """All metrics of the test period beside the logistic baseline's."""
    manifest = evidence.get("manifest") or {}
    measured = {**(manifest.get("metrics") or {}), **(manifest.get("extra_metrics") or {})}
    baseline = manifest.get("baseline_metrics") or {}
    lead = "Measured once, on the test period, unless named otherwise. Baseline: logistic regression, same rows."
    if not measured:
        return section("Metrics", lead, absent("no metric is stored with this version"), "metrics")
    rows = [
        [
            escaped(PHRASES.get(name) or _FURTHER.get(name, name.replace("_", " "))),
            spanned(interval, _form(name)),
            number(interval.get("n")),
            number(interval.get("positives")),
            spanned(baseline.get(name), _form(name)),
        ]
        for name, interval in measured.items()
    ]
    header = ["metric", "value [95% interval]", "n", "positives", "baseline"]
    first = next((entry for name, entry in measured.items() if name == "auc_roc"), None)
    note = f'<p class="note">{basis(first)}.</p>' if first else ""
    return section("Metrics", lead, table(header, rows, numeric=(1, 2, 3, 4), kind="stack") + note, "metrics")


def calibration(evidence: Record) -> str:
    """Reliability diagram, distribution of the scores, slope and calibration error, overall and by segment."""
    lead = "Whether a lead given 5% converts 5 times in 100. Bars are 95% intervals; the dashed line is right."
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
    header = ["decisions", "n", "positives", "calibration error", "log-odds too low by"]
    line = (
        f"Slope {spanned(found.get('slope'))} (1 is right, below 1 too bold), intercept "
        f"{spanned(found.get('intercept'))} (0 is right). Calibration error: mean distance of what was said from what "
        "came, over tenths of equal size."
    )
    body = f'<div class="charts">{drawn}</div>{table(header, rows, numeric=(1, 2, 3, 4), kind="stack")}'
    return section("Calibration", lead, f'{body}<p class="note">{line}</p>', "calibration")


def cohorts(evidence: Record) -> str:
    """The same measures in each segment and month."""
    lead = "A good average can hide a part in which the model is useless. Small parts are marked: do not rely on them."
    measured = evidence.get("measured") or {}
    months, segments = measured.get("months") or [], measured.get("segments") or {}
    if not months and not segments:
        return section(
            "Segments and months", lead, absent("this version was registered without its cohorts"), "cohorts"
        )
    tables = "".join(
        f"<h3>{escaped(name.replace('_', ' '))}</h3><p class=note>by <code>{escaped(entry['feature'])}</code></p>"
        + _cells(entry["parts"])
        for name, entry in segments.items()
    )
    if not segments:
        tables = absent("the recipe names no segments (model.segments)")
    by_month = f"<h3>month of the decision</h3><div class=beside>{charts.over_time(months)}{_cells(months)}</div>"
    return section("Segments and months", lead, tables + (by_month if months else ""), "cohorts")


#: what a track record shows
DELIVERED = ("top_decile_lift", "auc_pr", "auc_roc", "ece")


def track_record(evidence: Record) -> str:
    """What the model of each quarter did on the decisions that came after it."""
    lead = "The model of each quarter, as it was, on decisions nobody had seen when it was trained."
    records: Sequence[Record] = evidence.get("track_record") or []
    if not records:
        why = "no later quarter has been scored with this recipe's earlier versions"
        return section("Track record", lead, absent(why), "record")
    rows = [
        [
            f"{day(one['as_of'])}<small>{escaped(one['role'])} <code>{escaped(one['version'])}</code></small>",
            f"{day(one['from'])} to {day(one['until'])}",
            number(one["n"]),
            number(one["positives"]),
            spanned(at(one, "claimed", "top_decile_lift")),
            *(spanned(at(one, "metrics", name)) for name in DELIVERED),
        ]
        for one in records
    ]
    measures = (escaped(PHRASES[name]) for name in DELIVERED)
    header = ["model of", "judged on", "n", "positives", "lift claimed on its test period", *measures]
    return section("Track record", lead, table(header, rows, numeric=range(2, len(header)), kind="stack"), "record")


def _calibration(found: Record) -> list[str]:
    ece = found["ece"]
    return [
        number(ece["n"]),
        number(ece["positives"]),
        spanned(ece, "percent"),
        spanned(found.get("shift")),
    ]


def _cells(cells: Sequence[Record]) -> str:
    mark = " <span class=chip>small</span>"
    rows = [
        [
            f"<span class=nowrap>{escaped(one['name'])}</span>{mark if one['small'] else ''}",
            number(one["n"]),
            number(one["positives"]),
            spanned({"value": one["rate"], "low": one["low"], "high": one["high"]}, "percent"),
            short(one["expected"]),
            spanned(one["lift"]),
            spanned(one["auc_roc"]),
        ]
        for one in cells
    ]
    header = ["part", "n", "positives", "rate", "promised", "lift", "AUC-ROC"]
    return table(header, rows, numeric=(1, 2, 3, 4, 5, 6), kind="tight stack")


def _form(name: str) -> Form:
    return "percent" if name in _SHARES else "number"


def _verdict(gate: Record) -> str:
    kind, symbol, word = ("clear", "✓", "passed") if gate["passed"] else ("leak", "✕", "refused")
    if gate.get("waived"):
        kind, symbol, word = "suspect", "!", "waived"
    return f'<span class="chip {kind}"><s>{symbol}</s><span>{word}</span></span>'
