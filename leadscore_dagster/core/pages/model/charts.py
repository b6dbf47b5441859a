"""The page's charts as inline SVG, drawn for a column of 420 units: readable on a telephone without zooming.

Every chart names both axes, and says in words what it shows, for those who cannot see it. Colours come from the style
sheet, so they follow light and dark. Not here: where charts stand on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from leadscore_dagster.core.pages.frame.text import counted, escaped, finite, number
from leadscore_dagster.core.pages.model.reading import Record, at

WIDTH, HEIGHT = 420, 290
LEFT, RIGHT, TOP, BOTTOM = 50, 40, 32, 42
#: of a strip that shows contributions
STRIP_WIDTH, STRIP_HEIGHT = 300, 40
#: of a character of a tick's label where the letters are largest
_LETTER = 8.4

#: place on the chart, text
Tick = tuple[float, str]


@dataclass(frozen=True)
class _Chart:
    """What stands around a drawing: ``across`` and ``up`` name the axes, ``told`` is the chart in words; ``right`` has
    ticks of a second scale, named ``beside``."""

    title: str
    told: str
    across: str
    up: str
    note: str = ""
    beside: str = ""
    right: Sequence[Tick] = ()


@dataclass(frozen=True)
class _Mark:
    """A value with its interval, and the value it is held against, if any; ``told`` is all of it in words."""

    name: str
    value: float
    low: float
    high: float
    told: str
    against: float | None = None
    small: bool = False


def deciles(gains: Sequence[Record], base: float) -> str:
    """Rate of each tenth of the scores as a bar with its interval, and the rate of all as a line; lift at the right."""
    top = max([100 * float(one["high"]) for one in gains] + [100 * base, 1e-9])
    up = _scale(0, _ceiling(top), HEIGHT - BOTTOM, TOP)
    across = _scale(0.5, len(gains) + 0.5, LEFT, WIDTH - RIGHT)
    half = (across(1) - across(0)) * 0.34
    drawn = []
    for one in gains:
        middle, rate = across(one["decile"]), 100 * float(one["rate"])
        told = (
            f"tenth {one['decile']}: {rate:.1f}% of {one['n']:,}, {100 * one['low']:.1f}% to {100 * one['high']:.1f}%"
        )
        drawn.append(
            f'<g><title>{told}</title><rect class="bar" x="{middle - half:.1f}" y="{up(rate):.1f}" '
            f'width="{2 * half:.1f}" height="{max(up(0) - up(rate), 0):.1f}" rx="2"/>'
            f"{_error(middle, up(100 * float(one['low'])), up(100 * float(one['high'])))}</g>"
        )
    line = f'<path class="base" d="M{LEFT} {up(100 * base):.1f}H{WIDTH - RIGHT}"/>' + _label(
        WIDTH - RIGHT, up(100 * base) - 5, f"all leads {100 * base:.1f}%", "end", "base-text"
    )
    ends = [f"{100 * float(one['rate']):.1f}%" for one in (gains[0], gains[-1])]
    chart = _Chart(
        "Conversion rate and lift by tenth of the scores",
        f"{ends[0]} of the tenth with the best scores convert, {ends[1]} of the last tenth, {100 * base:.1f}% of all.",
        "tenth of the leads, best scores first",
        "leads that convert",
        "thin bars: 95% intervals",
        "times all leads",
        _multiples(base, _ceiling(top), up),
    )
    ticks = [(across(one["decile"]), str(one["decile"])) for one in gains]
    return _frame("".join(drawn) + line, ticks, _ticks(up, top, "%"), chart)


def found(lists: Sequence[Record]) -> str:
    """Share of all conversions found against the share of leads called, with its band; at random is the diagonal."""
    across, up = _scale(0, 100, LEFT, WIDTH - RIGHT), _scale(0, 100, HEIGHT - BOTTOM, TOP)
    points = [(0.0, 0.0, 0.0, 0.0)]
    for one in lists:
        if one["found"]["value"] is None:
            continue
        ends = [
            one["found"][end] if one["found"][end] is not None else one["found"]["value"] for end in ("low", "high")
        ]
        points.append((100 * one["share"], 100 * one["found"]["value"], 100 * ends[0], 100 * ends[1]))
    line = "M" + "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y, _, _ in points)
    upper = "L".join(f"{across(x):.1f} {up(high):.1f}" for x, _, _, high in points)
    lower = "L".join(f"{across(x):.1f} {up(low):.1f}" for x, _, low, _ in reversed(points))
    said = [f"calling {x:.0f}% finds {y:.0f}% ({low:.0f}% to {high:.0f}%)" for x, y, low, high in points[1:]]
    dots = "".join(
        f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"><title>{told}</title></circle>'
        for (x, y, _, _), told in zip(points[1:], said, strict=True)
    )
    body = (
        f'<path class="band" d="M{upper}L{lower}Z"/>'
        f'<path class="base" d="M{across(0):.1f} {up(0):.1f}L{across(100):.1f} {up(100):.1f}"/>'
        f'<path class="line" d="{line}"/>{dots}{_label(across(66), up(52), "at random", "start", "base-text")}'
    )
    steps = [(across(x), f"{x}%") for x in (0, 25, 50, 75, 100)]
    rise = [(up(y), f"{y}%") for y in (0, 25, 50, 75, 100)]
    chart = _Chart(
        "Conversions found by length of the list (gains)",
        f"Share of all conversions found: {'; '.join(said)}.",
        "leads called, best scores first",
        "of all conversions, found",
        "band: 95% intervals",
    )
    return _frame(body, steps, rise, chart)


def reliability(bins: Sequence[Record]) -> str:
    """Observed rate against mean probability of each group with its interval; the diagonal is right."""
    top = _ceiling(
        100 * max([float(one["high"]) for one in bins] + [float(one["probability"]) for one in bins] + [1e-9])
    )
    across, up = _scale(0, top, LEFT, WIDTH - RIGHT), _scale(0, top, HEIGHT - BOTTOM, TOP)
    marks, said = [], []
    for one in bins:
        x, y = 100 * float(one["probability"]), 100 * float(one["rate"])
        told = f"said {x:.1f}%, came {y:.1f}% of {one['n']:,} ({100 * one['low']:.1f}% to {100 * one['high']:.1f}%)"
        said.append(told)
        marks.append(
            f"<g><title>{told}</title>{_error(across(x), up(100 * float(one['low'])), up(100 * float(one['high'])))}"
            f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="4"/></g>'
        )
    line = f'<path class="base" d="M{across(0):.1f} {up(0):.1f}L{across(top):.1f} {up(top):.1f}"/>'
    chart = _Chart(
        "Predicted and observed",
        f"By groups of like probability: {'; '.join(said)}.",
        "probability said",
        "leads that converted",
        "dashed: exactly right; bars: 95% intervals",
    )
    return _frame(line + "".join(marks), _ticks(across, top, "%"), _ticks(up, top, "%"), chart)


def histogram(counts: Record) -> str:
    """Leads by probability, on a root scale so that rare high scores show; those who converted in front."""
    edges, hits = counts["edges"], counts["positives"]
    totals = [hit + miss for hit, miss in zip(hits, counts["negatives"], strict=True)]
    most = max([*totals, 1])
    across = _scale(100 * edges[0], 100 * edges[-1], LEFT, WIDTH - RIGHT)
    up = _scale(0, math.sqrt(most), HEIGHT - BOTTOM, TOP)
    bars = []
    for place, (total, hit) in enumerate(zip(totals, hits, strict=True)):
        start, width = across(100 * edges[place]), across(100 * edges[place + 1]) - across(100 * edges[place])
        until = f"to {100 * edges[place + 1]:.1f}%" if place < len(hits) - 1 else "and more"
        told = f"{100 * edges[place]:.1f}% {until}: {total:,} leads, {hit:,} converted"
        both = (("bar soft", total), ("bar", hit))
        drawn = "".join(
            f'<rect class="{kind}" x="{start + 0.4:.1f}" y="{up(math.sqrt(count)):.1f}" '
            f'width="{max(width - 0.8, 0.5):.1f}" height="{up(0) - up(math.sqrt(count)):.1f}"/>'
            for kind, count in both
            if count
        )
        bars.append(f"<g><title>{told}</title>{drawn}</g>")
    rise = [(up(math.sqrt(count)), number(count)) for count in _counts(most)]
    steps = [
        (place, text) for place, text in _ticks(across, 100 * edges[-1], "%") if LEFT - 1 <= place <= WIDTH - RIGHT + 1
    ]
    last = f"{100 * edges[-2]:.1f}%"
    chart = _Chart(
        "Leads by probability",
        f"{sum(totals):,} leads from {100 * edges[0]:.1f}% up, {sum(hits):,} of them converted; {totals[-1]:,} have "
        f"{last} or more.",
        "probability said",
        "leads, on a root scale",
        '<i class="key soft"></i>all <i class="key"></i>those who converted; the last bar holds all from ' + last,
    )
    return _frame("".join(bars), steps, rise, chart)


def over_time(cells: Sequence[Record]) -> str:
    """Rate of each month with its interval, and a ring at the rate that was promised."""
    marks = []
    for one in cells:
        promised = 100 * one["expected"] / one["n"]
        value, low, high = (100 * float(one[name]) for name in ("rate", "low", "high"))
        told = f"{one['name']}: {value:.1f}% of {one['n']:,} converted ({low:.1f}% to {high:.1f}%), {promised:.1f}% "
        marks.append(_Mark(str(one["name"]), value, low, high, told + "promised", promised, one["small"]))
    chart = _Chart(
        "Conversion rate by month",
        _said(marks),
        "month of the decision",
        "leads that converted",
        '<i class="key dot"></i>came, 95% interval <i class="key ring"></i>promised',
    )
    top = _top(marks)
    return _series(marks, (0, top), lambda up: _ticks(up, top, "%"), chart)


def order_over_time(cells: Sequence[Record]) -> str:
    """AUC-ROC of each month with its interval, and chance as a line; nothing where no month is large enough."""
    marks = []
    for one in cells:
        value, low, high = (finite(at(one, "auc_roc", name)) for name in ("value", "low", "high"))
        if value is None or low is None or high is None:
            continue
        told = f"{one['name']}: {100 * value:.0f}% ({100 * low:.0f}% to {100 * high:.0f}%) of {one['n']:,} leads"
        marks.append(_Mark(str(one["name"]), 100 * value, 100 * low, 100 * high, told))
    if not marks:
        return ""
    bottom = min(50, 10 * math.floor(min(mark.low for mark in marks) / 10))
    top = max(60, 10 * math.ceil(max(mark.high for mark in marks) / 10))
    chart = _Chart(
        "Pairs in the right order by month",
        _said(marks),
        "month of the decision",
        "pairs in the right order (AUC-ROC)",
        "bars: 95% intervals; dashed: chance; small months are left out",
    )
    return _series(
        marks, (bottom, top), lambda up: [(up(y), f"{y}%") for y in range(bottom, top + 1, 10)], chart, line=50
    )


def delivered(records: Sequence[Record], period: str) -> str:
    """Lift of each earlier period's model on the decisions after it, and a ring at what it had claimed."""
    marks = []
    for one in records:
        value, low, high = (finite(at(one, "metrics", "top_decile_lift", name)) for name in ("value", "low", "high"))
        if value is None or low is None or high is None:
            continue
        claimed = finite(at(one, "claimed", "top_decile_lift", "value"))
        told = f"{str(one['as_of'])[:10]}: {value:.2f} ({low:.2f} to {high:.2f}) on {one['n']:,} decisions"
        told += "" if claimed is None else f", {claimed:.2f} claimed"
        marks.append(_Mark(str(one["as_of"])[:7], value, low, high, told, claimed))
    if not marks:
        return ""
    chart = _Chart(
        f"Lift of each {period}'s model",
        _said(marks),
        f"{period} of the model",
        "times the average (top-decile lift)",
        '<i class="key dot"></i>on the decisions after it, 95% interval '
        '<i class="key ring"></i>on its own test period; dashed: chance',
    )
    top = _top(marks)
    return _series(marks, (0, top), lambda up: _ticks(up, top, "×"), chart, line=1)


