"""Every bad input gives exactly one clear error and leaves the warehouse byte for byte as it was."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources import ingest_vintage
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.sources import people
from leadscore_dagster_tests.sources.people import AS_OF, HEADER, QUARTER, SOURCE

Break = Callable[[Path], object]
T1, T2 = f"people_{QUARTER}_T1.csv", f"people_{QUARTER}_T2.csv"


def _rows(**changes: str) -> Callable[[range], list[people.Row]]:
    return lambda positions: people.edited(dict.fromkeys(positions, changes))


def _drop(rows: list[people.Row]) -> Break:
    return lambda folder: people.write_drop(folder, rows)


def _replace_header(old: str, new: str) -> Break:
    def change(folder: Path) -> None:
        text = (folder / T2).read_text()
        (folder / T2).write_text(text.replace(old, new, 1))

    return change


def _no_file(folder: Path) -> None:
    for name in (T1, T2):
        (folder / name).unlink()


def _missing_column(folder: Path) -> None:
    people.write_drop(folder, header=[name for name in HEADER if name != "miles"])


def _extra_column(folder: Path) -> None:
    rows = [{**row, "mood": "good"} for row in people.people()]
    people.write_drop(folder, rows, header=[*HEADER, "mood"])


def _truncated_csv(folder: Path) -> None:
    data = (folder / T1).read_bytes()
    (folder / T1).write_bytes(data[: data.rindex(b",2024-04-03")])


def _truncated_but_listed(folder: Path) -> None:
    people.write_manifest(folder)
    lines = (folder / T1).read_text().splitlines(keepends=True)
    (folder / T1).write_text("".join(lines[:151]))


def _truncated_gzip(folder: Path) -> None:
    data = gzip.compress((folder / T1).read_bytes(), mtime=0)
    (folder / T1).unlink()
    (folder / f"{T1}.gz").write_bytes(data[: len(data) // 2])


def _truncated_zip(folder: Path) -> None:
    path = folder / T1.replace(".csv", ".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / T1, T1)
    (folder / T1).unlink()
    path.write_bytes(path.read_bytes()[:-30])


def _truncated_parquet(folder: Path) -> None:
    path = folder / T1.replace(".csv", ".parquet")
    pq.write_table(pa.Table.from_pylist(people.people()), path)
    (folder / T1).unlink()
    path.write_bytes(path.read_bytes()[:-100])


def _zip(*members: str) -> Break:
    def change(folder: Path) -> None:
        content = (folder / T1).read_bytes()
        (folder / T1).unlink()
        with zipfile.ZipFile(folder / T1.replace(".csv", ".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, content)

    return change


def _linking_zip(folder: Path) -> None:
    (folder / T1).unlink()
    link = zipfile.ZipInfo("people.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / T1.replace(".csv", ".zip"), "w") as archive:
        archive.writestr(link, "/etc/hosts")


def _latin_1(folder: Path) -> None:
    text = (folder / T1).read_text().replace("Name7,", "Zoë,")
    (folder / T1).write_bytes(text.encode("latin-1"))


def _open_quote(folder: Path) -> None:
    people.write_drop(folder, people.edited({n: {"assets": "5"} for n in range(400)}))
    text = (folder / T1).read_text().replace(",Name7,", ',"Name7,')
    (folder / T1).write_text(text)


def _wrong_type_in_parquet(folder: Path) -> None:
    table = pa.Table.from_pylist(people.people())
    flags = pa.array([True] * table.num_rows)
    table = table.set_column(table.schema.get_field_index("miles"), "miles", flags)
    pq.write_table(table, folder / T1.replace(".csv", ".parquet"))
    (folder / T1).unlink()


def _as_parquet_too(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(people.people()), folder / T1.replace(".csv", ".parquet"))


def _written_before_as_of(folder: Path) -> None:
    before = datetime(2024, 3, 1, tzinfo=UTC).timestamp()
    for name in (T1, T2):
        os.utime(folder / name, (before, before))


NO_LAG = SOURCE.model_copy(update={"available_after_days": None})
ALL = range(400)
BROKEN: dict[str, tuple[Break, str]] = {
    "missing column": (_missing_column, r"a column is missing, in people_2024_q1_T1\.csv, column miles"),
    "renamed column": (
        _replace_header("miles", "Miles_"),
        r"renamed: the contract expects miles, the file has Miles_.*T2",
    ),
    "column in other case": (
        _replace_header("miles", "MILES"),
        "renamed: the contract expects miles, the file has MILES",
    ),
    "extra column": (_extra_column, r"1 column the contract does not know.*column mood"),
    "column twice": (_replace_header("miles", "name"), r"names a column twice.*column name"),
    "text in many numbers": (
        _drop(_rows(miles="Osseo")(range(5))),
        r"1\.2% of the cells do not read as number \(such as 'Xxxxx'\).*column miles, 5 rows",
    ),
    "impossible dates": (
        _drop(_rows(since="2024-08-01")(range(9))),
        r"2\.2% of the rows break.*after_as_of.*column since, 9 rows",
    ),
    "dates of another quarter": (
        _drop(_rows(since="2024-06-30")(ALL)),
        r"wrong quarter: 100% of the dates lie after 2024-04-01",
    ),
    "values out of range": (
        _drop(_rows(miles="99999")(range(9))),
        r"break the contract.*above_maximum.*column miles, 9 rows",
    ),
    "keys missing": (_drop(_rows(person="")(range(9))), r"break the contract.*missing.*column person, 9 rows"),
    "no file": (
        _no_file,
        r"no drop of person_vintage for 2024_q1",
    ),
    "a territory missing": (
        lambda folder: (folder / T2).unlink(),
        r"incomplete drop 2024_q1: expected 2 files, found 1",
    ),
    "one file too many": (
        lambda folder: shutil.copy(folder / T1, folder / f"people_{QUARTER}_T1 (1).csv"),
        r"the same file twice: it has the same content as people_2024_q1_T1",
    ),
    "a third territory": (
        lambda folder: people.write_csv(folder / f"people_{QUARTER}_T3.csv", people.people()[:9]),
        "more files than expected in drop 2024_q1: expected 2 files, found 3",
    ),
    "same file in two formats": (_as_parquet_too, r"the same file twice: people_2024_q1_T1\.csv is there as well"),
    "same content as the other": (
        lambda folder: shutil.copy(folder / T1, folder / T2),
        r"the same file twice: it has the same content as people_2024_q1_T1\.csv, in people_2024_q1_T2\.csv",
    ),
    "impossible quarter in the name": (
        lambda folder: (folder / T2).rename(folder / "people_2024_q5_T2.csv"),
        r"wrong quarter in the name.*people_2024_q5_T2\.csv",
    ),
    "empty file": (lambda folder: (folder / T2).write_bytes(b""), r"the file is empty, in people_2024_q1_T2"),
    "header only": (lambda folder: (folder / T2).write_text(",".join(HEADER) + "\n"), r"no row of data.*T2"),
    "truncated csv": (_truncated_csv, r"truncated: it ends in the middle of row 201, in people_2024_q1_T1"),
    "truncated csv with manifest": (_truncated_but_listed, r"expected 200 rows, found 150, in people_2024_q1_T1"),
    "truncated gzip": (_truncated_gzip, r"unreadable gzip file: truncated or damaged"),
    "truncated zip": (_truncated_zip, r"unreadable zip file: truncated or damaged"),
    "truncated parquet": (_truncated_parquet, r"unreadable Parquet file: truncated or damaged"),
    "zip with two members": (_zip("a.csv", "b.csv"), r"holds 2 files instead of one"),
    "zip that points outside": (_zip("../../people.csv"), r"points outside the archive"),
    "zip with a link": (_linking_zip, r"the member of the zip file is a link"),
    "zip with a program": (_zip("people.exe"), r"neither CSV nor Parquet"),
    "not utf-8": (_latin_1, r"the file is not UTF-8 \(first in row 9\), in people_2024_q1_T1\.csv, 1 row"),
    "utf-16": (lambda f: (f / T1).write_bytes((f / T1).read_text().encode("utf-16")), "the file is not text"),
    "quote never closed": (_open_quote, r"a quoted value opened in row 9 is never closed"),
    "wrong type in parquet": (
        _wrong_type_in_parquet,
        r"wrong type: the file has bool, the contract says number.*column miles",
    ),
    "manifest of another quarter": (
        lambda folder: people.write_manifest(folder, as_of="2024-07-01"),
        r"wrong quarter: named 2024_q1, but it states 2024_q1 as of 2024-07-01",
    ),
    "manifest that cannot be read": (
        lambda folder: (folder / f"manifest_{QUARTER}.json").write_text("{"),
        r"the manifest cannot be read",
    ),
    "manifest without a zone": (
        lambda folder: people.write_manifest(folder, available_at="2024-04-16T06:00:00"),
        r"available_at has no time zone",
    ),
    "known before it happened": (
        lambda folder: people.write_manifest(folder, available_at="2024-03-16T06:00:00Z"),
        r"available_at 2024-03-16.* \(manifest\) is before as_of 2024-04-01",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_drop_is_refused_with_one_clear_error_and_changes_nothing(name: str, lake: Lake, drops: Path) -> None:
    earlier = date(2024, 1, 1)
    people.write_drop(drops, people.edited({0: {"miles": "3"}, 399: {"miles": "3"}}), "2023_q4")
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), earlier)
    people.write_drop(drops)
    before = snapshot_of(lake)
    change, message = BROKEN[name]
    change(drops)
    with pytest.raises(InputError) as refused:
        ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    text = str(refused.value)
    assert re.search(message, text)
    assert refused.value.remedy
    assert not re.search(r"Name\d|Osseo|Zoë", text)  # no personal data in what reaches a log
    assert "\n" not in text
    assert snapshot_of(lake) == before


def snapshot_of(lake: Lake) -> dict[str, str]:
    return people.snapshot(lake)


def test_a_file_written_before_the_date_it_describes_is_refused(lake: Lake, drops: Path) -> None:
    _written_before_as_of(drops)
    with pytest.raises(InputError, match=r"\(file time\) is before as_of"):
        ingest_vintage(lake, "people", NO_LAG, connector_of(drops), AS_OF)
    assert snapshot_of(lake) == {}


def test_an_older_drop_with_other_content_does_not_replace_a_newer_one(lake: Lake, drops: Path) -> None:
    people.write_manifest(drops)
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    before = snapshot_of(lake)
    people.write_drop(drops, people.edited({3: {"name": "Corrected"}}))
    people.write_manifest(drops, available_at="2024-04-10T06:00:00Z")
    with pytest.raises(InputError, match="older than the one already stored"):
        ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert snapshot_of(lake) == before


def test_the_files_of_the_quarter_before_under_a_new_name_are_refused(lake: Lake, drops: Path) -> None:
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    before = snapshot_of(lake)
    people.write_drop(drops, people.people(), "2024_q2")
    with pytest.raises(InputError, match=r"wrong period: the file's content was delivered as people_2024_q1_T1\.csv"):
        ingest_vintage(lake, "people", SOURCE, connector_of(drops), date(2024, 7, 1))
    assert snapshot_of(lake) == before


def test_rows_that_share_a_key_and_differ_are_refused_where_no_preference_is_stated(lake: Lake, drops: Path) -> None:
    contract = SOURCE.contract.model_copy(update={"prefer": ()})
    source = SOURCE.model_copy(update={"contract": contract})
    people.write_drop(drops, [*people.people(), people.person(5, miles="77")])
    with pytest.raises(InputError, match=r"duplicate key: rows share the key and differ.*column person, 2 rows"):
        ingest_vintage(lake, "people", source, connector_of(drops), AS_OF)
    assert snapshot_of(lake) == {}


def test_a_contract_that_uses_our_own_column_names_is_refused(lake: Lake, drops: Path) -> None:
    column = SOURCE.contract.column("miles").model_copy(update={"name": "as_of", "raw": "miles"})
    columns = tuple(column if c.name == "miles" else c for c in SOURCE.contract.columns)
    source = SOURCE.model_copy(update={"contract": SOURCE.contract.model_copy(update={"columns": columns})})
    with pytest.raises(InputError, match="reserved for our own"):
        ingest_vintage(lake, "people", source, connector_of(drops), AS_OF)
