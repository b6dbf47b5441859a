"""Sections on why the model scores as it does: drivers with contributions by value, and rankings compared.

Not here: the reasons of one lead (core/scoring), any number (core/modelling/judgement/explanation).
"""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.measures.catalogue import phrase_of
from leadscore_dagster.core.pages.frame.numbers import form_of
from leadscore_dagster.core.pages.frame.text import (
    DIRECTIONS,
    counted,
    escaped,
    finite,
    listed,
    number,
    section,
    table,
)
from leadscore_dagster.core.pages.model import charts
from leadscore_dagster.core.pages.model.reading import Record, absent, at, broken, percent, short, spanned


def drivers(evidence: Record) -> str:
    """The strongest features with their contributions by value, and all others folded."""
    ranked: Sequence[Record] = at(evidence, "measured", "importance") or []
    catalogue = {str(one["name"]): one for one in at(evidence, "manifest", "features") or []}
    lead = "What the score is made of. It shows what the model uses, not what causes a conversion."
    if not ranked:
        stored = at(evidence, "manifest", "importances") or {}
        body = absent("contributions by value and their intervals; this version was registered without them")
        rows = [[broken(name), short(value)] for name, value in list(stored.items())[:20]]
        body += table(["feature", "mean |contribution|, log-odds"], rows, numeric=(1,), kind="slim") if rows else ""
        return section("What drives the score", lead, body, "drivers")
    summaries = {one["feature"]: one for one in at(evidence, "measured", "summary") or []}
    ends = _ends(list(summaries.values()))
    shown = [one for one in ranked if one["feature"] in summaries]
    types = {name: one["type"] for name, one in summaries.items()}
    rows = [
        [
            number(one["rank"]),
            _named(one["feature"], catalogue),
            charts.strip(summaries[one["feature"]]["groups"], ends, types[one["feature"]] != "category"),
            spanned(one, decimals=4),
            percent(one["share"]),
            _direction(one["direction"], types[one["feature"]]),
        ]
        for one in shown
    ]
    header = ["rank", "feature", "contribution, log-odds", "importance, log-odds", "share", "direction"]
    body = table(header, rows, numeric=(0, 3, 4), kind="drivers tight stack", under={2: charts.strip_axis(ends)})
    rest = [one for one in ranked if one["feature"] not in summaries]
    if rest:
        others = [
            [number(one["rank"]), _named(one["feature"], catalogue), spanned(one, decimals=4), percent(one["share"])]
            for one in rest
        ]
        header = ["rank", "feature", "importance, log-odds", "share"]
        folded = table(header, others, numeric=(0, 2, 3), kind="drivers rest tight stack")
        body += f"<details><summary>{counted(len(rest), 'further feature')}</summary>{folded}</details>"
    return section("What drives the score", f"{lead} {_how_to_read(ends)}", body + _note(evidence), "drivers")


def _how_to_read(ends: tuple[float, float]) -> str:
    return (
        "Each dot is about a tenth of the leads, those with like values of the feature, from "
        '<span class="cool">small</span> to <span class="warm">large</span> (hollow: missing). Right of the line the '
        "value raises the score, left of it it lowers the score; the thick line holds half of these leads, the thin "
        f"one 90%. Each strip reaches from {short(ends[0], 2)} to {short(ends[1], 2)}."
    )


def _note(evidence: Record) -> str:
    measured = evidence.get("measured") or {}
    return (
        '<p class="note">Exact contributions to the log-odds of each lead of the test period '
        f"({number(measured.get('n'))} decisions). Importance: their mean size, with its 95% interval (bootstrap): how "
        "far it would move with other leads, not with a model trained anew. Share: of the importances of all features."
        "</p>"
    )


def _direction(direction: str, kind: str) -> str:
    if kind == "flag" and direction in ("rises", "falls"):
        return f"yes {'raises' if direction == 'rises' else 'lowers'} the score"
    return DIRECTIONS[direction]


def rankings(evidence: Record) -> str:
    """The ranking held against the previous version's and against a reference."""
    lead = (
        "Whether this model looks at the same things as another: features in order of importance. Much "
        "movement is a question, not a fault."
    )
    parts = []
    previous = evidence.get("previous")
    if previous and "absent" in previous:
        parts.append(f"<h3>Against the previous version</h3>{absent(previous['absent'])}")
    elif previous:
        named = f"version <code>{escaped(previous['version'])}</code>, {escaped(previous['relation'])}"
        parts.append(f"<h3>Against {named}</h3>{_ranking(previous['ranking'])}{_metrics(evidence, previous)}")
    else:
        parts.append("<h3>Against the previous version</h3>" + absent("there was no earlier version to compare with"))
    reference = at(evidence, "measured", "reference")
    why = "the recipe names none (model.reference_ranking)" if evidence.get("measured") else "no evidence is stored"
    parts.append("<h3>Against the recipe's reference ranking</h3>")
    parts.append(_ranking(reference) if reference else absent(why))
    return section("Compared with others", lead, "".join(parts), "rankings")


def _metrics(evidence: Record, previous: Record) -> str:
    """Both versions' metrics beside each other; each on its own test period."""
    own, other = at(evidence, "manifest", "metrics") or {}, previous.get("metrics") or {}
    names = [name for name in ("auc_roc", "auc_pr", "top_decile_lift", "ece") if name in own and name in other]
    if not names:
        return ""
    rows = [
        [
            escaped(phrase_of(name)),
            *(spanned(one[name], form_of(name)) for one in (own, other)),
        ]
        for name in names
    ]
    made = table(["metric", "this version", "that version"], rows, numeric=(1, 2), kind="slim stack")
    paired = previous.get("paired")
    told = escaped(paired["why"]) if paired else "Each on its own test period: not a paired comparison."
    return f'{made}<p class="note">{told}</p>'


def _ranking(found: Record) -> str:
    correlation = found["correlation"]
    told = (
        f"Rank correlation {spanned(correlation)} over {counted(found['common'], 'common feature')}; 1 is the same "
        "order, 0 no relation, in brackets the 95% interval. Of the first "
        f"{found['top']} of each, {counted(len(found['shared_top']), 'is', 'are')} in both"
        f"{': ' + listed(found['shared_top'], 10) if found['shared_top'] else ''}."
    )
    if found["only_second"]:
        told += f" Unknown to this model: {listed(found['only_second'], 10)}."
    rows = [[broken(name), number(here), number(there)] for name, here, there in found["movers"][:8]]
    moved = table(["moved most", "place here", "place there"], rows, numeric=(1, 2), kind="slim") if rows else ""
    return f"<p>{told}</p>{moved}"


def _named(name: str, catalogue: dict[str, Record]) -> str:
    entry = catalogue.get(name, {})
    unit = f" ({escaped(entry['unit'])})" if entry.get("unit") else ""
    told = f"<small>{escaped(entry.get('definition', ''))}{unit}</small>" if entry else ""
    return f"{broken(name)}{told}"


def _ends(summaries: Sequence[Record]) -> tuple[float, float]:
    """A scale in log-odds that holds every feature's contributions, and 0 for no contribution."""
    reach = [
        value
        for one in summaries
        for group in one["groups"]
        for value in (group["contribution"][0], group["contribution"][-1])
        if finite(value) is not None
    ]
    low, high = min([0.0, *reach]), max([0.0, *reach])
    return (low, high) if high > low else (-1.0, 1.0)
