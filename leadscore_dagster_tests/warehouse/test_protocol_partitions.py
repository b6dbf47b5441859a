"""What the protocol promises of tables and partitions, held against every engine: each is whole or not there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster_tests.warehouse.vintages import CORRECTED, DAY, FIRST, NEXT, SECOND, TIMESTAMP, filled, vintage

ROWS = 150_000
WHOLE = "SELECT COUNT(*) AS n, MIN(version) AS low, MAX(version) AS high, SUM(k) AS s FROM t"
HOSTILE = ["../x", "a/b", "", ".hidden", "a\n", "a b", "a'b", 'a"b', "a`b", "a;b", "x" * 200]


def numbers(warehouse: Warehouse, name: str = "t") -> list[int]:
    return table(warehouse, f"SELECT k FROM {name} ORDER BY k")["k"].to_pylist()


def version_of(number: int) -> pa.Table:
    """A large partition whose every row says which version it is of."""
    return pa.table({"version": np.full(ROWS, number), "k": np.arange(ROWS)})


def is_whole(row: dict[str, int]) -> bool:
    """One version only, with all its rows."""
    return row["n"] == ROWS and row["low"] == row["high"] and row["s"] == ROWS * (ROWS - 1) // 2


# ---- what is there


def test_a_warehouse_nobody_wrote_to_is_empty(warehouse: Warehouse) -> None:
    assert warehouse.tables() == []
    assert warehouse.partitions("rep_vintage") == []


def test_a_table_is_all_of_its_partitions(warehouse: Warehouse) -> None:
    filled(warehouse)
    rows = table(warehouse, "SELECT as_of, COUNT(*) AS n FROM rep_vintage GROUP BY as_of ORDER BY as_of").to_pylist()
    assert rows == [{"as_of": FIRST, "n": 3}, {"as_of": SECOND, "n": 3}]
    assert warehouse.tables() == ["rep_vintage"]
    assert warehouse.partitions("rep_vintage") == [DAY, NEXT]


def test_a_later_arrival_lies_beside_the_first_one(warehouse: Warehouse) -> None:
    for partition, k in ((NEXT, 3), (CORRECTED, 2), (DAY, 1)):
        warehouse.write_partition("t", partition, pa.table({"k": [k]}))
    assert warehouse.partitions("t") == [DAY, CORRECTED, NEXT]
    warehouse.write_partition("t", CORRECTED, pa.table({"k": [20]}))
    assert numbers(warehouse) == [1, 3, 20]


def test_the_name_of_a_table_means_that_table_whatever_other_names_begin_alike(warehouse: Warehouse) -> None:
    for k, name in enumerate(("rep", "rep_vintage", "Rep")):
        warehouse.write_partition(name, DAY, pa.table({"k": [k]}))
    assert warehouse.tables() == sorted(["rep", "rep_vintage", "Rep"])
    assert [numbers(warehouse, name) for name in ("rep", "rep_vintage", "Rep")] == [[0], [1], [2]]


# ---- replacing, dropping, moving


def test_a_partition_is_replaced_not_appended_and_can_be_dropped(warehouse: Warehouse) -> None:
    filled(warehouse)
    assert warehouse.write_partition("rep_vintage", DAY, vintage(FIRST, reps=5)) == 5
    assert table(warehouse, "SELECT COUNT(*) AS n FROM rep_vintage").to_pylist() == [{"n": 8}]
    warehouse.drop_partition("rep_vintage", DAY)
    warehouse.drop_partition("rep_vintage", DAY)
    assert warehouse.partitions("rep_vintage") == [NEXT]


def test_with_its_last_partition_a_table_is_gone(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    warehouse.drop_partition("t", DAY)
    assert warehouse.tables() == []
    with pytest.raises(InputError, match="no table is named 't'"):
        warehouse.query("SELECT k FROM t")
    warehouse.write_partition("t", DAY, pa.table({"other": ["x"]}))
    assert warehouse.schema("t").names == ["other"]


def test_a_replaced_partition_may_have_other_columns(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1], "old": ["x"]}))
    warehouse.write_partition("t", DAY, pa.table({"k": [1], "new": [0.5]}))
    assert warehouse.schema("t") == pa.schema([("k", pa.int64()), ("new", pa.float64())])


def test_a_partition_made_from_a_query_may_read_what_it_replaces(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": range(10)}))
    assert warehouse.create_partition("t", DAY, "SELECT k FROM t WHERE k >= @from_k", {"from_k": 4}) == 6
    assert numbers(warehouse) == [4, 5, 6, 7, 8, 9]


def test_a_partition_can_be_made_from_relations(warehouse: Warehouse) -> None:
    relations = {"given": pa.table({"k": [1, 2, 3]}), "odd": "SELECT k FROM given WHERE MOD(k, 2) = @rest"}
    assert warehouse.create_partition("t", DAY, "SELECT k FROM odd", {"rest": 1}, relations) == 2
    assert numbers(warehouse) == [1, 3]


def test_a_moved_partition_takes_the_place_of_its_target(warehouse: Warehouse) -> None:
    warehouse.write_partition("t_aside", DAY, pa.table({"k": [2]}))
    warehouse.write_partition("t", CORRECTED, pa.table({"k": [1]}))
    warehouse.move_partition("t_aside", DAY, "t", CORRECTED)
    assert numbers(warehouse) == [2]
    assert (warehouse.partitions("t"), warehouse.partitions("t_aside")) == ([CORRECTED], [])


def test_moving_what_is_not_there_leaves_the_target(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    with pytest.raises(InputError, match="partition 2024-04-01 is missing"):
        warehouse.move_partition("t", NEXT, "t", DAY)
    assert numbers(warehouse) == [1]


def test_a_producer_that_fails_half_way_leaves_the_old_partition(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))

    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"k": list(range(ROWS))})
        raise RuntimeError("the source went away")

    for partition in (DAY, NEXT):
        with pytest.raises(RuntimeError, match="went away"):
            warehouse.write_partition("t", partition, broken())
    assert numbers(warehouse) == [1]
    assert warehouse.partitions("t") == [DAY]


def test_a_query_that_fails_while_it_runs_leaves_the_old_partition(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1], "text": ["no number"]}))
    with pytest.raises(InputError, match="the query failed"):
        warehouse.create_partition("t", DAY, "SELECT CAST(text AS FLOAT64) AS k FROM t")
    assert numbers(warehouse) == [1]


def test_a_reader_sees_the_partition_as_it_was_when_it_asked(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, version_of(1))
    reader = warehouse.query("SELECT version, k FROM t")
    begun = reader.read_next_batch()
    warehouse.write_partition("t", DAY, version_of(2))
    rest = reader.read_all()
    assert begun.num_rows + rest.num_rows == ROWS
    assert set(rest["version"].unique().to_pylist()) <= {1}
    assert table(warehouse, WHOLE).to_pylist()[0]["low"] == 2


def test_readers_see_one_version_or_the_next_one_while_it_is_replaced(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, version_of(0))
    seen: list[dict[str, int]] = []
    ended = threading.Event()

    def write() -> None:
        for number in range(1, 9):
            warehouse.write_partition("t", DAY, version_of(number))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set() or not seen:
        seen += table(warehouse, WHOLE).to_pylist()
    writer.join()
    seen += table(warehouse, WHOLE).to_pylist()
    assert [row for row in seen if not is_whole(row)] == []
    assert seen[-1]["low"] == 8
    assert [row["low"] for row in seen] == sorted(row["low"] for row in seen)


# ---- digests


def test_equal_data_has_an_equal_digest_however_it_is_cut(warehouse: Warehouse) -> None:
    data = version_of(1).append_column("text", pa.array(["a", None, ""] * (ROWS // 3)))
    digests = set()
    for pieces in (data, data.to_reader(max_chunksize=1_000), data.to_reader(max_chunksize=50_001)):
        warehouse.write_partition("t", DAY, pieces)
        digests.add(warehouse.digest("t", DAY))
    described = data.replace_schema_metadata({"made": "now"})
    warehouse.write_partition("t", NEXT, (batch for batch in described.to_batches()))
    assert digests == {warehouse.digest("t", NEXT)}


def test_a_query_written_twice_gives_the_same_digest(warehouse: Warehouse) -> None:
    random, rows = np.random.default_rng(3), 100_000
    warehouse.write_partition("t", DAY, pa.table({"k": random.permutation(rows), "x": random.integers(0, 9, rows)}))
    sql = """SELECT a.k, b.x, SUM(b.x) OVER (PARTITION BY a.x ORDER BY a.k) AS s
      FROM t AS a JOIN t AS b USING (k) ORDER BY k"""
    digests = set()
    for _ in range(3):
        warehouse.create_partition("u", DAY, sql)
        digests.add(warehouse.digest("u", DAY))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"k": [1, 3]}),
        pa.table({"k": [1, None]}),
        pa.table({"k": [1]}),
        pa.table({"k": [1.0, 2.0]}),
        pa.table({"other": [1, 2]}),
        pa.table({"k": [1, 2], "more": [None, None]}),
    ],
    ids=["value", "NULL", "rows", "type", "name", "column"],
)
def test_other_data_has_another_digest(warehouse: Warehouse, other: pa.Table) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1, 2]}))
    before = warehouse.digest("t", DAY)
    warehouse.write_partition("t", DAY, other)
    assert warehouse.digest("t", DAY) != before


def test_what_is_not_there_has_no_digest(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    for name, partition in (("t", NEXT), ("u", DAY)):
        with pytest.raises(InputError, match=f"partition {partition} is missing"):
            warehouse.digest(name, partition)


# ---- schema and types


def test_a_column_added_later_is_null_in_earlier_partitions(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    warehouse.write_partition("t", NEXT, pa.table({"k": [2], "later": ["x"]}))
    assert table(warehouse, "SELECT k, later FROM t ORDER BY k").to_pylist() == [
        {"k": 1, "later": None},
        {"k": 2, "later": "x"},
    ]
    assert warehouse.schema("t") == pa.schema([("k", pa.int64()), ("later", pa.string())])


def test_an_empty_result_keeps_its_columns(warehouse: Warehouse) -> None:
    filled(warehouse)
    assert warehouse.create_partition("t", DAY, "SELECT RepCRD, as_of FROM rep_vintage WHERE FALSE") == 0
    assert warehouse.schema("t") == pa.schema([("RepCRD", pa.int64()), ("as_of", pa.date32())])
    assert warehouse.partitions("t") == [DAY]
    assert table(warehouse, "SELECT COUNT(*) AS n, SUM(RepCRD) AS s FROM t").to_pylist() == [{"n": 0, "s": None}]


def test_data_without_a_schema_cannot_be_written(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    with pytest.raises(InputError, match="no record batch to write"):
        warehouse.write_partition("t", DAY, iter(()))
    assert numbers(warehouse) == [1]


def test_what_is_written_is_stored_in_googlesql_types(warehouse: Warehouse) -> None:
    moment = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    data = pa.table(
        {
            "small": pa.array([1], pa.int8()),
            "single": pa.array([0.5], pa.float32()),
            "coded": pa.array(["x"]).dictionary_encode(),
            "large": pa.array(["x"], pa.large_string()),
            "at": pa.array([moment], pa.timestamp("ms", "+02:00")),
            "local": pa.array([datetime(2024, 1, 1, 2)], pa.timestamp("s")),
            "day": pa.array([date(2024, 1, 1)], pa.date64()),
            "whole": pa.array([7], pa.decimal128(38, 0)),
            "nothing": pa.nulls(1),
        }
    )
    warehouse.write_partition("t", DAY, data)
    types = [pa.int64(), pa.float64(), pa.string(), pa.string(), TIMESTAMP, pa.timestamp("us"), pa.date32()]
    expected = pa.schema(list(zip(data.column_names, [*types, pa.int64(), pa.int64()], strict=True)))
    assert warehouse.schema("t") == expected
    assert table(warehouse, "SELECT at, local, whole FROM t").to_pylist() == [
        {"at": datetime(2024, 1, 1, tzinfo=UTC), "local": datetime(2024, 1, 1, 2), "whole": 7}
    ]


def test_values_at_the_edges_come_back_as_they_were(warehouse: Warehouse) -> None:
    data = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "whole": pa.array([2**63 - 1, -(2**63), None]),
            "number": pa.array([float("inf"), -0.0, None]),
            "text": pa.array(["", "Zoë 🦆 '\"`\\\n@x", None]),
            "flag": pa.array([True, False, None]),
            "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None]),
            "at": pa.array([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), None], TIMESTAMP),
            "raw": pa.array([b"", b"\x00\xff", None]),
            "list": pa.array([[], [1, 2], [3]], pa.list_(pa.int64())),
            "record": pa.array([{"a": 1}, {"a": None}, {"a": 2}], pa.struct([("a", pa.int64())])),
        }
    )
    warehouse.write_partition("t", DAY, data)
    assert warehouse.schema("t") == data.schema
    assert table(warehouse, "SELECT * FROM t ORDER BY id").to_pylist() == data.to_pylist()


def test_nan_is_a_number_and_not_null(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"x": pa.array([float("nan"), None, 1.0], from_pandas=False)}))
    sql = "SELECT COUNTIF(IS_NAN(x)) AS nan, COUNTIF(x IS NULL) AS missing FROM t"
    assert table(warehouse, sql).to_pylist() == [{"nan": 1, "missing": 1}]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([timedelta(1)]), "no type for Arrow's duration"),
        (pa.array([2**64 - 1], pa.uint64()), "does not fit"),
    ],
    ids=["duration", "unsigned"],
)
def test_what_googlesql_cannot_hold_is_refused(warehouse: Warehouse, column: pa.Array, said: str) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    with pytest.raises(InputError, match=said):
        warehouse.write_partition("t", DAY, pa.table({"k": column}))
    assert numbers(warehouse) == [1]


def test_two_columns_that_differ_by_case_alone_are_refused(warehouse: Warehouse) -> None:
    warehouse.write_partition("t", DAY, pa.table({"k": [1]}))
    for names in (["k", "K"], ["k", "k"]):
        with pytest.raises(InputError, match="two columns are named"):
            warehouse.write_partition("t", DAY, pa.table([pa.array([1]), pa.array([2])], names=names))
    assert numbers(warehouse) == [1]


# ---- names


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_no_names_are_refused_and_change_nothing(warehouse: Warehouse, name: str) -> None:
    data = pa.table({"k": [1]})
    warehouse.write_partition("t", DAY, data)
    attempts: list[Callable[[], object]] = [
        lambda: warehouse.write_partition(name, DAY, data),
        lambda: warehouse.write_partition("t", name, data),
        lambda: warehouse.create_partition(name, DAY, "SELECT 2 AS k"),
        lambda: warehouse.create_partition("t", name, "SELECT 2 AS k"),
        lambda: warehouse.drop_partition(name, DAY),
        lambda: warehouse.drop_partition("t", name),
        lambda: warehouse.move_partition("t", DAY, name, DAY),
        lambda: warehouse.move_partition("t", DAY, "t", name),
        lambda: warehouse.move_partition(name, DAY, "t", DAY),
        lambda: warehouse.digest(name, DAY),
        lambda: warehouse.digest("t", name),
        lambda: warehouse.schema(name),
        lambda: warehouse.partitions(name),
        lambda: warehouse.query("SELECT 1 AS x", relations={name: data}),
        lambda: warehouse.dry_run("SELECT 1 AS x", relations={name: data}),
    ]
    for attempt in attempts:
        with pytest.raises(InputError, match="is no"):
            attempt()
    assert warehouse.tables() == ["t"]
    assert warehouse.partitions("t") == [DAY]
    assert numbers(warehouse) == [1]
