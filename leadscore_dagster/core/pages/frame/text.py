"""Text of the page: everything from outside goes through ``escaped``, every number through one of the formats.

Not here: which texts there are (document, matrix, sections).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: control characters are not allowed in HTML, not even as references
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NOTHING = '<span class="none">–</span>'
#: how a feature moves the score, in words (core/modelling/judgement/explanation)
DIRECTIONS = {
    "rises": "higher raises the score",
    "falls": "higher lowers the score",
    "mixed": "no single direction",
    "levels": "depends on the level",
    "none": "no effect in this period",
}


def escaped(value: object) -> str:
    """Text that can stand between tags and inside quoted attributes."""
    return html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True)


def number(value: Any, digits: int = 4) -> str:
    """A number as people read it: thousands separated, ``digits`` significant ones after the point; a dash for none."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return _NOTHING if value is None else escaped(value)
    if math.isnan(value):
        return _NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    whole = float(value).is_integer() and abs(value) < 1e15
    text = f"{int(value):,}" if whole else f"{value:,.{digits}g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "−")


def share(value: Any, digits: int = 1) -> str:
    """A share as a percentage; a dash for none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        return _NOTHING
    return f"{value:.{digits}%}"


def finite(value: Any) -> float | None:
    """The number a value stands for; None for text, nothing, NaN and infinity."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 feature``, ``2 features``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Sequence[str], at_most: int = 6) -> str:
    """Escaped names in a sentence, the first ones if there are many."""
    shown = [f"<code>{escaped(name)}</code>" for name in names[:at_most]]
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def table(
    header: Sequence[str],
    rows: Iterable[Iterable[str]],
    numeric: Sequence[int] = (),
    kind: str = "",
    under: Mapping[int, str] | None = None,
) -> str:
    """A table from cells that are HTML already; the columns ``numeric`` are set to the right.

    Cells carry the header's text (which must be plain) for screens too narrow for columns. ``under``: HTML that stands
    below the header of a column, such as an axis."""
    named = [f' data-of="{name}"' if name else "" for name in header]
    below = under or {}

    def head(at: int, name: str) -> str:
        return f"<th scope=col{' class=n' if at in numeric else ''}>{name}{below.get(at, '')}</th>"

    def line(cells: Iterable[str]) -> str:
        made = (f"<td{' class=n' if at in numeric else ''}{named[at]}>{cell}</td>" for at, cell in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    heads = "".join(head(at, name) for at, name in enumerate(header))
    body = "\n".join(line(row) for row in rows)
    return (
        f'<div class="scroll {kind}"><table class="list"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def section(title: str, lead: str, body: str, anchor: str) -> str:
    """A section of the page; nothing at all where it has no body."""
    return f'<section id="{anchor}"><h2>{title}</h2>\n<p class="lead">{lead}</p>\n{body}\n</section>' if body else ""
