"""A fact is used from the instant it was known, not a second earlier."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse import Lake, compose, table
from leadscore_dagster_tests.table.features import world
from leadscore_dagster_tests.table.features.world import instant, job, month


def two_vintages(root: Path) -> Lake:
    """Everything about representative 1 and firm 10 changes with the vintage of July, available on 2024-07-16 06:00."""
    lake = world.lake(root)
    for as_of, available_at, size in (
        ("2024-04-01", "2024-04-16T06:00:00", 1.0),
        ("2024-07-01", "2024-07-16T06:00:00", 2.0),
    ):
        rep = {"RepCRD": 1, "RIAFirmCRD": 10, "TotalAssetsInMillions": size}
        world.vintage(lake, "rep_vintage", as_of, available_at, [rep])
        world.vintage(lake, "firm_vintage", as_of, available_at, [{"RIAFirmCRD": 10, "Number_Employees": int(size)}])
        history = [month(10, 2024, 1, 100.0), month(10, 2024, 3, 1000 * size), month(10, 2024, 6, 5000 * size)]
        world.vintage(lake, "firm_history_vintage", as_of, available_at, history[: 1 + int(size)])
    ended = job(1, 10, "2015-01-01", "2024-03-20")
    world.vintage(lake, "employment_vintage", "2024-04-01", "2024-04-16T06:00:00", [job(1, 10, "2015-01-01")])
    world.vintage(lake, "employment_vintage", "2024-07-01", "2024-07-16T06:00:00", [ended])
    return lake


def test_a_vintage_published_one_second_after_the_decision_is_not_used(tmp_path: Path) -> None:
    lake = two_vintages(tmp_path)
    found = world.features(
        lake, world.decisions(("before", 1, "2024-07-16T05:59:59"), ("at", 1, "2024-07-16T06:00:00"))
    )
    before, at = found["before"], found["at"]
    assert (before["TotalAssetsInMillions"], at["TotalAssetsInMillions"]) == (1.0, 2.0)
    assert (before["Number_Employees"], at["Number_Employees"]) == (1, 2)
    assert (before["firm_rep_count_at_contact"], at["firm_rep_count_at_contact"]) == (1, 0)
    assert (before["pit_moves_3yr"], at["pit_moves_3yr"]) == (0, 1)
    assert before["evidence_rep_vintage_known_at"] == instant("2024-04-16T06:00:00")
    assert at["evidence_employment_vintage_known_at"] == instant("2024-07-16T06:00:00")


def test_before_the_first_vintage_nothing_is_known(tmp_path: Path) -> None:
    row = world.features(two_vintages(tmp_path), world.decisions(("a", 1, "2024-04-16T05:59:59")))["a"]
    assert row["TotalAssetsInMillions"] is None
    assert row["rep_vintage_age_days"] is None
    assert row["current_firm_tenure_months"] is None
    assert [value for name, value in row.items() if name.startswith("evidence_") and value is not None] == []


def test_a_restated_month_is_used_only_after_its_extract_is_available(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(lake, "employment_vintage", "2024-04-01", "2024-04-02", [job(1, 10, "2015-01-01")])
    first = [month(10, 2024, 1, 100.0), month(10, 2024, 3, 300.0)]
    again = [month(10, 2024, 1, 200.0), month(10, 2024, 3, 900.0)]
    world.vintage(lake, "firm_history_vintage", "2024-04-01", "2024-04-02", first)
    world.vintage(lake, "firm_history_vintage", "2024-04-11", "2024-04-12T08:00:00", again)
    found = world.features(
        lake, world.decisions(("before", 1, "2024-04-12T07:59:59"), ("after", 1, "2024-04-12T08:00:00"))
    )
    values = {name: (row["firm_aum_pit"], row["aum_growth_since_jan2024_pct"]) for name, row in found.items()}
    assert values == {"before": (300.0, 200.0), "after": (900.0, 350.0)}


def test_an_end_filed_later_is_invisible(tmp_path: Path) -> None:
    lake = two_vintages(tmp_path)
    row = world.features(lake, world.decisions(("a", 1, "2024-06-01T00:00:00")))["a"]
    assert (row["pit_moves_3yr"], row["firm_rep_count_at_contact"], row["firm_net_change_12mo"]) == (0, 1, 0)


def test_a_representative_absent_from_the_newest_vintage_has_no_stale_row(tmp_path: Path) -> None:
    lake = two_vintages(tmp_path)
    world.vintage(lake, "rep_vintage", "2024-10-01", "2024-10-10", [{"RepCRD": 2, "RIAFirmCRD": 10}])
    row = world.features(lake, world.decisions(("a", 1, "2024-11-01T00:00:00")))["a"]
    assert (row["TotalAssetsInMillions"], row["rep_absent_from_vintage"], row["rep_vintage_age_days"]) == (None, 1, 31)
    assert row["Number_Employees"] is None  # which firm he is at comes from the rep row


def test_a_vintage_that_arrives_before_the_instant_it_describes_waits_for_it(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(lake, "rep_vintage", "2024-07-01", "2024-06-20", [{"RepCRD": 1, "TotalAssetsInMillions": 7.0}])
    found = world.features(
        lake, world.decisions(("before", 1, "2024-06-30T23:59:59"), ("at", 1, "2024-07-01T00:00:00"))
    )
    assert [found[name]["TotalAssetsInMillions"] for name in ("before", "at")] == [None, 7.0]


def test_an_older_vintage_delivered_late_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    lake = two_vintages(tmp_path)
    late = {"RepCRD": 1, "RIAFirmCRD": 10, "TotalAssetsInMillions": 0.5}
    world.vintage(lake, "rep_vintage", "2024-01-01", "2024-08-01", [late])
    row = world.features(lake, world.decisions(("a", 1, "2024-09-01T00:00:00")))["a"]
    assert row["TotalAssetsInMillions"] == 2.0


def test_facts_dated_on_or_after_the_vintage_have_not_happened(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    jobs = [job(1, 10, "2015-01-01", "2024-04-01"), job(1, 20, "2024-04-01"), job(2, 10, "2015-01-01", "2024-12-31")]
    world.vintage(lake, "employment_vintage", "2024-04-01", "2024-04-02", jobs)
    row = world.features(lake, world.decisions(("a", 1, "2024-06-01T00:00:00")))["a"]
    assert (row["firm_rep_count_at_contact"], row["num_prior_firms"]) == (2, 0)
    assert row["evidence_employment_vintage_event_at"] == instant("2015-01-01T00:00:00")


def test_the_same_decision_has_the_same_features_in_any_company(tmp_path: Path) -> None:
    lake = two_vintages(tmp_path)
    alone = world.features(lake, world.decisions(("a", 1, "2024-07-20T00:00:00")))["a"]
    others = [(f"x{number}", number % 3, f"2024-0{4 + number % 5}-20T00:00:00") for number in range(40)]
    assert world.features(lake, world.decisions(("a", 1, "2024-07-20T00:00:00"), *others))["a"] == alone


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-04-16T05:59:59", None),
        ("2024-04-16T06:00:00", date(2024, 4, 1)),
        ("2024-08-01T00:00:00", date(2024, 7, 1)),
    ],
)
def test_known_vintage_is_the_newest_available(tmp_path: Path, moment: str, expected: date | None) -> None:
    lake = two_vintages(tmp_path)
    sql = compose("SELECT v.table_name, v.as_of FROM known_vintage AS v ORDER BY v.table_name", sql_of(world.recipe()))
    found = table(lake, sql, {}, {"decisions": world.decisions(("a", 1, moment))}).to_pylist()
    tables = sorted(world.SCHEMAS) if expected else ()
    assert found == [{"table_name": name, "as_of": expected} for name in tables]