def timeline(periods: Sequence[Record], place: Callable[[str], float]) -> str:
    """Periods as bars on one line of time; ``place`` gives an ISO instant's share of the way [0, 1]."""
    width, bars, said = 900, [], []
    for one in periods:
        start, end = place(one["first"]) * width, place(one["last"]) * width
        told = escaped(f"{one['name']}: {one['first'][:10]} to {one['last'][:10]}, {one['rows']:,} decisions")
        said.append(told)
        bars.append(
            f'<g><title>{told}</title><rect class="period {escaped(one["name"])}" x="{start:.1f}" y="2" '
            f'width="{max(end - start, 2):.1f}" height="18" rx="3"/></g>'
        )
    return (
        f'<svg class="timeline" viewBox="0 0 {width} 22" preserveAspectRatio="none" role="img" '
        f'aria-label="Periods in time: {"; ".join(said)}">{"".join(bars)}</svg>'
    )


def strip(groups: Iterable[Record], ends: tuple[float, float], ordered: bool) -> str:
    """Contributions of one feature, a line for each group of values: smallest values at the bottom, in cool colours.

    ``ends``: scale in log-odds, the same for all features. The thin line spans 90% of the group's leads, the thick
    one half of them, the dot is in the middle. Missing values are hollow; levels of a category have one colour, for
    they have no order.
    """
    shown = list(groups)
    across = _scale(*ends, 4, STRIP_WIDTH - 4)
    step = (STRIP_HEIGHT - 6) / max(len(shown), 1)
    known = sum(not group["missing"] for group in shown)
    lines, said = [], []
    for place, group in enumerate(shown):
        y = STRIP_HEIGHT - 3 - step * (place + 0.5)
        low, lower, middle, upper, high = group["contribution"]
        value = "missing" if group["missing"] else group["value"]
        named = value if isinstance(value, str) else f"{value:g}"
        said.append(f"{named} {middle:+.3f}")
        told = f"{named}: {middle:+.3f} ({low:+.3f} to {high:+.3f}), n {group['n']:,}"
        warm = 100 * place / max(known - 1, 1)
        colour = "var(--soft)" if group["missing"] else "var(--accent)"
        if ordered and not group["missing"]:
            colour = f"color-mix(in oklab, var(--warm) {warm:.0f}%, var(--cool))"
        kind = ' class="missing"' if group["missing"] else ""
        lines.append(
            f'<g{kind} style="stroke:{colour};fill:{colour}"><title>{escaped(told)}</title>'
            f'<path d="M{across(low):.1f} {y:.1f}H{across(high):.1f}"/>'
            f'<path class="half" d="M{across(lower):.1f} {y:.1f}H{across(upper):.1f}"/>'
            f'<circle cx="{across(middle):.1f}" cy="{y:.1f}" r="2.6"/></g>'
        )
    zero = f'<path class="grid" d="M{across(0):.1f} 0V{STRIP_HEIGHT}"/>'
    return (
        f'<svg class="strip" viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" '
        f'role="img" aria-label="contribution by value: {escaped(", ".join(said))}">{zero}{"".join(lines)}</svg>'
    )


