"""Vintages and logs from a table of a database: snapshots, the table as it stands, and what is refused.

SQLite here and, where it can be started, a real PostgreSQL: every test that takes ``url`` runs on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest
import sqlalchemy as sa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources import IngestReport, ingest_log, ingest_vintage
from leadscore_dagster.core.sources.arrivals import Cursor, Known, decide, sight
from leadscore_dagster.core.sources.arrivals.delivered import delivered_periods, newest_period, periods_to_ingest
from leadscore_dagster.core.sources.connectors import SqlTable, anchored, connector_of
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster.defs.automation.run_requests import known_of
from leadscore_dagster.defs.resources import write_locations
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.defs.automation.test_sensors import RECIPE, Watched
from leadscore_dagster_tests.deploy import postgres
from leadscore_dagster_tests.vendor import FIRST

#: as in a password that was typed as it is, and as in one that was encoded
PASSWORD = "s3cr:t@w/rd?#%"
NOW = datetime(2024, 11, 20, 9, 30, tzinfo=UTC)
CONTRACT = Contract(
    name="companies",
    columns=(
        Column(name="company", type="key", nullable=False),
        Column(name="title", type="text", raw="Title"),
        Column(name="revenue", type="number"),
    ),
    key=("company",),
)
SOURCE = VintageSource(kind="vintage", table="companies", contract=CONTRACT, files=())
DAYS = (date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 1), date(2024, 6, 15), date(2024, 6, 30))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database on a real server, its user's password full of signs that mean something in a URL."""
    if postgres.missing():
        pytest.skip(f"NOT TESTED: vintages from PostgreSQL, for {postgres.missing()}")
    with postgres.server() as environment:
        host, port = (environment[f"LEADSCORE_POSTGRES_{name}"] for name in ("HOST", "PORT"))
        password = environment["LEADSCORE_POSTGRES_PASSWORD"]
        engine = sa.create_engine(f"postgresql+psycopg://{postgres.USER}:{password}@{host}:{port}/postgres")
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE reader LOGIN SUPERUSER PASSWORD '{PASSWORD}'".replace("%", "%%"))
        engine.dispose()
        yield f"postgresql+psycopg://reader:{quote(PASSWORD, safe='')}@{host}:{port}/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the companies as they were at five snapshots, and notes without any."""
    place = f"sqlite:///{tmp_path}/crm.db" if request.param == "sqlite" else request.getfixturevalue("server")
    fill(place)
    return place


def fill(place: str, snapshot: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any] = sa.Date) -> None:
    engine, metadata = sa.create_engine(place), sa.MetaData()

    def columns() -> list[sa.Column[Any]]:
        return [sa.Column("company", sa.Integer), sa.Column("Title", sa.Text), sa.Column("revenue", sa.Numeric(12, 2))]

    companies = sa.Table("companies", metadata, *columns(), sa.Column("snapshot_date", snapshot))
    plain = sa.Table("notes", metadata, *columns())
    sa.Table("empty", metadata, *columns(), sa.Column("snapshot_date", snapshot))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    rows = [
        {"company": n, "Title": f"Company {n}", "revenue": 100 * n + place, "snapshot_date": _as(day, snapshot)}
        for place, day in enumerate(DAYS)
        for n in range(1, 11)
    ]
    with engine.begin() as connection:
        connection.execute(companies.insert(), rows)
        connection.execute(
            plain.insert(), [{k: v for k, v in row.items() if k != "snapshot_date"} for row in rows[:10]]
        )
    engine.dispose()


def _as(day: date, kind: Any) -> Any:
    if isinstance(kind, sa.DateTime):
        return datetime(day.year, day.month, day.day, tzinfo=UTC if kind.timezone else None)
    return day.isoformat() if kind is sa.Text else day


def run(place: str, statement: str) -> None:
    engine = sa.create_engine(place)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def take_in(
    lake: Lake, place: str, as_of: date, *, more: str = "&snapshot=snapshot_date", now: datetime = NOW, **of: Any
) -> IngestReport:
    source = of.pop("source", SOURCE)
    connector = connector_of(f"{place}?table={of.pop('table', 'companies')}{more}")
    return ingest_vintage(lake, "companies", source, connector, as_of, seen_at=now, **of)


