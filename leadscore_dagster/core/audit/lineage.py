"""Lineage of one composed SELECT: for every output column, the stored columns it depends on, and how.

One memoised pass over the statement builds a graph (graph.py); every relation is resolved once, so 150
columns cost what one does. Anything that cannot be resolved with certainty - an unknown or ambiguous column,
a construct not covered - is an error: a lineage that leaves something out would clear it.

Lives here: the public view of the graph. Not here: resolving SQL (resolve), availability guards (guards),
verdicts (safety)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from leadscore_dagster.core.audit.graph import ROWS, Node, Read, Relation, Scope, path_up, ways_down
from leadscore_dagster.core.audit.resolve import LineageError, Resolver

__all__ = ["Lineage", "LineageError", "Origin", "feature_lineage", "read_lineage"]


@dataclass(frozen=True)
class Origin:
    """A stored column (or ``(rows)``: whether rows exist) a feature depends on, with the way from there to
    it."""

    table: str
    column: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return " -> ".join(self.path)


@dataclass(eq=False)
class Lineage:
    """The graph of one statement.

    ``columns``: output column name to its node. ``scopes``: every SELECT, children before parents.
    ``result``: the outermost relation."""

    columns: dict[str, Node]
    result: Relation
    scopes: list[Scope]
    _below: dict[int, tuple[frozenset[Node], frozenset[Node]]] = field(default_factory=dict)

    def value_leaves(self, column: str) -> frozenset[Node]:
        """Leaves the value of the column is computed from."""
        return self._reach(self.columns[column])[0]

    def leaves(self, column: str) -> frozenset[Node]:
        """All leaves the column depends on, through values, control flow and the filter of the result."""
        return self._reach(self.columns[column])[1] | self._reach(self.result.filter)[1]

    def below(self, node: Node) -> frozenset[Node]:
        """All leaves below any node of the graph."""
        return self._reach(node)[1]

    def scanned(self) -> dict[str, set[str]]:
        """Every stored column any output depends on, by table (what an engine would have to scan)."""
        reached = self._reach(self.result.count)[1]
        for name in self.columns:
            reached |= self.leaves(name)
        found: dict[str, set[str]] = {}
        for leaf in reached:
            if leaf.kind == "physical":
                found.setdefault(leaf.relation, set()).update(() if leaf.name == ROWS else (leaf.name,))
        return found

    def paths(self, column: str, leaves: Iterable[Node], *, avoid: Read | None = None) -> dict[Node, tuple[str, ...]]:
        """For each leaf the shortest way from it to the column, values first; each ends in the column's name."""
        ways = [
            ways_down(start, through_controls=through_controls, avoid=avoid)
            for through_controls in (False, True)
            for start in (self.columns[column], self.result.filter)
        ]
        found = {}
        for leaf in leaves:
            path = next((path for path in (path_up(way, leaf) for way in ways) if path), ())
            found[leaf] = path if not path or path[-1] == column else (*path, column)
        return found

    def path(self, column: str, leaf: Node, *, avoid: Read | None = None) -> tuple[str, ...]:
        """``paths`` of one leaf; ``avoid`` passes through no guard that closes that read."""
        return self.paths(column, [leaf], avoid=avoid)[leaf]

    def relations_of(self, column: str, suffix: str) -> dict[str, tuple[str, ...]]:
        """Stored tables and CTEs the column depends on whose name has that ending, each with the way from there."""
        found: dict[str, tuple[str, ...]] = {}
        for start in (self.columns[column], self.result.filter):
            ways = ways_down(start, through_controls=True)
            for node in ways:
                name = node.relation
                if node.kind != "link" and name.lower().endswith(suffix) and name not in found:
                    path = path_up(ways, node)
                    found[name] = path if path[-1:] == (column,) else (*path, column)
        return found

    def _reach(self, node: Node) -> tuple[frozenset[Node], frozenset[Node]]:
        """Leaves below a node: through values only, and through everything."""
        known = self._below.get(id(node))
        if known is None:
            if node.kind in ("physical", "clock"):
                known = (frozenset((node,)), frozenset((node,)))
            else:
                below = [self._reach(child) for child in node.values]
                controls = [self._reach(child)[1] for child in node.controls]
                values = frozenset[Node]().union(*(leaves for leaves, _ in below))
                known = (values, frozenset[Node]().union(*(leaves for _, leaves in below), *controls))
            self._below[id(node)] = known
        return known


@dataclass(frozen=True)
class ColumnLineage:
    """Origins of one output column: through its value, and only through control flow."""

    name: str
    values: tuple[Origin, ...]
    controls: tuple[Origin, ...]


def read_lineage(sql: str, schemas: Mapping[str, Sequence[str]]) -> Lineage:
    """Graph of one GoogleSQL SELECT.

    Parameters
    ----------
    sql : one composed statement; table names unqualified, written as in ``schemas``.
    schemas : stored table to its column names.

    Raises LineageError (an InputError) for a statement that does not parse, more than one statement, an
    unknown or ambiguous name, a construct not covered, and two output columns of one name."""
    try:
        parsed = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except SqlglotError as error:
        raise LineageError("the statement does not parse", where=str(error).splitlines()[0]) from error
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise LineageError("lineage reads exactly one SELECT statement")
    resolver = Resolver(schemas)
    result = resolver.statement(parsed[0])
    columns = {name: node for name, node in result.columns if name}
    if len(columns) != len(result.columns):
        names = [name for name, _ in result.columns]
        wrong = sorted({name or "(unnamed)" for name in names if not name or names.count(name) > 1})
        raise LineageError(f"output columns without a name of their own: {', '.join(wrong)}")
    return Lineage(columns, result, resolver.scopes)


def feature_lineage(sql: str, schemas: Mapping[str, Sequence[str]]) -> dict[str, ColumnLineage]:
    """Every output column's origins with printable paths, such as
    ``end_date (employment_current) -> days_in_gap_current.gap -> days_in_gap``.

    Parameters and errors as in ``read_lineage``. Control origins leave out those the value has already.
    """
    lineage = read_lineage(sql, schemas)
    return {name: _column(lineage, name) for name in lineage.columns}


def _column(lineage: Lineage, name: str) -> ColumnLineage:
    def origins(leaves: frozenset[Node]) -> tuple[Origin, ...]:
        found = {(leaf.relation, leaf.name): leaf for leaf in leaves}
        paths = lineage.paths(name, found.values())
        return tuple(Origin(*key, paths[leaf]) for key, leaf in sorted(found.items(), key=lambda pair: pair[0]))

    values = lineage.value_leaves(name)
    taken = {(leaf.relation, leaf.name) for leaf in values}
    others = frozenset(leaf for leaf in lineage.leaves(name) if (leaf.relation, leaf.name) not in taken)
    return ColumnLineage(name, origins(values), origins(others))
