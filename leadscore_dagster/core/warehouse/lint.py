"""Constructs an SQL file may not use: DuckDB was measured to differ from BigQuery, or to have no equal.

Not here: what can be repaired in translation (dialect.py), and table or column names (the tests' analyzer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.tokens import Token, TokenType

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse.dialect import parse

_CLOCK = "the clock is an argument: use a parameter"
_SAFE = "use SAFE_DIVIDE or a CASE"
_ABSENT = "DuckDB has no equal"
_RANDOM = "not the same twice"
_CLOCK_NAMES = frozenset({"CURRENT_DATE", "CURRENT_DATETIME", "CURRENT_TIME", "CURRENT_TIMESTAMP"})
_FORBIDDEN = {
    **dict.fromkeys(_CLOCK_NAMES, _CLOCK),
    "RAND": _RANDOM,
    "GENERATE_UUID": _RANDOM,
    "SESSION_USER": _RANDOM,
    "FARM_FINGERPRINT": _ABSENT,
    "RANGE_BUCKET": _ABSENT,
    "NORMALIZE": _ABSENT,
    "NORMALIZE_AND_CASEFOLD": _ABSENT,
    "IEEE_DIVIDE": _ABSENT,
    "CONTAINS_SUBSTR": "the reference evaluator lacks it: use REGEXP_CONTAINS(LOWER(text), ...)",
    "SIGN": "DuckDB always gives an integer: use CASE",
    "SAFE_ADD": _SAFE,
    "SAFE_SUBTRACT": _SAFE,
    "SAFE_MULTIPLY": _SAFE,
    "SAFE_NEGATE": _SAFE,
    "CORR": "of fewer than two rows DuckDB gives NaN, BigQuery NULL",
    "MAX_BY": "the reference analyzer lacks it: use QUALIFY ROW_NUMBER()",
    "MIN_BY": "the reference analyzer lacks it: use QUALIFY ROW_NUMBER()",
}
_TEXTS = (TokenType.STRING, TokenType.RAW_STRING, TokenType.IDENTIFIER)
_WHOLE = (exp.Floor, exp.Ceil, exp.Extract, exp.DateDiff, exp.TimestampDiff, exp.Count, exp.CountIf)
_MONTHS = frozenset({"MONTH", "QUARTER", "YEAR"})
_DIGITS = re.compile(r"\^?\(?\[?[+\-?\]]*(\\d|\[0-9\])(\+|\{\d+(,\d*)?\})\)?\$?")


def lint(sql: str) -> list[str]:
    """What is wrong with the text of one SQL file, one line each; empty if nothing is."""
    try:
        tree = parse(sql)
    except InputError as error:
        return [str(error)]
    tokens = BigQuery().tokenize(sql)
    return sorted({*_token_findings(tokens), *(line for rule in _RULES for line in rule(tree))})


def _token_findings(tokens: list[Token]) -> Iterator[str]:
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        name = token.text.upper()
        called = following is not None and following.token_type is TokenType.L_PAREN
        if token.token_type is TokenType.SEMICOLON:
            yield "no semicolon: the text is inlined into others"
        elif name.startswith("APPROX_") and called:
            yield f"{name}: approximations cannot be verified, use PERCENTILE_CONT or COUNT(DISTINCT)"
        elif name in _FORBIDDEN and (called or name in _CLOCK_NAMES) and token.token_type not in _TEXTS:
            yield f"{name}: {_FORBIDDEN[name]}"


def _safe_prefix(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.SafeFunc):
        yield f"SAFE.{node.this.sql('bigquery')}: {_ABSENT}"


def _integer_casts(tree: exp.Expr) -> Iterator[str]:
    """DuckDB rounds halves to even and reads '12.5' as 13; BigQuery rounds away from zero and refuses."""
    for node in tree.find_all(exp.Cast, exp.TryCast):
        if node.to.is_type("BIGINT", "INT") and not _is_whole(node.this):
            yield f"{node.sql('bigquery')}: write ROUND(...), or REGEXP_EXTRACT(..., r'^-?[0-9]+$') for text"


def _is_whole(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Round | exp.Trunc):
        return node.args.get("decimals") is None
    if isinstance(node, exp.Literal):
        return node.is_int or (node.is_string and node.name.lstrip("+-").isdigit())
    if isinstance(node, exp.RegexpExtract):
        return bool(_DIGITS.fullmatch(node.expression.name))
    return isinstance(node, (*_WHOLE, exp.Predicate, exp.Not, exp.And, exp.Or, exp.Null))


def _divisions(tree: exp.Expr) -> Iterator[str]:
    """BigQuery stops at a zero divisor; DuckDB goes on with infinity or NULL."""
    for node in tree.find_all(exp.Div, exp.IntDiv, exp.Mod):
        divisor = node.expression.unnest()
        if not (isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.name) != 0):
            yield f"{node.sql('bigquery')}: the divisor may be zero, {_SAFE}"


def _substrings(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Substring):
        if node.text("start") == "0":
            yield "SUBSTR(text, 0, ...): positions start at 1"


def _month_arrays(tree: exp.Expr) -> Iterator[str]:
    """From a month's end the days drift (31, 29, 29): start on the first and use LAST_DAY."""
    for node in tree.find_all(exp.GenerateDateArray):
        step = node.args.get("step")
        unit = step.text("unit").upper() if step else "DAY"
        start = node.args["start"]
        first = isinstance(start, exp.DateTrunc) and start.text("unit").upper() in _MONTHS
        first = first or any(literal.name.endswith("-01") for literal in start.find_all(exp.Literal))
        if unit in _MONTHS and not first:
            yield "GENERATE_DATE_ARRAY by months: start it at DATE_TRUNC(..., MONTH)"


