"""A good drop: typed, dated, one row a key, every row accounted for, the same bytes again."""

from __future__ import annotations

import gzip
import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.sources import ingest_vintage
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.sources import people
from leadscore_dagster_tests.sources.people import AS_OF, QUARTER, SOURCE

T1 = f"people_{QUARTER}_T1.csv"


def _stored(lake: Lake) -> list[dict[str, object]]:
    return table(lake, "SELECT * FROM person_vintage ORDER BY person").to_pylist()


def _quarantine(lake: Lake, rule: str) -> list[dict[str, object]]:
    sql = "SELECT * FROM quarantine WHERE rule = @rule ORDER BY file, row_number"
    return table(lake, sql, {"rule": rule}).to_pylist()


def test_a_drop_becomes_a_typed_and_dated_partition(lake: Lake, drops: Path) -> None:
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert lake.partitions("person_vintage") == ["2024-04-01"]
    columns = [column.name for column in SOURCE.contract.columns]
    assert lake.schema("person_vintage").names == [*columns, "as_of", "available_at"]
    first = _stored(lake)[1]
    assert first == {
        "person": 1001,
        "firm": 51,
        "main_firm": 51,
        "is_main": 1,
        "name": "Name1",
        "city": "Osseo",
        "assets": 2295.31,
        "clients": 1,
        "miles": 0.1,
        "since": date(2023, 2, 2),
        "certified": 1,
        "processed_at": "2024-04-03 04:10:00",
        "as_of": AS_OF,
        "available_at": datetime(2024, 4, 16, tzinfo=UTC),
    }
    assert (report.rows_read, report.rows_kept, report.quarantined) == (400, 400, {})
    assert report.available_at_from == "declared lag"


def test_a_few_unreadable_cells_become_null_and_are_counted_and_kept_aside(lake: Lake, drops: Path) -> None:
    people.write_drop(drops, people.edited({7: {"miles": "Osseo"}, 250: {"miles": "Brainerd"}}))
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert {item.column: item.cells for item in report.unreadable} == {"miles": 2}
    assert report.unreadable[0].examples == ("Xxxxx", "Xxxxxxxx")  # a shifted row carries a city into any column
    assert (report.rows_read, report.rows_kept, report.rows_quarantined) == (400, 400, 0)
    assert [row["miles"] for row in _stored(lake) if row["person"] in (1007, 1250)] == [None, None]
    kept_aside = _quarantine(lake, "unreadable")
    assert [(row["file"], row["row_number"], row["value"], row["row_kept"]) for row in kept_aside] == [
        (T1, 9, "Osseo", True),
        (f"people_{QUARTER}_T2.csv", 52, "Brainerd", True),
    ]


def test_rows_that_break_the_contract_go_to_quarantine_as_they_came(lake: Lake, drops: Path) -> None:
    broken = {3: {"since": "2024-04-02"}, 4: {"miles": "-1"}, 5: {"person": ""}}
    people.write_drop(drops, people.edited(broken))
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert report.quarantined == {"after_as_of": 1, "below_minimum": 1, "missing": 1}
    assert report.rows_kept == 397
    (row,) = _quarantine(lake, "below_minimum")
    assert (row["row_number"], row["column_name"], row["value"], row["row_kept"]) == (6, "miles", "-1", False)
    assert json.loads(str(row["row_json"])) == people.person(4, miles="-1")


def test_a_value_of_a_personal_column_is_shown_by_its_shape_only(lake: Lake, drops: Path) -> None:
    column = SOURCE.contract.column("city").model_copy(update={"allowed": ("Osseo",)})
    columns = tuple(column if c.name == "city" else c for c in SOURCE.contract.columns)
    source = SOURCE.model_copy(update={"contract": SOURCE.contract.model_copy(update={"columns": columns})})
    people.write_drop(drops, people.edited({3: {"city": "Zürich 8001"}}))
    ingest_vintage(lake, "people", source, connector_of(drops), AS_OF)
    (row,) = _quarantine(lake, "not_allowed")
    assert row["value"] == "Xxxxxx 9999"


