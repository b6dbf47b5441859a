"""Small drawings as inline SVG: a maturity curve, and a value with its interval on a scale.

Not here: where they stand on the page (sections).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 180, 54, 4
_FLOOR = 12  # room for the labels of the days


def curve(points: Sequence[tuple[float, float]], wait_days: float | None) -> str:
    """Share complete [0, 1] by lag in days, in order of the lag; a mark where facts can be trusted.

    The days are drawn on a scale of log(1 + days): what happens in the first week is as visible as the first year.
    """
    if not points:
        return ""
    furthest = max(points[-1][0], wait_days or 0, 1)
    floor = HEIGHT - _FLOOR

    def across(days: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log1p(max(days, 0)) / math.log1p(furthest)

    def up(part: float) -> float:
        return floor - (floor - MARGIN) * min(max(part, 0), 1)

    steps = f"M{across(points[0][0]):.1f} {up(points[0][1]):.1f}"
    steps += "".join(f"L{across(days):.1f} {up(part):.1f}" for days, part in points[1:])
    area = f"{steps}L{across(points[-1][0]):.1f} {floor}L{across(points[0][0]):.1f} {floor}Z"
    mark = ""
    if wait_days is not None and wait_days >= 0:
        at = across(wait_days)
        mark = f'<path class="wait" d="M{at:.1f} {MARGIN}V{floor}"/>'
    told = ", ".join(f"{part:.0%} after {days:g} days" for days, part in points)
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="complete: {told}"><title>complete: {told}</title>'
        f'<path class="grid" d="M{MARGIN} {MARGIN}H{WIDTH - MARGIN}M{MARGIN} {floor}H{WIDTH - MARGIN}"/>'
        f'<path class="area" d="{area}"/><path class="line" d="{steps}"/>{mark}'
        f'<text x="{MARGIN}" y="{HEIGHT - 2}">{points[0][0]:g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 2}" text-anchor="end">{furthest:g} days</text></svg>'
    )


def whisker(
    value: float, low: float, high: float, ends: tuple[float, float], kind: str, limit: float | None = None
) -> str:
    """A value with its interval on a scale from ``ends[0]`` to ``ends[1]``; a line at 0 where 0 lies between, and one
    at ``limit``, which lies between the ends."""
    width, middle = 160, 8
    span = (ends[1] - ends[0]) or 1.0

    def across(at: float) -> float:
        return MARGIN + (width - 2 * MARGIN) * (at - ends[0]) / span

    zero = f'<path class="zero" d="M{across(0):.1f} 1V15"/>' if ends[0] < 0 < ends[1] else ""
    mark = "" if limit is None else f'<path class="limit" d="M{across(limit):.1f} 0V16"/>'
    return (
        f'<svg class="whisker {kind}" viewBox="0 0 {width} 16" width="{width}" height="16" aria-hidden="true">'
        f'<path class="grid" d="M{MARGIN} {middle}H{width - MARGIN}"/>{zero}'
        f'<path class="line" d="M{across(low):.1f} {middle}H{across(high):.1f}"/>'
        f'<circle cx="{across(value):.1f}" cy="{middle}" r="4"/>{mark}</svg>'
    )
