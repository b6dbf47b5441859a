"""The rows and cells cleaning did not accept, as one Arrow table: nothing a source sent is lost.

``row_kept`` tells a cell that was nulled in a row that stayed (rule ``unreadable``) from a row that was removed.
``value`` shows the offending cell, of a column with personal data only its shape ("Xxxxx", "99999"). ``row_json``
is the row as it came (of a nulled cell: that cell): this table is as confidential as the source.
Not here: which rows those are (cleaning.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.sources.cleaning import Cleaned, unreadable_cells
from leadscore_dagster.core.sources.deduplication import DUPLICATE
from leadscore_dagster.core.sources.reading import Loaded

QUARANTINE = "quarantine"
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("as_of", pa.date32()),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("column_name", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
        ("row_json", pa.string()),
        ("row_kept", pa.bool_()),
    ]
)


def partition_name(table: str, partition: str) -> str:
    """Quarantine partition of one ingest: a re-run replaces it."""
    return f"{table}_{partition}"


def quarantine_table(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    cleaned: Cleaned,
    loaded: Sequence[Loaded],
    source: str,
    as_of: date,
) -> pa.Table:
    """Everything set aside, in the order of the files, with row numbers that count the header as row 1."""
    _create_labels(connection, contract, cleaned)
    parts = [_removed(connection, contract), _rejected(connection)]
    parts += [_nulled(connection, contract, name) for name in cleaned.unreadable]
    found = pa.concat_tables(parts, promote_options="permissive")
    file, row_number = _places(found, loaded)
    names = pa.array([item.name for item in loaded], pa.string()).take(pa.array(file))
    constant = [
        pa.array([value] * found.num_rows, kind) for value, kind in ((source, pa.string()), (as_of, pa.date32()))
    ]
    order = pa.table({"file": file, "row": row_number, "column": found["column_name"], "rule": found["rule"]})
    columns = [*constant, names, pa.array(row_number), *(found[n].combine_chunks() for n in SCHEMA.names[4:])]
    keys = [(name, "ascending") for name in order.column_names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA).take(pc.sort_indices(order, sort_keys=keys))


def shape(value: str) -> str:
    """A value without its content: letters become x, digits 9."""
    return "".join("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in value)


def _create_labels(connection: duckdb.DuckDBPyConnection, contract: Contract, cleaned: Cleaned) -> None:
    """The rules by position, with the position of their column among the raw cells (NULL where there is none)."""
    positions = {c.name: i + 1 for i, c in enumerate(contract.columns) if c.derived_equal is None}
    pii = {column.name for column in contract.columns if column.pii}
    rows = [
        (i, rule.name, rule.column, positions.get(rule.column), rule.column in pii)
        for i, rule in enumerate(cleaned.rules.rules)
    ]
    connection.execute("CREATE TABLE labels (rule INTEGER, name VARCHAR, col VARCHAR, place INTEGER, pii BOOLEAN)")
    connection.executemany(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?)", [*rows, (DUPLICATE, "duplicate", None, None, False)]
    )


def _removed(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    everything = ", ".join(f"c{i}" for i in range(len(contract.columns)))
    pairs = ", ".join(f"$n{i}, c{i}" for i, c in enumerate(contract.columns) if c.derived_equal is None)
    names = {f"n{i}": c.raw_name for i, c in enumerate(contract.columns) if c.derived_equal is None}
    return _arrow(
        connection,
        f"SELECT file, row_id, NULL::BIGINT AS row_number, col AS column_name, name AS rule,"
        f" {_shown(f'list_value({everything})[place]', 'pii')} AS value,"
        f" CAST(json_object({pairs}) AS VARCHAR) AS row_json, false AS row_kept"
        f" FROM removed JOIN raw ON raw.rowid = removed.row_id JOIN labels USING (rule)",
        names,
    )


def _rejected(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    return _arrow(
        connection,
        "SELECT file, NULL::BIGINT AS row_id, row_number, NULL::VARCHAR AS column_name, rule, NULL::VARCHAR AS value,"
        " CAST(json_object('line', rtrim(line, chr(10) || chr(13))) AS VARCHAR) AS row_json, false AS row_kept"
        " FROM rejects",
        {},
    )


def _nulled(connection: duckdb.DuckDBPyConnection, contract: Contract, name: str) -> pa.Table:
    column = contract.column(name)
    value = _shown("value", "true") if column.pii else "value"
    return _arrow(
        connection,
        f"SELECT file, row_id, NULL::BIGINT AS row_number, $name AS column_name, 'unreadable' AS rule,"
        f" {value} AS value,"
        f" CAST(json_object($raw, value) AS VARCHAR) AS row_json, removed.rule IS NULL AS row_kept"
        f" FROM ({unreadable_cells(contract, name)}) LEFT JOIN removed USING (row_id)",
        {"name": name, "raw": column.raw_name},
    )


def _shown(value: str, masked: str) -> str:
    """The value, or where ``masked`` its shape (see ``shape``)."""
    upper = f"regexp_replace({value}, '\\p{{Lu}}', 'X', 'g')"
    lower = f"regexp_replace({upper}, '\\p{{Ll}}|\\p{{Lo}}|\\p{{Lt}}|\\p{{Lm}}', 'x', 'g')"
    return f"CASE WHEN {masked} THEN regexp_replace({lower}, '\\p{{Nd}}', '9', 'g') ELSE {value} END"


def _places(found: pa.Table, loaded: Sequence[Loaded]) -> tuple[np.ndarray, np.ndarray]:
    """Index of the file and row number in it, for every row found."""
    file = found["file"].to_numpy().astype(np.int64)
    row_number = np.array(found["row_number"].fill_null(0).to_numpy(), dtype=np.int64)
    row_id = found["row_id"].fill_null(-1).to_numpy()
    for index, item in enumerate(loaded):
        here = (file == index) & (row_id >= 0)
        row_number[here] = item.row_numbers(row_id[here] - item.first)
    return file, row_number


def _arrow(connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object]) -> pa.Table:
    return connection.sql(query, params=parameters).to_arrow_table()
