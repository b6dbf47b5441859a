"""A feature and its value in a salesperson's words: "8 months at the current firm", "$1.2bn", "not known".

Lives here: one phrase from one value. Not here: which values to speak of (drivers), sentences (narrative).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from string import Formatter

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.catalogue import Feature

#: how many dollars one unit is; the vendor gives assets in millions, the firm history in dollars
DOLLARS = {"$": 1.0, "usd": 1.0, "dollars": 1.0}
MILLIONS = {"$ millions", "usd millions", "millions of dollars", "$ million", "usd million", "$m"}
PERCENT = {"%", "percent", "percent points", "percentage points"}
SHARE = {"share", "fraction"}
_SIZES = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))
_LONGEST_WORD = 60  # characters of a category shown to a reader


def number_for_people(value: float) -> str:
    """1234567 is "1,234,567", 3.0 is "3", 2.345 is "2.3", 0.00123 is "0.0012"."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1e15:
        return f"{value:.3g}"
    if value == round(value) or size >= 100:
        return f"{value + 0.0:,.0f}"  # adding 0.0 makes -0.0 a plain 0
    if size >= 1:
        return _short(f"{value:.1f}")
    return f"{value:.2g}" if size >= 1e-4 else "close to 0"


def money_for_people(dollars: float) -> str:
    """1.2e9 is "$1.2bn", 9.5e8 is "$950m", 12 is "$12"."""
    sign = "-" if dollars < 0 else ""
    amount = abs(dollars)
    for size, suffix in _SIZES:
        scaled = amount / size
        if round(scaled, 3) >= 1:  # 999.96 million is said as 1 billion, not as 1,000 million
            return f"{sign}${_short(f'{scaled:.1f}' if scaled < 9.95 else f'{scaled:,.0f}')}{suffix}"
    return f"{sign}${number_for_people(amount)}"


def _short(text: str) -> str:
    return text.removesuffix(".0")


def label(name: str) -> str:
    """A column's name as words: ``AUM_per_Client`` is "AUM per client", ``MilesToWork`` "miles to work"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", " ", name)
    return " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in spaced.split())


def phrase_of(name: str, feature: Feature | None) -> Callable[[float | str | None], str | None]:
    """How to say a value of this feature: a function of the value, which gives None where it is no reason.

    A missing value is said as not known, whatever the phrase. A phrase without ``{value}`` is a statement ("holds a
    CFP"): said as it is of a flag that is set, with the value behind it of anything else. Of a flag that is not set
    ``phrase_absent`` is said, or nothing. No phrase, or no entry in the catalogue: label and value. Whether the phrase
    is true of the row (``phrase_when``) is not asked here.

    Raises
    ------
    InputError : the phrase names something other than ``{value}``, or its format does not fit the type.
    """
    phrase = (feature.phrase if feature else "").strip()
    formats = _formats(phrase, name)
    people = _people(feature)
    if feature and any(formats) and feature.type in ("flag", "category"):
        raise InputError(f"phrase {phrase!r} formats a number", column=name, remedy="write {value} alone")

    def say(value: float | str | None) -> str | None:
        if value is None:
            return f"{feature.fact if feature and feature.fact else label(name)} not known"
        if not phrase:
            return f"{label(name)}: {people(value)}"
        if not formats and feature is not None and feature.type == "flag":
            return phrase if value else feature.phrase_absent or None
        if not formats:
            return f"{phrase} ({people(value)})"
        shown = people(value) if not any(formats) or isinstance(value, str) else value
        return phrase.format(value=shown)

    return say


def _formats(phrase: str, name: str) -> list[str]:
    """The format of each ``{value}`` in a phrase; empty where it has none."""
    try:
        fields = [(field, form or "", turn) for _, field, form, turn in Formatter().parse(phrase) if field is not None]
        formats = [form for _, form, _ in fields]
        if any(field != "value" or turn for field, _, turn in fields):
            raise InputError(f"phrase {phrase!r} names something other than {{value}}", column=name)
        if any(formats):
            phrase.format(value=1.0)
    except ValueError as error:
        raise InputError(f"phrase {phrase!r} cannot be filled in: {error}", column=name) from error
    return formats


def _people(feature: Feature | None) -> Callable[[float | str], str]:
    """How a bare value of the feature is shown, by its type and unit."""
    unit = feature.unit.strip().lower() if feature else ""
    flag = feature is not None and feature.type == "flag"

    def show(value: float | str) -> str:
        if isinstance(value, str):
            word = " ".join(value.split())
            return word if len(word) <= _LONGEST_WORD else word[: _LONGEST_WORD - 1] + "…"
        if flag and value in (0.0, 1.0):
            return "yes" if value else "no"
        if unit in DOLLARS:
            return money_for_people(value * DOLLARS[unit])
        if unit in MILLIONS:
            return money_for_people(value * 1e6)
        if unit in PERCENT:
            return f"{number_for_people(value)}%"
        if unit in SHARE:
            return f"{number_for_people(value * 100)}%"
        return number_for_people(value)

    return show
