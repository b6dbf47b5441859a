"""Sections on how the model came about: data and audit, periods and folds, the comparison, the search, lineage, limits.

Not here: how good it turned out (quality).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from leadscore_dagster.core.pages.audit.matrix import KINDS
from leadscore_dagster.core.pages.frame.drawing import whisker
from leadscore_dagster.core.pages.frame.text import counted, escaped, finite, number, section, table
from leadscore_dagster.core.pages.model import charts
from leadscore_dagster.core.pages.model.reading import (
    Record,
    absent,
    at,
    basis,
    broken,
    contenders,
    day,
    days_between,
    fold_difference,
    percent,
    spanned,
)
from leadscore_dagster.core.recipe.cadence import Cadence


def data(evidence: Record) -> str:
    """The vintages the training table was made from, with digests."""
    lead = (
        "Every decision saw the newest delivery of each source (its vintage) that had arrived by then. A digest names "
        "the exact content of a partition."
    )
    vintages = at(evidence, "manifest", "vintages") or {}
    if not vintages:
        return section("Data", lead, absent("no vintage is stored with this version"), "data")
    cadence = Cadence(at(evidence, "recipe", "cadence"))
    tables: dict[str, list[tuple[str, str]]] = {}
    for name, digest in vintages.items():
        source, _, partition = str(name).partition("/")
        tables.setdefault(source, []).append((partition or "–", str(digest)))
    rows = [
        [
            f"<b>{escaped(source)}</b>",
            number(len(found)),
            _span([key for key, _ in found]),
            ", ".join(_nowrap(key) for key in _periods_missing([key for key, _ in found], cadence)) or "–",
            "<details><summary>digests</summary><ul>"
            + "".join(f"<li>{escaped(key)} <code>{escaped(digest[:16])}</code></li>" for key, digest in found)
            + "</ul></details>",
        ]
        for source, found in tables.items()
    ]
    header = ["table", "partitions", "from, to", f"missing {cadence.value}s", "content"]
    return section("Data", lead, table(header, rows, numeric=(1,), kind="stack digests"), "data")


def audit(evidence: Record) -> str:
    """The leakage audit of the training table: what blocks, how many features are what, and the matrix."""
    lead = "Whether a feature uses what nobody could have known at the decision, as found when the model was trained."
    found = evidence.get("audit") or {}
    kinds: Mapping[str, Mapping[str, str]] = found.get("parts") or {}
    if not kinds:
        return section("Leakage audit", lead, absent(found.get("absent", "the audit's report is not stored")), "audit")
    overall: Mapping[str, str] = found["overall"]
    counts = Counter(overall.values())
    chips = " ".join(
        f'<span class="chip {kind}"><s>{symbol}</s><span>{number(counts[kind])} {word}</span></span>'
        for kind, (symbol, word, _) in KINDS.items()
        if counts[kind]
    )
    state = "It blocks." if found.get("blocks") else "None of it blocks."
    told = f"<p>{counted(len(overall), 'feature')}: {chips} {state}</p>"
    why = f"<p class=note>{escaped(found['why'])}</p>" if found.get("why") else ""
    columns = list(dict.fromkeys(part for parts in kinds.values() for part in parts))
    ordered = sorted(kinds, key=lambda name: list(KINDS).index(overall.get(name, "clear")))
    rows = [[broken(name), *(_mark(kinds[name].get(part)) for part in columns)] for name in ordered]
    header = ["feature", *(escaped(part.replace("_", " ")) for part in columns)]
    matrix = f"{_legend(kinds)}{table(header, rows, kind='marks')}"
    stated = [
        [_holds(one), f"<b>{escaped(str(one['name']).replace('_', ' '))}</b>", escaped(one["why"])]
        for one in sorted(found.get("findings") or [], key=lambda one: bool(one["passed"]))
    ]
    header = ["verdict", "of the table as a whole", "why"]
    statements = table(header, stated, kind="statements stack") if stated else ""
    folded = f"<details><summary>every feature, every part</summary>{matrix}</details>"
    return section("Leakage audit", lead, told + why + statements + folded, "audit")


def periods(evidence: Record) -> str:
    """Periods with the gaps between them, and the folds of the development period."""
    manifest = evidence.get("manifest") or {}
    lead = (
        "Chosen on the first period, calibrated on the second (and fitted again with it), judged once on the third. "
        "Rows whose outcome was still open when the next period began are purged."
    )
    found: Sequence[Record] = manifest.get("periods") or []
    if not found:
        return section("Periods and folds", lead, absent("no period is stored with this version"), "periods")
    rows = []
    for place, one in enumerate(found):
        gap = days_between(found[place - 1]["last"], one["first"]) if place else None
        rows.append(
            [
                f'<span class="key period {escaped(one["name"])}"></span><b>{escaped(one["name"])}</b>',
                f"{day(one['first'])} to {day(one['last'])}",
                "–" if gap is None else counted(gap, "day"),
                number(one["rows"]),
                number(one["positives"]),
                percent(one["positives"] / one["rows"] if one["rows"] else None),
            ]
        )
    header = ["period", "decisions", "after a gap of", "n", "positives", "rate"]
    start, end = found[0]["first"], found[-1]["last"]
    line = charts.timeline(found, lambda instant: _share_of_way(start, end, instant))
    purged, window = manifest.get("purged"), manifest.get("label_window_days")
    note = f"<p class=note>{number(purged)} rows purged between the periods; outcomes take {number(window)} days.</p>"
    body = line + table(header, rows, numeric=(2, 3, 4, 5), kind="stack") + note + _folds(manifest.get("folds") or [])
    return section("Periods and folds", lead, body, "periods")


def comparison(evidence: Record) -> str:
    """What was compared in cross-validation, with the paired difference to the chosen one."""
    manifest = evidence.get("manifest") or {}
    ground = str(manifest.get("why_chosen") or "").rstrip(".").replace("_", " ")
    told = f"{escaped(ground[0].upper() + ground[1:])}. " if ground else ""
    lead = told + "Folds follow each other in time; nothing of the later periods is seen."
    entries = [one for one in contenders(manifest) if one["metrics"].get("auc_pr")]
    if not entries:
        return section("How it was chosen", lead, absent("no comparison is stored with this version"), "chosen")
    chosen: list[float] = next((one["folds"] for one in entries if one["chosen"]), [])
    reach = [finite(one["metrics"]["auc_pr"].get(end)) for one in entries for end in ("low", "high")]
    known = [end for end in reach if end is not None]
    ends = (min(known), max(known)) if known else (0.0, 1.0)
    rows = [_contender(one, chosen, ends) for one in entries]
    header = [
        "candidate",
        "mean AUC-PR of the folds",
        "difference to the chosen one, paired",
        "AUC-PR of each fold",
        "variation",
        "precision in the top tenth",
        "calibration error before calibration",
    ]
    note = (
        f"{basis(entries[0]['metrics']['auc_pr'])}. Paired: fold by fold, interval of Student's t; folds share "
        "training rows, so it is rather too narrow. Variation: standard deviation over mean of the folds as they are; "
        "the metric of that name takes off what chance and different base rates explain."
    )
    failed = "".join(
        f"<li><b>{escaped(name)}</b> could not be fitted: {escaped(why)}</li>"
        for name, why in (manifest.get("failed") or {}).items()
    )
    body = table(header, rows, numeric=(1, 2, 4, 5, 6), kind="tight stack") + f'<p class="note">{note}</p>'
    return section("How it was chosen", lead, body + (f"<ul>{failed}</ul>" if failed else ""), "chosen")


def _contender(one: Record, chosen: list[float], ends: tuple[float, float]) -> list[str]:
    interval = one["metrics"]["auc_pr"]
    whole = None not in [finite(interval.get(end)) for end in ("value", "low", "high")]
    mark = whisker(interval["value"], interval["low"], interval["high"], ends, "") if whole else ""
    return [
        f"<b>{escaped(one['name'].replace('_', ' '))}</b>{'<small>chosen</small>' if one['chosen'] else ''}",
        spanned(interval, decimals=4 if interval["value"] < 0.2 else 3) + mark,
        "–" if one["chosen"] else spanned(fold_difference(one["folds"], chosen), "signed", 4),
        " · ".join(_nowrap(f"{value:.3f}") for value in one["folds"]),
        "–" if one["variation"] is None else f"{one['variation']:.1%}",
        spanned(one["metrics"].get("precision_at_10pct"), "percent", 1),
        spanned(one["metrics"].get("ece"), "percent"),
    ]


def search(evidence: Record) -> str:
    """The search for parameters, as far as one was made."""
    lead = "Parameters are searched inside the development period only."
    found = at(evidence, "manifest", "searched")
    if not evidence.get("manifest"):
        return section("Search", lead, absent("the version has no manifest"), "search")
    if not found:
        return section("Search", lead, "<p>There was no search: the parameters are the recipe's.</p>", "search")
    rows = [
        [
            f"<b>{escaped(estimator.replace('_', ' '))}</b>",
            number(one["trials"]),
            number(one["value"]),
            "yes" if one["cut_short"] else "no",
            escaped(", ".join(f"{name} {value:g}" for name, value in one["parameters"].items())),
        ]
        for estimator, one in found.items()
    ]
    header = ["estimator", "trials", "best mean AUC-PR (the luckiest of many)", "cut short by time", "parameters"]
    return section("Search", lead, table(header, rows, numeric=(1, 2), kind="stack"), "search")


def lineage(evidence: Record) -> str:
    """What must be the same for the model to come out the same."""
    manifest = evidence.get("manifest") or {}
    lead = "The same data, code, parameters and libraries give the same model, byte for byte."
    if not manifest:
        return section("Lineage", lead, absent("the version has no manifest"), "lineage")
    parameters = at(manifest, "contender", "parameters") or {}
    facts = {
        "version": evidence.get("version"),
        "recipe": manifest.get("recipe"),
        "code version": manifest.get("code_version"),
        "estimator": str(manifest.get("estimator", "–")).replace("_", " "),
        **{f"parameter {name.replace('_', ' ')}": value for name, value in parameters.items()},
        "calibration": at(manifest, "calibrator", "kind"),
        "features": len(manifest.get("features") or []),
        **{f"library {name}": value for name, value in (manifest.get("libraries") or {}).items()},
        **{f"file {name}": str(value)[:12] for name, value in (manifest.get("files") or {}).items()},
    }
    history = evidence.get("ledger") or []
    entries = [
        [number(one["sequence"]), day(one["effective_from"]), escaped(one["action"]), escaped(one["why"])]
        for one in history
        if one["version"] == evidence.get("version")
    ]
    ledger = (
        table(["entry", "from", "action", "why"], entries, kind="stack") if entries else absent("no ledger entry yet")
    )
    return section("Lineage", lead, _pairs(facts) + "<h3>In the ledger</h3>" + ledger, "lineage")


def limits(evidence: Record) -> str:
    """What the numbers of this page do not say."""
    test = next((one for one in at(evidence, "manifest", "periods") or [] if one["name"] == "test"), None)
    told = [
        "Only leads that were contacted have an outcome: for leads sales never calls, the model is an extrapolation.",
        "Intervals show how far chance could have moved a number in this period, not what a changing market does.",
        "Importance is not cause: making somebody's value larger does not make them convert.",
        "The list's gain assumes that the same leads are called with the same effort, in another order.",
    ]
    if test:
        told.insert(0, f"This all rests on {number(test['positives'])} conversions between {day(test['first'])} and "
                       f"{day(test['last'])}.")  # fmt: skip
    small = [
        f"{name}: {cell['name']}"
        for name, entry in (at(evidence, "measured", "segments") or {}).items()
        for cell in entry["parts"]
        if cell["small"]
    ]
    if small:
        told.append(f"Too small to be judged: {escaped('; '.join(small).replace('_', ' '))}.")
    items = "".join(f"<li>{one}</li>" for one in told)
    return section("Limits", "What this page cannot tell you.", f'<ul class="limits">{items}</ul>', "limits")


def _folds(folds: Sequence[Record]) -> str:
    """A row per fold: rows and positives on both sides, and the gap between them."""
    if not folds:
        return absent("the dates of the folds; this version was registered without them")
    rows = []
    for number_of, fold in enumerate(folds, start=1):
        training, validation = fold["training"], fold["validation"]
        gap = days_between(training["last"], validation["first"])
        rows.append(
            [
                number(number_of),
                f"{day(training['first'])} to {day(training['last'])}",
                f"{number(training['rows'])} / {number(training['positives'])}",
                "–" if gap is None else counted(gap, "day"),
                f"{day(validation['first'])} to {day(validation['last'])}",
                f"{number(validation['rows'])} / {number(validation['positives'])}",
            ]
        )
    header = ["fold", "trained on", "n / positives", "gap", "validated on", "n / positives "]  # a name a column
    return "<h3>Folds of the development period</h3>" + table(header, rows, numeric=(0, 2, 3, 5), kind="stack")


def _pairs(facts: Mapping[str, Any]) -> str:
    made = "".join(
        f"<div><dt>{escaped(name).replace('_', '_<wbr>')}</dt><dd>{_value(value)}</dd></div>"
        for name, value in facts.items()
        if value is not None
    )
    return f'<dl class="facts">{made}</dl>'


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return escaped(", ".join(f"{name} {entry}" for name, entry in value.items()))
    if isinstance(value, list | tuple):
        return escaped(", ".join(map(str, value)))
    return escaped(value) if isinstance(value, str | bool) else number(value)


def _span(keys: Sequence[str]) -> str:
    ends = [_nowrap(key) for key in (keys[0], keys[-1])]
    return ends[0] if len(keys) == 1 else " to ".join(ends)


def _nowrap(text: str) -> str:
    return f"<span class=nowrap>{escaped(text)}</span>"


def _periods_missing(keys: Sequence[str], cadence: Cadence) -> list[str]:
    """Periods between the first and the last partition for which there is none; none unless all keys are periods."""
    try:
        days = sorted(date.fromisoformat(key) for key in keys)
    except ValueError:
        return []
    if not all(map(cadence.is_first_day, days)):
        return []
    return [day.isoformat() for day in cadence.between(days[0], days[-1]) if day not in days]


def _legend(kinds: Mapping[str, Mapping[str, str]]) -> str:
    """What the matrix's symbols say, of those that are in it."""
    there = {kind for parts in kinds.values() for kind in parts.values()}
    told = [f"{_mark(kind)} {word}: {what}" for kind, (_, word, what) in KINDS.items() if kind in there]
    return f"<p class=note>{' '.join(told)} {_mark(None)} not asked of this feature.</p>"


def _mark(kind: str | None) -> str:
    if kind is None:
        return '<span class="none">·</span>'
    symbol, word, _ = KINDS[kind]
    return f'<s class="mark {kind}" title="{word}">{symbol}</s>'


def _holds(found: Record) -> str:
    kind, symbol, word = ("clear", "✓", "holds") if found["passed"] else ("suspect", "!", str(found["severity"]))
    return f'<span class="chip {kind}"><s>{symbol}</s><span>{escaped(word)}</span></span>'


def _share_of_way(start: str, end: str, instant: str) -> float:
    first, last, here = (datetime.fromisoformat(moment) for moment in (start, end, instant))
    return (here - first) / (last - first) if last > first else 0.0
