"""What a candidate is, in Markdown and pictures, for Dagit and the command line.

Lives here: text and plots of results. Not here: any number that is not already in the candidate or the gates.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadscore_dagster.core.measures.catalogue import phrase_of, rests_on
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.modelling.candidate import Candidate
from leadscore_dagster.core.modelling.judgement.evaluation import Decile
from leadscore_dagster.core.pages.frame.numbers import Form, form_of, percentage, value_and_ends
from leadscore_dagster.core.pages.frame.text import DIRECTIONS
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.versions.comparison import PROMOTION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STRONGEST = 15


def gates_markdown(results: Sequence[Verdict]) -> str:
    """One row per gate: verdict, value with 95% interval, threshold, and why; then the comparison with the champion."""
    gates = [result for result in results if result.name != PROMOTION]
    rows = [
        (
            result.word if result.passed else "**refused**",
            phrase_of(result.name),
            _spanned(result.as_dict(), form_of(result.name)),
            percentage(result.threshold) if form_of(result.name) == "percent" else f"{result.threshold:g}",
            result.why,
        )
        for result in gates
    ]
    paired = [
        f"\nAgainst the champion: {'promoted' if result.passed else 'unchanged'}. {result.why}\n"
        for result in results
        if result.name == PROMOTION
    ]
    return _table(("verdict", "gate", "value [95% interval]", "threshold", "why"), rows) + "".join(paired)


def candidate_markdown(candidate: Candidate, measured: Mapping[str, Any] | None = None) -> str:
    """How the candidate was chosen and how it did on the test period nothing was tuned on.

    ``measured``: its `candidate_evidence`, where there is one: call lists, segments, months, drivers with intervals.
    """
    judgement = candidate.judgement
    test = candidate.periods[-1]
    parts = [
        f"**{candidate.contender.name.replace('_', ' ')}**. {candidate.why_chosen.rstrip('.')}.",
        f"Judged once, on {test.rows:,} decisions with {test.positives:,} positives. In brackets: 95% intervals.",
        _periods(candidate),
        "#### Test period\n\n" + metrics_markdown(candidate.metrics, judgement.baseline_metrics),
        "#### Gains on the test period\n\n" + _gains(judgement.gains),
        "#### Cross-validation in the development period\n\n" + _compared(candidate),
        "#### Strongest features on the test period\n\n" + _drivers(judgement.importances, measured),
    ]
    return "\n\n".join([*parts, *(evidence_markdown(measured) if measured else ())]) + "\n"


def evidence_markdown(measured: Mapping[str, Any]) -> list[str]:
    """A `candidate_evidence` in short: what a list brings, how the parts of the test period did, calibration."""
    lists = [
        (
            "all leads" if one["share"] == 1 else f"best {percentage(one['share'])}",
            f"{one['called']:,}",
            _spanned(one["conversions"], "count"),
            f"{round(one['expected']):,}",
            _spanned(one["per_hundred"], decimals=2),
            _spanned(one["over_random"], "signed", 2),
            _spanned(one["calls_per_conversion"], decimals=1),
            _spanned(one["found"], "percent"),
        )
        for one in measured["lists"]
    ]
    header = ("list", "calls", "conversions", "promised", "per 100 calls", "more than at random")
    further = ("calls per conversion", "share of all conversions")
    told = [
        "#### What a list brings\n\n" + _table((*header, *further), lists),
        "#### Segments and months\n\n" + _cohorts(measured),
        "#### Calibration\n\n" + _calibration(measured),
    ]
    reference = measured["reference"]
    if reference:
        over = f"{_spanned(reference['correlation'])} over {reference['common']} common features"
        told.append(f"#### Against the reference ranking\n\nRank correlation {over}; 1 is the same order.")
    return told


def metrics_markdown(metrics: Mapping[str, Interval], baseline: Mapping[str, Interval]) -> str:
    """Every metric with interval and n, the logistic baseline beside it."""
    rows = [
        (
            phrase_of(name),
            _spanned(interval.to_dict(), form_of(name)),
            f"{interval.n:,}{' features' if rests_on(name) == 'features' else ''}",
            f"{interval.positives:,}" if rests_on(name) == "outcomes" else "–",
            _spanned(baseline[name].to_dict(), form_of(name)) if name in baseline else "–",
        )
        for name, interval in metrics.items()
    ]
    return _table(("metric", "value [95% interval]", "n", "positives", "logistic baseline"), rows)


def track_record_markdown(records: Sequence[Mapping[str, Any]], period: str) -> str:
    """One row per earlier period's model: what it delivered on the decisions after it, and what it had claimed."""
    if not records:
        return f"No earlier {period} has a model whose later decisions have matured.\n"
    rows = [
        (
            str(record["as_of"]),
            f"{record['version']} ({record['role']}){': ' + record['why'] if record.get('why') else ''}",
            f"{record['n']:,}",
            f"{record['positives']:,}",
            _spanned(record["metrics"].get("top_decile_lift"), decimals=2),
            _spanned(record["claimed"].get("top_decile_lift"), decimals=2),
            *(_spanned(record["metrics"].get(name), form_of(name)) for name in ("auc_pr", "auc_roc", "ece")),
        )
        for record in records
    ]
    header = (period, "version", "decisions after it", "positives", "lift [95% interval]", "lift claimed")
    return _table((*header, "AUC-PR", "AUC-ROC", "calibration error"), rows)


