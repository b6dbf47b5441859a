"""Stored evidence as text: intervals, compared estimators, what is absent. Records are plain mappings, out of JSON.

Not here: which section shows what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from leadscore_dagster.core.pages.frame.numbers import NOTHING, Form, percentage, value_and_ends
from leadscore_dagster.core.pages.frame.text import escaped, finite, number

Record = Mapping[str, Any]
_NONE = '<span class="none">–</span>'


def absent(why: str) -> str:
    """The line a section consists of when its evidence is not there."""
    return f'<p class="absent">not measured: {escaped(why)}</p>'


def at(record: Record | None, *path: str) -> Any:
    """The entry below nested keys; None where one of them is missing."""
    found: Any = record
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def short(value: Any, digits: int = 3) -> str:
    """A number to ``digits`` significant digits; counts and large numbers in full."""
    known = finite(value)
    if known is None:
        return _NONE
    return number(round(known)) if abs(known) >= 100 else number(float(f"{known:.{digits}g}"), digits)


def percent(value: Any) -> str:
    """A share as a percentage people compare: 41%, 3.2%, 0.45%."""
    return _NONE if finite(value) is None else percentage(value)


def spanned(interval: Record | None, form: Form = "number", decimals: int | None = None) -> str:
    """``2.26 [1.73, 2.80]``, its ends as exact as its value; a dash without a value, the value alone where the ends
    are unknown or the same. ``decimals``: for a column of numbers that are compared with each other."""
    value, ends = value_and_ends(interval, form, decimals)
    if value == NOTHING:
        return _NONE
    return f'{value} <span class="ends">{ends}</span>' if ends else value


def broken(name: str) -> str:
    """A long name as code, which breaks behind an underscore sooner than inside a word."""
    return f"<code>{escaped(name).replace('_', '_<wbr>')}</code>"


def basis(interval: Record | None) -> str:
    """What an interval rests on, as a sentence without its full stop."""
    if not interval:
        return ""
    return (
        f"{number(interval.get('n'))} decisions, {number(interval.get('positives'))} positives; 95% intervals: "
        f"{escaped(interval.get('method', 'method not stored'))}"
    )


def day(instant: Any) -> str:
    """The date of an ISO instant."""
    return escaped(str(instant)[:10])


def days_between(earlier: Any, later: Any) -> int | None:
    """Whole days from one ISO instant to another; None where one cannot be read."""
    try:
        return (datetime.fromisoformat(str(later)) - datetime.fromisoformat(str(earlier))).days
    except (ValueError, TypeError):
        return None


def contenders(manifest: Record) -> list[dict[str, Any]]:
    """What was compared in cross-validation: ``name``, ``metrics`` (name → interval), ``variation``, ``folds`` (AUC-PR
    of each), ``chosen``."""
    chosen = manifest.get("contender") or {}
    made = []
    for name, entry in (manifest.get("compared") or {}).items():
        same = all(entry.get(part) == chosen.get(part) for part in ("estimator", "imbalance"))
        folds = [found for value in entry.get("folds", ()) if (found := finite(value)) is not None]
        metrics, variation = entry.get("metrics") or {}, finite(entry.get("variation"))
        made.append({"name": name, "metrics": metrics, "variation": variation, "folds": folds, "chosen": same})
    return made


def fold_difference(folds: Sequence[float], chosen: Sequence[float]) -> dict[str, float] | None:
    """Mean of the paired differences fold by fold, with the interval of Student's t; None with fewer than 3 folds.

    Folds that follow each other share training rows, so the interval is rather too narrow.
    """
    from scipy.stats import t

    if len(folds) != len(chosen) or len(folds) < 3:
        return None
    difference = np.array(folds) - np.array(chosen)
    error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    half = float(t.ppf(0.975, len(difference) - 1)) * float(error)
    middle = float(difference.mean())
    return {"value": middle, "low": middle - half, "high": middle + half}
