"""A trend as inline SVG for the page, and as a Markdown image for Dagit, which shows no SVG.

Not here: which trends there are (trends), where they stand (dashboard).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

from leadscore_dagster.core.pages.frame.text import escaped
from leadscore_dagster.core.pages.monitoring.trends import Point, Trend

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FLOOR = 420, 190, 52, 10, 12, 162
#: limits so close that their names would lie on each other
CROWDED = 16


def svg(trend: Trend) -> str:
    """The trend as one SVG that fills the width it is given."""
    low, high = _range(trend)

    def up(value: float) -> float:
        return FLOOR - (FLOOR - TOP) * (value - low) / (high - low)

    step = (WIDTH - LEFT - RIGHT) / max(len(trend.points), 1)
    across = [LEFT + step * (place + 0.5) for place in range(len(trend.points))]
    step_up = _step(high - low)
    ticks = [step_up * place for place in range(math.ceil(low / step_up - 1e-9), math.floor(high / step_up + 1e-9) + 1)]
    made = [f'<path class="grid" d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}"/>' for tick in ticks]
    made += [
        f'<text x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{_text(tick, trend, step_up)}</text>'
        for tick in ticks
    ]
    for name, limit in trend.limits:
        made.append(f'<path class="limit" d="M{LEFT} {up(limit):.1f}H{WIDTH - RIGHT}"/>')
        crowded = any(0 < up(limit) - up(other) < CROWDED for _, other in trend.limits)  # the line above writes here
        y = up(limit) + (12 if crowded else -4)
        made.append(f'<text class="limit" x="{WIDTH - RIGHT}" y="{y:.1f}" text-anchor="end">{escaped(name)}</text>')
    for x, point in zip(across, trend.points, strict=True):
        if point.low is not None and point.high is not None:
            made.append(f'<path class="interval" d="M{x:.1f} {up(point.low):.1f}V{up(point.high):.1f}"/>')
    path = "L".join(f"{x:.1f} {up(point.value):.1f}" for x, point in zip(across, trend.points, strict=True))
    made.append(f'<path class="line" d="M{path}"/>')
    made += [
        f'<circle cx="{x:.1f}" cy="{up(point.value):.1f}" r="{3.5 if len(across) < 40 else 2}">'
        f"<title>{escaped(_told(point, trend))}</title></circle>"
        for x, point in zip(across, trend.points, strict=True)
    ]
    ends = ((across[0], "start", trend.points[0]), (across[-1], "end", trend.points[-1]))
    for x, anchor, point in ends if len(across) > 1 else ends[:1]:
        place = LEFT if anchor == "start" else WIDTH - RIGHT
        made.append(f'<text x="{place if len(across) > 1 else x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">'
                    f"{escaped(point.label)}</text>")  # fmt: skip
    told = f"{trend.title}: {_told(trend.points[-1], trend)}"
    frame = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(told)}"'
    return f'<svg class="trend" {frame}>{"".join(made)}</svg>'


def markdown_image(trends: Sequence[Trend]) -> str | None:
    """The trends that have points as one image below each other; None when none has."""
    from matplotlib.figure import Figure

    drawn = [trend for trend in trends if trend.points]
    if not drawn:
        return None
    figure = Figure(figsize=(7, 2.4 * len(drawn)), layout="constrained")
    for axes, trend in zip(figure.subplots(len(drawn), squeeze=False)[:, 0], drawn, strict=True):
        factor = 100.0 if trend.percent else 1.0
        values = [factor * point.value for point in trend.points]
        below = [
            value - factor * (value / factor if p.low is None else p.low)
            for value, p in zip(values, trend.points, strict=True)
        ]
        above = [
            factor * (value / factor if p.high is None else p.high) - value
            for value, p in zip(values, trend.points, strict=True)
        ]
        spread = [[max(one, 0.0) for one in below], [max(one, 0.0) for one in above]]
        axes.errorbar(range(len(values)), values, yerr=spread, color="#4f7cac", marker="o", markersize=3, linewidth=1)
        for name, limit in trend.limits:
            axes.axhline(factor * limit, color="#b23a48", linewidth=1, linestyle="--")
            axes.annotate(
                name, (1, factor * limit), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
            )
        places = sorted({0, len(values) // 2, len(values) - 1})
        axes.set_xticks(places, [trend.points[place].label for place in places])
        axes.set_title(trend.title + (", %" if trend.percent else ""), fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return f"![trends](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})\n"


def _range(trend: Trend) -> tuple[float, float]:
    """A little more than what is drawn; shares near 100% from just below, counts from 0."""
    ends = [end for point in trend.points for end in (point.value, point.low, point.high) if end is not None]
    ends += [limit for _, limit in trend.limits]
    low, high = min(ends), max(ends)
    if low > 0 and (high - low) > 0.3 * high:
        low = 0.0
    room = (high - low) * 0.08 or max(abs(high) * 0.1, 0.01)
    return (low - room if low else 0.0), high + room


def _step(span: float) -> float:
    """The distance of round ticks: 1, 2 or 5 times a power of ten, five of them at most."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)


def _text(value: float, trend: Trend, step: float) -> str:
    digits = max(math.ceil(-math.log10(step) - 1e-9), 0)
    return f"{value:.{max(digits - 2, 0)}%}" if trend.percent else f"{value:,.{digits}f}"


def _told(point: Point, trend: Trend) -> str:
    if point.low is None or point.high is None:
        return f"{point.label}: {_exact(point.value, trend)}"
    ends = f"{_exact(point.low, trend)} to {_exact(point.high, trend)}"
    return f"{point.label}: {_exact(point.value, trend)} ({ends})"


def _exact(value: float, trend: Trend) -> str:
    return f"{value:.2%}" if trend.percent else f"{value:,.4g}"
