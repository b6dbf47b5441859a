"""What the protocol promises of queries, held against every engine: typed rows, values bound, faults named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import DryRun, Part, Warehouse, table
from leadscore_dagster_tests.warehouse.vintages import CORRECTED, DAY, FIRST, NEXT, TIMESTAMP, filled

# ---- results


def test_a_result_is_a_stream_of_batches_in_the_order_asked_for(warehouse: Warehouse) -> None:
    rows = 300_000
    warehouse.write_partition("t", DAY, pa.table({"k": np.random.default_rng(1).permutation(rows)}))
    reader = warehouse.query("SELECT k FROM t ORDER BY k DESC")
    assert reader.schema == pa.schema([("k", pa.int64())])
    batches = list(reader)
    assert len(batches) > 1
    assert pa.Table.from_batches(batches)["k"].to_pylist() == list(range(rows))[::-1]


def test_a_stream_nobody_reads_to_its_end_stands_in_nobodys_way(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": range(300_000)}))
    for _ in range(3):
        assert warehouse.query("SELECT k FROM t").read_next_batch().num_rows > 0
    assert warehouse.write_partition("t", DAY, pa.table({"k": [1]})) == 1
    assert table(warehouse, "SELECT k FROM t")["k"].to_pylist() == [1]


def test_sums_counts_and_literals_come_back_as_googlesql_types(warehouse: Warehouse) -> None:
    filled(warehouse)
    sql = """SELECT SUM(RepCRD) AS total, COUNTIF(RepCRD > 0) AS n, 1 AS one, 2.675 AS number,
      MAX(available_at) AS latest, MAX(as_of) AS as_of, [1, 2] AS numbers, NULL AS nothing, AVG(RepCRD) AS mean,
      SUM(RepCRD) OVER () AS running, STRUCT(1 AS a, 'x' AS b) AS record, DATETIME '2024-01-01 00:00:00' AS local,
      RepCRD > 0 AS flag, CAST(RepCRD AS STRING) AS text FROM rep_vintage GROUP BY RepCRD"""
    expected = {
        **dict.fromkeys(("total", "n", "one", "nothing", "running"), pa.int64()),
        **dict.fromkeys(("number", "mean"), pa.float64()),
        "latest": TIMESTAMP,
        "as_of": pa.date32(),
        "numbers": pa.list_(pa.int64()),
        "record": pa.struct([("a", pa.int64()), ("b", pa.string())]),
        "local": pa.timestamp("us"),
        "flag": pa.bool_(),
        "text": pa.string(),
    }
    schema = table(warehouse, sql).schema
    assert {field.name: field.type for field in schema} == expected


def test_a_result_without_rows_has_its_columns(warehouse: Warehouse) -> None:
    filled(warehouse)
    reader = warehouse.query("SELECT as_of, SUM(RepCRD) AS s FROM rep_vintage WHERE FALSE GROUP BY as_of")
    assert reader.schema == pa.schema([("as_of", pa.date32()), ("s", pa.int64())])
    assert reader.read_all().num_rows == 0


def test_a_query_needs_no_table(warehouse: Warehouse) -> None:
    assert table(warehouse, "SELECT @a + 1 AS b", {"a": 1}).to_pylist() == [{"b": 2}]


# ---- parameters


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        (datetime(2024, 1, 11, tzinfo=UTC), "available_at <= @value"),
        (datetime(2024, 1, 11, 3, tzinfo=timezone(timedelta(hours=3))), "available_at = @value"),
        (date(2024, 1, 1), "as_of = @value"),
        (date(2024, 2, 1), "TIMESTAMP(@value) > available_at"),
        ("2024-01-01", "CAST(as_of AS STRING) = @value"),
        (3, "EXTRACT(MONTH FROM as_of) < @value"),
        (1.5, "EXTRACT(MONTH FROM as_of) < @value"),
        (True, "(as_of < DATE '2024-02-01') = @value"),
        ([date(2024, 1, 1)], "as_of IN UNNEST(@value)"),
        (["01", "02"], "FORMAT_DATE('%m', as_of) IN UNNEST(@value)"),
        ([1, 2], "EXTRACT(MONTH FROM as_of) IN UNNEST(@value)"),
        (None, "@value IS NULL AND as_of < '2024-02-01'"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_parameters_of_every_type_select_the_first_vintage(warehouse: Warehouse, value: object, condition: str) -> None:
    filled(warehouse)
    sql = f"SELECT COUNT(*) AS n FROM rep_vintage WHERE {condition}"
    assert table(warehouse, sql, {"value": value, "not_used": object()}).to_pylist() == [{"n": 3}]


def test_an_empty_list_matches_nothing(warehouse: Warehouse) -> None:
    filled(warehouse)
    sql = "SELECT COUNT(*) AS n FROM rep_vintage WHERE RepCRD IN UNNEST(@ids)"
    assert table(warehouse, sql, {"ids": []}).to_pylist() == [{"n": 0}]


@pytest.mark.parametrize("text", ["'; DROP TABLE t; --", '"', "\\", "@other", "$1", "%s {0}", "line\nbreak", "🦆", ""])
def test_a_text_given_as_a_parameter_stays_a_text(warehouse: Warehouse, text: str) -> None:
    warehouse.write_partition("t", DAY, pa.table({"text": [text, "another"]}))
    found = table(warehouse, "SELECT text, @text AS given FROM t WHERE text = @text", {"text": text})
    assert found.to_pylist() == [{"text": text, "given": text}]
    assert warehouse.tables() == ["t"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "no value for the parameter @value"),
        ({"value": datetime(2024, 1, 1)}, "without a zone"),
        ({"value": [datetime(2024, 1, 1)]}, "without a zone"),
        ({"value": np.float64}, "is a type"),
        ({"value": {"a": 1}}, "is a dict"),
    ],
    ids=["missing", "no zone", "no zone in a list", "type", "dict"],
)
def test_parameters_that_cannot_be_bound_are_refused(
    warehouse: Warehouse, parameters: dict[str, object], message: str
) -> None:
    for ask in (warehouse.query, warehouse.dry_run):
        with pytest.raises(InputError, match=message):
            ask("SELECT @value AS v", parameters)


# ---- relations


def test_an_sql_relation_narrows_the_table_of_its_own_name_everywhere(warehouse: Warehouse) -> None:
    filled(warehouse)
    cut = {"cut": datetime(2024, 2, 1, tzinfo=UTC)}
    narrowed = {"rep_vintage": "SELECT * FROM rep_vintage WHERE available_at <= @cut -- as known then"}
    sql = """WITH latest AS (SELECT MAX(as_of) AS as_of FROM rep_vintage)
      SELECT COUNT(*) AS n FROM rep_vintage AS r WHERE r.as_of = (SELECT as_of FROM latest)
      AND EXISTS (SELECT 1 FROM rep_vintage AS o WHERE o.RepCRD = r.RepCRD AND o.as_of = '2024-01-01')"""
    assert table(warehouse, sql, cut, narrowed).to_pylist() == [{"n": 3}]
    assert table(warehouse, "SELECT MAX(as_of) AS m FROM rep_vintage", cut, narrowed).to_pylist() == [{"m": FIRST}]


@pytest.mark.parametrize("as_stream", [False, True], ids=["table", "stream"])
def test_an_arrow_relation_is_a_table_read_any_number_of_times(warehouse: Warehouse, as_stream: bool) -> None:
    filled(warehouse)
    decisions = pa.table({"decision_id": ["a", "b"], "RepCRD": [1, 7]})
    sql = """SELECT d.decision_id, v.as_of FROM decisions AS d JOIN rep_vintage AS v USING (RepCRD)
      WHERE (SELECT COUNT(*) FROM decisions) = 2 ORDER BY v.as_of"""
    given = decisions.to_reader(max_chunksize=1) if as_stream else decisions
    assert table(warehouse, sql, relations={"decisions": given})["decision_id"].to_pylist() == ["a", "a"]


def test_an_arrow_relation_takes_the_place_of_a_stored_table(warehouse: Warehouse) -> None:
    filled(warehouse)
    given: dict[str, Any] = {"rep_vintage": pa.table({"RepCRD": [99]})}
    assert table(warehouse, "SELECT RepCRD FROM rep_vintage", relations=given)["RepCRD"].to_pylist() == [99]
    assert table(warehouse, "SELECT COUNT(*) AS n FROM rep_vintage").to_pylist() == [{"n": 6}]


def test_arrow_and_sql_relations_work_together(warehouse: Warehouse) -> None:
    relations = {
        "a": pa.table({"k": [1, 2, 3]}),
        "b": "WITH more AS (SELECT k FROM a WHERE k > 1) SELECT k FROM more",
        "c": "SELECT k FROM b WHERE k < 3",
    }
    assert table(warehouse, "SELECT k FROM c", relations=relations).to_pylist() == [{"k": 2}]


def test_a_table_of_the_statement_hides_a_stored_one(warehouse: Warehouse) -> None:
    filled(warehouse)
    sql = "WITH rep_vintage AS (SELECT RepCRD FROM rep_vintage WHERE RepCRD = 1) SELECT COUNT(*) AS n FROM rep_vintage"
    assert table(warehouse, sql).to_pylist() == [{"n": 2}]


def test_one_partition_can_stand_for_its_table_or_for_another(warehouse: Warehouse) -> None:
    for k, partition in enumerate((DAY, CORRECTED, NEXT)):
        warehouse.write_partition("t", partition, pa.table({"k": [k]}))
    sql = "SELECT t.k, before.k AS earlier FROM t CROSS JOIN before"
    parts = {"t": Part("t", CORRECTED), "before": Part("t", DAY)}
    assert table(warehouse, sql, relations=parts).to_pylist() == [{"k": 1, "earlier": 0}]
    with pytest.raises(InputError, match=r"partition 2025-01-01 is missing, in t.*materialize it first"):
        warehouse.query("SELECT k FROM t", relations={"t": Part("t", "2025-01-01")})


def test_a_relation_the_query_does_not_read_costs_nothing(warehouse: Warehouse) -> None:
    def never() -> Any:
        raise AssertionError("nobody asked for this")
        yield

    stream = pa.RecordBatchReader.from_batches(pa.schema([("k", pa.int64())]), never())
    unread = {"stream": stream, "part": Part("nowhere", DAY), "text": "SELECT k FROM nowhere"}
    assert table(warehouse, "SELECT 1 AS one", relations=unread).to_pylist() == [{"one": 1}]


def test_relations_that_read_each_other_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(InputError, match="relations read each other"):
        warehouse.query("SELECT k FROM a", relations={"a": "SELECT k FROM b", "b": "SELECT k FROM a"})


# ---- what is wrong is named


def test_an_unknown_table_is_named_with_the_nearest_one(warehouse: Warehouse) -> None:
    filled(warehouse)
    for ask in (warehouse.query, warehouse.dry_run):
        with pytest.raises(InputError, match=r"no table is named 'rep_vintages'.*did you mean 'rep_vintage'"):
            ask("SELECT * FROM rep_vintages")
    with pytest.raises(InputError, match="no table is named 'rep_vintages'"):
        warehouse.schema("rep_vintages")


def test_tables_differ_by_the_case_of_their_names_and_columns_do_not(warehouse: Warehouse) -> None:
    filled(warehouse)
    with pytest.raises(InputError, match="no table is named 'Rep_Vintage'"):
        warehouse.query("SELECT * FROM Rep_Vintage")
    assert table(warehouse, "SELECT MAX(repcrd) AS m FROM rep_vintage").to_pylist() == [{"m": 2}]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM rep_vintage", "nope"),
        ("SELECT r.nope FROM rep_vintage AS r", "nope"),
        ("SELECT nope(RepCRD) FROM rep_vintage", "(?i)nope"),
        ("SELECT RepCRD FROM other.rep_vintage", "qualified table name"),
        ("SELECT 1; SELECT 2", "expected one SELECT"),
        ("DROP TABLE rep_vintage", "expected one SELECT"),
        ("INSERT INTO rep_vintage SELECT * FROM rep_vintage", "expected one SELECT"),
        ("SELECT (", "does not parse"),
        ("", "expected one SELECT"),
        ("SELECT * FROM `/etc/passwd`", "is not a table name"),
        ("SELECT as_of + available_at FROM rep_vintage", "failed"),
        ("SELECT RepCRD, as_of AS repcrd FROM rep_vintage", "two columns are named"),
    ],
)
def test_a_bad_statement_is_refused_in_one_line(warehouse: Warehouse, sql: str, message: str) -> None:
    filled(warehouse)
    with pytest.raises(InputError, match=message) as caught:
        table(warehouse, sql)
    assert len(str(caught.value).splitlines()) == 1
    assert warehouse.partitions("rep_vintage") == [DAY, NEXT]


# ---- dry runs


def test_a_dry_run_counts_only_the_columns_it_needs(warehouse: Warehouse) -> None:
    filled(warehouse)
    everything = warehouse.dry_run("SELECT * FROM rep_vintage")
    one = warehouse.dry_run("SELECT RepCRD FROM (SELECT * FROM rep_vintage)")
    sql = "SELECT RepCRD FROM (SELECT * FROM rep_vintage) WHERE as_of > @d"
    filtered = warehouse.dry_run(sql, {"d": date(2024, 1, 1)})
    assert 0 < one.bytes_scanned < filtered.bytes_scanned < everything.bytes_scanned
    assert everything.tables == ("rep_vintage",)
    given = warehouse.dry_run(
        "SELECT d.k FROM d JOIN rep_vintage AS r ON d.k = r.RepCRD",
        relations={
            "d": pa.table({"k": [1]}),
            "rep_vintage": "SELECT * FROM rep_vintage WHERE as_of < '2025-01-01'",
        },
    )
    assert given == filtered


def test_a_dry_run_of_one_partition_counts_that_partition(warehouse: Warehouse) -> None:
    filled(warehouse)
    whole = warehouse.dry_run("SELECT RepCRD FROM rep_vintage")
    part = warehouse.dry_run("SELECT RepCRD FROM r", relations={"r": Part("rep_vintage", DAY)})
    assert 0 < part.bytes_scanned < whole.bytes_scanned
    assert part.tables == ("rep_vintage",)


def test_a_dry_run_does_not_run(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"text": ["no number"]}))
    sql = "SELECT CAST(text AS FLOAT64) AS x FROM t"
    assert warehouse.dry_run(sql).tables == ("t",)
    with pytest.raises(InputError, match="the query failed"):
        table(warehouse, sql)


def test_a_dry_run_of_given_data_reads_nothing_stored(warehouse: Warehouse) -> None:
    assert warehouse.dry_run("SELECT k FROM d", relations={"d": pa.table({"k": [1]})}) == DryRun(0, ())


def test_a_dry_run_names_a_column_that_is_not_there(warehouse: Warehouse) -> None:
    filled(warehouse)
    with pytest.raises(InputError, match="nope"):
        warehouse.dry_run("SELECT nope FROM rep_vintage")
