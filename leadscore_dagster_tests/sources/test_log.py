"""A log as it stood at as_of: nothing known later, from files and from a database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources import ingest_log
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.report import IngestReport
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.sources import people
from leadscore_dagster_tests.sources.people import AS_OF, LEAD_HEADER, LEADS, Row, lead


def _ingest(lake: Lake, folder: Path, rows: list[Row], as_of: date = AS_OF) -> IngestReport:
    people.write_csv(folder / "leads.csv", rows, LEAD_HEADER)
    return ingest_log(lake, "leads", LEADS, connector_of(folder), as_of)


def _stored(lake: Lake) -> list[dict[str, object]]:
    return table(lake, "SELECT * FROM crm ORDER BY Id").to_pylist()


def test_what_became_known_later_is_not_there(lake: Lake, tmp_path: Path) -> None:
    rows = [lead(1), lead(2, called="2024-03-05T10:00:00Z", status="Call"), lead(3, created="2024-04-01T00:00:00Z")]
    report = _ingest(lake, tmp_path, rows)
    assert (report.rows_read, report.rows_kept, report.not_yet_known) == (3, 2, 1)
    first, second = _stored(lake)
    assert first["called"] is None  # it was called after as_of
    assert first["contacted"] == datetime(2024, 2, 10, 10, tzinfo=UTC)
    assert (first["person"], first["known_at"], first["as_of"]) == (1001, datetime(2024, 2, 1, 10, tzinfo=UTC), AS_OF)
    assert second["called"] == datetime(2024, 3, 5, 10, tzinfo=UTC)


def test_a_column_is_empty_while_the_instant_that_filled_it_lies_ahead(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, tmp_path, [lead(1, modified="2024-04-01T00:00:00Z"), lead(2, modified="2024-03-31T23:59:59Z")])
    assert [row["status"] for row in _stored(lake)] == [None, "Contacting"]


def test_of_two_copies_the_newest_written_before_as_of_stays(lake: Lake, tmp_path: Path) -> None:
    rows = [
        lead(1, status="new", modified="2024-02-15T00:00:00Z"),
        lead(1, status="contacted", modified="2024-03-15T00:00:00Z"),
        lead(1, status="won", modified="2024-06-15T00:00:00Z", FA_CRD__c="999"),  # written after as_of: not chosen
    ]
    report = _ingest(lake, tmp_path, rows)
    assert report.duplicates == 2
    (stored,) = _stored(lake)
    assert (stored["status"], stored["person"]) == ("contacted", 1001)


def test_of_copies_all_written_later_the_earliest_stays(lake: Lake, tmp_path: Path) -> None:
    rows = [
        lead(1, FA_CRD__c="7", modified="2024-08-15T00:00:00Z"),
        lead(1, FA_CRD__c="6", modified="2024-06-15T00:00:00Z"),
    ]
    _ingest(lake, tmp_path, rows)
    assert _stored(lake)[0]["person"] == 6


def test_what_happens_after_as_of_cannot_change_the_partition(lake: Lake, tmp_path: Path) -> None:
    rows = [lead(number) for number in range(50)]
    _ingest(lake, tmp_path, rows)
    before = lake.digest("crm", AS_OF.isoformat())
    later = [{**row, "called": "2024-09-01T00:00:00Z"} for row in rows]
    later += [lead(90, created="2024-05-01T00:00:00Z"), lead(7, modified="2024-09-01T00:00:00Z", FA_CRD__c="1")]
    _ingest(lake, tmp_path, later)
    assert lake.digest("crm", AS_OF.isoformat()) == before


def test_a_row_whose_known_time_is_missing_goes_to_quarantine(lake: Lake, tmp_path: Path) -> None:
    report = _ingest(lake, tmp_path, [*(lead(number) for number in range(99)), lead(99, created="")])
    assert report.quarantined == {"unknown_time": 1}
    assert report.rows_kept == 99


def test_known_at_may_be_any_expression_over_the_columns(lake: Lake, tmp_path: Path) -> None:
    source = LEADS.model_copy(update={"known_at": "TIMESTAMP_ADD(COALESCE(contacted, created), INTERVAL 1 DAY)"})
    people.write_csv(tmp_path / "leads.csv", [lead(1), lead(2, contacted="2024-03-31T01:00:00Z")], LEAD_HEADER)
    ingest_log(lake, "leads", source, connector_of(tmp_path), AS_OF)
    assert [row["known_at"] for row in _stored(lake)] == [datetime(2024, 2, 11, 10, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("creatd", "names a column that does not exist, in crm, column creatd"),
        ("created FROM typed", "known_at is not one expression"),
        ("(SELECT MAX(created) FROM crm)", "known_at is not one expression"),
        ("created, modified", "known_at is not one expression"),
        ("created; DROP TABLE typed", "expected one SELECT statement"),
        ("status + 1", "known_at cannot be computed"),
    ],
)
def test_a_known_at_that_is_no_expression_is_refused(expression: str, message: str, lake: Lake, tmp_path: Path) -> None:
    people.write_csv(tmp_path / "leads.csv", [lead(1)], LEAD_HEADER)
    with pytest.raises(InputError, match=message):
        ingest_log(lake, "leads", LEADS.model_copy(update={"known_at": expression}), connector_of(tmp_path), AS_OF)
    assert people.snapshot(lake) == {}


def test_a_time_without_a_zone_is_refused_and_never_guessed(lake: Lake, tmp_path: Path) -> None:
    rows = [lead(number) for number in range(500)] + [lead(999, contacted="2024-02-10 10:00:00")]
    with pytest.raises(InputError, match="times without a zone, in crm, column contacted, 1 row"):
        _ingest(lake, tmp_path, rows)
    assert people.snapshot(lake) == {}


def test_a_parquet_log_with_real_types_is_read(lake: Lake, tmp_path: Path) -> None:
    moment = pa.array([datetime(2024, 2, 1, 10, tzinfo=UTC)] * 2, pa.timestamp("ms", tz="America/New_York"))
    names = ["created", "contacted", "called", "modified"]
    pq.write_table(
        pa.table(
            {"Id": ["a", "b"], "FA_CRD__c": pa.array([1.0, None]), "status": ["x", "y"]} | dict.fromkeys(names, moment)
        ),
        tmp_path / "leads.parquet",
    )
    report = ingest_log(lake, "leads", LEADS, connector_of(tmp_path / "leads.parquet"), AS_OF)
    assert report.unreadable == ()
    assert [(row["person"], row["created"]) for row in _stored(lake)] == [
        (1, datetime(2024, 2, 1, 10, tzinfo=UTC)),
        (None, datetime(2024, 2, 1, 10, tzinfo=UTC)),
    ]


def test_a_parquet_log_with_times_without_a_zone_is_refused(lake: Lake, tmp_path: Path) -> None:
    naive = pa.array([datetime(2024, 2, 1, 10)], pa.timestamp("us"))
    columns = {"Id": ["a"], "FA_CRD__c": ["1"], "status": ["x"]} | dict.fromkeys(LEAD_HEADER[3:], naive)
    pq.write_table(pa.table(columns), tmp_path / "leads.parquet")
    with pytest.raises(InputError, match=r"times without a zone, in leads\.parquet, column created"):
        ingest_log(lake, "leads", LEADS, connector_of(tmp_path), AS_OF)


def test_no_extract_at_the_location_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of this source"):
        ingest_log(lake, "leads", LEADS, connector_of(tmp_path), AS_OF)
    with pytest.raises(InputError, match="no such file or folder"):
        ingest_log(lake, "leads", LEADS, connector_of(tmp_path / "nowhere"), AS_OF)


def _database(path: Path, rows: list[Row], moments: type[sa.Text] | type[sa.DateTime] = sa.Text) -> str:
    engine = sa.create_engine(f"sqlite:///{path}")
    kinds = {name: (moments if name in LEAD_HEADER[3:] else sa.Text) for name in LEAD_HEADER}
    leads = sa.Table("leads", sa.MetaData(), *(sa.Column(name, kind) for name, kind in kinds.items()))
    with engine.begin() as connection:
        leads.create(connection)
        if moments is not sa.Text:
            times = LEAD_HEADER[3:]
            values = [{**row, **{time: datetime.fromisoformat(row[time][:19]) for time in times}} for row in rows]
            connection.execute(leads.insert(), values)
        else:
            connection.execute(leads.insert(), rows)
    engine.dispose()
    return f"sqlite:///{path}?table=leads"


def test_a_database_gives_the_rows_a_file_would(lake: Lake, tmp_path: Path) -> None:
    rows = [lead(number) for number in range(200)]
    _ingest(lake, tmp_path, rows)
    from_file = lake.digest("crm", AS_OF.isoformat())
    report = ingest_log(lake, "leads", LEADS, connector_of(_database(tmp_path / "crm.db", rows)), AS_OF)
    assert (report.rows_read, report.files) == (200, ("table leads",))
    assert lake.digest("crm", AS_OF.isoformat()) == from_file


def test_times_a_database_stores_without_a_zone_need_the_zone_stated(lake: Lake, tmp_path: Path) -> None:
    url = _database(tmp_path / "crm.db", [lead(1)], sa.DateTime)
    with pytest.raises(InputError, match=r"times without a zone, in table leads of .*, column created"):
        ingest_log(lake, "leads", LEADS, connector_of(url), AS_OF)
    ingest_log(lake, "leads", LEADS, connector_of(f"{url}&zone=UTC"), AS_OF)
    assert _stored(lake)[0]["contacted"] == datetime(2024, 2, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///{folder}/crm.db", r"needs \?table=NAME"),
        ("sqlite:///{folder}/crm.db?table=contacts", "no such table in the database, in table contacts of sqlite"),
        ("sqlite:///{folder}/nowhere/crm.db?table=leads", "There is no such database file"),
        ("nosuchdialect://user:secret@host/db?table=leads", "the database URL cannot be read"),
    ],
)
def test_a_database_that_cannot_be_read_is_one_error_without_its_password(
    url: str, message: str, lake: Lake, tmp_path: Path
) -> None:
    _database(tmp_path / "crm.db", [lead(1)])
    with pytest.raises(InputError, match=message) as refused:
        ingest_log(lake, "leads", LEADS, connector_of(url.format(folder=tmp_path)), AS_OF)
    assert "secret" not in str(refused.value)
    assert people.snapshot(lake) == {}