def stored(lake: Lake, name: str = "companies") -> list[dict[str, Any]]:
    return table(
        lake, f"SELECT company, revenue, as_of, available_at FROM {name} ORDER BY available_at, company"
    ).to_pylist()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "warehouse", "small")


# ---- snapshots


def test_a_vintage_is_the_newest_snapshot_of_its_period(url: str, lake: Lake) -> None:
    report = take_in(lake, url, date(2024, 7, 1))
    assert (report.rows_kept, report.files) == (10, ("table companies of 2024-06-30",))
    assert {row["revenue"] - 100 * row["company"] for row in stored(lake)} == {4.0}


def test_a_snapshot_of_the_very_day_belongs_to_the_period_it_ends(url: str, lake: Lake) -> None:
    assert take_in(lake, url, date(2024, 4, 1)).files == ("table companies of 2024-04-01",)
    run(url, "DELETE FROM companies WHERE snapshot_date > '2024-03-31'")
    with pytest.raises(InputError, match="no snapshot after 2024-04-01 and up to 2024-07-01"):
        take_in(lake, url, date(2024, 7, 1))


def test_a_monthly_vintage_is_a_months_snapshot(url: str, lake: Lake) -> None:
    assert take_in(lake, url, date(2024, 3, 1), cadence=Cadence.MONTH).files == ("table companies of 2024-02-29",)
    with pytest.raises(InputError, match=r"no drop for 2024_04.*there are snapshots from 2024-02-29 to 2024-06-30"):
        take_in(lake, url, date(2024, 5, 1), cadence=Cadence.MONTH)


@pytest.mark.parametrize("kind", [sa.Text, sa.DateTime(timezone=False)])
def test_a_snapshot_may_be_dated_by_text_or_time(tmp_path: Path, lake: Lake, kind: Any) -> None:
    place = f"sqlite:///{tmp_path}/crm.db"
    fill(place, kind)
    found = [
        take_in(lake, place, day, more="&snapshot=snapshot_date&zone=UTC").files for day in (DAYS[2], date(2024, 7, 1))
    ]
    assert found == [("table companies of 2024-04-01",), ("table companies of 2024-06-30",)]


def test_times_with_a_zone_are_compared_in_utc(server: str, lake: Lake) -> None:
    fill(server, sa.DateTime(timezone=True))
    run(server, "UPDATE companies SET snapshot_date = '2024-07-01 01:00+03' WHERE snapshot_date = '2024-06-30 00:00Z'")
    assert take_in(lake, server, date(2024, 7, 1)).files == ("table companies of 2024-06-30",)
    run(
        server, "UPDATE companies SET snapshot_date = '2024-07-01 00:00:01Z' WHERE snapshot_date >= '2024-06-30 00:00Z'"
    )
    assert take_in(lake, server, date(2024, 7, 1)).files == ("table companies of 2024-06-15",)


def test_a_dated_snapshot_is_known_after_the_declared_lag_and_else_when_it_was_read(url: str, lake: Lake) -> None:
    declared = SOURCE.model_copy(update={"available_after_days": 10})
    report = take_in(lake, url, date(2024, 7, 1), source=declared)
    assert (report.available_at, report.available_at_from) == (datetime(2024, 7, 11, tzinfo=UTC), "declared lag")
    report = take_in(lake, url, date(2024, 4, 1))
    assert (report.available_at, report.available_at_from) == (NOW, "time of reading")


def test_the_same_snapshot_again_is_the_same_arrival(url: str, lake: Lake) -> None:
    first = take_in(lake, url, date(2024, 7, 1))
    later = take_in(lake, url, date(2024, 7, 1), now=NOW + timedelta(days=3))
    assert (later.digest, later.arrival, later.available_at) == (first.digest, 1, NOW)
    assert len(lake.partitions("companies")) == 1


def test_a_snapshot_that_is_rewritten_is_a_correction_known_when_it_was_seen(url: str, lake: Lake) -> None:
    take_in(lake, url, date(2024, 7, 1))
    run(url, "UPDATE companies SET revenue = 0 WHERE company = 3 AND snapshot_date = '2024-06-30'")
    seen = NOW + timedelta(days=3)
    second = take_in(lake, url, date(2024, 7, 1), now=seen)
    assert (second.arrival, second.available_at, second.available_at_from) == (2, seen, "first seen")
    assert [row["revenue"] for row in stored(lake) if row["company"] == 3] == [304.0, 0.0]


