"""The section on what sales gets: call lists by length, lift by tenth, against random.

Not here: any number (core/measures/impact, core/modelling/judgement/evaluation).
"""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.pages.frame.text import escaped, finite, number, section, table
from leadscore_dagster.core.pages.model import charts
from leadscore_dagster.core.pages.model.reading import Record, absent, at, basis, percent, short, spanned


def business(evidence: Record) -> str:
    """Conversions per 100 calls by length of the list, and the two charts of a ranking."""
    lead = "What calling only this many leads of the test period, best scores first, would have brought."
    lists, gains = at(evidence, "measured", "lists") or [], at(evidence, "manifest", "gains") or []
    test = next((one for one in at(evidence, "manifest", "periods") or [] if one["name"] == "test"), None)
    base = test["positives"] / test["rows"] if test and test["rows"] else 0.0
    drawn = (charts.deciles(gains, base) if gains else "") + (charts.found(lists) if lists else "")
    if not drawn:
        return section("What sales gets", lead, absent("neither gains nor call lists are stored"), "business")
    body = f'<div class="charts">{drawn}</div>'
    if not lists:
        body += absent("conversions by length of the list; this version was registered without them")
        return section("What sales gets", lead, body, "business")
    header = ["list", "calls", "conversions", "promised", "conversions per 100 calls", "more than at random"]
    header += ["calls per conversion", "lift", "share found"]
    made = table(header, [_row(one) for one in lists], numeric=range(1, len(header)), kind="lists tight stack")
    return section("What sales gets", lead, f'{body}{made}<p class="note">{_note(evidence, lists)}</p>', "business")


def _row(one: Record) -> list[str]:
    name = "all leads" if one["share"] == 1 else f"best {percent(one['share'])}"
    border = "" if finite(one["threshold"]) is None else f"<small>probability from {percent(one['threshold'])}</small>"
    return [
        f"<b>{name}</b>{border}",
        number(one["called"]),
        spanned(one["conversions"], "count"),
        number(round(one["expected"])),
        spanned(one["per_hundred"], decimals=2),
        spanned(one["over_random"], "signed", 2),
        spanned(one["calls_per_conversion"], decimals=1),
        spanned(one["lift"], decimals=2),
        spanned(one["found"], "percent"),
    ]


def _note(evidence: Record, lists: Sequence[Record]) -> str:
    """What the table's words and intervals mean."""
    told = [
        f"{basis(lists[-1]['lift'])}{_counted(lists)}.",
        "Promised: the sum of the probabilities. Lift: conversion rate of the list over that of all leads. "
        "Share found: of all conversions, those on the list.",
    ]
    told.append("More than at random: paired, per 100 calls.")
    if any(finite(one["threshold"]) is None for one in lists):
        told.append(
            "The lists follow the rank, not a probability: probabilities are also corrected by what the rank does not "
            "know (part of a segment, day), so calling everybody above one of them gives a different list."
        )
    own = next((one["lift"] for one in lists if one["share"] == 0.1), None)
    judged = at(evidence, "manifest", "metrics", "top_decile_lift")
    resampled = own and judged and own["method"] == judged["method"]
    if own and judged and resampled and any(short(own[end]) != short(judged[end]) for end in ("low", "high")):
        told.append(
            f"The gate's interval of the lift of the best 10%, {spanned(judged)}, was drawn separately: the difference "
            "is that of two random draws."
        )
    return " ".join(told)


def _counted(lists: Sequence[Record]) -> str:
    """The other kind of interval, where a list has one."""
    methods = dict.fromkeys(one[name]["method"] for one in lists for name in ("per_hundred", "lift"))
    others = [method for method in methods if method != lists[-1]["lift"]["method"]]
    return "".join(f"; of some lists {escaped(method)}" for method in others)
