"""Which stored columns Google's own resolver says a query scans: the oracle for lineage.

Not here: the set-up of the analyzer (sql_oracle), the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from leadscore_dagster_tests import sql_oracle


def scanned_columns(
    sql: str, schemas: Mapping[str, pa.Schema], parameters: Mapping[str, str] | None = None
) -> dict[str, set[str]]:
    """Table to its columns that the query scans once unused columns are pruned. Raises zetasql's ServerError."""
    declared = {name: sql_oracle._from_text(text) for name, text in (parameters or {}).items()}
    options = sql_oracle._options(declared)
    options.prune_unused_columns = True
    answer = sql_oracle._call(
        "Analyze", sql_statement=sql, options=options, simple_catalog=sql_oracle._catalog(schemas)
    )
    found: dict[str, set[str]] = {}
    for scan in _scans(answer.resolved_statement):
        name = scan.table.name
        found.setdefault(name, set()).update(column.name for column in scan.parent.column_list)
    return found


def schema_of(columns: Mapping[str, Sequence[str]]) -> dict[str, pa.Schema]:
    """Arrow schemas from column names: ``*_at`` is a timestamp, ``as_of`` and ``*_date`` a date, ``tags`` an array,
    other names are integers."""
    return {table: pa.schema([(name, _type(name)) for name in names]) for table, names in columns.items()}


def _type(name: str) -> pa.DataType:
    if name.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    if name == "as_of" or name.endswith("_date"):
        return pa.date32()
    return pa.list_(pa.int64()) if name == "tags" else pa.int64()


def _scans(message: Any) -> Iterator[Any]:
    if message.DESCRIPTOR.name == "ResolvedTableScanProto":
        yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in value if not hasattr(value, "ListFields") else [value]:
            if hasattr(child, "ListFields"):
                yield from _scans(child)
