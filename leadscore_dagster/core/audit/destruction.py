"""What was not known at an instant, taken out of a stored table or turned into something else.

Lives here: the SELECTs of such a world. Not here: building features in it (replay, parity).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

#: name of the parameter that holds the instant
CUT = "known_until"
_AS_OF = "as_of"


@dataclass(frozen=True)
class DatedTable:
    """A stored table whose rows become known over time.

    ``known``: TIMESTAMP column that says when (available_at of a vintage, known_at of a log). ``events``: DATE columns
    that say when the fact happened, where a fact can be destroyed for lying after the decision. ``keys``: columns that
    name whom a row is about; scrambling leaves them. ``later``: column filled in after its row became known, and the
    TIMESTAMP column that says when.
    """

    name: str
    known: str
    is_vintage: bool = True
    events: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)

    def as_known(self) -> str:
        """SELECT of the rows known, the values filled in and the facts that had happened at the instant."""
        late = {column: f"IF({_after(since)}, NULL, `{column}`)" for column, since in self.later.items()}
        return f"SELECT *{_replace(late)} FROM `{self.name}` WHERE {self._is_known()}"

    def as_scrambled(self, schema: pa.Schema) -> str:
        """SELECT of the stored rows in which the columns of ``schema`` say something else where it was not known yet.

        Rows that became known later stay where they were with other values (of vintages the first to arrive, of a log
        each twice). What was known last of all is there once more, with other values, as if it had become known a
        microsecond after the instant: a vintage as the next one, the rows of a log as further rows.
        """
        other = {name: change(f"`{name}`") for name, change in self._changes(schema).items()}
        late = {name: f"IF({_after(at)}, {other[name]}, `{name}`)" for name, at in self.later.items() if name in other}
        further = {**(other if self.keys else {}), self.known: f"TIMESTAMP_ADD(@{CUT}, INTERVAL 1 MICROSECOND)"}
        unknown, last = f"NOT COALESCE({self._is_known()}, FALSE)", f"`{self.known}` <= @{CUT}"
        if self.is_vintage and _AS_OF in schema.names:
            following = f"SELECT MIN(`{self.known}`) FROM `{self.name}` WHERE `{self.known}` > @{CUT}"
            unknown = f"{unknown} AND (`{self.known}` <= @{CUT} OR `{self.known}` = ({following}))"
            last = f"`{_AS_OF}` = (SELECT MAX(`{_AS_OF}`) FROM `{self.name}` WHERE {last}) AND {last}"
            further[_AS_OF] = f"DATE_ADD(`{_AS_OF}`, INTERVAL 1 DAY)"
        parts = [(late, self._is_known()), (other, unknown), (further, last)]
        if not self.is_vintage:  # who counts what is not known counts it twice
            parts.append((other, unknown))
        return "\nUNION ALL\n".join(
            f"SELECT *{_replace(columns)} FROM `{self.name}` WHERE {condition}" for columns, condition in parts
        )

    def _is_known(self) -> str:
        events = [f"(`{event}` IS NULL OR `{event}` <= DATE(@{CUT}))" for event in self.events]
        return " AND ".join([f"`{self.known}` <= @{CUT}", *events])

    def _changes(self, schema: pa.Schema) -> dict[str, Callable[[str], str]]:
        kept = {self.known, _AS_OF, *self.keys}
        return {column.name: _change_of(column.type) for column in schema if column.name not in kept}


def _after(since: str) -> str:
    return f"COALESCE(`{since}` > @{CUT}, FALSE)"


def _replace(columns: Mapping[str, str]) -> str:
    items = ", ".join(f"{value} AS `{name}`" for name, value in columns.items())
    return f" REPLACE ({items})" if items else ""


def _change_of(kind: pa.DataType) -> Callable[[str], str]:
    """Expression that gives another value of the type for every value, a missing one too.

    Dates and instants only move forward: what lies after the instant stays there.
    """
    if pa.types.is_boolean(kind):
        return lambda c: f"NOT COALESCE({c}, FALSE)"
    if pa.types.is_integer(kind):
        return lambda c: f"IF({c} BETWEEN -1000000000000000 AND 1000000000000000, {c} + 7919, 1)"
    if pa.types.is_floating(kind):
        return lambda c: f"IF({c} IS NULL OR IS_NAN({c}) OR ABS({c}) > 1e15, 1.5, IF({c} > 0, -1.5 - {c}, 1.5 - {c}))"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return lambda c: f"CONCAT(COALESCE({c}, ''), '~')"
    if pa.types.is_date(kind):
        return lambda c: _moved(c, "DATE", "2200-01-01")
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return lambda c: _moved(c, "TIMESTAMP", "2200-01-01 00:00:00+00")
    return lambda c: f"IF(FALSE, {c}, NULL)"


def _moved(column: str, kind: str, far: str) -> str:
    """37 days later; a date so far ahead that it only stands for `never`, earlier by as much."""
    moved = (
        f"IF({column} > {kind} '{far}', {kind}_SUB({column}, INTERVAL 37 DAY), {kind}_ADD({column}, INTERVAL 37 DAY))"
    )
    return f"IF({column} IS NULL, {kind} '{far}', {moved})"