def strip_axis(ends: tuple[float, float]) -> str:
    """The scale that the strips of all features share: its ends, and 0."""
    across, floor = _scale(*ends, 4, STRIP_WIDTH - 4), 12
    texts = _label(4, floor, _signed(ends[0]), "start") + _label(STRIP_WIDTH - 4, floor, _signed(ends[1]), "end")
    if 60 < across(0) < STRIP_WIDTH - 60:
        texts += _label(across(0), floor, "0", "middle")
    marks = "".join(f'<path class="grid" d="M{across(value):.1f} 16V20"/>' for value in (*ends, 0.0))
    line = f'<path class="grid" d="M4 18H{STRIP_WIDTH - 4}"/>'
    return (
        f'<svg class="strip axis" viewBox="0 0 {STRIP_WIDTH} 20" width="{STRIP_WIDTH}" height="20" aria-hidden="true">'
        f"{line}{marks}{texts}</svg>"
    )


def _series(
    marks: Sequence[_Mark],
    ends: tuple[float, float],
    rise: Callable[[Callable[[float], float]], list[Tick]],
    chart: _Chart,
    line: float | None = None,
) -> str:
    """Marks beside each other on a scale from ``ends[0]`` to ``ends[1]``; an interval that leaves it ends in an
    arrow."""
    across, up = _scale(-0.5, len(marks) - 0.5, LEFT, WIDTH - RIGHT), _scale(*ends, HEIGHT - BOTTOM, TOP)

    def inside(value: float) -> float:
        return up(min(max(value, ends[0]), ends[1]))

    drawn = [] if line is None else [f'<path class="base" d="M{LEFT} {inside(line):.1f}H{WIDTH - RIGHT}"/>']
    for place, mark in enumerate(marks):
        x = across(place)
        bar = _error(x, inside(mark.low), inside(mark.high), cut=mark.high > ends[1] * (1 + 1e-9))
        ring = (
            "" if mark.against is None else f'<circle class="ring" cx="{x:.1f}" cy="{inside(mark.against):.1f}" r="6"/>'
        )
        drawn.append(
            f'<g class="{"small" if mark.small else ""}"><title>{escaped(mark.told)}</title>{bar}'
            f'<circle class="dot" cx="{x:.1f}" cy="{inside(mark.value):.1f}" r="4"/>{ring}</g>'
        )
    letters = max(len(mark.name) for mark in marks)
    every = math.ceil(len(marks) * (letters * _LETTER + 10) / (WIDTH - LEFT - RIGHT))
    steps = [(across(place), escaped(mark.name)) for place, mark in enumerate(marks) if place % every == 0]
    return _frame("".join(drawn), steps, rise(up), chart)