def test_ragged_rows_go_to_quarantine_with_their_row_number(lake: Lake, drops: Path) -> None:
    lines = (drops / T1).read_text().splitlines()
    lines[4] = lines[4].rsplit(",", 2)[0]
    lines[9] += ",one more"
    (drops / T1).write_text("\n".join(lines) + "\n")
    people.write_manifest(drops)
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert report.quarantined == {"too_few_fields": 1, "too_many_fields": 1}
    assert (report.rows_read, report.rows_kept) == (400, 398)
    assert [row["row_number"] for row in _quarantine(lake, "too_few_fields")] == [5]
    assert [row["row_number"] for row in _quarantine(lake, "too_many_fields")] == [10]


def test_row_numbers_after_a_ragged_row_are_those_of_the_file(lake: Lake, drops: Path) -> None:
    people.write_drop(drops, people.edited({20: {"miles": "Osseo"}, 2: {"miles": "Osseo"}}))
    lines = (drops / T1).read_text().splitlines()
    lines[4] += ",one more"
    (drops / T1).write_text("\n".join(lines) + "\n")
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert [row["row_number"] for row in _quarantine(lake, "unreadable")] == [4, 22]


def test_one_row_per_key_stays_by_the_stated_preference(lake: Lake, drops: Path) -> None:
    rows = [
        *people.people(),
        people.person(5, firm="99", processed_at="2024-04-05 00:00:00"),  # not the main firm
        people.person(6, miles="66", processed_at="2024-04-04 00:00:00"),  # main firm, newer
        people.person(7, firm="98", main_firm="3"),
        people.person(8, firm="10", main_firm=""),
    ]
    people.write_drop(drops, rows)
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert (report.rows_read, report.rows_kept, report.duplicates) == (404, 400, 4)
    stored = {row["person"]: row for row in _stored(lake)}
    assert stored[1005]["firm"] == 55
    assert stored[1006]["miles"] == 66
    assert stored[1007]["is_main"] == 1
    assert stored[1008]["is_main"] == 1
    assert len(_quarantine(lake, "duplicate")) == 4


def test_duplicates_do_not_count_as_bad_rows(lake: Lake, drops: Path) -> None:
    people.write_drop(drops, [*people.people(), *(people.person(n, miles="1") for n in range(40))])
    assert ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF).duplicates == 40


def test_rerunning_the_same_drop_writes_the_same_bytes(lake: Lake, drops: Path, tmp_path: Path) -> None:
    people.write_drop(drops, people.edited({3: {"since": "2024-04-02"}, 7: {"miles": "Osseo"}}))
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    before = people.snapshot(lake)
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF, threads=1)
    assert people.snapshot(lake) == before
    other = Lake(tmp_path / "other", "demo")
    ingest_vintage(other, "people", SOURCE, connector_of(drops), AS_OF)
    assert people.snapshot(other) == before


def _gzip(path: Path) -> None:
    (path.parent / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"export/{path.name}")


def _text_parquet(path: Path) -> None:
    rows = people.people()[:200]
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))


def _typed_parquet(path: Path) -> None:
    rows = people.people()[:200]
    typed = {
        "person": pa.array([float(row["person"]) for row in rows]),  # vendors' keys arrive as floats
        "firm": pa.array([int(row["firm"]) for row in rows], pa.int32()),
        "main_firm": pa.array([row["main_firm"] for row in rows]).dictionary_encode(),
        "name": pa.array([row["name"] for row in rows]),
        "city": pa.array([row["city"] for row in rows], pa.large_string()),
        "assets": pa.array([float(row["assets"].replace("$", "").replace(",", "")) for row in rows]),
        "clients": pa.array([int(row["clients"]) for row in rows]),
        "miles": pa.array([float(row["miles"]) for row in rows]),
        "since": pa.array([date.fromisoformat(row["since"]) for row in rows]),
        "certified": pa.array([row["certified"] == "Yes" for row in rows]),
        "processed_at": pa.array([row["processed_at"] for row in rows]),
    }
    pq.write_table(pa.table(typed), path.with_suffix(".parquet"))


