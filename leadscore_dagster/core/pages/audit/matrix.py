"""The matrix of features and parts, each cell with its evidence behind one click, and the filter above it.

The filter and the evidence work without script: radio buttons with ``:has``, and the ``popover`` attribute.

Not here: verdicts and how they combine (audit/verdict), the other sections of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from leadscore_dagster.core.audit.report import answer
from leadscore_dagster.core.audit.verdict import SEVERITY, FeatureVerdict, blocking, kind_of
from leadscore_dagster.core.pages.frame.text import escaped, number

#: kind of cell → symbol, word, and what it means
KINDS = {
    "leak": (
        "✕",
        "leak",
        "Proof that the feature uses what was not known at the decision. Blocks; the feature must be fixed.",
    ),
    "suspect": (
        "!",
        "suspect",
        "By statistics alone, it is too good to be true. Blocks until the recipe acknowledges it with a reason.",
    ),
    "unproven": ("?", "unproven", "There is no evidence of when the values were known. It warns and is counted."),
    "clock": (
        "◷",
        "clock",
        "Unproven, and strong only because it tells the time: it predicts across months, but not within one.",
    ),
    "clear": ("✓", "clear", "The part found nothing wrong."),
}
_ORDER = {kind: place for place, kind in enumerate(KINDS)}
Pairs = Collection[tuple[str, str]]


def filter_tiles(overall: Mapping[str, FeatureVerdict]) -> str:
    """One radio button per kind, drawn as a tile with its count."""
    counts = Counter(kind_of(verdict) for verdict in overall.values())
    tiles = [_tile("all", "", "features", len(overall), True)]
    tiles += [_tile(kind, symbol, word, counts[kind], False) for kind, (symbol, word, _) in KINDS.items()]
    return f'<fieldset class="tiles"><legend>Show features by verdict</legend>{"".join(tiles)}</fieldset>'


def matrix(verdicts: Sequence[FeatureVerdict], overall: Mapping[str, FeatureVerdict], acknowledged: Pairs) -> str:
    """The table: a row per feature, worst first; a column per part, in order of first appearance."""
    parts = list(dict.fromkeys(verdict.part for verdict in verdicts))
    ascending = sorted(verdicts, key=lambda verdict: SEVERITY.index(verdict.verdict))
    cells = {(verdict.feature, verdict.part): verdict for verdict in ascending}
    names = sorted(overall, key=lambda name: _ORDER[kind_of(overall[name])])
    head = "".join(f'<th scope="col">{escaped(part.replace("_", " "))}</th>' for part in parts)
    rows = []
    for row, name in enumerate(names):
        counts = overall[name]
        made = [_cell(cells.get((name, part)), f"e{row}-{column}", acknowledged) for column, part in enumerate(parts)]
        # several parts may suspect it: as long as one is not acknowledged, that one is shown
        open_ones = [found for part in parts if (found := cells.get((name, part))) and _blocks(found, acknowledged)]
        badge = chip(next((found for found in open_ones if found.verdict == counts.verdict), counts), acknowledged)
        rows.append(
            f'<tr class="r-{kind_of(counts)}"><th scope="row">{_breakable(name)}</th><td class="total">{badge}</td>'
            f"{''.join(made)}</tr>"
        )
    return (
        '<div class="scroll matrix" tabindex="0" role="region" aria-label="Verdicts by feature and part">'
        f'<table id="matrix"><thead><tr><th scope="col">feature</th><th scope="col">overall</th>{head}</tr></thead>'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def chip(verdict: FeatureVerdict, acknowledged: Pairs) -> str:
    """The verdict as symbol and word."""
    kind = kind_of(verdict)
    return f'<span class="chip {kind}{_calm(verdict, acknowledged)}">{_word(verdict, acknowledged)}</span>'


def _breakable(name: str) -> str:
    """A name that breaks behind an underscore sooner than inside a word."""
    return escaped(name).replace("_", "_<wbr>")


def _cell(verdict: FeatureVerdict | None, anchor: str, acknowledged: Pairs) -> str:
    if verdict is None:
        return '<td><span class="none" title="not judged">·</span></td>'
    kind = kind_of(verdict)
    numbers = ""
    if verdict.value is not None:
        threshold = f", threshold {number(verdict.threshold)}" if verdict.threshold is not None else ""
        metric = escaped((verdict.metric or "value").replace("_", " "))
        numbers = f'<p class="measure">{metric} {number(verdict.value)}{threshold}</p>'
    return (
        f'<td><button class="chip {kind}{_calm(verdict, acknowledged)}" popovertarget="{anchor}">'
        f'{_word(verdict, acknowledged)}</button><div popover id="{anchor}" class="{kind}">'
        f"<b>{escaped(verdict.feature)}</b><i>{escaped(verdict.part.replace('_', ' '))}: "
        f"{answer(verdict, acknowledged)}</i><p>{escaped(verdict.evidence)}</p>{numbers}</div></td>"
    )


def _word(verdict: FeatureVerdict, acknowledged: Pairs) -> str:
    symbol, word, _ = KINDS[kind_of(verdict)]
    if _calm(verdict, acknowledged):
        word = "acknowledged"
    return f"<s>{symbol}</s><span>{word}</span>"


def _calm(verdict: FeatureVerdict, acknowledged: Pairs) -> str:
    """A further class for a suspicion that no longer blocks."""
    known = verdict.verdict == "suspect" and (verdict.feature, verdict.part) in acknowledged
    return " calm" if known else ""


def _blocks(verdict: FeatureVerdict, acknowledged: Pairs) -> bool:
    return bool(blocking([verdict], acknowledged))


def _tile(kind: str, symbol: str, word: str, count: int, checked: bool) -> str:
    sign = f"<s>{symbol}</s>" if symbol else ""
    return (
        f'<label class="tile {kind}"><input type="radio" name="show" id="show-{kind}"{" checked" if checked else ""}>'
        f"<b>{count:,}</b><span>{sign}{word}</span></label>"
    )
