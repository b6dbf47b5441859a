"""How numbers and intervals are written, in HTML and in Markdown alike: three significant digits, ends as exact as
their value.

Not here: mark-up (text), what is shown where.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from leadscore_dagster.core.measures.catalogue import METRICS
from leadscore_dagster.core.pages.frame.text import finite

#: how a value and its interval are written
Form = Literal["number", "percent", "count", "signed"]
NOTHING = "–"


def form_of(metric: str) -> Form:
    """How a metric is written."""
    return METRICS[metric].form if metric in METRICS else "number"


def percentage(value: Any) -> str:
    """A share as a percentage people compare: 41%, 3.2%, 0.45%."""
    known = finite(value)
    if known is None:
        return NOTHING
    whole = abs(100 * known - round(100 * known)) < 1e-9
    return _fixed(known, 0 if whole else _decimals_of_share(abs(known)), "percent")


def value_and_ends(
    interval: Mapping[str, Any] | None, form: Form = "number", decimals: int | None = None
) -> tuple[str, str]:
    """``2.26`` and ``[1.73, 2.80]``; a dash without a value, no ends where they are unknown or the same.

    ``decimals``: for a column of numbers that are compared with each other.
    """
    value, *ends = (finite(interval.get(name)) if interval else None for name in ("value", "low", "high"))
    if value is None:
        return NOTHING, ""
    if decimals is None:
        size = abs(value) or max((abs(end) for end in ends if end is not None), default=0.0)
        decimals = {"percent": _decimals_of_share(size), "count": 0}.get(form, _decimals(size))
    told = _fixed(value, decimals, form)
    if ends[0] is None or ends[1] is None or ends[0] == ends[1]:
        return told, ""
    low, high = (_fixed(end, decimals, form) for end in ends if end is not None)
    return told, f"[{low}, {high}]"


def _fixed(value: float, decimals: int, form: Form) -> str:
    kind = "%" if form == "percent" else "f"
    sign = "+" if form == "signed" and value > 0 else ""
    return f"{sign}{value + 0.0:,.{decimals}{kind}}".replace("-", "−")


def _decimals(size: float) -> int:
    """Decimals that show three significant digits, four of small numbers; none of whole large ones."""
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or size == 0 else 3 if size >= 0.1 else 4


def _decimals_of_share(size: float) -> int:
    return 0 if size >= 0.2 or size == 0 else 1 if size >= 0.01 else 2