def test_a_snapshot_in_which_nothing_has_changed_is_a_vintage_of_its_own(url: str, lake: Lake) -> None:
    run(url, "UPDATE companies SET revenue = 7")
    first, second = (take_in(lake, url, as_of) for as_of in (date(2024, 4, 1), date(2024, 7, 1)))
    assert first.digest != second.digest
    assert len(lake.partitions("companies")) == 2


def test_the_order_of_rows_does_not_change_the_digest(tmp_path: Path, lake: Lake) -> None:
    places = [f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b")]
    for place in places:
        fill(place)
    run(places[1], "CREATE TABLE turned AS SELECT * FROM companies ORDER BY company DESC, snapshot_date DESC")
    run(places[1], "DELETE FROM companies")
    run(places[1], "INSERT INTO companies SELECT * FROM turned")
    other = Lake(tmp_path / "other", "small")
    first, second = take_in(lake, places[0], date(2024, 7, 1)), take_in(other, places[1], date(2024, 7, 1))
    assert first.digest == second.digest


# ---- the table as it stands


def test_a_table_without_snapshots_is_known_from_the_moment_it_is_read(url: str, lake: Lake) -> None:
    report = take_in(lake, url, date(2024, 10, 1), table="notes", more="")
    assert (report.rows_kept, report.available_at, report.available_at_from) == (10, NOW, "time of reading")
    run(url, "UPDATE notes SET revenue = 0")
    again = take_in(lake, url, date(2024, 10, 1), table="notes", more="", now=NOW + timedelta(days=1))
    assert (again.arrival, again.available_at) == (2, NOW + timedelta(days=1))


def test_a_table_without_snapshots_is_not_what_it_was(url: str, lake: Lake) -> None:
    with pytest.raises(InputError, match=r"is what it is at 2024-11-20 09:30, not what it was at 2024-07-01"):
        take_in(lake, url, date(2024, 7, 1), table="notes", more="")
    assert lake.tables() == []


# ---- which periods there are, and what a look asks for


def recipe_of(**more: Any) -> Any:
    document = vendor.recipe().model_dump(mode="json", exclude_unset=True)
    document["sources"] = {"companies": SOURCE.model_dump(mode="json"), "leads": document["sources"]["leads"]}
    document["features"] = {"columns": document["features"].get("columns") or ["id"]}
    return type(vendor.recipe()).model_validate(document | {"first_as_of": date(2024, 4, 1)} | more)


def test_the_snapshots_say_which_periods_are_to_be_ingested_and_content_says_which_again(url: str, lake: Lake) -> None:
    recipe, connector = recipe_of(), connector_of(f"{url}?table=companies&snapshot=snapshot_date")

    def waiting() -> list[date]:
        return periods_to_ingest(lake, recipe, lambda _: connector, NOW.date(), cache=Path(), now=NOW)

    both = [date(2024, 4, 1), date(2024, 7, 1)]
    assert delivered_periods(recipe, lambda _: connector, NOW.date(), NOW.date()) == both
    assert newest_period(recipe, lambda _: connector, NOW.date()) == both[1]
    assert waiting() == both
    for as_of in both:
        take_in(lake, url, as_of)
    assert waiting() == []
    run(url, "UPDATE companies SET revenue = 0 WHERE company = 3 AND snapshot_date = '2024-04-01'")
    assert waiting() == both[:1]


def test_a_look_at_a_table_asks_for_a_new_snapshot_once_its_rows_have_stopped_changing(url: str) -> None:
    recipe, connector = recipe_of(), connector_of(f"{url}?table=companies&snapshot=snapshot_date")

    def look(cursor: Cursor) -> Any:
        places = connector.places({"companies": SOURCE}, list(recipe.as_ofs(vendor.TODAY)), Cadence.QUARTER)
        return sight(places, recipe, cursor, vendor.TODAY)

    first = look(Cursor({}))
    assert [drop.in_flight for drop in first.drops] == [True, True]
    run(url, "INSERT INTO companies (company, snapshot_date) VALUES (11, '2024-06-30')")
    second = look(first.cursor)
    assert [(drop.is_complete, drop.in_flight) for drop in second.drops] == [(True, False), (False, True)]
    third = look(second.cursor)
    request = decide(third, Known()).request
    assert request is not None
    assert (request.kind, request.as_of) == ("ingest", date(2024, 4, 1))
    content = {drop.as_of: drop.sources["companies"].digest for drop in third.drops}
    assert content[date(2024, 7, 1)] == connector.fingerprint(
        SOURCE, date(2024, 7, 1), Cadence.QUARTER, cache=Path(), now=NOW
    )


def test_a_table_without_snapshots_announces_nothing_and_is_there_for_the_period_that_began_last(url: str) -> None:
    recipe, connector = recipe_of(), connector_of(f"{url}?table=notes")
    assert connector.places({"companies": SOURCE}, list(recipe.as_ofs(vendor.TODAY)), Cadence.QUARTER) == []
    assert delivered_periods(recipe, lambda _: connector, NOW.date(), NOW.date()) == [date(2024, 10, 1)]


# ---- logs


def test_a_log_is_read_from_a_table_of_a_real_server(server: str, lake: Lake) -> None:
    fill(server)
    run(server, "DROP TABLE IF EXISTS calls")
    run(
        server, "CREATE TABLE calls AS SELECT company, \"Title\", revenue, now() - interval '1 year' AS made FROM notes"
    )
    columns = (*CONTRACT.columns, Column(name="made", type="timestamp"))
    log = LogSource(
        kind="log", table="calls", contract=CONTRACT.model_copy(update={"columns": columns}), known_at="made", files=()
    )
    report = ingest_log(lake, "calls", log, connector_of(f"{server}?table=calls"), date(2050, 1, 1))
    assert (report.rows_kept, report.files) == (10, ("table calls",))


# ---- what is refused


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?table=compnies&snapshot=snapshot_date", r"no such table.*table compnies of.*did you mean 'companies'\?"),
        ("?table=companies&snapshot=snapshot_day", r"no such snapshot column.*did you mean 'snapshot_date'\?"),
        ("?table=companies&snapshot=company", r"the snapshot column is of type INTEGER.*must hold dates"),
        ("?table=empty&snapshot=snapshot_date", "no snapshot after 2024-04-01.*the table has no row"),
        ("?table=companies", "1 column the contract does not know"),
        ("?table=companies;drop&snapshot=x", "table= of the database URL is no plain name"),
        ("?table=companies&snapshot=a'b", "snapshot= of the database URL is no plain name"),
        ("?table=public.companies", r"no plain name.*&schema=NAME"),
        ("", r"needs \?table=NAME"),
    ],
)
def test_a_table_or_column_that_is_not_there_is_one_error_with_a_remedy(
    url: str, lake: Lake, query: str, message: str
) -> None:
    as_of = date(2024, 10, 1) if query == "?table=companies" else date(2024, 7, 1)
    with pytest.raises(InputError, match=message) as caught:
        ingest_vintage(lake, "companies", SOURCE, connector_of(f"{url}{query}"), as_of, seen_at=NOW)
    assert caught.value.remedy
    assert lake.tables() == []
    _hides_the_password(caught.value)


