"""Names of a GoogleSQL statement resolved into the lineage graph.

Lives here: queries, set operations, FROM items, joins, clauses and `*`. Not here: what an expression depends
on (expressions), the graph itself (graph), its public view (lineage)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sqlglot import exp

from leadscore_dagster.core.audit import expressions
from leadscore_dagster.core.audit.expressions import LineageError, sql_of
from leadscore_dagster.core.audit.graph import ROWS, Comparison, Node, Read, Relation, Scope, Source

__all__ = ["LineageError", "Resolver"]

_Kind = Literal["cte", "derived", "subquery", "statement"]
_SELECT_PARTS = frozenset(
    ["with_", "kind", "expressions", "distinct", "from_", "joins", "where", "group", "having", "qualify"]
) | {"windows", "order", "limit", "offset"}
_JOIN_PARTS = frozenset(("this", "side", "kind", "on", "using"))
_TABLE_PARTS = frozenset(("this", "alias"))


class Resolver:
    """Resolves one statement. ``scopes`` collects every SELECT, children before parents."""

    def __init__(self, schemas: Mapping[str, Sequence[str]]) -> None:
        self.schemas = schemas
        self.scopes: list[Scope] = []

    def statement(self, query: exp.Query) -> Relation:
        """The outermost relation. Raises LineageError."""
        return self.query(query, "", "statement", {}, None)

    def query(
        self, query: exp.Expr, name: str, kind: _Kind, ctes: Mapping[str, Relation], outer: Scope | None
    ) -> Relation:
        """A SELECT, a set operation, or either in parentheses, with its own WITH clause."""
        ctes = self._with(query, ctes, outer)
        if isinstance(query, exp.Subquery):
            _only(query, {"this", "with_", "alias"})
            return self.query(query.this, name, kind, ctes, outer)
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query, name, kind, ctes, outer)
        if isinstance(query, exp.Select):
            return self._select(query, name, kind, ctes, outer)
        raise LineageError(f"lineage cannot read {type(query).__name__}", where=sql_of(query))

    def _with(self, query: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None) -> Mapping[str, Relation]:
        clause = query.args.get("with_")
        if clause is None:
            return ctes
        if clause.args.get("recursive"):
            raise LineageError("lineage cannot read WITH RECURSIVE")
        known = dict(ctes)
        for cte in clause.expressions:
            if cte.args["alias"].columns:
                raise LineageError(f"column list on the CTE {cte.alias}", remedy="name the columns inside it")
            known[cte.alias.lower()] = self.query(cte.this, cte.alias, "cte", known, outer)
        return known

    def _set_operation(
        self,
        query: exp.SetOperation,
        name: str,
        kind: _Kind,
        ctes: Mapping[str, Relation],
        outer: Scope | None,
    ) -> Relation:
        if query.args.get("by_name") or query.side or query.kind or query.args.get("on"):
            raise LineageError("lineage cannot read set operations by name", where=sql_of(query))
        left = self.query(query.this, name, kind, ctes, outer)
        right = self.query(query.expression, name, kind, ctes, outer)
        if len(left.columns) != len(right.columns):
            raise LineageError("set operation over different numbers of columns", where=sql_of(query))
        columns = tuple(
            (column, Node(name, column, "column", (first, second)))
            for (column, first), (_, second) in zip(left.columns, right.columns, strict=True)
        )
        everything = tuple(node for _, node in columns)
        union_all = isinstance(query, exp.Union) and not query.args.get("distinct")
        label = type(query).__name__.upper()
        rows = (left.filter, right.filter) if isinstance(query, exp.Union) else (left.count, right.count)
        limit = query.args.get("limit") or query.args.get("offset")
        kept = Node(name, label, "clause", (), rows if isinstance(query, exp.Union) else (*rows, *everything))
        if limit is not None:
            kept = Node(name, "LIMIT", "clause", (), (kept, left.count, right.count, *everything))
        counted = (left.count, right.count, kept, *(() if union_all else everything))
        count = Node(name, label, "clause", (), counted)
        keeps = isinstance(query, exp.Union) and limit is None
        return Relation(name, kind, columns, kept, count, branches=(left, right), keeps_rows=keeps)

    def _select(
        self, select: exp.Select, name: str, kind: _Kind, ctes: Mapping[str, Relation], outer: Scope | None
    ) -> Relation:
        _only(select, _SELECT_PARTS)
        scope = Scope(name, outer, is_subquery=kind == "subquery")
        # ``kept`` decides whether a row is there; ``repeated`` also collects what can only repeat it
        kept, repeated = self._from(select, scope, ctes)
        reader = expressions.Reader(self, scope, ctes, Node(name, "", "clause", (), repeated))
        where = select.args.get("where")
        if where is not None:
            kept = (*kept, self._conjunction("WHERE", where.this, scope, reader, None))
        reader.whole = Node(name, "", "clause", (), (*kept, *repeated))
        columns = tuple(self._columns(select, scope, reader))
        reader.aliases = {column.lower(): node for column, node in columns}
        scope.aggregated = reader.is_aggregated(select)
        every_column = tuple(node for _, node in columns)
        group = select.args.get("group")
        if group is not None:
            if {part for part, value in group.args.items() if value} - {"expressions", "all"}:
                raise LineageError("lineage reads plain GROUP BY only", where=sql_of(group))
            scope.group_keys = reader.group_keys(group, select, every_column)
            kept = (*kept, Node(name, "GROUP BY", "clause", (), tuple(scope.group_keys)))
        if scope.aggregated:
            kept = (*kept, reader.whole)
        windows = select.args.get("windows") or []
        reader.named_windows(windows)
        for part in ("having", "qualify"):
            clause = select.args.get(part)
            if clause is not None:
                kept = (*kept, reader.clause(part.upper(), [clause.this]))
        clause = select.args.get("order")
        order = [reader.clause("ORDER BY", [clause], ordinals=every_column)] if clause is not None else []
        if select.args.get("limit") or select.args.get("offset"):
            scope.limited = True
            kept = (*kept, Node(name, "LIMIT", "clause", (), (reader.whole, *order)))
        distinct = every_column if select.args.get("distinct") else ()
        filter_node = Node(name, "", "clause", (), kept)
        count = Node(name, "", "clause", (), (filter_node, reader.whole, *order, *distinct))
        self.scopes.append(scope)
        if select.args.get("kind"):  # SELECT AS STRUCT, SELECT AS VALUE: one value made of all of them
            columns = (("", Node(name, "", "column", every_column)),)
        return Relation(name, kind, columns, filter_node, count, scope=scope)

    # FROM ---------------------------------------------------------------------------------------------------

    def _from(
        self, select: exp.Select, scope: Scope, ctes: Mapping[str, Relation]
    ) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        clause = select.args.get("from_")
        if clause is None:
            return (), ()
        kept: list[Node] = []
        repeated: list[Node] = []
        first = self._source(clause.this, "", scope, ctes)
        scope.sources.append(first)
        kept.append(first.rows(counted=False))
        repeated.append(first.rows(counted=True))
        for join in select.args.get("joins") or []:
            _only(join, _JOIN_PARTS)
            if (join.kind or "") not in ("", "INNER", "OUTER", "CROSS") or join.text("method"):
                raise LineageError("lineage cannot read this join", where=sql_of(join))
            source = self._source(join.this, (join.side or "").upper(), scope, ctes)
            earlier = list(scope.sources)
            scope.sources.append(source)
            reader = expressions.Reader(self, scope, ctes, Node(scope.name, "", "clause"))
            condition = self._condition(join, source, earlier, scope, reader)
            rows = source.rows(counted=False)
            if source.side == "LEFT":  # cannot remove a row: only what it supplies depends on it
                source.attach(tuple(node for node in (rows, condition) if node is not None))
            else:
                kept += [node for node in (rows, condition) if node is not None]
            repeated += [node for node in (source.rows(counted=True), condition) if node is not None]
        return tuple(kept), tuple(repeated)

    def _condition(
        self, join: exp.Join, source: Source, earlier: list[Source], scope: Scope, reader: expressions.Reader
    ) -> Node | None:
        on, using = join.args.get("on"), join.args.get("using") or []
        if on is not None:
            return self._conjunction("ON", on, scope, reader, source)
        pairs: list[Node] = []
        for identifier in using:
            key = identifier.name.lower()
            left = scope.merged.get(key) or expressions.unique(earlier, identifier.name, join)
            right = expressions.unique([source], identifier.name, join)
            text = f"USING ({identifier.name})"
            scope.comparisons.append(Comparison(left, right, True, False, source, text))
            pairs += [left, right]
            if source.side == "FULL":
                scope.merged[key] = Node(scope.name, identifier.name, "link", (left, right))
            else:
                scope.merged[key] = right if source.side == "RIGHT" else left
        return Node(scope.name, "USING", "clause", tuple(pairs)) if pairs else None

    def _conjunction(
        self,
        label: str,
        condition: exp.Expr,
        scope: Scope,
        reader: expressions.Reader,
        joined: Source | None,
    ) -> Node:
        """A WHERE or ON clause, a node for each of its conjuncts: some of them are guards."""
        parts = []
        for part in _conjuncts(condition):
            node = reader.clause(label, [part])
            comparison = _comparison(part, reader, joined)
            if comparison is not None:
                scope.comparisons.append(comparison)
            node.bound = _upper_bound(part, reader)
            if node.bound is not None:
                scope.bounds.append(node)
            parts.append(node)
        return Node(scope.name, "", "clause", (), tuple(parts))

    def _source(self, item: exp.Expr, side: str, scope: Scope, ctes: Mapping[str, Relation]) -> Source:
        alias = item.alias_or_name
        if alias and any(source.alias.lower() == alias.lower() for source in scope.sources):
            raise LineageError(f"two FROM items are called {alias}", where=sql_of(item))
        if isinstance(item, exp.Table):
            _only(item, _TABLE_PARTS)
            return Source(alias, self._table(item, scope, ctes), side, scope)
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Query):
            _only(item, {"this", "alias", "with_"})
            return Source(alias, self.query(item, alias, "derived", ctes, scope.outer), side, scope)
        if isinstance(item, exp.Unnest):
            return self._unnest(item, side, scope, ctes)
        raise LineageError("lineage cannot read this FROM item", where=sql_of(item), remedy="use a CTE")

    def _table(self, item: exp.Table, scope: Scope, ctes: Mapping[str, Relation]) -> Relation:
        if not isinstance(item.this, exp.Identifier):
            raise LineageError("lineage cannot read table functions", where=sql_of(item))
        if item.name.lower() in ctes:
            return ctes[item.name.lower()]
        if item.name not in self.schemas:
            raise LineageError(f"unknown table {item.name}", where=sql_of(item))
        read = Read(item.name, item.alias_or_name, scope.name, sql_of(item.parent or item))
        columns = tuple((column, Node(item.name, column, "physical", read=read)) for column in self.schemas[item.name])
        rows = Node(item.name, ROWS, "physical", read=read)
        return Relation(item.name, "physical", columns, rows, rows, read=read)

    def _unnest(self, item: exp.Unnest, side: str, scope: Scope, ctes: Mapping[str, Relation]) -> Source:
        _only(item, {"expressions", "alias", "offset"})
        reader = expressions.Reader(self, scope, ctes, Node(scope.name, "", "clause"))
        content = reader.clause("UNNEST", item.expressions)
        alias = item.args.get("alias")
        names = [column.name for column in alias.columns] if alias else []
        value = names[0] if names else ""
        columns = [(value, Node(scope.name, value or "element", "column", (content,)))]
        offset = item.args.get("offset")
        if offset:
            label = offset.name if isinstance(offset, exp.Identifier) else "offset"
            columns.append((label, Node(scope.name, label, "column", (), (content,))))
        return Source(value, Relation(scope.name, "unnest", tuple(columns), content, content), side, scope)

    # SELECT list --------------------------------------------------------------------------------------------

    def _columns(self, select: exp.Select, scope: Scope, reader: expressions.Reader) -> Iterable[tuple[str, Node]]:
        for item in select.expressions:
            star = item.this if isinstance(item, exp.Column) else item
            if isinstance(star, exp.Star):
                yield from reader.star(item, star)
            else:
                name = item.alias_or_name if isinstance(item, exp.Alias | exp.Column | exp.Dot) else ""
                yield name, reader.item(name, item.unalias())


def _only(node: exp.Expr, allowed: Iterable[str]) -> None:
    """Refuse a construct with parts this module does not know: it could hide a dependency."""
    extra = {part for part, value in node.args.items() if value} - set(allowed)
    if extra:
        raise LineageError(f"lineage cannot read {', '.join(sorted(extra))}", where=sql_of(node))


def _conjuncts(condition: exp.Expr) -> Iterable[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    else:
        yield condition


def _comparison(part: exp.Expr, reader: expressions.Reader, joined: Source | None) -> Comparison | None:
    """``part`` if it compares two bare columns, both resolved."""
    if not isinstance(part, exp.EQ | exp.LTE | exp.LT | exp.GTE | exp.GT):
        return None
    sides = [part.this.unnest(), part.expression.unnest()]
    if not all(isinstance(side, exp.Column) for side in sides):
        return None
    left, right = (reader.column(side) for side in sides)
    small, large = (right, left) if isinstance(part, exp.GTE | exp.GT) else (left, right)
    strict = isinstance(part, exp.LT | exp.GT)
    return Comparison(small, large, isinstance(part, exp.EQ), strict, joined, sql_of(part))


def _upper_bound(part: exp.Expr, reader: expressions.Reader) -> Comparison | None:
    """``time < column`` or ``column IS NULL OR time < column``."""
    if isinstance(part, exp.Or):
        empty, part = part.this.unnest(), part.expression.unnest()
        if not (isinstance(empty, exp.Is) and isinstance(empty.expression, exp.Null)):
            return None
        found = _comparison(part, reader, None)
        if found is None or not isinstance(empty.this, exp.Column):
            return None
        if reader.column(empty.this) is not found.large:
            return None
    else:
        found = _comparison(part, reader, None)
    return found if found is not None and found.strict else None