def _bom_and_crlf(path: Path) -> None:
    text = path.read_text()
    path.with_suffix(".CSV").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())


@pytest.mark.parametrize("pack", [_gzip, _zip, _text_parquet, _typed_parquet, _bom_and_crlf])
def test_every_format_gives_the_same_rows(
    pack: Callable[[Path], None], lake: Lake, drops: Path, tmp_path: Path
) -> None:
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    pack(drops / T1)
    (drops / T1).unlink()
    other = Lake(tmp_path / "other", "demo")
    report = ingest_vintage(other, "people", SOURCE, connector_of(drops), AS_OF)
    assert report.unreadable == ()
    assert lake.digest("person_vintage", "2024-04-01") == other.digest("person_vintage", "2024-04-01")


def test_a_file_name_with_wildcards_is_a_name_and_no_pattern(lake: Lake, drops: Path) -> None:
    (drops / T1).rename(drops / f"people_{QUARTER}_T[1]*.csv")
    assert ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF).rows_kept == 400


def test_values_that_look_like_sql_stay_values(lake: Lake, drops: Path) -> None:
    name = "'); DROP TABLE raw; --"
    people.write_drop(drops, people.edited({3: {"name": name}}))
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert _stored(lake)[3]["name"] == name


def test_the_manifest_says_since_when_a_drop_was_known(lake: Lake, drops: Path) -> None:
    people.write_manifest(drops)
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert (report.available_at, report.available_at_from) == (datetime(2024, 4, 16, 6, tzinfo=UTC), "manifest")


def test_without_manifest_and_lag_the_file_time_counts_and_the_first_time_seen_stays(lake: Lake, drops: Path) -> None:
    source = SOURCE.model_copy(update={"available_after_days": None})
    for day in (20, 25):
        moment = datetime(2024, 4, day, tzinfo=UTC).timestamp()
        for path in drops.iterdir():
            os.utime(path, (moment, moment))
        report = ingest_vintage(lake, "people", source, connector_of(drops), AS_OF)
        assert report.available_at_from == "file time"
        assert report.available_at == datetime(2024, 4, 20, tzinfo=UTC)


def test_a_quarter_delivered_late_joins_the_newer_ones(lake: Lake, drops: Path) -> None:
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    people.write_drop(drops, people.edited({0: {"miles": "9"}, 399: {"miles": "9"}}), "2023_q4")
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), date(2024, 1, 1))
    assert lake.partitions("person_vintage") == ["2024-01-01", "2024-04-01"]


def test_metadata_is_plain_and_holds_no_personal_data(lake: Lake, drops: Path) -> None:
    people.write_drop(drops, people.edited({3: {"since": "2024-04-02"}, 7: {"miles": "Osseo"}}))
    metadata = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF).as_metadata()
    assert all(isinstance(value, int | float | str) for value in metadata.values())
    assert (metadata["rows_read"], metadata["rows_kept"], metadata["unreadable_cells"]) == (400, 399, 1)
    text = str(metadata["report"])
    assert "| after_as_of | since | 1 |" in text
    assert "| miles | 1 | `Xxxxx` |" in text
    assert not re.search(r"Osseo|Name\d", text)


def test_extra_columns_are_ignored_where_the_contract_says_so(lake: Lake, drops: Path) -> None:
    source = SOURCE.model_copy(update={"contract": SOURCE.contract.model_copy(update={"extra_columns": "ignore"})})
    rows = [{**row, "mood": "good"} for row in people.people()]
    people.write_drop(drops, rows, header=["mood", *people.HEADER])
    assert ingest_vintage(lake, "people", source, connector_of(drops), AS_OF).rows_kept == 400
    assert "mood" not in lake.schema("person_vintage").names


def test_an_ingest_whose_rows_do_not_add_up_is_an_error(lake: Lake, drops: Path) -> None:
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    with pytest.raises(AssertionError, match="400 rows read but 399 accounted for"):
        replace(report, rows_kept=399)
