"""Sections on why the model scores as it does: drivers with contributions by value, and rankings compared.

Does not belong here: the reasons of one lead (core/scoring), any number (core/modelling/explanation).
"""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.model_page import charts
from leadscore_dagster.core.model_page.reading import Record, absent, at, percent, short, spanned
from leadscore_dagster.core.page.text import counted, escaped, finite, listed, number, section, table

_DIRECTIONS = {
    "rises": "higher value, higher score",
    "falls": "higher value, lower score",
    "mixed": "no single direction",
    "levels": "depends on the level",
    "none": "no effect in this period",
}


def drivers(evidence: Record) -> str:
    """The strongest features with their contributions by value, and all others folded."""
    lead = (
        "Exact contributions to the log-odds of each lead of the test period. Each dot is a tenth of the leads (lines "
        'span half and 90% of them), from <span class="cool">small</span> to <span class="warm">large</span> values of '
        "the feature (grey: missing); right of the middle it raises the score. Importance is the mean size of the "
        "contribution. It says what the model uses, not what causes a conversion."
    )
    ranked: Sequence[Record] = at(evidence, "measured", "importance") or []
    catalogue = {str(one["name"]): one for one in at(evidence, "manifest", "features") or []}
    if not ranked:
        stored = at(evidence, "manifest", "importances") or {}
        body = absent("contributions by value and their intervals; this version was registered without them")
        rows = [[f"<code>{escaped(name)}</code>", short(value)] for name, value in list(stored.items())[:20]]
        body += table(["feature", "mean |contribution|"], rows, numeric=(1,)) if rows else ""
        return section("What drives the score", lead, body, "drivers")
    summaries = {one["feature"]: one for one in at(evidence, "measured", "summary") or []}
    ends = _ends(list(summaries.values()))
    shown = [one for one in ranked if one["feature"] in summaries]
    rows = [
        [
            number(one["rank"]),
            _named(one["feature"], catalogue),
            charts.strip(summaries[one["feature"]]["groups"], ends, summaries[one["feature"]]["type"] != "category"),
            spanned(one),
            percent(one["share"]),
            _DIRECTIONS[one["direction"]],
        ]
        for one in shown
    ]
    header = ["rank", "feature", "", "importance, log-odds", "share", "direction"]
    body = table(header, rows, numeric=(0, 3, 4), kind="drivers stack")
    rest = [one for one in ranked if one["feature"] not in summaries]
    if rest:
        others = [
            [number(one["rank"]), _named(one["feature"], catalogue), spanned(one), percent(one["share"])]
            for one in rest
        ]
        folded = table(["rank", "feature", "importance, log-odds", "share"], others, numeric=(0, 2, 3), kind="stack")
        body += f"<details><summary>{counted(len(rest), 'further feature')}</summary>{folded}</details>"
    return section("What drives the score", lead, body, "drivers")


def rankings(evidence: Record) -> str:
    """The ranking held against the previous version's and against a reference."""
    lead = "Whether this model looks at the same things as another. Much movement is a question, not a fault."
    parts = []
    previous = evidence.get("previous")
    if previous and "absent" in previous:
        parts.append(f"<h3>against the previous version</h3>{absent(previous['absent'])}")
    elif previous:
        named = f"version <code>{escaped(previous['version'])}</code>, {escaped(previous['relation'])}"
        parts.append(f"<h3>against {named}</h3>{_ranking(previous['ranking'])}{_metrics(evidence, previous)}")
    else:
        parts.append("<h3>against the previous version</h3>" + absent("there was no earlier version to compare with"))
    reference = at(evidence, "measured", "reference")
    why = "the recipe names none (model.reference_ranking)" if evidence.get("measured") else "no evidence is stored"
    parts.append("<h3>against the reference ranking</h3>" + (_ranking(reference) if reference else absent(why)))
    return section("Compared with others", lead, "".join(parts), "rankings")


def _metrics(evidence: Record, previous: Record) -> str:
    """Both versions' metrics beside each other; each on its own test period."""
    own, other = at(evidence, "manifest", "metrics") or {}, previous.get("metrics") or {}
    names = [name for name in ("auc_roc", "auc_pr", "top_decile_lift", "ece") if name in own and name in other]
    if not names:
        return ""
    rows = [[escaped(name.replace("_", " ")), spanned(own[name]), spanned(other[name])] for name in names]
    made = table(["metric", "this version", "that version"], rows, numeric=(1, 2), kind="stack")
    paired = previous.get("paired")
    told = escaped(paired["why"]) if paired else "Each on its own test period: not a paired comparison."
    return f'{made}<p class="note">{told}</p>'


def _ranking(found: Record) -> str:
    correlation = found["correlation"]
    told = (
        f"Rank correlation {spanned(correlation)} over {counted(found['common'], 'common feature')}. Of the first "
        f"{found['top']} of each, {counted(len(found['shared_top']), 'is', 'are')} in both"
        f"{': ' + listed(found['shared_top'], 10) if found['shared_top'] else ''}."
    )
    if found["only_second"]:
        told += f" Unknown to this model: {listed(found['only_second'], 10)}."
    rows = [[f"<code>{escaped(name)}</code>", number(here), number(there)] for name, here, there in found["movers"][:8]]
    moved = table(["moved most", "place here", "place there"], rows, numeric=(1, 2)) if rows else ""
    return f"<p>{told}</p>{moved}"


def _named(name: str, catalogue: dict[str, Record]) -> str:
    entry = catalogue.get(name, {})
    unit = f" ({escaped(entry['unit'])})" if entry.get("unit") else ""
    definition = escaped(entry.get("definition", ""))
    told = f'<small title="{definition}">{definition}{unit}</small>' if entry else ""
    # a long name breaks behind an underscore sooner than inside a word
    return f"<code>{escaped(name).replace('_', '_<wbr>')}</code>{told}"


def _ends(summaries: Sequence[Record]) -> tuple[float, float]:
    """A scale that holds every feature's contributions and 0, symmetric so that the middle is no contribution."""
    reach = [
        abs(value)
        for one in summaries
        for group in one["groups"]
        for value in (group["contribution"][0], group["contribution"][-1])
        if finite(value) is not None
    ]
    most = max(reach, default=1.0) or 1.0
    return -most, most