def test_an_empty_table_is_refused(url: str, lake: Lake) -> None:
    run(url, "DELETE FROM notes")
    with pytest.raises(InputError, match="the table has no row"):
        take_in(lake, url, date(2024, 10, 1), table="notes", more="")


def _hides_the_password(error: BaseException) -> None:
    """Neither in the message nor in anything a traceback would print with it."""
    assert error.__suppress_context__ or error.__context__ is None
    assert error.__cause__ is None
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "s3cr"):
        assert secret not in str(error)


@pytest.mark.parametrize("login", [f"reader:{PASSWORD}", "reader:s3cr:t@w", "reader:s3cr%3At%40w", "reader:s3cr/t@w"])
@pytest.mark.parametrize("host", ["", "@", "@127.0.0.1:1", "@127.0.0.1:s3cr", "@a@b"])
@pytest.mark.parametrize("dialect", ["postgresql+psycopg", "postgresql", "mysql+pymysql", "mssql+pyodbc", "nosuch"])
def test_a_url_that_does_not_read_or_answer_is_one_error_without_its_password(
    lake: Lake, login: str, host: str, dialect: str
) -> None:
    location = f"{dialect}://{login}{host}/crm?table=companies&password=s3cr"
    with pytest.raises(InputError) as caught:
        ingest_vintage(lake, "companies", SOURCE, connector_of(location), date(2024, 10, 1), seen_at=NOW)
    assert caught.value.remedy
    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_wrong_password_is_one_error_and_the_right_one_is_shown_nowhere(server: str, lake: Lake) -> None:
    fill(server)
    wrong = server.replace(quote(PASSWORD, safe=""), "wr0ng")
    with pytest.raises(InputError, match=r"the database does not respond .OperationalError.*percent-encoded") as caught:
        take_in(lake, wrong, date(2024, 7, 1))
    assert "wr0ng" not in str(caught.value)
    _hides_the_password(caught.value)
    report = take_in(lake, server, date(2024, 7, 1))
    connector = connector_of(f"{server}?table=companies&snapshot=snapshot_date")
    shown = (
        connector.describe(),
        repr(connector),
        str(connector),
        connector.key,
        str(report.as_metadata()),
        repr(report),
    )
    assert not [text for text in shown if "s3cr" in text or "reader" in text]


