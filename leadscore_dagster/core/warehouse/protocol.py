"""What every engine offers: query, write, drop and describe partitions, and tell what a query would read.

Not here: an engine, and nothing of one is imported. engines.py lists them; the tests hold each against this page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import pyarrow as pa


@dataclass(frozen=True)
class Part:
    """One partition of a stored table: given in the place of a table, the query reads nothing else of it.

    A partition is a date, or a date and the number of a later arrival: `2024-04-01`, `2024-04-01.2`. Engines may take
    other keys; nothing that must run on every engine may use them.
    """

    table: str
    partition: str


Relation: TypeAlias = pa.Table | pa.RecordBatchReader | Part | str
"""A table given with the query: Arrow data, one stored partition, or the text of a GoogleSQL SELECT."""


@dataclass(frozen=True)
class DryRun:
    """What a query would read: bytes (an estimate) and the stored tables it touches, sorted."""

    bytes_scanned: int
    tables: tuple[str, ...]


class Warehouse(Protocol):
    """Tables made of partitions that are replaced whole, queried with GoogleSQL.

    Table names in SQL are unqualified, and their case counts (that of columns does not); values are bound as
    `@parameters`. `relations` adds a table or takes the place of one; an SQL relation reads the stored table of its
    own name, so a table can be narrowed:
    `{"rep_vintage": "SELECT * FROM rep_vintage WHERE available_at <= @cut"}`.
    Results hold GoogleSQL types only: int64, float64, bool, string, binary, date32, timestamp[us, UTC],
    timestamp[us] (DATETIME) and lists or structs of them; never NUMERIC.
    Bad input raises `InputError` of one line: an unknown table or column, a missing parameter, a name that is not
    allowed, a value no GoogleSQL type holds, two columns that differ by case alone. A read that has begun sees every
    partition as it was; a write that fails leaves the old one.
    """

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> pa.RecordBatchReader:
        """Result as a stream of record batches; memory does not grow with the number of rows."""
        ...

    def create_partition(
        self,
        table: str,
        partition: str,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> int:
        """Replace one partition by the result of a query, all or nothing; returns the rows written."""
        ...

    def write_partition(
        self, table: str, partition: str, data: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch]
    ) -> int:
        """Replace one partition by Arrow data, all or nothing, streaming; returns the rows written."""
        ...

    def drop_partition(self, table: str, partition: str) -> None:
        """Remove one partition; removing one that is not there is no error."""
        ...

    def move_partition(self, table: str, partition: str, target: str, name: str) -> None:
        """Make a partition of ``table`` partition ``name`` of ``target``, replacing that one, all or nothing.

        Raises InputError if it is not there; the target is then as it was.
        """
        ...

    def schema(self, table: str) -> pa.Schema:
        """Columns of a table over all its partitions; InputError for a table never written."""
        ...

    def tables(self) -> list[str]:
        """Names of the tables that have at least one partition, sorted."""
        ...

    def partitions(self, table: str) -> list[str]:
        """Partition keys of a table, sorted; empty for a table never written."""
        ...

    def digest(self, table: str, partition: str) -> str:
        """Digest of a partition's content: equal data written again has the same digest, other data another.

        Raises InputError for a partition that is not there.
        """
        ...

    def dry_run(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> DryRun:
        """What the query would read, without running it."""
        ...


def table(
    warehouse: Warehouse,
    sql: str,
    parameters: Mapping[str, object] | None = None,
    relations: Mapping[str, Relation] | None = None,
) -> pa.Table:
    """The whole result of a query in memory: for results known to be small enough."""
    return warehouse.query(sql, parameters, relations).read_all()
