"""The page's charts as inline SVG, drawn for a column of 420 units: readable on a telephone without zooming.

Colours come from the style sheet, so they follow light and dark. Does not belong here: where charts stand on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from leadscore_dagster.core.model_page.reading import Record
from leadscore_dagster.core.page.text import escaped, number

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 10, 40
#: of a strip that shows contributions
STRIP_WIDTH, STRIP_HEIGHT = 300, 40


def deciles(gains: Sequence[Record], base: float) -> str:
    """Rate of each tenth of the scores as a bar with its interval, and the rate of all as a line."""
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
    ticks = [(across(one["decile"]), str(one["decile"])) for one in gains]
    body = "".join(drawn) + line
    return _frame(
        body, ticks, _ticks(up, top, "%"), "tenth of the scores, best first", "Conversion rate by tenth of the scores"
    )


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
    dots = "".join(
        f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"><title>calling {x:.0f}% finds {y:.0f}% '
        f"({low:.0f}% to {high:.0f}%)</title></circle>"
        for x, y, low, high in points[1:]
    )
    body = (
        f'<path class="band" d="M{upper}L{lower}Z"/>'
        f'<path class="base" d="M{across(0):.1f} {up(0):.1f}L{across(100):.1f} {up(100):.1f}"/>'
        f'<path class="line" d="{line}"/>{dots}{_label(across(66), up(54), "at random", "start", "base-text")}'
    )
    steps = [(across(x), f"{x}%") for x in (0, 25, 50, 75, 100)]
    rise = [(up(y), f"{y}%") for y in (0, 25, 50, 75, 100)]
    return _frame(body, steps, rise, "leads called, best first", "Conversions found by calling so many")


def reliability(bins: Sequence[Record]) -> str:
    """Observed rate against mean probability of each group with its interval; the diagonal is right."""
    top = _ceiling(
        100 * max([float(one["high"]) for one in bins] + [float(one["probability"]) for one in bins] + [1e-9])
    )
    across, up = _scale(0, top, LEFT, WIDTH - RIGHT), _scale(0, top, HEIGHT - BOTTOM, TOP)
    marks = []
    for one in bins:
        x, y = 100 * float(one["probability"]), 100 * float(one["rate"])
        told = f"said {x:.1f}%, came {y:.1f}% of {one['n']:,} ({100 * one['low']:.1f}% to {100 * one['high']:.1f}%)"
        marks.append(
            f"<g><title>{told}</title>{_error(across(x), up(100 * float(one['low'])), up(100 * float(one['high'])))}"
            f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="4"/></g>'
        )
    line = f'<path class="base" d="M{across(0):.1f} {up(0):.1f}L{across(top):.1f} {up(top):.1f}"/>'
    steps = _ticks(across, top, "%")
    return _frame(
        line + "".join(marks),
        steps,
        _ticks(up, top, "%"),
        "probability given",
        "What was said (across), what came (up)",
    )


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
        told = f"{100 * edges[place]:.1f}% to {100 * edges[place + 1]:.1f}%: {total:,} leads, {hit:,} converted"
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
    return _frame("".join(bars), steps, rise, "probability given", "Leads by probability; dark: converted")


def over_time(cells: Sequence[Record]) -> str:
    """Rate of each month with its interval, and a ring at the rate that was promised."""
    large = [one for one in cells if not one["small"]] or cells  # a handful of leads must not flatten the rest
    top = _ceiling(100 * max(max(float(one["high"]), one["expected"] / one["n"]) for one in large))
    across, up = _scale(-0.5, len(cells) - 0.5, LEFT, WIDTH - RIGHT), _scale(0, top, HEIGHT - BOTTOM, TOP)
    marks = []
    for place, one in enumerate(cells):
        x, rate, promised = across(place), 100 * one["rate"], 100 * one["expected"] / one["n"]
        ends = [min(100 * float(one[end]), top) for end in ("low", "high")]
        told = f"{escaped(one['name'])}: {rate:.1f}% of {one['n']:,} converted, {promised:.1f}% promised"
        marks.append(
            f'<g class="{"small" if one["small"] else ""}"><title>{told}</title>{_error(x, up(ends[0]), up(ends[1]))}'
            f'<circle class="dot" cx="{x:.1f}" cy="{up(rate):.1f}" r="4"/>'
            f'<circle class="ring" cx="{x:.1f}" cy="{up(min(promised, top)):.1f}" r="6"/></g>'
        )
    every = max(1, math.ceil(len(cells) / 7))
    steps = [(across(place), escaped(one["name"])) for place, one in enumerate(cells) if place % every == 0]
    title = "Conversion rate by month <small>dot: came, ring: promised</small>"
    return _frame("".join(marks), steps, _ticks(up, top, "%"), "month of the decision", title)


def timeline(periods: Sequence[Record], place: Callable[[str], float]) -> str:
    """Periods as bars on one line of time; ``place`` gives an ISO instant's share of the way [0, 1]."""
    width, bars = 900, []
    for one in periods:
        start, end = place(one["first"]) * width, place(one["last"]) * width
        told = f"{one['name']}: {one['first'][:10]} to {one['last'][:10]}, {one['rows']:,} decisions"
        bars.append(
            f'<g><title>{escaped(told)}</title><rect class="period {escaped(one["name"])}" x="{start:.1f}" y="2" '
            f'width="{max(end - start, 2):.1f}" height="18" rx="3"/></g>'
        )
    return (
        f'<svg class="timeline" viewBox="0 0 {width} 22" preserveAspectRatio="none" role="img" '
        f'aria-label="periods in time">{"".join(bars)}</svg>'
    )


