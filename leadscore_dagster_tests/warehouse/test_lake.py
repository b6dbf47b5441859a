"""The embedded lake: atomic partitions, typed results, clear refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Lake, table

TIMESTAMP = pa.timestamp("us", tz="UTC")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, "advisor_mql", threads=2)


def vintage(as_of: date, reps: int = 3) -> pa.Table:
    """A small rep_vintage: key, as_of, available_at ten days later, one number with a NULL."""
    available = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=10)
    return pa.table(
        {
            "RepCRD": pa.array(range(reps), pa.int64()),
            "as_of": pa.array([as_of] * reps, pa.date32()),
            "available_at": pa.array([available] * reps, TIMESTAMP),
            "Number_IAReps": pa.array([None, *range(1, reps)], pa.int64()),
        }
    )


def filled(lake: Lake) -> Lake:
    for as_of in (date(2024, 1, 1), date(2024, 4, 1)):
        lake.write_partition("rep_vintage", as_of.isoformat(), vintage(as_of))
    return lake


def test_a_table_is_all_of_its_partitions(lake: Lake) -> None:
    filled(lake)
    rows = table(lake, "SELECT as_of, COUNT(*) AS n FROM rep_vintage GROUP BY as_of ORDER BY as_of").to_pylist()
    assert rows == [{"as_of": date(2024, 1, 1), "n": 3}, {"as_of": date(2024, 4, 1), "n": 3}]
    assert lake.tables() == ["rep_vintage"]
    assert lake.partitions("rep_vintage") == ["2024-01-01", "2024-04-01"]


def test_a_partition_is_replaced_not_appended_and_can_be_dropped(lake: Lake) -> None:
    filled(lake)
    assert lake.write_partition("rep_vintage", "2024-01-01", vintage(date(2024, 1, 1), reps=5)) == 5
    assert table(lake, "SELECT COUNT(*) AS n FROM rep_vintage").to_pylist() == [{"n": 8}]
    lake.drop_partition("rep_vintage", "2024-01-01")
    lake.drop_partition("rep_vintage", "2024-01-01")
    assert lake.partitions("rep_vintage") == ["2024-04-01"]


def test_a_column_added_later_is_null_in_earlier_partitions(lake: Lake) -> None:
    lake.write_partition("t", "a", pa.table({"k": [1]}))
    lake.write_partition("t", "b", pa.table({"k": [2], "later": ["x"]}))
    assert table(lake, "SELECT k, later FROM t ORDER BY k").to_pylist() == [
        {"k": 1, "later": None},
        {"k": 2, "later": "x"},
    ]
    assert lake.schema("t") == pa.schema([("k", pa.int64()), ("later", pa.string())])


def test_a_partition_made_from_a_query_may_read_what_it_replaces(lake: Lake) -> None:
    lake.write_partition("t", "p", pa.table({"k": range(10)}))
    assert lake.create_partition("t", "p", "SELECT k FROM t WHERE k >= @from_k ORDER BY k", {"from_k": 4}) == 6
    assert table(lake, "SELECT MIN(k) AS k FROM t").to_pylist() == [{"k": 4}]


def test_sums_counts_and_literals_come_back_as_googlesql_types(lake: Lake) -> None:
    filled(lake)
    sql = """SELECT SUM(RepCRD) AS total, COUNTIF(RepCRD > 0) AS n, 1 AS one, 2.675 AS number,
      MAX(available_at) AS latest, MAX(as_of) AS as_of, [1, 2] AS numbers, NULL AS nothing, AVG(RepCRD) AS mean,
      SUM(RepCRD) OVER () AS running FROM rep_vintage GROUP BY RepCRD"""
    expected = {
        **dict.fromkeys(("total", "n", "one", "nothing", "running"), pa.int64()),
        **dict.fromkeys(("number", "mean"), pa.float64()),
        "latest": TIMESTAMP,
        "as_of": pa.date32(),
        "numbers": pa.list_(pa.int64()),
    }
    schema = table(lake, sql).schema
    assert {field.name: field.type for field in schema} == expected


def test_what_is_written_has_googlesql_types_too(lake: Lake) -> None:
    data = pa.table(
        {
            "small": pa.array([1], pa.int8()),
            "single": pa.array([0.5], pa.float32()),
            "coded": pa.array(["x"]).dictionary_encode(),
            "at": pa.array(
                [datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))], pa.timestamp("ms", "+02:00")
            ),
        }
    )
    lake.write_partition("t", "p", data)
    types = [pa.int64(), pa.float64(), pa.string(), TIMESTAMP]
    assert lake.schema("t") == pa.schema(list(zip(data.column_names, types, strict=True)))
    assert table(lake, "SELECT at FROM t").to_pylist() == [{"at": datetime(2024, 1, 1, tzinfo=UTC)}]


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (
            datetime(2024, 1, 11, tzinfo=UTC),
            "SELECT COUNT(*) AS n FROM rep_vintage WHERE available_at <= @value",
        ),
        (
            datetime(2024, 1, 11, 3, tzinfo=timezone(timedelta(hours=3))),
            "SELECT COUNT(*) AS n FROM rep_vintage WHERE available_at = @value",
        ),
        (date(2024, 1, 1), "SELECT COUNT(*) AS n FROM rep_vintage WHERE as_of = @value"),
        (
            date(2024, 2, 1),
            "SELECT COUNT(*) AS n FROM rep_vintage WHERE TIMESTAMP(@value) > available_at",
        ),
        ("2024-01-01", "SELECT COUNT(*) AS n FROM rep_vintage WHERE CAST(as_of AS STRING) = @value"),
        (3, "SELECT COUNT(*) AS n FROM rep_vintage WHERE EXTRACT(MONTH FROM as_of) < @value"),
        (1.5, "SELECT COUNT(*) AS n FROM rep_vintage WHERE EXTRACT(MONTH FROM as_of) < @value"),
        (True, "SELECT COUNT(*) AS n FROM rep_vintage WHERE (as_of < DATE '2024-02-01') = @value"),
        ([date(2024, 1, 1)], "SELECT COUNT(*) AS n FROM rep_vintage WHERE as_of IN UNNEST(@value)"),
        (
            ["01", "02"],
            "SELECT COUNT(*) AS n FROM rep_vintage WHERE FORMAT_DATE('%m', as_of) IN UNNEST(@value)",
        ),
        ([1, 2], "SELECT COUNT(*) AS n FROM rep_vintage WHERE EXTRACT(MONTH FROM as_of) IN UNNEST(@value)"),
        (None, "SELECT COUNT(*) AS n FROM rep_vintage WHERE @value IS NULL AND as_of < '2024-02-01'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_of_every_type_select_the_first_vintage(lake: Lake, value: object, sql: str) -> None:
    filled(lake)
    assert table(lake, sql, {"value": value, "not_used": 1}).to_pylist() == [{"n": 3}]


def test_an_empty_list_matches_nothing(lake: Lake) -> None:
    filled(lake)
    sql = "SELECT COUNT(*) AS n FROM rep_vintage WHERE RepCRD IN UNNEST(@ids)"
    assert table(lake, sql, {"ids": []}).to_pylist() == [{"n": 0}]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "no value for the parameter @value"),
        ({"value": datetime(2024, 1, 1)}, "without a zone"),
        ({"value": np.float64}, "is a type"),
    ],
)
def test_parameters_that_cannot_be_bound_are_refused(lake: Lake, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lake.query("SELECT @value AS v", parameters)


def test_an_sql_relation_narrows_the_table_of_its_own_name_everywhere(lake: Lake) -> None:
    filled(lake)
    cut = {"cut": datetime(2024, 2, 1, tzinfo=UTC)}
    narrowed = {"rep_vintage": "SELECT * FROM rep_vintage WHERE available_at <= @cut -- as known then"}
    sql = """WITH latest AS (SELECT MAX(as_of) AS as_of FROM rep_vintage)
      SELECT COUNT(*) AS n FROM rep_vintage AS r WHERE r.as_of = (SELECT as_of FROM latest)
      AND EXISTS (SELECT 1 FROM rep_vintage AS o WHERE o.RepCRD = r.RepCRD AND o.as_of = '2024-01-01')"""
    assert table(lake, sql, cut, narrowed).to_pylist() == [{"n": 3}]
    assert table(lake, "SELECT MAX(as_of) AS m FROM rep_vintage", cut, narrowed).to_pylist() == [
        {"m": date(2024, 1, 1)}
    ]


@pytest.mark.parametrize("as_stream", [False, True], ids=["table", "stream"])
def test_an_arrow_relation_is_a_table_read_any_number_of_times(lake: Lake, as_stream: bool) -> None:
    filled(lake)
    decisions = pa.table({"decision_id": ["a", "b"], "RepCRD": [1, 7]})
    sql = """SELECT d.decision_id, v.as_of FROM decisions AS d JOIN rep_vintage AS v USING (RepCRD)
      WHERE (SELECT COUNT(*) FROM decisions) = 2 ORDER BY v.as_of"""
    given = decisions.to_reader(max_chunksize=1) if as_stream else decisions
    assert table(lake, sql, relations={"decisions": given})["decision_id"].to_pylist() == ["a", "a"]


def test_arrow_and_sql_relations_work_together(lake: Lake) -> None:
    relations = {
        "a": pa.table({"k": [1, 2, 3]}),
        "b": "SELECT k FROM a WHERE k > 1",
        "c": "SELECT k FROM b WHERE k < 3",
    }
    assert table(lake, "SELECT k FROM c", relations=relations).to_pylist() == [{"k": 2}]


def test_an_unknown_table_is_named_with_the_nearest_one(lake: Lake) -> None:
    filled(lake)
    with pytest.raises(InputError, match=r"no table is named 'rep_vintages'.*did you mean 'rep_vintage'"):
        lake.query("SELECT * FROM rep_vintages")
    with pytest.raises(InputError, match="no table is named 'rep_vintages'"):
        lake.schema("rep_vintages")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\n", "a b", "a'b", "x" * 200])
def test_names_that_could_leave_the_folder_are_refused(lake: Lake, name: str) -> None:
    for attempt in (
        lambda: lake.write_partition(name, "p", pa.table({"k": [1]})),
        lambda: lake.write_partition("t", name, pa.table({"k": [1]})),
        lambda: lake.drop_partition("t", name),
        lambda: lake.digest(name, "p"),
        lambda: lake.partitions(name),
        lambda: lake.query("SELECT 1 AS x", relations={name: pa.table({"k": [1]})}),
        lambda: Lake(lake.root, name),
    ):
        with pytest.raises(InputError, match="is no"):
            attempt()
    assert not list(lake.root.iterdir())


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM rep_vintage", "nope"),
        ("SELECT RepCRD FROM other.rep_vintage", "qualified table name"),
        ("SELECT 1; SELECT 2", "expected one SELECT"),
        ("DROP TABLE rep_vintage", "expected one SELECT"),
        ("SELECT (", "does not parse"),
        ("SELECT * FROM `/etc/passwd`", "is no table name"),
    ],
)
def test_a_bad_statement_is_refused_in_one_line(lake: Lake, sql: str, message: str) -> None:
    filled(lake)
    with pytest.raises(InputError, match=message) as caught:
        table(lake, sql)
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_result_keeps_its_columns(lake: Lake) -> None:
    filled(lake)
    assert lake.create_partition("t", "p", "SELECT RepCRD, as_of FROM rep_vintage WHERE FALSE") == 0
    assert lake.schema("t") == pa.schema([("RepCRD", pa.int64()), ("as_of", pa.date32())])
    with pytest.raises(InputError, match="no record batch to write"):
        lake.write_partition("t", "p", iter(()))


def test_a_dry_run_counts_only_the_columns_it_needs(lake: Lake) -> None:
    filled(lake)
    everything = lake.dry_run("SELECT * FROM rep_vintage")
    one = lake.dry_run("SELECT RepCRD FROM (SELECT * FROM rep_vintage)")
    filtered = lake.dry_run("SELECT RepCRD FROM (SELECT * FROM rep_vintage) WHERE as_of > @d", {"d": date(2024, 1, 1)})
    assert 0 < one.bytes_scanned < filtered.bytes_scanned < everything.bytes_scanned
    assert everything.tables == ("rep_vintage",)
    given = lake.dry_run(
        "SELECT d.k FROM d JOIN rep_vintage AS r ON d.k = r.RepCRD",
        relations={
            "d": pa.table({"k": [1]}),
            "rep_vintage": "SELECT * FROM rep_vintage WHERE as_of < '2025-01-01'",
        },
    )
    assert given == filtered
