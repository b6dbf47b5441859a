"""Which reads of dated tables are guarded by `available_at <= decision_at`, and which are not.

A read (one table in one FROM clause) is *open* until a guard closes it: a top-level conjunct ``<item>.<guard
column> <= <decision>.decision_at`` (or ``<``) of WHERE, of an inner join's ON, or of the ON of the LEFT JOIN
that joins the item. Under OR or NOT, in HAVING, in another item's LEFT JOIN, or against another column it
closes nothing. A feature is guarded when no open read can be reached from it.

**Deferred guards.** A derived table may leave the read open and hand on the guard column; a guard on that
column in an outer SELECT then closes it. This is sound where the filter could have been pushed down: through
projection, joins, DISTINCT and UNION ALL always, through GROUP BY and windows only where the guard column is
among the keys, never through LIMIT, and where the same read arrives by two ways only if these are joined on
it.

**Vintages.** A vintage is delivered as a whole: rows of one ``as_of`` have one availability (where they do
not, replay finds it). So ``as_of`` among the keys serves as well as the guard column, and MAX of the guard
column is a guard column: when the last row of a group was known, all were. Of a guard column, GREATEST is one
too.

**Calendars.** A read of which only ``as_of`` and the guard column are used anywhere holds dates of
deliveries, no facts. Here MIN serves too, and the earliest guard date of all later vintages, ``MIN(g) OVER
(.. ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)``, may be used for ``[c IS NULL OR] decision_at < c``
beside the guard, for nothing else: a vintage not yet known has ``g > decision_at`` and cannot change the
answer. Anything else that looks across vintages stays open.

**Decisions.** Their own rows need no guard, other decisions' rows do: see kinship.

Lives here: this analysis. Not here: resolving names (resolve), whose decision a row belongs
to (kinship), verdicts (safety).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadscore_dagster.core.audit.graph import Comparison, Node, Read, Relation, Scope, Source, link_of
from leadscore_dagster.core.audit.kinship import Kinship
from leadscore_dagster.core.audit.lineage import Lineage

DECISIONS, DECISION_ID, DECISION_AT = "decisions", "decision_id", "decision_at"
AS_OF, AVAILABLE_AT = "as_of", "available_at"
#: what a column can stand for while a read is open: the guard column itself, the vintage's as_of, the
#: earliest guard date of all later vintages (calendars only)
_GUARD, _DAY, _NEXT = "guard", "day", "next"


@dataclass(frozen=True)
class State:
    """What a relation hands on. ``carries``: every read still open in it, with the columns that could close
    it."""

    carries: Mapping[Read, Mapping[str, str]] = field(default_factory=dict)
    tied: bool = False  # its rows descend from decisions
    key: frozenset[str] = frozenset()
    time: frozenset[str] = frozenset()  # decision_at
    floor: frozenset[str] = frozenset()  # the earliest decision_at of a group of decisions


class Guards:
    """Guards of one lineage. Marks the links of ``lineage``; use each lineage with one ``Guards``.

    Parameters
    ----------
    lineage : graph of the composed feature query.
    guard_columns : dated table to its guard column; a table that is not in it is open for ever.
    """

    def __init__(self, lineage: Lineage, guard_columns: Mapping[str, str]) -> None:
        self.lineage, self.guard_columns = lineage, guard_columns
        self.texts: dict[Read, str] = {}  # the guard that closed the read, as SQL
        self.calendars: set[Read] = set()
        self._states: dict[int, State] = {}
        self._kinship = Kinship(lambda source: self._state(source.relation).tied, self._part)
        self._open: dict[int, frozenset[Read]] = {}
        for scope in lineage.scopes:
            self._find_calendars(scope)
        for scope in lineage.scopes:
            self._mark(scope)
        self.returns_decisions = DECISION_ID in self._state(lineage.result).key

    def open_reads(self, column: str) -> frozenset[Read]:
        """Reads the output column depends on without a guard in between."""
        return self._reach(self.lineage.columns[column]) | self._reach(self.lineage.result.filter)

    def _reach(self, node: Node) -> frozenset[Read]:
        known = self._open.get(id(node))
        if known is None:
            known = frozenset()
            if node.read is not None:
                known = frozenset((node.read,))
            elif not _is_spine(node.source):
                below = (self._reach(child) for child in (*node.values, *node.controls))
                known = known.union(*below) - node.discharges
            if node.source is not None:
                known |= node.source.adds
            self._open[id(node)] = known
        return known

    # what a relation hands on -------------------------------------------------------------------------------

    def _state(self, relation: Relation) -> State:
        known = self._states.get(id(relation))
        if known is None:
            if relation.name == DECISIONS and relation.kind in ("physical", "cte"):
                known = State(tied=True, key=frozenset((DECISION_ID,)), time=frozenset((DECISION_AT,)))
            elif relation.read is not None:
                known = State({relation.read: self._own_columns(relation.read)})
            elif relation.branches:
                known = self._union(relation)
            elif relation.scope is not None:
                known = self._output(relation, relation.scope)
            else:
                known = State()
            self._states[id(relation)] = known
        return known

    def _own_columns(self, read: Read) -> dict[str, str]:
        guard = self.guard_columns.get(read.table)
        columns = {guard.lower(): _GUARD} if guard else {}
        return {**columns, AS_OF: _DAY} if guard == AVAILABLE_AT else columns

    def _union(self, relation: Relation) -> State:
        """Columns of a set operation stand for what they stand for in every branch, by position."""
        names = [name.lower() for name, _ in relation.columns]
        states = [(self._state(branch), [name.lower() for name, _ in branch.columns]) for branch in relation.branches]
        carries: dict[Read, dict[str, str]] = {}
        for state, own in states:
            for read, columns in state.carries.items():
                meaning = {name: columns[inner] for name, inner in zip(names, own, strict=True) if inner in columns}
                if not relation.keeps_rows or (read in carries and carries[read] != meaning):
                    meaning = {}
                carries[read] = meaning

        def shared(part: str) -> frozenset[str]:
            sets = []
            for state, own in states:
                meant = {"key": state.key, "time": state.time, "floor": state.floor}[part]
                sets.append({name for name, inner in zip(names, own, strict=True) if inner in meant})
            return frozenset(set.intersection(*sets))

        tied = any(state.tied for state, _ in states)
        return State(carries, tied, shared("key"), shared("time"), shared("floor"))

    def _output(self, relation: Relation, scope: Scope) -> State:
        arrived: dict[Read, dict[Source, Mapping[str, str]]] = {}
        for source in scope.sources:
            for read, columns in self._state(source.relation).carries.items():
                if self._guard(scope, source, columns) is None:
                    arrived.setdefault(read, {})[source] = columns
        carries = {read: self._handed_on(relation, scope, read, ways) for read, ways in arrived.items()}
        for subquery in scope.subqueries:
            for node in (subquery.filter, subquery.count, *(node for _, node in subquery.columns)):
                carries.update({leaf.read: {} for leaf in self.lineage.below(node) if leaf.read is not None})
        kin = self._kinship.kin_of(scope)
        tied = any(self._state(source.relation).tied for source in scope.sources)
        passed = [(name.lower(), link_of(node)) for name, node in relation.columns]

        def own(part: str) -> frozenset[str]:
            return frozenset(
                name
                for name, link in passed
                if link is not None and link.source in kin and link.name.lower() in self._part(link, part)
            )

        floor = own("floor") | {
            name.lower()
            for name, node in relation.columns
            if node.shape == "min" and scope.aggregated and any(self._is_decision_at(value) for value in node.values)
        }
        return State(carries, tied, own("key"), own("time"), floor)

    def _is_decision_at(self, link: Node) -> bool:
        return link.source is not None and link.name.lower() in self._part(link, "time")

    def _part(self, link: Node, part: str) -> frozenset[str]:
        assert link.source is not None
        state = self._state(link.source.relation)
        return {"key": state.key, "time": state.time, "floor": state.floor}[part]

    def _same_rows(self, scope: Scope, ways: Mapping[Source, Mapping[str, str]]) -> bool:
        """Whether FROM items by which one read arrives are joined on its guard column or as_of, so that a
        filter on the guard column of one is a filter on that of all."""

        def meaning(link: Node) -> str | None:
            return _meaning(link, ways)

        def joins(comparison: Comparison, source: Source, others: set[Source]) -> bool:
            small, large = comparison.small, comparison.large
            return (
                comparison.equal
                and {small.source, large.source} in [{source, other} for other in others]
                and comparison.binds(source)
                and meaning(small) == meaning(large)
                and meaning(small) in (_GUARD, _DAY)
            )

        first, *rest = ways
        joined = {first}
        for source in rest:
            if any(joins(comparison, source, joined) for comparison in scope.comparisons):
                joined.add(source)
        return joined == set(ways)

    def _handed_on(
        self, relation: Relation, scope: Scope, read: Read, ways: Mapping[Source, Mapping[str, str]]
    ) -> dict[str, str]:
        """Output columns that still stand for the guard column of an open read; none where a filter on them
        in an outer SELECT would not mean the same as one in here."""

        def meaning(node: Node) -> str | None:
            link = link_of(node)
            return _meaning(link, ways) if link is not None else None

        if len(ways) > 1 and not self._same_rows(scope, ways):
            return {}
        calendar = read in self.calendars
        keyed = {_GUARD, _DAY}
        if scope.limited or (scope.aggregated and not any(meaning(key) in keyed for key in scope.group_keys)):
            return {}
        looks_ahead = [node for _, node in relation.columns if node.shape == "next"]
        if not all(any(meaning(key) in keyed for key in keys) for keys in scope.partitions) and not (
            calendar and len(looks_ahead) == len(scope.partitions)
        ):
            return {}
        found: dict[str, str] = {}
        for name, node in relation.columns:
            inputs = [meaning(value) for value in node.values]
            if node.plain is not None and meaning(node) is not None:
                found[name.lower()] = str(meaning(node))
            elif _GUARD in inputs and (node.shape in ("max", "greatest") or (calendar and node.shape == "min")):
                found[name.lower()] = _GUARD
            elif calendar and inputs == [_GUARD] and node.shape == "next":
                found[name.lower()] = _NEXT
        return found

    # one SELECT ---------------------------------------------------------------------------------------------

    def _find_calendars(self, scope: Scope) -> None:
        for source in scope.sources:
            read = source.relation.read
            guard = self.guard_columns.get(read.table) if read is not None else None
            used = {link.name.lower() for link in source.every_link if link.name}
            if read is not None and guard and used <= {AS_OF, guard.lower()}:
                self.calendars.add(read)

    def _mark(self, scope: Scope) -> None:
        """Close what the SELECT guards; open what it mixes."""
        self._kinship.mark(scope)
        for source in scope.sources:
            for read, columns in self._state(source.relation).carries.items():
                guard = self._guard(scope, source, columns)
                if guard is None:
                    continue
                self.texts[read] = guard.text
                closed = frozenset((read,))
                for link in source.every_link:
                    if columns.get(link.name.lower()) != _NEXT:
                        link.discharges |= closed
                for clause in scope.bounds:
                    assert clause.bound is not None
                    later, time = clause.bound.large, clause.bound.small
                    looks_ahead = later.source is source and columns.get(later.name.lower()) == _NEXT
                    if looks_ahead and self._is_time(scope, time):
                        clause.discharges |= closed

    def _guard(self, scope: Scope, source: Source, columns: Mapping[str, str]) -> Comparison | None:
        for comparison in scope.comparisons:
            small, large = comparison.small, comparison.large
            if (
                not comparison.equal
                and small.source is source
                and columns.get(small.name.lower()) == _GUARD
                and large.source is not source
                and comparison.binds(source)
                and self._is_time(scope, large)
            ):
                return comparison
        return None

    def _is_time(self, scope: Scope, link: Node) -> bool:
        """Whether a column is the decision time of the row being built."""
        if link.kind != "link" or link.source is None:
            return False
        if link.name.lower() not in self._part(link, "time") | self._part(link, "floor"):
            return False
        return (
            link.source.scope is not scope
            or link.source in self._kinship.kin_of(scope)
            or (self._kinship.is_earlier(scope, link.source, self._kinship.kin_of(scope)))
        )


def _meaning(link: Node, ways: Mapping[Source, Mapping[str, str]]) -> str | None:
    """What the column of a FROM item stands for, where a read arrives through that item."""
    return ways.get(link.source, {}).get(link.name.lower()) if link.source is not None else None


def _is_spine(source: Source | None) -> bool:
    """Whether a link leads into decisions themselves: how they are chosen is not a feature's business."""
    return source is not None and source.relation.name == DECISIONS and source.relation.kind in ("physical", "cte")
