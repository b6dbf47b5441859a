"""A correction is kept beside what it corrects; what the checks refuse is set aside and read by nobody."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.sources import ingest_vintage, vintage_checks
from leadscore_dagster.core.sources.arrived import aside, published
from leadscore_dagster.core.sources.checks import arrival_checks, refuse
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.ledger import INGESTS
from leadscore_dagster.core.sources.report import IngestReport
from leadscore_dagster.core.warehouse import Lake, Part, table
from leadscore_dagster_tests.sources import people
from leadscore_dagster_tests.sources.people import AS_OF, SOURCE

FIRST, SECOND, THIRD = (datetime(2024, month, day, 6, tzinfo=UTC) for month, day in ((4, 16), (5, 2), (5, 20)))
NO_LAG = SOURCE.model_copy(update={"available_after_days": None})


def deliver(lake: Lake, drops: Path, miles: str = "", at: datetime = FIRST, rows: int = 400) -> IngestReport:
    """A drop in which the first person lives ``miles`` away, with a manifest that states ``at``."""
    content = people.edited({0: {"miles": miles}} if miles else {})[:rows]
    people.write_drop(drops, content)
    people.write_manifest(drops, available_at=at.isoformat())
    return ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)


def first_miles(lake: Lake) -> list[tuple[datetime, float]]:
    """What each published arrival says of the first person."""
    sql = "SELECT available_at, miles FROM person_vintage WHERE person = 1000 ORDER BY available_at"
    return [(row["available_at"], row["miles"]) for row in table(lake, sql).to_pylist()]


def ledger(lake: Lake) -> list[datetime]:
    return table(lake, f"SELECT available_at FROM {INGESTS} ORDER BY available_at")["available_at"].to_pylist()


def test_a_correction_is_kept_beside_what_it_corrects_each_with_its_own_instant(lake: Lake, drops: Path) -> None:
    first = deliver(lake, drops)
    before = people.snapshot(lake)
    second = deliver(lake, drops, "77", SECOND)
    assert (first.arrival, second.arrival) == (1, 2)
    assert lake.partitions("person_vintage") == ["2024-04-01", "2024-04-01.2"]
    assert first_miles(lake) == [(FIRST, 0.0), (SECOND, 77.0)]
    assert ledger(lake) == [FIRST, SECOND]
    after = people.snapshot(lake)
    assert {path: after[path] for path in before} == before
    assert lake.partitions("quarantine") == ["person_vintage_2024-04-01", "person_vintage_2024-04-01.2"]


def test_the_same_content_again_changes_nothing_after_a_correction_too(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    before = people.snapshot(lake)
    again = deliver(lake, drops, "77", SECOND)
    assert again.arrival == 2
    assert people.snapshot(lake) == before


def test_content_that_comes_back_is_a_third_arrival(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    assert deliver(lake, drops, "", THIRD).arrival == 3
    assert first_miles(lake) == [(FIRST, 0.0), (SECOND, 77.0), (THIRD, 0.0)]
    assert [part.partition for part in published(lake, "person_vintage")] == [
        "2024-04-01",
        "2024-04-01.2",
        "2024-04-01.3",
    ]


def test_arrivals_stand_in_order_of_arrival_beyond_nine(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    for number in range(2, 12):
        shutil.copyfile(_file(lake, "2024-04-01"), _file(lake, f"2024-04-01.{number}"))
    assert [part.partition[11:] for part in published(lake, "person_vintage")][-3:] == ["9", "10", "11"]


@pytest.mark.parametrize("stated", [FIRST, SECOND, FIRST - timedelta(days=1)])
def test_a_correction_that_states_no_later_instant_is_refused_and_changes_nothing(
    lake: Lake, drops: Path, stated: datetime
) -> None:
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    before = people.snapshot(lake)
    with pytest.raises(InputError, match="older than the one already stored"):
        deliver(lake, drops, "99", stated)
    assert people.snapshot(lake) == before


def test_a_corrected_drop_is_checked_against_its_own_rows(lake: Lake, drops: Path) -> None:
    """Two arrivals of one vintage repeat every key; no check takes them for one."""
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    assert all(result.passed for result in vintage_checks(lake, SOURCE, AS_OF))
    for part in published(lake, "person_vintage"):
        assert all(result.passed for result in arrival_checks(lake, SOURCE, part))


def test_rows_are_counted_against_the_arrival_known_by_then(lake: Lake, drops: Path) -> None:
    """The first arrival of the quarter before had 400 rows; a correction that came later has 330."""
    deliver(lake, drops)
    deliver(lake, drops, at=datetime(2024, 8, 1, tzinfo=UTC), rows=330)
    later = date(2024, 7, 1)
    people.write_drop(drops, [people.person(number, since="2024-05-01") for number in range(310)], "2024_q2")
    people.write_manifest(drops, "2024_q2", as_of="2024-07-01", available_at="2024-07-16T06:00:00Z")
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), later)
    assert "310 rows, 77.5% of the 400 of 2024-04-01" in report.refused
    people.write_manifest(drops, "2024_q2", as_of="2024-07-01", available_at="2024-08-02T06:00:00Z")
    assert ingest_vintage(lake, "people", SOURCE, connector_of(drops), later).refused == ""


# ---- without a manifest


def changed_at(drops: Path, at: datetime) -> None:
    for path in drops.iterdir():
        os.utime(path, (at.timestamp(), at.timestamp()))


@pytest.mark.parametrize("source", [SOURCE, NO_LAG])
def test_a_correction_without_a_manifest_is_known_when_it_was_first_seen(
    lake: Lake, drops: Path, source: people.VintageSource
) -> None:
    changed_at(drops, FIRST)
    first = ingest_vintage(lake, "people", source, connector_of(drops), AS_OF, seen_at=FIRST)
    people.write_drop(drops, people.edited({0: {"miles": "77"}}))
    changed_at(drops, SECOND)
    second = ingest_vintage(lake, "people", source, connector_of(drops), AS_OF, seen_at=THIRD)
    assert first.available_at is not None
    assert (second.available_at, second.available_at_from) == (THIRD, "first seen")
    again = ingest_vintage(lake, "people", source, connector_of(drops), AS_OF, seen_at=THIRD + timedelta(days=9))
    assert again == second
    assert first_miles(lake) == [(first.available_at, 0.0), (THIRD, 77.0)]


def test_nobody_sees_a_correction_before_the_drop_it_corrects(lake: Lake, drops: Path) -> None:
    """The declared lag says 16 April; the correction came on the 5th, with the time of an older file."""
    changed_at(drops, datetime(2024, 4, 3, tzinfo=UTC))
    first = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    people.write_drop(drops, people.edited({0: {"miles": "77"}}))
    changed_at(drops, datetime(2024, 4, 2, tzinfo=UTC))
    second = ingest_vintage(
        lake, "people", SOURCE, connector_of(drops), AS_OF, seen_at=datetime(2024, 4, 5, tzinfo=UTC)
    )
    assert first.available_at is not None
    assert second.available_at == first.available_at + timedelta(microseconds=1)


# ---- refused


def test_a_drop_whose_checks_fail_is_set_aside_and_the_good_one_stays(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    before = {path: digest for path, digest in people.snapshot(lake).items() if "quarantine" not in path}
    people.write_drop(drops, people.edited({row: {"since": ""} for row in range(60)}))
    people.write_manifest(drops, available_at=SECOND.isoformat())
    report = ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    assert "completeness: since is filled in 85.00% of 400 rows" in report.refused
    assert report.as_metadata()["refused"] == report.refused
    assert first_miles(lake) == [(FIRST, 0.0)]
    assert lake.partitions(aside("person_vintage")) == ["2024-04-01.2"]
    after = people.snapshot(lake)
    assert {path: after[path] for path in before} == before
    with pytest.raises(GateRefused, match="completeness: since"):
        refuse(vintage_checks(lake, SOURCE, AS_OF), "person_vintage")


def test_a_first_drop_whose_checks_fail_leaves_no_vintage(lake: Lake, drops: Path) -> None:
    people.write_drop(drops, people.edited({row: {"since": ""} for row in range(60)}))
    assert ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF).refused
    assert "person_vintage" not in lake.tables()
    assert ledger_is_empty(lake)


def ledger_is_empty(lake: Lake) -> bool:
    return INGESTS not in lake.tables()


def test_a_good_drop_after_a_refused_one_takes_its_place_whatever_instant_that_one_stated(
    lake: Lake, drops: Path
) -> None:
    deliver(lake, drops)
    assert deliver(lake, drops, at=THIRD, rows=100).refused
    good = deliver(lake, drops, "77", SECOND)
    assert (good.refused, good.arrival) == ("", 2)
    assert lake.partitions(aside("person_vintage")) == []
    assert first_miles(lake) == [(FIRST, 0.0), (SECOND, 77.0)]
    assert all(result.passed for result in vintage_checks(lake, SOURCE, AS_OF))


def test_the_good_files_put_back_end_the_refusal(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    stored = lake.digest("person_vintage", "2024-04-01")
    assert deliver(lake, drops, at=SECOND, rows=100).refused
    assert deliver(lake, drops).arrival == 1
    assert lake.partitions("person_vintage") == ["2024-04-01"]
    assert lake.digest("person_vintage", "2024-04-01") == stored
    assert lake.partitions(aside("person_vintage")) == []


def test_a_crash_before_the_ledger_is_made_good_by_the_next_run(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    before = people.snapshot(lake)
    lake.drop_partition(INGESTS, "person_vintage_2024-04-01.2")
    assert deliver(lake, drops, "77", SECOND).arrival == 2
    assert people.snapshot(lake) == before


def test_one_arrival_takes_the_place_of_the_table_in_a_query(lake: Lake, drops: Path) -> None:
    deliver(lake, drops)
    deliver(lake, drops, "77", SECOND)
    relations = {"person_vintage": Part("person_vintage", "2024-04-01.2")}
    sql = "SELECT COUNT(*) AS n FROM person_vintage"
    assert table(lake, sql)["n"][0].as_py() == 800
    assert table(lake, sql, None, relations)["n"][0].as_py() == 400
    assert lake.dry_run("SELECT miles FROM person_vintage", None, relations).tables == ("person_vintage",)
    whole, part = (lake.dry_run("SELECT miles FROM person_vintage", None, given) for given in (None, relations))
    assert 0 < part.bytes_scanned < whole.bytes_scanned
    with pytest.raises(InputError, match=r"partition 2024-04-01\.9 is missing"):
        table(lake, sql, None, {"person_vintage": Part("person_vintage", "2024-04-01.9")})


def _file(lake: Lake, partition: str) -> Path:
    return lake.root / lake.dataset / "person_vintage" / f"{partition}.parquet"