def _frame(body: str, steps: Sequence[Tick], rise: Sequence[Tick], chart: _Chart) -> str:
    """Axes with their names around what is drawn, a title, and the chart in words."""
    floor = HEIGHT - BOTTOM
    lines = "".join(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>' for y, _ in rise)
    texts = "".join(_label(x, floor + 16, text, "middle") for x, text in steps)
    texts += "".join(_label(LEFT - 6, y + 4, text, "end") for y, text in rise)
    texts += "".join(_label(WIDTH - RIGHT + 6, y + 4, text, "start") for y, text in chart.right)
    texts += _label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, chart.across, "middle", "axis")
    texts += _label(2, 13, f"↑ {chart.up}", "start", "axis")
    if chart.beside:
        texts += _label(WIDTH - 2, 13, f"{chart.beside} ↑", "end", "axis")
    note = f"<small>{chart.note}</small>" if chart.note else ""
    return (
        f"<figure><figcaption>{chart.title}{note}</figcaption>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escaped(f"{chart.title}. {chart.told}")}">{lines}{body}{texts}</svg></figure>'
    )


def _label(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _error(x: float, low: float, high: float, cut: bool = False) -> str:
    """An interval as a bar with a foot and a head; an arrow for a head where it goes on beyond the chart."""
    head = f"M{x - 4:.1f} {high + 5:.1f}L{x:.1f} {high:.1f}l4 5" if cut else f"M{x - 4:.1f} {high:.1f}h8"
    return f'<path class="error" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8{head}"/>'


def _said(marks: Sequence[_Mark]) -> str:
    shown = marks[:12]
    rest = f"; and {counted(len(marks) - len(shown), 'more', 'more')}" if len(marks) > len(shown) else ""
    return "; ".join(mark.told for mark in shown) + rest + "."


def _top(marks: Sequence[_Mark]) -> float:
    """The end of a scale that holds all marks but the small ones, which must not flatten the rest."""
    large = [mark for mark in marks if not mark.small] or marks
    return _ceiling(max(max(mark.high, mark.against or 0.0) for mark in large))


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def _ceiling(top: float) -> float:
    """The smallest 1, 1.5, 2, 3, 5 or 7.5 times a power of ten that holds ``top``."""
    power = 10.0 ** math.floor(math.log10(max(top, 1e-9)))
    return next(step * power for step in (1, 1.5, 2, 3, 5, 7.5, 10) if step * power >= top * (1 - 1e-9))


def _ticks(place: Callable[[float], float], top: float, unit: str) -> list[Tick]:
    """Three to six round values from 0 to the end of a scale."""
    ceiling = _ceiling(top)
    power = 10.0 ** math.floor(math.log10(ceiling))
    step = {1.0: 0.25, 1.5: 0.5, 2.0: 0.5, 3.0: 1.0, 5.0: 1.0, 7.5: 2.5}[round(ceiling / power, 1)] * power
    return [(place(step * many), f"{step * many:g}{unit}") for many in range(round(ceiling / step) + 1)]


def _multiples(base: float, top: float, up: Callable[[float], float]) -> list[Tick]:
    """At most five multiples of the base rate on a scale of percent that ends at ``top``."""
    most = top / (100 * base) if base > 0 else 0.0
    power = 10.0 ** math.floor(math.log10(max(most / 5, 0.1)))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= most / 5 or step == 10)
    return [(up(100 * base * step * place), f"{step * place:g}×") for place in range(1, math.floor(most / step) + 1)]


def _counts(most: int) -> list[int]:
    """Counts to mark on a root scale."""
    power = 10 ** max(int(math.log10(most)), 0)
    return sorted({0, power // 10 or 1, power, (most // power) * power})
