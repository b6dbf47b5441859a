"""The section on what sales gets: call lists by length, lift by tenth, against random and against the champion.

Does not belong here: any number (core/modelling/impact, core/modelling/evaluation).
"""

from __future__ import annotations

from leadscore_dagster.core.model_page import charts
from leadscore_dagster.core.model_page.reading import Record, absent, at, basis, percent, short, spanned
from leadscore_dagster.core.page.text import number, section, table


def business(evidence: Record) -> str:
    """Conversions per 100 calls by length of the list, and the two charts of a ranking."""
    lead = "If the leads of the test period had been called in the order of their scores, and only so many of them."
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
    against = any(one.get("over_champion") for one in lists)
    rows = [
        [
            f"<b>best {percent(one['share'])}</b><small>probability from {percent(one['threshold'])}</small>",
            number(one["called"]),
            spanned(one["conversions"], "count"),
            short(one["expected"]),
            spanned(one["per_hundred"]),
            spanned(one["over_random"], "signed"),
            *([spanned(one["over_champion"], "signed")] if against else []),
            spanned(one["calls_per_conversion"]),
            spanned(one["lift"]),
            spanned(one["found"], "percent"),
        ]
        for one in lists
    ]
    header = ["list", "calls", "conversions", "promised", "per 100 calls", "over random"]
    header += [*(["over the champion"] if against else []), "calls for one", "lift", "of all conversions"]
    note = f'<p class="note">{basis(lists[0]["lift"])}. Over random and over the champion: paired, per 100 calls.</p>'
    if not against:
        note += absent("the gain over the champion; there was none to compare with on these decisions")
    made = table(header, rows, numeric=range(1, len(header)), kind="tight stack")
    return section("What sales gets", lead, body + made + note, "business")
