"""Whose row is it: which FROM items of a SELECT belong to the decision being built, and which to other decisions.

Two FROM items that descend from decisions must be equal in decision_id or decision_at, or the one must have
``decision_at <=`` the other's; grouping and windows over them must keep decision_id or decision_at among the keys.
Otherwise rows of different decisions are mixed: this analysis cannot tell whether that matters (replay can), and marks
the item with a read called ``OTHER_DECISIONS``.

Lives here: this analysis of one SELECT. Not here: guards of dated tables, what relations hand on (guards).
"""

from __future__ import annotations

from collections.abc import Callable

from leadscore_dagster.core.audit.graph import Node, Read, Scope, Source, link_of

#: name of the read that stands for rows of other decisions
OTHER_DECISIONS = "rows of other decisions"


class Kinship:
    """Which FROM items are the decision's own.

    Parameters
    ----------
    tied : whether a FROM item's rows descend from decisions.
    part : the columns of a link's FROM item that are ``key`` (decision_id) or ``time`` (decision_at).
    """

    def __init__(self, tied: Callable[[Source], bool], part: Callable[[Node, str], frozenset[str]]) -> None:
        self._tied, self._part = tied, part
        self._kin: dict[int, set[Source]] = {}

    def kin_of(self, scope: Scope) -> set[Source]:
        """FROM items whose row is the decision's own: connected by decision_id or decision_at to one of them,
        or to the row of the outer SELECT."""
        known = self._kin.get(id(scope))
        if known is None:
            tied = [source for source in scope.sources if self._tied(source)]
            outer = self.outer_of(scope)
            choices = [self._connected(scope, outer, tied)] if outer else []
            choices = choices or [self._connected(scope, {first}, tied) for first in tied]
            strangers = [sum(self.is_stranger(scope, s, kin) for s in tied) for kin in choices]
            known = choices[strangers.index(min(strangers))] if choices else set()
            self._kin[id(scope)] = known
        return known

    def outer_of(self, scope: Scope) -> set[Source]:
        """FROM items of the surrounding SELECTs that descend from decisions."""
        found: set[Source] = set()
        outer = scope.outer
        while outer is not None:
            found |= {source for source in outer.sources if self._tied(source)}
            outer = outer.outer
        return found

    def _connected(self, scope: Scope, start: set[Source], tied: list[Source]) -> set[Source]:
        kin = set(start)
        for _ in tied:
            kin |= {source for source in tied if source not in kin and self._equal(scope, source, kin)}
        return kin

    def _equal(self, scope: Scope, source: Source, kin: set[Source]) -> bool:
        for comparison in scope.comparisons:
            sides = (comparison.small, comparison.large)
            for own, other in (sides, sides[::-1]):
                if comparison.equal and own.source is source and other.source in kin and comparison.binds(source):
                    for part in ("key", "time"):
                        if own.name.lower() in self._part(own, part) and other.name.lower() in self._part(other, part):
                            return True
        return False

    def is_earlier(self, scope: Scope, source: Source, kin: set[Source]) -> bool:
        """Whether only decisions until the own one are let in through ``source``."""
        return any(
            not comparison.equal
            and comparison.small.source is source
            and comparison.large.source in kin
            and comparison.binds(source)
            and comparison.small.name.lower() in self._part(comparison.small, "time")
            and comparison.large.name.lower() in self._part(comparison.large, "time")
            for comparison in scope.comparisons
        )

    def is_stranger(self, scope: Scope, source: Source, kin: set[Source]) -> bool:
        """Whether ``source`` brings in other decisions without asking when they were taken."""
        return source not in kin and not self.is_earlier(scope, source, kin)

    def mark(self, scope: Scope) -> None:
        """Give every FROM item that brings in rows of other decisions a read that stands for them."""
        kin, outer = self.kin_of(scope), self.outer_of(scope)
        keys = [scope.group_keys] if scope.aggregated else []
        mixed = not outer and (
            scope.limited or not all(any(self._ties(node, kin) for node in part) for part in keys + scope.partitions)
        )
        for source in scope.sources:
            tied = self._tied(source)
            if tied and (mixed or self.is_stranger(scope, source, kin)):
                place = scope.name or "the statement"
                source.adds = frozenset((Read(OTHER_DECISIONS, source.alias, place, f"{source.alias} in {place}"),))

    def _ties(self, node: Node, kin: set[Source]) -> bool:
        link = link_of(node)
        if link is None or link.source not in kin:
            return False
        return link.name.lower() in self._part(link, "key") | self._part(link, "time")