def test_a_driver_that_is_missing_is_named(lake: Lake) -> None:
    with pytest.raises(InputError, match=r"the driver \w+ is not installed.*pip install \w+") as caught:
        take_in(lake, f"oracle+oracledb://u:{quote(PASSWORD, safe='')}@host/db", date(2024, 7, 1))
    _hides_the_password(caught.value)


def test_a_location_means_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert anchored("crm/leads.csv") == f"{tmp_path}/crm/leads.csv"
    moved = connector_of(anchored("sqlite:///crm.db?table=notes&snapshot=day&zone=UTC"))
    assert isinstance(moved, SqlTable)
    assert moved.address.file == tmp_path / "crm.db"
    assert (moved.address.snapshot, moved.address.utc) == ("day", True)
    for same in ("postgresql://u:a%40b@host/db?table=t", "postgresql://u:$PASSWORD@host/db?table=t", "s3://bucket/x"):
        assert anchored(same) == same


# ---- in Dagster


def test_the_sensor_takes_snapshots_from_the_table_to_the_ingest_and_the_password_is_written_down_nowhere(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("reps", "firms"):
        run(server, f"DROP TABLE IF EXISTS {name}")
        run(server, f"CREATE TABLE {name} (person INTEGER, firm INTEGER, day DATE)")
        run(server, f"INSERT INTO {name} VALUES (1, 1, '2024-03-31'), (2, 1, '2024-03-31'), (1, 2, '2024-06-30')")
    encoded = quote(PASSWORD, safe="")
    monkeypatch.setenv("CRM_PASSWORD", encoded)
    with dg.DagsterInstance.ephemeral() as instance:
        watched, given = Watched(tmp_path, instance), server.replace(encoded, "$CRM_PASSWORD")
        at = {name: f"{given}?table={name}&snapshot=day" for name in ("reps", "firms")}
        write_locations(Path(watched.workspace.home), RECIPE, at)
        requests, said = watched.tick()
        assert requests == []
        assert "the snapshot reps 2024-03-31 is still being written, or waits to be read" in said
        (request,), _ = watched.tick()
        assert (request.job_name, request.partition_key) == ("small_ingest", "2024-04-01")
        assert watched.run(request)
        arrivals = known_of(instance, RECIPE).ingested
        assert set(arrivals) == {("reps", FIRST), ("firms", FIRST)}
        (request,), _ = watched.tick()
        assert (request.job_name, request.partition_key) == ("small_refresh", "2024-07-01")
        monkeypatch.setenv("CRM_PASSWORD", "s3cr-wrong")
        assert not watched.run(request)
        told = "".join(str(entry) for run_ in instance.get_runs() for entry in instance.all_logs(run_.run_id))
    assert "the database does not respond (OperationalError)" in told
    assert not [secret for secret in ("s3cr", encoded) if secret in told]
    kept = [path for path in Path(watched.workspace.home).rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cr" in path.read_bytes()]