def _periods(candidate: Candidate) -> str:
    rows = [
        (
            period.name,
            f"{period.first[:10]} … {period.last[:10]}",
            f"{period.rows:,}",
            f"{period.positives:,}",
            percentage(period.rate),
        )
        for period in candidate.periods
    ]
    purged = f"{candidate.purged:,} rows were purged between the periods, whose label windows would have overlapped."
    return f"{_table(('period', 'decisions', 'n', 'positives', 'rate'), rows)}\n{purged}"


def _gains(gains: Sequence[Decile]) -> str:
    rows = [
        (
            str(one.decile),
            f"{one.n:,}",
            f"{one.positives:,.{0 if float(one.positives).is_integer() else 1}f}",
            _spanned({"value": one.rate, "low": one.low, "high": one.high}, "percent"),
            f"{one.lift:.2f}",
        )
        for one in gains
    ]
    return _table(("tenth, best first", "n", "positives", "rate", "lift"), rows)


def _compared(candidate: Candidate) -> str:
    rows: list[tuple[str, ...]] = [
        (
            one.name.replace("_", " "),
            _spanned(one.auc_pr.to_dict()),
            ", ".join(f"{value:.3f}" for value in one.fold_auc_pr),
            _spanned(one.metrics["precision_at_10pct"].to_dict(), "percent"),
            _spanned(one.metrics["ece"].to_dict(), "percent"),
            percentage(one.variation),
        )
        for one in candidate.compared
    ]
    rows += [
        (name.replace("_", " "), f"could not be fitted: {why}", "", "", "", "")
        for name, why in candidate.failed.items()
    ]
    header = ("candidate", "AUC-PR", "each fold", "precision in the top tenth", "calibration error before calibration")
    return _table((*header, "variation of AUC-PR"), rows)


def _drivers(importances: Mapping[str, float], measured: Mapping[str, Any] | None) -> str:
    """Mean |contribution| in log-odds; with interval, share and direction where they were measured."""
    if not measured:
        stored = [(name, f"{value:.4f}") for name, value in list(importances.items())[:_STRONGEST]]
        return _table(("feature", "importance, log-odds"), stored)
    rows = [
        (one["feature"], _spanned(one, decimals=4), percentage(one["share"]), DIRECTIONS[one["direction"]])
        for one in measured["importance"][:_STRONGEST]
    ]
    return _table(("feature", "importance, log-odds", "share", "direction"), rows)


def _cohorts(measured: Mapping[str, Any]) -> str:
    parts = [(name, entry["parts"]) for name, entry in measured["segments"].items()]
    rows = [
        (
            f"{title.replace('_', ' ')}: {cell['name']}{' (small)' if cell['small'] else ''}",
            f"{cell['n']:,}",
            f"{cell['positives']:,}",
            _spanned({"value": cell["rate"], "low": cell["low"], "high": cell["high"]}, "percent"),
            f"{cell['expected']:,.1f}",
            _spanned(cell["lift"], decimals=2),
            _spanned(cell["auc_roc"]),
        )
        for title, cells in [*parts, ("month", measured["months"])]
        for cell in cells
    ]
    return _table(("part", "n", "positives", "rate", "promised", "lift", "AUC-ROC"), rows)


