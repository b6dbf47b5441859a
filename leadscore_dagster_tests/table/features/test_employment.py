"""The employment features by value: small histories worked out by hand, and random ones counted person by person."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.table.features.sets import load_set
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster_tests.table.features import world
from leadscore_dagster_tests.table.features.world import job, month

SETS = ["employment", "days_in_gap_current", "days_in_gap_as_known"]
MODEL_ORDER = [
    "aum_growth_since_jan2024_pct", "current_firm_tenure_months", "firm_aum_pit", "firm_net_change_12mo",
    "firm_rep_count_at_contact", "industry_tenure_months", "num_prior_firms", "pit_mobility_tier_Highly_Mobile",
    "pit_mobility_tier_Mobile", "pit_mobility_tier_Stable", "pit_moves_3yr", "pit_restlessness_ratio",
    "flight_risk_score", "is_fresh_start",
]  # fmt: skip


def known(
    root: Path, jobs: Iterable[dict[str, Any]], months: Iterable[dict[str, Any]] = (), at: str = "2024-05-10T12:00:00"
) -> dict[str, Any]:
    """Features of representative 1 from one vintage as of 2024-05-01, available the day after."""
    lake = world.lake(root)
    world.vintage(lake, "employment_vintage", "2024-05-01", "2024-05-02", jobs)
    world.vintage(lake, "firm_history_vintage", "2024-05-01", "2024-05-02", months)
    return world.features(lake, world.decisions(("a", 1, at)), SETS)["a"]


def test_the_fourteen_features_stand_in_the_order_of_the_model() -> None:
    assert [feature.name for feature in load_set("employment", sql_of(world.recipe())).features] == MODEL_ORDER


def test_a_plain_career(tmp_path: Path) -> None:
    jobs = [job(1, 10, "2023-11-20"), job(1, 20, "2019-02-01", "2023-11-19"), job(1, 30, "2010-01-15", "2018-12-31")]
    row = known(tmp_path, jobs, [month(10, 2024, 1, 200e6), month(10, 2024, 4, 250e6)])
    assert row["current_firm_tenure_months"] == 6
    assert row["industry_tenure_months"] == 6 + 57 + 107
    assert row["num_prior_firms"] == 2
    assert row["pit_moves_3yr"] == 1
    tiers = [row[f"pit_mobility_tier_{name}"] for name in ("Highly_Mobile", "Mobile", "Stable")]
    assert tiers == [0, 0, 0]
    assert row["firm_aum_pit"] == 250e6
    assert row["aum_growth_since_jan2024_pct"] == 25.0
    assert row["firm_rep_count_at_contact"] == 1
    assert row["firm_net_change_12mo"] == 1
    assert row["pit_restlessness_ratio"] == pytest.approx(6 / ((57 + 107) / 2))
    assert row["flight_risk_score"] == -1
    assert row["is_fresh_start"] == 1


def test_overlapping_jobs_count_once_and_the_current_job_counts(tmp_path: Path) -> None:
    jobs = [
        job(1, 10, "2020-01-01"),
        job(1, 20, "2018-01-01", "2021-01-01"),
        job(1, 30, "2018-06-01", "2019-06-01"),
        job(1, 40, "2012-01-01", "2013-01-01"),
    ]
    row = known(tmp_path, jobs)
    assert row["industry_tenure_months"] == 12 + 76
    assert row["num_prior_firms"] == 3


def test_no_history_is_missing_everywhere_and_never_zero(tmp_path: Path) -> None:
    row = known(tmp_path, [job(2, 10, "2020-01-01")], [month(10, 2024, 4, 1e6)])
    assert {row[name] for name in MODEL_ORDER} == {None}
    assert row["days_in_gap"] is None


def test_a_firm_without_number_leaves_its_figures_missing_and_keeps_the_tenure(tmp_path: Path) -> None:
    row = known(tmp_path, [job(1, None, "2020-01-01"), job(1, 20, "2015-01-01", "2019-01-01")])
    assert row["current_firm_tenure_months"] == 52
    assert row["num_prior_firms"] == 1
    assert (row["firm_rep_count_at_contact"], row["firm_net_change_12mo"], row["flight_risk_score"]) == (
        None,
        None,
        None,
    )


def test_assets_of_zero_in_january_2024_give_no_growth(tmp_path: Path) -> None:
    row = known(tmp_path, [job(1, 10, "2020-01-01")], [month(10, 2024, 1, 0.0), month(10, 2024, 4, 5e6)])
    assert (row["firm_aum_pit"], row["aum_growth_since_jan2024_pct"]) == (5e6, None)


def test_assets_are_those_of_the_newest_stated_month_up_to_a_year_back(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(
        lake, "employment_vintage", "2024-05-01", "2024-05-02", [job(rep, rep, "2020-01-01") for rep in range(6)]
    )
    months = [
        *(month(0, 2024, number, number * 1e6) for number in (1, 2, 3, 4)),
        month(1, 2024, 3, 3e6), month(1, 2024, 4, None),
        month(2, 2023, 5, 5e6), month(2, 2024, 1, None),
        month(3, 2023, 4, 4e6),
        month(4, 2024, 4, 4e6), month(4, 2024, 5, 9e6),
    ]  # fmt: skip
    world.vintage(lake, "firm_history_vintage", "2024-05-01", "2024-05-02", months)
    found = world.features(
        lake, world.decisions(*((str(rep), rep, "2024-08-10T00:00:00") for rep in range(6))), ["employment"]
    )
    assert [found[str(rep)]["firm_aum_pit"] for rep in range(6)] == [4e6, 3e6, 5e6, None, 4e6, None]
    growth = [found[str(rep)]["aum_growth_since_jan2024_pct"] for rep in range(6)]
    assert growth == [300.0, None, None, None, None, None]
    events = [found[str(rep)]["evidence_firm_history_vintage_event_at"] for rep in range(6)]
    ends = ["2024-05-01", "2024-04-01", "2023-06-01", None, "2024-05-01", None]
    assert events == [world.instant(end) if end else None for end in ends]


def test_growth_reaches_back_to_january_2024_for_years(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(lake, "employment_vintage", "2026-01-01", "2026-01-02", [job(1, 10, "2020-01-01")])
    world.vintage(
        lake, "firm_history_vintage", "2026-01-01", "2026-01-02", [month(10, 2024, 1, 100.0), month(10, 2025, 12, 80.0)]
    )
    row = world.features(lake, world.decisions(("a", 1, "2026-02-10T00:00:00")), ["employment"])["a"]
    assert (row["firm_aum_pit"], row["aum_growth_since_jan2024_pct"]) == (80.0, -20.0)


def test_two_jobs_begun_on_one_day_are_decided_by_the_higher_firm(tmp_path: Path) -> None:
    jobs = [job(1, 10, "2024-01-01"), job(1, 11, "2024-01-01", "2024-02-01")]
    row = known(tmp_path, [*jobs, job(2, 11, "2020-01-01"), job(3, 11, "2020-01-01")])
    assert row["firm_rep_count_at_contact"] == 2


def of_many(root: Path, careers: list[list[dict[str, Any]]], at: str = "2024-05-10T12:00:00") -> list[dict[str, Any]]:
    """Features of representatives 0, 1, … with one career each, from one vintage as of 2024-05-01."""
    lake = world.lake(root)
    rows = [{**row, "RIA_CONTACT_CRD_ID": rep} for rep, career in enumerate(careers) for row in career]
    world.vintage(lake, "employment_vintage", "2024-05-01", "2024-05-02", rows)
    found = world.features(lake, world.decisions(*((str(rep), rep, at) for rep in range(len(careers)))), ["employment"])
    return [found[str(rep)] for rep in range(len(careers))]


def test_moves_are_ends_from_three_years_ago_up_to_before_thirty_days_ago(tmp_path: Path) -> None:
    ends = {"2021-05-09": 0, "2021-05-10": 1, "2024-04-09": 1, "2024-04-10": 0, "2024-04-29": 0}
    found = of_many(tmp_path, [[job(1, 10, "2024-04-30"), job(1, 20, "2015-01-01", end)] for end in ends])
    assert [row["pit_moves_3yr"] for row in found] == list(ends.values())


def test_mobility_tiers(tmp_path: Path) -> None:
    def career(moves: int) -> list[dict[str, Any]]:
        ended = [job(1, 20 + place, "2015-01-01", f"2023-0{place + 1}-01") for place in range(moves)]
        return [job(1, 10, "2023-12-01"), *ended]

    tiers = ("Highly_Mobile", "Mobile", "Stable")
    found = of_many(tmp_path, [career(moves) for moves in range(5)])
    assert [row["pit_moves_3yr"] for row in found] == [0, 1, 2, 3, 4]
    assert [[row[f"pit_mobility_tier_{tier}"] for tier in tiers] for row in found] == [
        [0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0],
    ]  # fmt: skip


def test_restlessness_is_the_tenure_itself_without_earlier_time_and_is_clipped(tmp_path: Path) -> None:
    assert known(tmp_path / "a", [job(1, 10, "2020-05-01")])["pit_restlessness_ratio"] == 48
    assert known(tmp_path / "b", [job(1, 10, "2000-05-01")])["pit_restlessness_ratio"] == 100


def test_flight_risk_is_moves_times_the_clipped_net_loss(tmp_path: Path) -> None:
    leavers = [job(rep, 10, "2015-01-01", "2023-12-01") for rep in range(100, 250)]
    row = known(
        tmp_path, [job(1, 10, "2023-01-01"), *leavers, *(job(1, 20 + k, "2015-01-01", "2022-06-01") for k in range(3))]
    )
    assert row["firm_net_change_12mo"] == -150
    assert row["flight_risk_score"] == 300


def test_a_firm_everybody_left_long_ago_counts_nobody(tmp_path: Path) -> None:
    row = known(tmp_path, [job(1, 10, "2010-01-01", "2015-01-01")])
    assert (row["firm_rep_count_at_contact"], row["firm_net_change_12mo"]) == (0, 0)


@pytest.mark.parametrize(
    ("arrival", "decision", "counts"),
    [
        ("2023-05-10", "2024-05-10", 0), ("2023-05-11", "2024-05-10", 1),
        ("2023-02-28", "2024-02-28", 0), ("2023-02-28", "2024-02-27", 1),
        ("2023-03-01", "2024-02-29", 1), ("2023-03-01", "2024-03-01", 0),
        ("2024-02-29", "2025-02-28", 1), ("2024-02-29", "2025-03-01", 0),
    ],
)  # fmt: skip
def test_the_year_of_the_net_change_is_twelve_calendar_months(
    tmp_path: Path, arrival: str, decision: str, counts: int
) -> None:
    lake = world.lake(tmp_path)
    as_of = date.fromisoformat(decision) - timedelta(days=20)
    if as_of <= date.fromisoformat(arrival):
        pytest.fail("the vintage must lie after the arrival")
    jobs = [job(1, 10, "2010-01-01"), job(2, 10, arrival)]
    world.vintage(lake, "employment_vintage", as_of.isoformat(), as_of.isoformat(), jobs)
    row = world.features(lake, world.decisions(("a", 1, f"{decision}T09:00:00")), ["employment"])["a"]
    assert row["firm_net_change_12mo"] == counts


def years_before(day: date, years: int) -> date:
    last = calendar.monthrange(day.year - years, day.month)[1]
    return day.replace(year=day.year - years, day=min(day.day, last))


def test_head_count_and_net_change_of_random_firms_are_those_of_a_person_by_person_count(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    lake = world.lake(tmp_path)
    origin = date(2020, 6, 1)
    history: dict[str, list[dict[str, Any]]] = {}
    for as_of in ("2024-01-01", "2024-04-01", "2025-03-01"):
        rows = []
        for rep in range(150):
            for _ in range(int(random.integers(1, 5))):
                start = origin + timedelta(days=int(random.integers(0, 1700)))
                end = start + timedelta(days=int(random.integers(0, 500)))
                ended = random.random() < 0.6
                rows.append(job(rep, int(random.integers(1, 6)), start.isoformat(), end.isoformat() if ended else None))
        history[as_of] = rows
        world.vintage(lake, "employment_vintage", as_of, f"{as_of}T12:00:00", rows)
    decided = []
    for number in range(200):
        day = date(2024, 1, 2) + timedelta(days=int(random.integers(0, 700)))
        decided.append((str(number), int(random.integers(0, 150)), f"{day}T08:00:00"))
    found = world.features(lake, world.decisions(*decided), ["employment"])

    for name, rep, moment in decided:
        today = date.fromisoformat(moment[:10])
        as_of = max(day for day in history if f"{day}T12:00:00" <= moment)
        border = date.fromisoformat(as_of)
        rows = [
            (rep_, firm, start, end if end and end < border else None)
            for rep_, firm, start, end in ([r[column] for column in world.EMPLOYMENT.names[:4]] for r in history[as_of])
            if start < border
        ]
        own = [(start, firm) for r, firm, start, _ in rows if r == rep]
        row = found[name]
        if not own:
            assert row["firm_rep_count_at_contact"] is None
            continue
        here = max(own)[1]
        since, three_years_ago = years_before(today, 1), years_before(today, 3)
        staff = {r for r, firm, start, end in rows if firm == here and start <= today and (end is None or end >= today)}
        arrived = {r for r, firm, start, _ in rows if firm == here and since < start <= today}
        left = {r for r, firm, _, end in rows if firm == here and end is not None and since < end <= today}
        assert row["firm_rep_count_at_contact"] == len(staff), name
        assert row["firm_net_change_12mo"] == len(arrived) - len(left), name
        covered = set()
        for r, _, start, end in rows:
            if r == rep:
                covered |= {start + timedelta(days=k) for k in range((max(start, end or today) - start).days)}
        months = sum(day.day == calendar.monthrange(day.year, day.month)[1] for day in covered)
        assert row["industry_tenure_months"] == months, name
        moved = [end for r, _, _, end in rows if r == rep and end is not None]
        counted = [end for end in moved if three_years_ago <= end < today - timedelta(days=30)]
        assert row["pit_moves_3yr"] == len(counted), name


def test_days_in_gap_reads_the_future_where_its_twin_does_not(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(lake, "employment_vintage", "2024-05-01", "2024-05-02", [job(1, 10, "2020-01-01")])
    world.vintage(lake, "employment_vintage", "2024-08-01", "2024-08-02", [job(1, 10, "2020-01-01", "2024-04-30")])
    row = world.features(lake, world.decisions(("a", 1, "2024-05-10T12:00:00")), SETS)["a"]
    assert (row["days_in_gap"], row["days_in_gap_as_known"]) == (10, 0)
