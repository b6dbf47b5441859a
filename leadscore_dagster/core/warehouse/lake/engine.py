"""The embedded warehouse: one Parquet file per table partition, queried by DuckDB.

`<root>/<dataset>/<table>/<partition>.parquet` is written beside and renamed into place, so a reader or a
crash sees the old partition or the new one. DuckDB connections live in memory for one call: there is no
database file to lock. Not here: how a file is written (files.py), the SQL dialect (dialect.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import duckdb
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse.dialect import Translation, touched_columns, translate
from leadscore_dagster.core.warehouse.lake import parquet
from leadscore_dagster.core.warehouse.protocol import DryRun, Part, Relation
from leadscore_dagster.core.warehouse.statements import with_relations

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PARTITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
_BATCH_ROWS = 65_536
_Given: TypeAlias = pa.Table | pa.RecordBatchReader | Part
_TEXT_FAULTS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


@dataclass(frozen=True)
class Lake:
    """A `Warehouse` in a folder.

    Parameters
    ----------
    root : folder of all datasets.
    dataset : one recipe's tables.
    threads : DuckDB threads; DuckDB's own choice when left out.
    memory_limit : such as "4GB"; beyond it DuckDB spills to `<root>/.spill`.
    """

    root: Path
    dataset: str
    threads: int | None = None
    memory_limit: str | None = None

    def __post_init__(self) -> None:
        _checked(self.dataset, _TABLE, "dataset")

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> pa.RecordBatchReader:
        """See `Warehouse.query`. The connection lives until the stream is read or dropped."""
        statement, given = self._resolve(sql, relations)
        values = _bound(statement, parameters or {})
        connection = self._connect(statement, given)
        try:
            stream = connection.sql(statement.sql, params=values).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            raise self._explained(error, statement) from error
        schema = parquet.googlesql_schema(stream.schema)
        return pa.RecordBatchReader.from_batches(schema, self._batches(connection, stream, schema, statement))

    def create_partition(
        self,
        table: str,
        partition: str,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> int:
        """See `Warehouse.create_partition`. The query may read the partition it replaces."""
        return self.write_partition(table, partition, self.query(sql, parameters, relations))

    def write_partition(
        self, table: str, partition: str, data: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch]
    ) -> int:
        """See `Warehouse.write_partition`. Equal data gives equal bytes, however it was cut into batches."""
        return parquet.replace(self._path(table, partition), parquet.stream(data, f"{table}/{partition}"))

    def drop_partition(self, table: str, partition: str) -> None:
        """See `Warehouse.drop_partition`."""
        self._path(table, partition).unlink(missing_ok=True)

    def move_partition(self, table: str, partition: str, target: str, name: str) -> None:
        """See `Warehouse.move_partition`: the file is renamed."""
        path = self._path(target, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stored(Part(table, partition)).replace(path)

    def schema(self, table: str) -> pa.Schema:
        """See `Warehouse.schema`. A column absent from some partitions is NULL there."""
        return self.query(f"SELECT * FROM `{_checked(table, _TABLE, 'table')}` LIMIT 0").schema

    def tables(self) -> list[str]:
        """See `Warehouse.tables`."""
        folder = self.root / self.dataset
        names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
        return sorted(name for name in names if _TABLE.fullmatch(name) and self.partitions(name))

    def partitions(self, table: str) -> list[str]:
        """See `Warehouse.partitions`."""
        return [file.stem for file in self._files(table)]

    def digest(self, table: str, partition: str) -> str:
        """See `Warehouse.digest`: SHA-256 of the file, which holds nothing but the data."""
        return parquet.sha256(self._stored(Part(table, partition)))

    def dry_run(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> DryRun:
        """See `Warehouse.dry_run`: compressed bytes, in every partition, of the columns the query touches."""
        text = with_relations(sql, {k: v for k, v in (relations or {}).items() if isinstance(v, str)})
        statement, given = self._resolve(sql, relations)
        _bound(statement, parameters or {})
        stored = [name for name in statement.tables if name not in given]
        parts = {name: part for name, part in given.items() if isinstance(part, Part)}
        schemas = {name: self.schema(name) for name in stored}
        schemas |= {name: self.schema(part.table) for name, part in parts.items()}
        schemas |= {name: data.schema for name, data in given.items() if not isinstance(data, Part)}
        touched = touched_columns(text, {name: schema.names for name, schema in schemas.items()})
        read = [(file, touched[name]) for name in stored for file in self._files(name)]
        read += [(self._stored(part), touched[name]) for name, part in parts.items()]
        total = sum(parquet.column_bytes(file, columns) for file, columns in read)
        return DryRun(bytes_scanned=total, tables=tuple(sorted({*stored, *(part.table for part in parts.values())})))

    def _resolve(self, sql: str, relations: Mapping[str, Relation] | None) -> tuple[Translation, dict[str, _Given]]:
        """The statement with its SQL relations inlined, and the Arrow relations it reads."""
        named = {_checked(name, _TABLE, "relation"): relation for name, relation in (relations or {}).items()}
        texts = {name: relation for name, relation in named.items() if isinstance(relation, str)}
        statement = translate(with_relations(sql, texts))
        given = {k: v for k, v in named.items() if not isinstance(v, str) and k in statement.tables}
        return statement, given

    def _connect(self, statement: Translation, given: Mapping[str, _Given]) -> duckdb.DuckDBPyConnection:
        """A private in-memory database in which every table of the statement is a view."""
        connection = duckdb.connect(config=self._settings())
        connection.execute("SET timezone='UTC'")  # in the connect settings it fails: ICU is loaded later
        connection.execute("SET enable_progress_bar=false")  # it would write into standard output
        for name in statement.tables:
            relation = given.get(name)
            if relation is None:
                self._view(connection, name, self._files(name))
            elif isinstance(relation, Part):
                self._view(connection, name, [self._stored(relation)])
            elif isinstance(relation, pa.Table):
                connection.register(name, relation)
            else:  # a stream can be read once, a table of the statement any number of times
                connection.from_arrow(relation).create(name)
        return connection

    def _settings(self) -> dict[str, str | bool | int | float | list[str]]:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,  # a table name never means a Python variable
            "enable_external_file_cache": False,  # a partition may be replaced while it is being read
            "temp_directory": str(self.root / ".spill" / uuid4().hex),  # own: DuckDB's file names clash
        }
        if self.threads is not None:
            settings["threads"] = self.threads
        if self.memory_limit is not None:
            settings["memory_limit"] = self.memory_limit
        return settings

    def _view(self, connection: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path]) -> None:
        if not files:
            remedy = nearest_or(table, self.tables(), "materialize it first")
            raise InputError(f"no table is named {table!r}", where=self.dataset, remedy=remedy)
        try:
            paths = [str(file) for file in files]
            connection.read_parquet(paths, union_by_name=True, hive_partitioning=False).create_view(table)
        except duckdb.Error as error:
            raise self._explained(error, Translation("", (table,), ())) from error

    def _batches(
        self,
        connection: duckdb.DuckDBPyConnection,
        stream: pa.RecordBatchReader,
        schema: pa.Schema,
        statement: Translation,
    ) -> Iterator[pa.RecordBatch]:
        try:
            for batch in stream:
                yield batch.cast(schema)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._explained(error, statement) from error
        finally:
            connection.close()

    def _explained(self, error: Exception, statement: Translation) -> InputError:
        """What went wrong, said once and clearly: first of all whether a stored file is damaged."""
        if not isinstance(error, _TEXT_FAULTS):
            for table in statement.tables:
                for file in self._files(table):
                    if not parquet.is_readable(file):
                        return parquet.damaged(f"{table}/{file.stem}")
        return InputError(f"the query failed: {str(error).splitlines()[0]}", where=self.dataset)

    def _files(self, table: str) -> list[Path]:
        folder = self.root / self.dataset / _checked(table, _TABLE, "table")
        found = (path for path in folder.glob("*.parquet") if _PARTITION.fullmatch(path.stem))
        return sorted(found, key=lambda path: path.stem)

    def _stored(self, part: Part) -> Path:
        path = self._path(part.table, part.partition)
        if not path.is_file():
            raise InputError(f"partition {part.partition} is missing", where=part.table, remedy="materialize it first")
        return path

    def _path(self, table: str, partition: str) -> Path:
        folder = self.root / self.dataset / _checked(table, _TABLE, "table")
        return folder / f"{_checked(partition, _PARTITION, 'partition')}.parquet"


def _checked(name: str, pattern: re.Pattern[str], kind: str) -> str:
    if not pattern.fullmatch(name):
        raise InputError(f"{name!r} is not a {kind} name", remedy=f"a {kind} name matches {pattern.pattern}")
    return name


def _bound(statement: Translation, parameters: Mapping[str, object]) -> dict[str, object]:
    """Values of the parameters the statement uses; others are ignored, as BigQuery does."""
    missing = [name for name in statement.parameters if name not in parameters]
    if missing:
        raise InputError(f"no value for the parameter @{missing[0]}", remedy=f"pass {', '.join(missing)}")
    for name in statement.parameters:
        value = parameters[name]
        for item in value if isinstance(value, list | tuple) else (value,):
            _check_value(name, item)
    return {name: parameters[name] for name in statement.parameters}


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str | bool | int | float | date | None):  # datetime is a date
        raise InputError(f"parameter @{name} is a {type(value).__name__}", remedy="pass a plain Python value")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise InputError(f"parameter @{name} is a time without a zone", remedy="pass an aware datetime")