def _calibration(measured: Mapping[str, Any]) -> str:
    found, said, came = measured["reliability"], measured["expected"], measured["positives"]
    return (
        f"{round(said):,} conversions were promised; {came:,} of {measured['n']:,} were observed. Calibration error "
        f"{_spanned(found['overall']['ece'], 'percent')}. Slope {_spanned(found['slope'])}; 1 is right, below 1 the "
        f"probabilities are too far apart. Shift needed, log-odds: {_spanned(found['overall']['shift'], 'signed', 2)}; "
        "below 0 they are too high."
    )


def gains_plot(candidate: Candidate) -> str:
    """Markdown image: conversion rate by decile of the test period with 95% intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    deciles = [decile.decile for decile in candidate.judgement.gains]
    rates = [decile.rate * 100 for decile in candidate.judgement.gains]
    below = [(decile.rate - decile.low) * 100 for decile in candidate.judgement.gains]
    above = [(decile.high - decile.rate) * 100 for decile in candidate.judgement.gains]
    axes.bar(deciles, rates, yerr=[below, above], color="#4f7cac", ecolor="#333333", capsize=3)
    base = 100 * candidate.periods[-1].rate
    axes.axhline(base, color="#b23a48", linewidth=1, label=f"all: {base:.1f}%")
    axes.set(xlabel="decile of the score (1 = best)", ylabel="converted, %", xticks=deciles)
    axes.legend(frameon=False)
    return _image("Conversion by decile", figure)


def importance_plot(candidate: Candidate) -> str:
    """Markdown image: the fifteen strongest features on the test period, with intervals where they were measured."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    top = list(candidate.judgement.importances.items())[:_STRONGEST][::-1]
    measured = {one["feature"]: one for one in (candidate.judgement.evidence or {}).get("importance", ())}
    ends = [[abs(value - _end(measured.get(name), end, value)) for name, value in top] for end in ("low", "high")]
    axes.barh(
        [name for name, _ in top], [value for _, value in top], xerr=ends, color="#4f7cac", ecolor="#333333", capsize=2
    )
    axes.set(xlabel="mean absolute contribution with 95% interval, log-odds")
    axes.tick_params(labelsize=8)
    return _image("Strongest features", figure)


def _end(measured: Mapping[str, Any] | None, end: str, value: float) -> float:
    """An end of an interval, the value itself where it is not known."""
    found = measured[end] if measured else None
    return value if found is None else float(found)


def summary_plot(measured: Mapping[str, Any]) -> str:
    """Markdown image: contributions of the strongest features against their values, a dot for each tenth of the rows.

    ``measured``: the candidate's `candidate_evidence`. Blue are small values, red large ones, grey missing ones.
    """
    from matplotlib.figure import Figure

    shown = measured["summary"][:_STRONGEST][::-1]
    figure = Figure(figsize=(6.5, 0.34 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots()
    for row, one in enumerate(shown):
        known = sum(not group["missing"] for group in one["groups"])
        for place, group in enumerate(one["groups"]):
            low, _, middle, _, high = group["contribution"]
            warm = place / max(known - 1, 1)
            colour = "#8a94a3" if group["missing"] else (0.18 + 0.64 * warm, 0.36, 0.82 - 0.6 * warm)
            height = row + 0.6 * (place / max(len(one["groups"]) - 1, 1) - 0.5)
            axes.plot([low, high], [height, height], color=colour, linewidth=1, alpha=0.5)
            axes.plot([middle], [height], marker="o", markersize=3, color=colour)
    axes.axvline(0, color="#8a94a3", linewidth=0.8)
    axes.set(xlabel="contribution to the log-odds; right of 0 it raises the score", yticks=range(len(shown)))
    axes.set_title("values: blue small, red large, grey missing; lines span 90% of the leads", fontsize=7, loc="left")
    axes.set_yticklabels([one["feature"] for one in shown], fontsize=7)
    return _image("Contributions by value", figure)


def _image(title: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return f"![{title}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})\n"


def _spanned(interval: Mapping[str, Any] | None, form: Form = "number", decimals: int | None = None) -> str:
    return " ".join(filter(None, value_and_ends(interval, form, decimals)))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar or a line break inside a cell does not end it."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"

    return "\n".join([line(header), f"|{'---|' * len(header)}", *map(line, rows)]) + "\n"
