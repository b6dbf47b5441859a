"""Google's own analyzer and reference evaluator (PyPI zetasql), set up as BigQuery: the tests' oracle.

`analyze` says whether BigQuery would accept a query and which columns it returns; `evaluate` runs it on
Arrow tables. Not here: DuckDB, and the tests themselves.

Known limits: no APPROX_*, MAX_BY or MIN_BY; table names match without case (BigQuery's do not).
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

_EPOCH = date(1970, 1, 1)
_LOCK = threading.Lock()  # the WebAssembly instance has one memory and no threads
_KINDS = {  # GoogleSQL's name to zetasql's, the Arrow type, the field of zetasql's value
    "BOOL": ("BOOL", pa.bool_(), "bool_value"),
    "DATE": ("DATE", pa.date32(), "date_value"),
    "DATETIME": ("DATETIME", pa.timestamp("us"), "datetime_value"),
    "FLOAT64": ("DOUBLE", pa.float64(), "double_value"),
    "INT64": ("INT64", pa.int64(), "int64_value"),
    "STRING": ("STRING", pa.string(), "string_value"),
    "TIMESTAMP": ("TIMESTAMP", pa.timestamp("us", tz="UTC"), "timestamp_value"),
}
# What BigQuery's SELECT supports; names of zetasql's LanguageFeature without their prefix.
_FEATURES = re.findall(
    r"\w+",
    """
    ANALYTIC_FUNCTIONS BIGNUMERIC_TYPE CBRT_FUNCTIONS GROUP_BY_ROLLUP INTERVAL_TYPE INVERSE_TRIG_FUNCTIONS
    JSON_ARRAY_FUNCTIONS JSON_TYPE JSON_VALUE_EXTRACTION_FUNCTIONS NAMED_ARGUMENTS NUMERIC_TYPE
    PARAMETERIZED_TYPES ROUND_WITH_ROUNDING_MODE TABLESAMPLE TABLE_VALUED_FUNCTIONS TEMPLATE_FUNCTIONS
    TIME_BUCKET_FUNCTIONS V_1_1_HAVING_IN_AGGREGATE V_1_1_LIMIT_IN_AGGREGATE
    V_1_1_NULL_HANDLING_MODIFIER_IN_AGGREGATE V_1_1_NULL_HANDLING_MODIFIER_IN_ANALYTIC
    V_1_1_ORDER_BY_IN_AGGREGATE V_1_1_SELECT_STAR_EXCEPT_REPLACE V_1_1_WITH_ON_SUBQUERY V_1_2_CIVIL_TIME
    V_1_2_SAFE_FUNCTION_CALL V_1_2_WEEK_WITH_WEEKDAY V_1_3_ADDITIONAL_STRING_FUNCTIONS
    V_1_3_ALLOW_DASHES_IN_TABLE_NAME V_1_3_ALLOW_REGEXP_EXTRACT_OPTIONALS V_1_3_CONCAT_MIXED_TYPES
    V_1_3_DATE_ARITHMETICS V_1_3_DATE_TIME_CONSTRUCTORS V_1_3_DECIMAL_ALIAS
    V_1_3_EXTENDED_DATE_TIME_SIGNATURES V_1_3_FORMAT_IN_CAST V_1_3_IS_DISTINCT V_1_3_LIKE_ANY_SOME_ALL
    V_1_3_NULLS_FIRST_LAST_IN_ORDER_BY V_1_3_PIVOT V_1_3_QUALIFY V_1_3_UNNEST_AND_FLATTEN_ARRAYS V_1_3_UNPIVOT
    V_1_3_WITH_RECURSIVE V_1_4_ARRAY_AGGREGATION_FUNCTIONS V_1_4_BARE_ARRAY_ACCESS V_1_4_GROUPING_BUILTIN
    V_1_4_GROUPING_SETS V_1_4_GROUP_BY_ALL
    """,
)


def analyze(sql: str, schemas: Mapping[str, pa.Schema], parameters: Mapping[str, str] | None = None) -> pa.Schema:
    """Columns the query returns in BigQuery.

    Parameters
    ----------
    sql : GoogleSQL text.
    schemas : table name to its columns.
    parameters : parameter name to its GoogleSQL type, such as "DATE" or "ARRAY<INT64>".

    Raises zetasql's ServerError with BigQuery's wording, such as "Unrecognized name: nope [at 1:8]".
    """
    declared = {name: _from_text(text) for name, text in (parameters or {}).items()}
    answer = _call("Analyze", sql_statement=sql, options=_options(declared), simple_catalog=_catalog(schemas))
    columns = answer.resolved_statement.resolved_query_stmt_node.output_column_list
    return pa.schema([(column.name, _to_arrow(column.column.type)) for column in columns])


def evaluate(
    sql: str,
    tables: Mapping[str, pa.Table],
    parameters: Mapping[str, tuple[str, object]] | None = None,
) -> list[dict[str, Any]]:
    """Rows of the query as the reference implementation computes them, in its order; see `run`."""
    return run(sql, tables, parameters)[1]


def run(
    sql: str,
    tables: Mapping[str, pa.Table],
    parameters: Mapping[str, tuple[str, object]] | None = None,
) -> tuple[pa.Schema, list[dict[str, Any]]]:
    """Columns and rows of the query.

    `parameters` maps a name to its GoogleSQL type and its Python value. Values are Python objects as
    `pa.Table.to_pylist` gives them. Raises zetasql's ServerError.
    """
    given = {name: (_from_text(text), value) for name, (text, value) in (parameters or {}).items()}
    answer = _call(
        "EvaluateQuery",
        sql=sql,
        options=_options({name: kind for name, (kind, _) in given.items()}),
        simple_catalog=_catalog({name: data.schema for name, data in tables.items()}),
        table_content={name: _content(data) for name, data in tables.items()},
        params=[{"name": name, "value": _to_value(value, kind)} for name, (kind, value) in given.items()],
    )
    schema = pa.schema([(column.name, _to_arrow(column.type)) for column in answer.prepared.columns])
    rows = [
        {field.name: _from_value(cell, field.type) for field, cell in zip(schema, row.cell, strict=True)}
        for row in answer.content.table_data.row
    ]
    return schema, rows


def _call(method: str, **fields: Any) -> Any:
    """One call of the WebAssembly service, in raw protocol buffers (the package's own wrappers are slow)."""
    from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as messages

    requests = {
        "Analyze": (messages.AnalyzeRequest, messages.AnalyzeResponse),
        "EvaluateQuery": (messages.EvaluateQueryRequest, messages.EvaluateQueryResponse),
    }
    request, response = requests[method]
    contents = fields.pop("table_content", {})
    message = request(**fields)
    for name, content in contents.items():
        message.table_content[name].CopyFrom(content)
    with _LOCK:
        return _client().call_grpc_func(f"ZetaSqlLocalService_{method}", message, response)


@cache
def _client() -> Any:
    """The WebAssembly instance, its compiled code cached on disk (20 s the first time, then 0.2 s)."""
    from wasmtime import Config
    from zetasql.core import wasm_client
    from zetasql.wasi import get_wasm_path

    def caching_config() -> Config:
        config = Config()
        config.cache = True
        return config

    class FastClient(wasm_client.WasmClient):
        """Copies memory in one go; the package copies byte by byte."""

        def write_bytes(self, ptr: int, data: bytes) -> None:
            ctypes.memmove(self._address(ptr), data, len(data))

        def read_bytes(self, ptr: int, size: int) -> bytes:
            return ctypes.string_at(self._address(ptr), size)

        def _address(self, ptr: int) -> int:
            return ctypes.addressof(self.memory.data_ptr().contents) + ptr

    original, wasm_client.Config = wasm_client.Config, caching_config
    try:
        return FastClient(get_wasm_path())
    finally:
        wasm_client.Config = original


@cache
def _language() -> Any:
    from zetasql.wasi._pb2.zetasql.proto.options_pb2 import LanguageOptionsProto
    from zetasql.wasi._pb2.zetasql.public import options_pb2
    from zetasql.wasi._pb2.zetasql.resolved_ast.resolved_node_kind_pb2 import RESOLVED_QUERY_STMT

    return LanguageOptionsProto(
        name_resolution_mode=options_pb2.NAME_RESOLUTION_DEFAULT,
        product_mode=options_pb2.PRODUCT_EXTERNAL,
        enabled_language_features=[getattr(options_pb2, f"FEATURE_{name}") for name in _FEATURES],
        supported_statement_kinds=[RESOLVED_QUERY_STMT],
        reserved_keywords=["QUALIFY"],
    )


def _options(parameters: Mapping[str, pa.DataType]) -> Any:
    from zetasql.wasi._pb2.zetasql.proto.options_pb2 import AnalyzerOptionsProto

    declared = [{"name": name, "type": _to_type(kind)} for name, kind in parameters.items()]
    return AnalyzerOptionsProto(language_options=_language(), query_parameters=declared, default_timezone="UTC")


def _catalog(schemas: Mapping[str, pa.Schema]) -> Any:
    from zetasql.wasi._pb2.zetasql.proto.simple_catalog_pb2 import SimpleCatalogProto

    tables = [
        {
            "name": name,
            "serialization_id": number,
            "column": [{"name": field.name, "type": _to_type(field.type)} for field in schema],
        }
        for number, (name, schema) in enumerate(schemas.items(), 1)
    ]
    return SimpleCatalogProto(
        name="warehouse", table=tables, builtin_function_options={"language_options": _language()}
    )


def _content(data: pa.Table) -> Any:
    from zetasql.wasi._pb2.zetasql.local_service.local_service_pb2 import TableContent

    columns = [[_to_value(v, field.type) for v in data[field.name].to_pylist()] for field in data.schema]
    return TableContent(table_data={"row": [{"cell": row} for row in zip(*columns, strict=True)]})


def _from_text(text: str) -> pa.DataType:
    return pa.list_(_from_text(text[6:-1])) if text.startswith("ARRAY<") else _KINDS[text][1]


def _kind(given: pa.DataType) -> tuple[str, str]:
    """Names of zetasql's type and of its value field, for a scalar Arrow type."""
    return next((kind, field) for kind, arrow, field in _KINDS.values() if arrow == given)


def _to_type(given: pa.DataType) -> Any:
    from zetasql.wasi._pb2.zetasql.public import type_pb2

    if pa.types.is_list(given):
        element = {"element_type": _to_type(given.value_type)}
        return type_pb2.TypeProto(type_kind=type_pb2.TYPE_ARRAY, array_type=element)
    return type_pb2.TypeProto(type_kind=getattr(type_pb2, f"TYPE_{_kind(given)[0]}"))


def _to_arrow(given: Any) -> pa.DataType:
    from zetasql.wasi._pb2.zetasql.public import type_pb2

    name = type_pb2.TypeKind.Name(given.type_kind).removeprefix("TYPE_")
    if name == "ARRAY":
        return pa.list_(_to_arrow(given.array_type.element_type))
    if name == "STRUCT":
        return pa.struct([(field.field_name, _to_arrow(field.field_type)) for field in given.struct_type.field])
    return next(arrow for kind, arrow, _ in _KINDS.values() if kind == name)


def _to_value(value: Any, kind: pa.DataType) -> Any:
    """A value as zetasql takes it; an empty message is NULL."""
    from zetasql.wasi._pb2.zetasql.public.value_pb2 import ValueProto

    if value is None:
        return ValueProto()
    if pa.types.is_list(kind):
        return ValueProto(array_value={"element": [_to_value(item, kind.value_type) for item in value]})
    _, field = _kind(kind)
    if field == "date_value":
        value = (value - _EPOCH).days
    return ValueProto(**{field: value})


def _from_value(value: Any, kind: pa.DataType) -> Any:
    field = value.WhichOneof("value")
    if field is None:
        return None
    content = getattr(value, field)
    if field == "array_value":
        return [_from_value(item, kind.value_type) for item in content.element]
    if field == "struct_value":
        return {part.name: _from_value(v, part.type) for part, v in zip(kind, content.field, strict=True)}
    if field == "date_value":
        return _EPOCH + timedelta(days=content)
    if field == "timestamp_value":
        return content.ToDatetime(tzinfo=UTC)
    return content


def differences(expected: list[dict[str, Any]], actual: list[dict[str, Any]], ordered: bool = False) -> list[str]:
    """What differs between two results, as text; empty if nothing does.

    Rows are compared as a multiset unless `ordered`. Numbers may differ in the last bits, because the order
    of floating-point sums is free; NaN equals NaN.
    """
    if len(expected) != len(actual):
        return [f"{len(expected)} rows expected, {len(actual)} found"]
    if not ordered:
        expected, actual = sorted(expected, key=_sort_key), sorted(actual, key=_sort_key)
    found = []
    for number, (wanted, given) in enumerate(zip(expected, actual, strict=True)):
        if list(wanted) != list(given):
            return [f"columns {list(wanted)} expected, {list(given)} found"]
        found += [
            f"row {number} {name}: {wanted[name]!r} expected, {given[name]!r} found"
            for name in wanted
            if not _same(wanted[name], given[name])
        ]
    return found


def _same(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, list) and isinstance(given, list):
        return len(wanted) == len(given) and all(map(_same, wanted, given))
    if type(wanted) is not type(given) and not (isinstance(wanted, datetime) and isinstance(given, datetime)):
        return False
    if isinstance(wanted, float):
        return wanted == given or math.isclose(wanted, given, rel_tol=1e-9, abs_tol=1e-12) or wanted != wanted != given
    return bool(wanted == given)


def _sort_key(row: dict[str, Any]) -> list[str]:
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values()]
