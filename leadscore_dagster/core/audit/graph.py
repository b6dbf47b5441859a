"""The lineage graph of one statement: columns, clauses, FROM items, and what can be reached from what.

Lives here: the data structures and the walks over them. Not here: reading SQL (lineage), judging it (guards,
safety)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

#: name of the leaf that stands for the existence of a table's rows: COUNT(*) uses it without naming a column
ROWS = "(rows)"


@dataclass(eq=False)
class Read:
    """One occurrence of a physical table in one FROM clause."""

    table: str
    alias: str
    place: str  # the relation whose FROM clause it stands in
    text: str  # that FROM item, as SQL


@dataclass(eq=False)
class Node:
    """One thing a value can depend on.

    ``values`` are what its value is computed from; ``controls`` decide whether, and over which rows, it is
    computed. ``plain`` is set where the node only passes another one on under a new name. A ``link`` is the
    way out of a FROM item: guards are attached to FROM items, so every dependency has to pass through one.
    """

    relation: str
    name: str
    kind: Literal["physical", "column", "clause", "link", "clock"]
    values: tuple[Node, ...] = ()
    controls: tuple[Node, ...] = ()
    plain: Node | None = None
    shape: Literal["", "min", "max", "greatest", "next", "window"] = ""  # see guards: calendars
    bound: Comparison | None = None  # the clause is `time < column`, or `column IS NULL OR time < column`
    source: Source | None = None
    read: Read | None = None
    discharges: frozenset[Read] = frozenset()  # set by guards

    @property
    def label(self) -> str | None:
        """How the node is printed in a path; None for nodes that only connect others."""
        if self.kind == "physical":
            return f"{self.name} ({self.relation})"
        if self.kind == "clause":
            return f"{self.name} of {self.relation or 'the statement'}" if self.name else None
        if self.kind == "column":
            return ".".join(part for part in (self.relation, self.name) if part)
        return self.name if self.kind == "clock" else None


@dataclass(eq=False)
class Relation:
    """A table, a SELECT or a set operation: named columns, and what decides which rows it has.

    ``filter`` decides whether a row is there at all, ``count`` also how many times: a LEFT JOIN cannot remove
    a row of its left side but can repeat it, which matters to whoever counts."""

    name: str
    kind: Literal["physical", "cte", "derived", "subquery", "unnest", "statement"]
    columns: tuple[tuple[str, Node], ...]
    filter: Node
    count: Node
    scope: Scope | None = None
    branches: tuple[Relation, ...] = ()  # of a set operation
    keeps_rows: bool = True  # False for EXCEPT, INTERSECT and a LIMIT around a set operation
    read: Read | None = None


@dataclass(eq=False)
class Source:
    """One FROM item of a SELECT. ``side`` is that of its own join; ``adds`` (reads that are a leak because of
    how this item is used) and the discharges of its links are set by guards."""

    alias: str
    relation: Relation
    side: str
    scope: Scope
    attached: tuple[Node, ...] = ()
    links: dict[str, Node] = field(default_factory=dict)
    every_link: list[Node] = field(default_factory=list)
    adds: frozenset[Read] = frozenset()

    def find(self, column: str) -> list[Node]:
        """Links to the columns of that name: none, one, or several where the name is ambiguous."""
        matches = [node for name, node in self.relation.columns if name.lower() == column.lower()]
        if len(matches) != 1:
            return matches
        key = column.lower()
        if key not in self.links:
            node = matches[0]
            link = Node(self.relation.name, node.name, "link", (node,), self.attached, node, source=self)
            self.links[key] = link
            self.every_link.append(link)
        return [self.links[key]]

    def rows(self, *, counted: bool) -> Node:
        """Link to what decides the rows of this FROM item."""
        target = self.relation.count if counted else self.relation.filter
        link = Node(self.relation.name, "", "link", (), (target,), source=self)
        self.every_link.append(link)
        return link

    def attach(self, nodes: tuple[Node, ...]) -> None:
        """What everything this item supplies from here on depends on: the ON clause of its LEFT JOIN. The
        links the clause itself uses stay as they are, or the graph would run in a circle."""
        self.attached = nodes
        self.links = {}


@dataclass(frozen=True)
class Comparison:
    """``small <= large`` (``equal``: ``=``, ``strict``: ``<``) between two bare columns, as a top-level
    conjunct. ``joined`` is the FROM item whose ON clause holds it, None for WHERE."""

    small: Node
    large: Node
    equal: bool
    strict: bool
    joined: Source | None
    text: str

    def binds(self, source: Source) -> bool:
        """Whether no row of ``source`` that breaks the comparison survives it.

        WHERE and inner joins bind everybody; the ON of a LEFT JOIN binds only the item it joins; the ON of a
        RIGHT or FULL JOIN keeps rows that break it, so it binds nobody."""
        if self.joined is None or self.joined.side in ("", "INNER", "CROSS"):
            return True
        return self.joined.side == "LEFT" and self.joined is source


@dataclass(eq=False)
class Scope:
    """One SELECT: what the guards need to know of it."""

    name: str
    outer: Scope | None
    is_subquery: bool  # stands in an expression, so it sees the row of the outer SELECT
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Node] = field(default_factory=dict)  # columns merged by USING
    comparisons: list[Comparison] = field(default_factory=list)
    aggregated: bool = False
    group_keys: list[Node] = field(default_factory=list)
    partitions: list[list[Node]] = field(default_factory=list)  # PARTITION BY of each window
    bounds: list[Node] = field(default_factory=list)  # clauses that are an upper bound on the decision time
    subqueries: list[Relation] = field(default_factory=list)  # those that stand in its expressions
    limited: bool = False


def ancestors(node: Node, *, through_controls: bool, avoid: Read | None = None) -> Iterator[tuple[Node, Node | None]]:
    """Breadth-first over everything ``node`` depends on, each with the node it was reached from.

    ``avoid``: do not pass through a FROM item that has discharged this read.
    """
    seen = {id(node)}
    queue: list[tuple[Node, Node | None]] = [(node, None)]
    for current, parent in queue:
        yield current, parent
        if avoid is not None and avoid in current.discharges:
            continue
        following: Iterable[Node] = (*current.values, *current.controls) if through_controls else current.values
        for following_node in following:
            if id(following_node) not in seen:
                seen.add(id(following_node))
                queue.append((following_node, current))


def ways_down(node: Node, *, through_controls: bool, avoid: Read | None = None) -> dict[Node, Node | None]:
    """Everything ``node`` depends on, each with the node it was reached from, nearest first."""
    return dict(ancestors(node, through_controls=through_controls, avoid=avoid))


def path_up(ways: dict[Node, Node | None], origin: Node) -> tuple[str, ...]:
    """Labels from ``origin`` up to the node ``ways`` start at, shortest way; empty where there is none."""
    labels: list[str] = []
    step: Node | None = origin if origin in ways else None
    while step is not None:
        if step.label and (not labels or labels[-1] != step.label):
            labels.append(step.label)
        step = ways[step]
    return tuple(labels)


def link_of(node: Node) -> Node | None:
    """The link a node merely passes on, within its own SELECT."""
    while node.kind == "column" and node.plain is not None:
        node = node.plain
    return node if node.kind == "link" and node.source is not None else None
