"""What a candidate is, in Markdown and pictures, for Dagit and the command line.

Lives here: text and plots of results. Does not: any number that is not already in the candidate or the gates.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadscore_dagster.core.gates import PHRASES, GateResult, metrics_from_dict
from leadscore_dagster.core.modelling.candidate import Candidate
from leadscore_dagster.core.modelling.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gates_markdown(results: Sequence[GateResult]) -> str:
    """One row per gate: verdict, value, 95% interval, threshold, and why."""
    rows = [
        f"| {result.verdict if result.passed else '**refused**'} | {PHRASES.get(result.name, result.name)} | "
        f"{_number(result.value)} | {_number(result.low)} … {_number(result.high)} | {_number(result.threshold)} | "
        f"{result.why} |"
        for result in results
    ]
    return (
        "\n".join(["| verdict | gate | value | 95% interval | threshold | why |", "|---|---|---|---|---|---|", *rows])
        + "\n"
    )


def candidate_markdown(candidate: Candidate, measured: Mapping[str, Any] | None = None) -> str:
    """How the candidate was chosen and how it did on the test period nothing was tuned on.

    ``measured``: its `candidate_evidence`, where there is one: call lists, segments, months, drivers with intervals.
    """
    periods = [
        f"| {period.name} | {period.first[:10]} … {period.last[:10]} | {period.rows:,} | {period.positives:,} | "
        f"{period.rate:.2%} |"
        for period in candidate.periods
    ]
    compared = [
        f"| {one.name} | {_ends(one.auc_pr)} | {', '.join(f'{value:.3f}' for value in one.fold_auc_pr)} | "
        f"{_ends(one.metrics['precision_at_10pct'])} | {_ends(one.metrics['ece'])} | {_number(one.variation)} |"
        for one in candidate.compared
    ]
    compared += [f"| {name} | could not be fitted: {why} | | | | |" for name, why in candidate.failed.items()]
    drivers = [f"| {name} | {value:.3f} |" for name, value in list(candidate.judgement.importances.items())[:15]]
    gains = [
        f"| {decile.decile} | {decile.n:,} | {decile.positives:,.1f} | {decile.rate:.2%} | "
        f"{decile.low:.2%} … {decile.high:.2%} | {decile.lift:.2f} |"
        for decile in candidate.judgement.gains
    ]
    parts = [
        f"**{candidate.contender.name}**. {candidate.why_chosen}",
        f"{candidate.purged:,} rows were purged between the periods, whose label windows would have overlapped.",
        "| period | decisions | rows | positives | rate |\n|---|---|---|---|---|\n" + "\n".join(periods),
        "#### Test period\n\n" + metrics_markdown(candidate.metrics, candidate.judgement.baseline_metrics),
        "#### Gains on the test period\n\n| decile | rows | positives | rate | 95% interval | lift |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(gains),
        "#### Cross-validation in the development period\n\n| contender | AUC-PR | folds | precision in the top tenth "
        "| calibration error before calibration | variation of AUC-PR |\n|---|---|---|---|---|---|\n"
        + "\n".join(compared),
        "#### Strongest features on the test period (mean absolute contribution, log-odds)\n\n| feature | effect |\n"
        "|---|---|\n" + "\n".join(drivers),
    ]
    return "\n\n".join([*parts, *(evidence_markdown(measured) if measured else ())]) + "\n"


def evidence_markdown(measured: Mapping[str, Any]) -> list[str]:
    """A `candidate_evidence` in short: what a list brings, how the parts of the test period did, calibration."""
    lists = [
        f"| best {one['share']:.0%} | {one['called']:,} | {_spanned(one['per_hundred'])} | "
        f"{_spanned(one['calls_per_conversion'])} | {_spanned(one['found'])} |"
        for one in measured["lists"]
    ]
    segments = [(name, entry["parts"]) for name, entry in measured["segments"].items()]
    cells = [
        f"| {title.replace('_', ' ')}: {cell['name'].replace('|', '/')}{' (small)' if cell['small'] else ''} | "
        f"{cell['n']:,} | {cell['positives']:,} | {cell['rate']:.2%} | {_number(cell['expected'])} | "
        f"{_spanned(cell['auc_roc'])} |"
        for title, parts in [*segments, ("month", measured["months"])]
        for cell in parts
    ]
    promised = f"{_number(round(measured['expected']))} conversions were promised, {measured['positives']:,} came."
    line = f"Slope of the calibration {_spanned(measured['reliability']['slope'])}; 1 is right."
    told = [
        "#### What a list brings\n\n| list | calls | per 100 calls | calls for one | share of all conversions |\n"
        "|---|---|---|---|---|\n" + "\n".join(lists),
        "#### Segments and months\n\n| part | rows | positives | rate | promised | AUC-ROC |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(cells),
        f"#### Calibration\n\n{promised} {line}",
    ]
    reference = measured["reference"]
    if reference:
        over = f"{_spanned(reference['correlation'])} over {reference['common']} common features"
        told.append(f"#### Against the reference ranking\n\nRank correlation {over}.")
    return told


def metrics_markdown(metrics: Mapping[str, Interval], baseline: Mapping[str, Interval]) -> str:
    """Every metric with interval and n, the logistic baseline beside it."""
    rows = []
    for name, measured in metrics.items():
        other = _number(baseline[name].value) if name in baseline else ""
        rows.append(
            f"| {PHRASES.get(name, name)} | {_number(measured.value)} | {_number(measured.low)} … "
            f"{_number(measured.high)} | {measured.n:,} | {measured.positives:,} | {other} |"
        )
    header = "| metric | value | 95% interval | n | positives | logistic baseline |\n|---|---|---|---|---|---|\n"
    return header + "\n".join(rows) + "\n"


def track_record_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """One row per earlier quarter's model: what it delivered on the decisions after it, and what it had claimed."""
    if not records:
        return "No earlier quarter has a model whose later decisions have matured.\n"
    rows = []
    for record in records:
        delivered, claimed = (metrics_from_dict(record[side]) for side in ("metrics", "claimed"))
        cells = [_ends(side.get("top_decile_lift")) for side in (delivered, claimed)]
        cells += [_ends(delivered.get(name)) for name in ("auc_pr", "ece")]
        rows.append(
            f"| {record['as_of']} | {record['version']} ({record['role']}) | {record['n']:,} | "
            f"{record['positives']:,} | {' | '.join(cells)} |"
        )
    header = (
        "| quarter | version | decisions after it | positives | lift | lift claimed | AUC-PR | calibration error |\n"
    )
    return header + "|---|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


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
    """Markdown image: the fifteen strongest features on the test period."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    top = list(candidate.judgement.importances.items())[:15][::-1]
    axes.barh([name for name, _ in top], [value for _, value in top], color="#4f7cac")
    axes.set(xlabel="mean absolute contribution, log-odds")
    axes.tick_params(labelsize=8)
    return _image("Strongest features", figure)


def summary_plot(measured: Mapping[str, Any]) -> str:
    """Markdown image: contributions of the strongest features against their values, a dot for each tenth of the rows.

    ``measured``: the candidate's `candidate_evidence`. Blue are small values, red large ones, grey missing ones.
    """
    from matplotlib.figure import Figure

    shown = measured["summary"][:15][::-1]
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
    axes.set(xlabel="contribution to the log-odds", yticks=range(len(shown)))
    axes.set_yticklabels([one["feature"] for one in shown], fontsize=7)
    return _image("Contributions by value", figure)


def _image(title: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return f"![{title}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})\n"


def _ends(measured: Interval | None) -> str:
    if measured is None or measured.value != measured.value:
        return "–"
    return f"{_number(measured.value)} [{_number(measured.low)}, {_number(measured.high)}]"


def _spanned(interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return "–"
    return f"{_number(interval['value'])} [{_number(interval['low'])}, {_number(interval['high'])}]"


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3f}"