def _array_limits(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.ArrayAgg):
        if node.find(exp.Limit):
            yield f"ARRAY_AGG(... LIMIT n): {_ABSENT}, use QUALIFY ROW_NUMBER()"


def _any_values(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.AnyValue):
        if not node.find(exp.HavingMax):
            yield "ANY_VALUE: not the same twice, use MIN or MAX"


def _numerics(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Cast, exp.TryCast):
        if node.to.is_type("DECIMAL", "BIGDECIMAL"):
            yield "NUMERIC: the precision differs, use FLOAT64"


def _rounded_decimals(tree: exp.Expr) -> Iterator[str]:
    """2.675 lies below the half in binary: BigQuery's reference gives 2.67, DuckDB 2.68."""
    for node in tree.find_all(exp.Round, exp.Trunc):
        if node.args.get("decimals") is not None:
            yield f"{node.sql('bigquery')}: decimals round differently, round where the number is shown"


def _patterns(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Like):
        if "\\" in node.expression.name:
            yield "LIKE with a backslash: DuckDB has no escape, use REGEXP_CONTAINS or STRPOS"


def _offsets(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Unnest):
        if node.args.get("offset"):
            yield "UNNEST ... WITH OFFSET: the translation counts from 1, BigQuery from 0"


def _hidden_columns(tree: exp.Expr) -> Iterator[str]:
    """In QUALIFY BigQuery takes the alias where DuckDB takes the column of the same name."""
    for select in tree.find_all(exp.Select):
        qualify = select.args.get("qualify")
        columns = qualify.find_all(exp.Column) if qualify else ()
        read = {column.name.lower() for column in columns if not column.table}
        for item in select.selects:
            name = item.alias.lower()
            inside = {column.name.lower() for column in item.find_all(exp.Column)}
            if name in read and name in inside and not isinstance(item.unalias(), exp.Column):
                yield f"QUALIFY reads {item.alias}, an alias that hides a column: give the alias another name"


def _formats(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Literal):
        if node.is_string and "%Q" in node.name:
            yield "%Q in a date format: DuckDB has none, use EXTRACT(QUARTER FROM ...)"


_RULES: tuple[Callable[[exp.Expr], Iterator[str]], ...] = (
    _safe_prefix,
    _integer_casts,
    _divisions,
    _substrings,
    _month_arrays,
    _array_limits,
    _any_values,
    _numerics,
    _rounded_decimals,
    _patterns,
    _offsets,
    _hidden_columns,
    _formats,
)