def strip(groups: Iterable[Record], ends: tuple[float, float], ordered: bool) -> str:
    """Contributions of one feature, a line for each group of values: smallest values at the bottom, in cool colours.

    ``ends``: scale in log-odds, the same for all features. The thin line spans 90% of the group's leads, the thick
    one half of them, the dot is in the middle. Missing values are grey; levels of a category have one colour, for they
    have no order.
    """
    shown = list(groups)
    across = _scale(*ends, 4, STRIP_WIDTH - 4)
    step = (STRIP_HEIGHT - 6) / max(len(shown), 1)
    known = sum(not group["missing"] for group in shown)
    lines = []
    for place, group in enumerate(shown):
        y = STRIP_HEIGHT - 3 - step * (place + 0.5)
        low, lower, middle, upper, high = group["contribution"]
        value = "missing" if group["missing"] else group["value"]
        named = value if isinstance(value, str) else f"{value:g}"
        told = f"{named}: {middle:+.3f} ({low:+.3f} to {high:+.3f}), n {group['n']:,}"
        warm = 100 * place / max(known - 1, 1)
        colour = "var(--soft)" if group["missing"] else "var(--accent)"
        if ordered and not group["missing"]:
            colour = f"color-mix(in oklab, var(--warm) {warm:.0f}%, var(--cool))"
        lines.append(
            f'<g style="stroke:{colour};fill:{colour}"><title>{escaped(told)}</title>'
            f'<path d="M{across(low):.1f} {y:.1f}H{across(high):.1f}"/>'
            f'<path class="half" d="M{across(lower):.1f} {y:.1f}H{across(upper):.1f}"/>'
            f'<circle cx="{across(middle):.1f}" cy="{y:.1f}" r="2.6"/></g>'
        )
    zero = f'<path class="grid" d="M{across(0):.1f} 0V{STRIP_HEIGHT}"/>'
    return (
        f'<svg class="strip" viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" '
        f'role="img" aria-label="contribution by value">{zero}{"".join(lines)}</svg>'
    )


def _frame(
    body: str,
    steps: Sequence[tuple[float, str]],
    rise: Sequence[tuple[float, str]],
    horizontal: str,
    title: str,
) -> str:
    """Axes around a chart: tick places with their labels, and what is drawn."""
    floor = HEIGHT - BOTTOM
    lines = "".join(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>' for y, _ in rise)
    texts = "".join(_label(x, floor + 15, text, "middle") for x, text in steps)
    texts += "".join(_label(LEFT - 6, y + 4, text, "end") for y, text in rise)
    texts += _label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, horizontal, "middle", "axis")
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title.split(" <")[0]}">'
        f"{lines}{body}{texts}</svg></figure>"
    )


def _label(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _error(x: float, low: float, high: float) -> str:
    return f'<path class="error" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"/>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def _ceiling(top: float) -> float:
    """The smallest 1, 2, 3, 5 or 7.5 times a power of ten that holds ``top``."""
    power = 10.0 ** math.floor(math.log10(max(top, 1e-9)))
    return next(step * power for step in (1, 1.5, 2, 3, 5, 7.5, 10) if step * power >= top * (1 - 1e-9))


def _ticks(place: Callable[[float], float], top: float, unit: str) -> list[tuple[float, str]]:
    """Three to six round values from 0 to the end of a scale."""
    ceiling = _ceiling(top)
    power = 10.0 ** math.floor(math.log10(ceiling))
    step = {1.0: 0.25, 1.5: 0.5, 2.0: 0.5, 3.0: 1.0, 5.0: 1.0, 7.5: 2.5}[round(ceiling / power, 1)] * power
    return [(place(step * at), f"{step * at:g}{unit}") for at in range(round(ceiling / step) + 1)]


def _counts(most: int) -> list[int]:
    """Counts to mark on a root scale."""
    power = 10 ** max(int(math.log10(most)), 0)
    return sorted({0, power // 10 or 1, power, (most // power) * power})
