"""How one cell of text becomes a value: a DuckDB expression per contract type.

Here: expressions only, made of constants; the argument is the name of one of our own columns (``c0``, ``c1`` ...).
An expression gives NULL both for a missing and for an unreadable cell; ``present`` tells the two apart. Each tries
the common spelling first: DuckDB's CASE and COALESCE run the rest only on the cells that are left.
Not here: which rows survive (cleaning.py).
"""

from __future__ import annotations

#: spellings of "no value" in a column that is not text. In text they stay: Null and Na are surnames.
MISSING = ("", "null", "none", "n/a", "na", "nan", "nat", "-")
#: a flag nobody knows is missing, not unreadable
UNKNOWN_FLAG = (*MISSING, "unknown", "?", "u")


def present(cell: str, kind: str) -> str:
    """The trimmed text of a cell, or NULL where the cell says there is no value."""
    if kind == "text":
        return f"nullif(trim({cell}), '')"
    missing = ", ".join(f"'{word}'" for word in (UNKNOWN_FLAG if kind == "flag" else MISSING))
    return f"CASE WHEN lower(trim({cell})) NOT IN ({missing}) THEN trim({cell}) END"


def typed(cell: str, kind: str) -> str:
    """The value of a cell, in the type of the warehouse."""
    return _EXPRESSIONS[kind].replace("{v}", cell)


_NUMBER = "CASE WHEN isfinite(try_cast({v} AS DOUBLE)) THEN try_cast({v} AS DOUBLE) END"
# "12.0" is twelve; "12.5" is no whole number (DuckDB's cast alone would round it)
_WHOLE = "CASE WHEN try_cast({v} AS BIGINT) = try_cast({v} AS DOUBLE) THEN try_cast({v} AS BIGINT)"
# Thousands are grouped by three, so that a decimal comma ("12,5") is unreadable and not ten times too large.
_GROUPED = "\\d{1,3}(,\\d{3})+"
_COUNT = (
    _WHOLE + f" WHEN regexp_full_match(trim({{v}}), '{_GROUPED}') THEN try_cast(replace({{v}}, ',', '') AS BIGINT)"
    # the vendor hides small counts; 2 is what the original systems read into it
    " WHEN regexp_full_match(trim({v}), '<\\s*5') THEN 2::BIGINT END"
)
# "$1,295.31", "-$5", "$-5"; in accounting "($5.00)" is minus five
_AMOUNT = f"\\$?\\s*-?({_GROUPED}|\\d+)(\\.\\d*)?"
_PLAIN = "replace(replace(replace({v}, '$', ''), ',', ''), ' ', '')"
_MONEY = (
    f"CASE WHEN regexp_full_match(trim({{v}}), '[+-]?\\s*{_AMOUNT}') THEN try_cast({_PLAIN} AS DOUBLE)"
    f" WHEN regexp_full_match(trim({{v}}), '\\(\\s*{_AMOUNT}\\s*\\)')"
    f" THEN -try_cast(replace(replace({_PLAIN}, '(', ''), ')', '') AS DOUBLE)"
    " WHEN isfinite(try_cast({v} AS DOUBLE)) THEN try_cast({v} AS DOUBLE) END"
)
# A key that arrived as a float ends in ".0"; dropping the point alone would make it ten times larger. A signed or
# broken number is no key: dropping its sign or point would name somebody else.
_KEY = (
    "CASE WHEN regexp_full_match({v}, '\\d+') THEN try_cast({v} AS BIGINT)"
    " WHEN regexp_full_match(trim({v}), '\\d+(\\.0*)?') THEN try_cast(split_part({v}, '.', 1) AS BIGINT)"
    " WHEN regexp_full_match(trim({v}), '[+-]?\\d*\\.?\\d+([eE][+-]?\\d+)?') THEN NULL"
    " ELSE try_cast(regexp_replace({v}, '\\D', '', 'g') AS BIGINT) END"
)
# four digits and fewer are a ZIP code whose leading zeros a spreadsheet or a float has eaten
_ZIP = (
    "CASE WHEN regexp_full_match(trim({v}), '\\d{3,5}(\\.0*)?') THEN lpad(split_part(trim({v}), '.', 1), 5, '0')"
    " WHEN regexp_full_match(trim({v}), '\\d{5}-?\\d{4}') THEN left(trim({v}), 5) END"
)
_MIDNIGHT = "[ T]00:00(:00(\\.0+)?)?(Z|[+-]00(:?00)?)?"
_DATE = (
    f"CASE WHEN regexp_full_match(trim({{v}}), '\\d{{4}}-\\d{{2}}-\\d{{2}}({_MIDNIGHT})?')"
    " THEN try_cast(left(trim({v}), 10) AS DATE) END"
)
_ISO = "\\d{4}-\\d{2}-\\d{2}[ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?"
_TIMESTAMP = (
    f"CASE WHEN regexp_full_match(trim({{v}}), '{_ISO}\\s?(Z|[+-]\\d{{2}}(:\\d{{2}})?)')"
    " THEN try_cast(trim({v}) AS TIMESTAMPTZ)"
    # Salesforce writes +0000, which DuckDB does not read
    f" WHEN regexp_full_match(trim({{v}}), '{_ISO}\\s?[+-]\\d{{4}}')"
    " THEN try_cast(regexp_replace(trim({v}), '(\\d{2})$', ':\\1') AS TIMESTAMPTZ) END"
)
_FLAG = (
    "CASE WHEN {v} = 'Yes' THEN 1::BIGINT WHEN {v} = 'No' THEN 0::BIGINT"
    " WHEN lower(trim({v})) IN ('yes', 'y', 'true', 't', '1', '1.0') THEN 1::BIGINT"
    " WHEN lower(trim({v})) IN ('no', 'n', 'false', 'f', '0', '0.0') THEN 0::BIGINT END"
)
_EXPRESSIONS = {
    "text": "nullif(trim({v}), '')",
    "key": _KEY,
    "integer": _WHOLE + " END",
    "count": _COUNT,
    "number": _NUMBER,
    "money": _MONEY,
    "flag": _FLAG,
    "zip": _ZIP,
    "date": _DATE,
    "timestamp": _TIMESTAMP,
}
