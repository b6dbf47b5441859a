"""What an expression depends on: columns, subqueries, windows, aggregates, `*`.

Lives here: reading expressions inside one SELECT. Not here: FROM and the clauses around them (resolve).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from sqlglot import exp

from leadscore_dagster.core.audit.graph import Node, Relation, Scope, Source
from leadscore_dagster.core.errors import InputError

_CLOCK = (
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.Rand,
    exp.Uuid,
)
_Found = tuple[list[Node], list[Node]]


class LineageError(InputError):
    """The statement cannot be resolved with certainty, so nothing in it can be cleared."""


def sql_of(node: exp.Expr) -> str:
    """The expression as GoogleSQL on one line, shortened to what fits into a message."""
    text = node.sql(dialect="bigquery", copy=False)
    return text if len(text) <= 300 else f"{text[:297]}..."


def unique(sources: Iterable[Source], column: str, where: exp.Expr) -> Node:
    """The one column of that name among FROM items. Raises LineageError for none and for several."""
    found = [node for source in sources for node in source.find(column)]
    if len(found) != 1:
        raise LineageError(f"{'ambiguous' if found else 'unknown'} column {column}", where=sql_of(where))
    return found[0]


class Queries(Protocol):
    """Who resolves a subquery that stands in an expression (resolve)."""

    def query(
        self, query: exp.Expr, name: str, kind: Literal["subquery"], ctes: Mapping[str, Relation], outer: Scope | None
    ) -> Relation: ...


class Reader:
    """Reads the expressions of one SELECT.

    ``whole`` stands for the rows the SELECT works on: aggregates and windows depend on all of them.
    ``aliases`` are the output columns, which GROUP BY, HAVING, QUALIFY and ORDER BY may name."""

    def __init__(self, resolver: Queries, scope: Scope, ctes: Mapping[str, Relation], whole: Node) -> None:
        self.resolver, self.scope, self.ctes, self.whole = resolver, scope, ctes, whole
        self.aliases: dict[str, Node] = {}
        self._windows: list[Node] = []

    # parts of a SELECT --------------------------------------------------------------------------------------

    def item(self, name: str, expression: exp.Expr) -> Node:
        """An output column."""
        values, controls = self._read(expression)
        node = Node(self.scope.name, name, "column", tuple(values), tuple(controls))
        if isinstance(expression, exp.Column) and len(values) == 1:
            node.plain = values[0]
        elif isinstance(expression, exp.Min | exp.Max) and isinstance(expression.this, exp.Column):
            node.shape = "min" if isinstance(expression, exp.Min) else "max"
        elif isinstance(expression, exp.Greatest):
            node.shape = "greatest"
        elif expression.find(exp.Window) is not None:
            node.shape = "next" if _takes_next_row(expression) else "window"
        return node

    def clause(self, label: str, parts: Sequence[exp.Expr], ordinals: Sequence[Node] = ()) -> Node:
        """A clause as one node that holds everything it reads."""
        values: list[Node] = []
        controls: list[Node] = []
        for part in parts:
            found = self._read(part)
            values += found[0]
            controls += found[1]
        if ordinals:
            values += list(ordinals)
        return Node(self.scope.name, label, "clause", tuple(values), tuple(controls))

    def group_keys(self, group: exp.Group, select: exp.Select, columns: Sequence[Node]) -> list[Node]:
        """Nodes of the grouping keys: expressions, output aliases, ordinals, or all that is not
        aggregated."""
        if group.args.get("all"):
            pairs = zip(select.expressions, columns, strict=True)
            return [node for item, node in pairs if not item.find(exp.AggFunc)]
        keys = []
        for key in group.expressions:
            if isinstance(key, exp.Literal) and not key.is_string:
                keys.append(columns[int(key.name) - 1])
            elif isinstance(key, exp.Column):
                keys.append(self.column(key))
            else:
                keys.append(self.clause("GROUP BY", [key]))
        return keys

    def named_windows(self, windows: Sequence[exp.Expr]) -> None:
        """The WINDOW clause: whoever uses a named window depends on it (checked when a window is read)."""
        for window in windows:
            values, controls = self._window_frame(window)
            self._windows += [*values, *controls]
        for node in self.aliases.values():
            node.controls = (*node.controls, *self._windows)

    def is_aggregated(self, select: exp.Select) -> bool:
        """Whether rows are combined: GROUP BY, or an aggregate that is not a window, outside subqueries."""
        if select.args.get("group") is not None:
            return True
        parts = [*select.expressions, select.args.get("having"), select.args.get("qualify")]
        return any(part is not None and _has_aggregate(part) for part in parts)

    def star(self, item: exp.Expr, star: exp.Star) -> Iterable[tuple[str, Node]]:
        """`*` or `alias.*`, with EXCEPT and REPLACE."""
        columns = self._star_columns(item)
        dropped = {part.name.lower() for part in star.args.get("except_") or []}
        replaced = {part.alias.lower(): part.this for part in star.args.get("replace") or []}
        names = {name.lower() for name, _ in columns}
        missing = sorted((dropped | set(replaced)) - names)
        if missing or star.args.get("rename"):
            raise LineageError(f"`*` has no column {', '.join(missing)}", where=sql_of(item))
        for name, link in columns:
            if name.lower() in replaced:
                yield name, self.item(name, replaced[name.lower()])
            elif name.lower() not in dropped:
                yield name, Node(self.scope.name, name, "column", (link,), plain=link)

    def _star_columns(self, item: exp.Expr) -> list[tuple[str, Node]]:
        if not self.scope.sources:
            raise LineageError("`*` without a FROM clause", where=sql_of(item))
        if isinstance(item, exp.Column):
            if len(item.parts) != 2:
                raise LineageError("lineage cannot read `*` over a struct", where=sql_of(item))
            return _all_columns(self._alias(item.parts[0].name, sql_of(item)))
        merged = [(node.name, node) for node in self.scope.merged.values()]
        taken = set(self.scope.merged)
        rest = [pair for source in self.scope.sources for pair in _all_columns(source)]
        return merged + [(name, node) for name, node in rest if name.lower() not in taken]

    def _alias(self, name: str, where: str) -> Source:
        for source in self.scope.sources:
            if source.alias.lower() == name.lower():
                return source
        raise LineageError(f"unknown FROM item {name}", where=where)

    # names --------------------------------------------------------------------------------------------------

    def column(self, column: exp.Column) -> Node:
        """The node a column name stands for, looked up from the inside out. Raises LineageError."""
        parts = [part.name for part in column.parts]
        scope: Scope | None = self.scope
        while scope is not None:
            found = self._in_scope(scope, parts, column)
            if found is not None:
                return found
            scope = scope.outer
        raise LineageError(f"unknown column {'.'.join(parts)}", where=f"SELECT of {self.scope.name or 'the statement'}")

    def _in_scope(self, scope: Scope, parts: list[str], where: exp.Expr) -> Node | None:
        first = parts[0].lower()
        named = [source for source in scope.sources if source.alias.lower() == first]
        if len(parts) > 1 and named and named[0].relation.kind != "unnest":
            return unique(named, parts[1], where)
        if first in scope.merged:
            return scope.merged[first]
        found = [node for source in scope.sources for node in source.find(first)]
        alias = self.aliases.get(first) if scope is self.scope and len(parts) == 1 else None
        if len(found) > 1:
            raise LineageError(f"ambiguous column {parts[0]}", where=sql_of(where))
        if found and alias is not None and alias.plain is not found[0]:
            return Node(scope.name, "", "clause", (found[0], alias))  # either may be meant: depend on both
        if found or alias is not None:
            return found[0] if found else alias
        if named:  # the whole row of a FROM item
            whole = tuple(node for _, node in _all_columns(named[0]))
            return Node(scope.name, "", "clause", whole, (named[0].rows(counted=False),))
        return None

    # expressions --------------------------------------------------------------------------------------------

    def _read(self, expression: exp.Expr) -> _Found:
        """Nodes an expression depends on: through its value, and through control flow."""
        if isinstance(expression, exp.Column):
            return [self.column(expression)], []
        if isinstance(expression, exp.Exists):
            return self._subquery(expression.this, "EXISTS", is_value=False)
        if isinstance(expression, exp.In) and expression.args.get("query") is not None:
            values, controls = self._read(expression.this)
            found = self._subquery(expression.args["query"], "IN", is_value=False, with_columns=True)
            return values, controls + found[1]
        if isinstance(expression, exp.Query):
            return self._subquery(expression, "subquery", is_value=True)
        if isinstance(expression, exp.Window):
            values, controls = self._read(expression.this)
            frame = self._window_frame(expression)
            return values, [*controls, *frame[0], *frame[1], self.whole, *self._windows]
        if isinstance(expression, _CLOCK):
            return [Node("", sql_of(expression), "clock")], []
        if isinstance(expression, exp.Star):  # COUNT(*): no column, but the rows
            return [], [self.whole]
        values, controls = [], [self.whole] if isinstance(expression, exp.AggFunc) else []
        for child in expression.iter_expressions():
            found = self._read(child)
            values += found[0]
            controls += found[1]
        return values, controls

    def _subquery(self, query: exp.Expr, label: str, *, is_value: bool, with_columns: bool = False) -> _Found:
        name = f"{label} in {self.scope.name or 'the statement'}"
        relation = self.resolver.query(query, name, "subquery", self.ctes, self.scope)
        self.scope.subqueries.append(relation)
        columns = [node for _, node in relation.columns]
        if is_value:
            return columns, [relation.count]
        return [], [relation.filter, *(columns if with_columns else [])]

    def _window_frame(self, window: exp.Expr) -> _Found:
        partition = [self._read(part) for part in window.args.get("partition_by") or []]
        self.scope.partitions.append([node for values, _ in partition for node in values])
        parts = [*partition]
        if window.args.get("order") is not None:
            parts.append(self._read(window.args["order"]))
        return [node for values, _ in parts for node in values], [node for _, controls in parts for node in controls]


def _all_columns(source: Source) -> list[tuple[str, Node]]:
    """Every column of a FROM item; a repeated name stays ambiguous for whoever refers to it."""
    pairs = []
    for name, node in source.relation.columns:
        found = source.find(name)
        pairs.append((name, found[0] if len(found) == 1 else node))
    return pairs


def _has_aggregate(expression: exp.Expr) -> bool:
    if isinstance(expression, exp.Query):
        return False
    if isinstance(expression, exp.Window):
        inside = list(expression.this.iter_expressions())
        return any(_has_aggregate(child) for child in inside)
    if isinstance(expression, exp.AggFunc):
        return True
    return any(_has_aggregate(child) for child in expression.iter_expressions())


def _takes_next_row(expression: exp.Expr) -> bool:
    """``MIN(c) OVER (.. ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)`` of a bare column: the earliest
    date of all later vintages. LEAD is not enough: the next vintage by date may become available after the
    one behind it."""
    if not isinstance(expression, exp.Window) or not isinstance(expression.this, exp.Min):
        return False
    spec = expression.args.get("spec")
    return (
        spec is not None
        and isinstance(expression.this.this, exp.Column)
        and spec.args.get("kind") == "ROWS"
        and str(spec.args.get("start")) == "1"
        and (spec.args.get("start_side"), spec.args.get("end_side")) == ("FOLLOWING", "FOLLOWING")
        and spec.args.get("end") == "UNBOUNDED"
    )
