"""Quarters and months: first days, labels, what a monthly recipe means for files, partitions and defaults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.sources.drops import find_drop
from leadscore_dagster.core.sources.manifest import parse_manifest
from leadscore_dagster.core.versions.retention import oldest_kept
from leadscore_dagster.defs import partitions
from leadscore_dagster_tests import vendor

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
CADENCES = st.sampled_from(Cadence)


def _monthly(**more: Any) -> Recipe:
    """The small vendor's recipe, monthly, with nothing said that follows from that."""
    document = vendor.recipe().model_dump(mode="json", exclude_unset=True)
    document["cadence"] = "month"
    document["first_as_of"] = date(2024, 2, 1)
    for source in document["sources"].values():
        source["files"] = [pattern.replace("{quarter}", "{month}") for pattern in source["files"]]
    return Recipe.model_validate(document | more)


@given(CADENCES, DAYS)
def test_a_day_lies_between_the_first_day_of_its_period_and_that_of_the_next(cadence: Cadence, day: date) -> None:
    first, following = cadence.first_day(day), cadence.next(day)
    assert first <= day < following
    assert [cadence.is_first_day(first), cadence.is_first_day(following)] == [True, True]
    assert (following.year - first.year) * 12 + following.month - first.month == cadence.months


@given(CADENCES, DAYS, st.integers(-400, 400))
def test_going_back_and_forward_again_leads_to_the_same_period(cadence: Cadence, day: date, periods: int) -> None:
    there = cadence.back(day, periods)
    assert cadence.back(there, -periods) == cadence.first_day(day)
    assert cadence.count(there, day) == periods


@given(CADENCES, DAYS, st.integers(0, 1500))
def test_the_periods_between_two_days_are_all_the_first_days_among_them(cadence: Cadence, day: date, span: int) -> None:
    last = day + timedelta(days=span)
    every_day = (day + timedelta(days=n) for n in range(span + 1))
    assert list(cadence.between(day, last)) == [one for one in every_day if cadence.is_first_day(one)]


@given(CADENCES, DAYS)
def test_a_label_names_the_period_that_ended_and_no_other(cadence: Cadence, day: date) -> None:
    as_of = cadence.first_day(day)
    described = as_of - timedelta(days=1)
    label = cadence.label(as_of)
    part = int(label[-1]) if cadence is Cadence.QUARTER else int(label[-2:])
    assert int(label[:4]) == described.year
    assert part == (described.month - 1) // cadence.months + 1
    assert cadence.label(cadence.next(as_of)) != label


@pytest.mark.parametrize(
    ("cadence", "as_of", "label"),
    [
        (Cadence.QUARTER, date(2024, 4, 1), "2024_q1"),
        (Cadence.QUARTER, date(2024, 1, 1), "2023_q4"),
        (Cadence.MONTH, date(2024, 4, 1), "2024_03"),
        (Cadence.MONTH, date(2024, 1, 1), "2023_12"),
        (Cadence.MONTH, date(2024, 3, 1), "2024_02"),
    ],
)
def test_a_key_is_the_first_day_after_what_its_label_names(cadence: Cadence, as_of: date, label: str) -> None:
    assert cadence.label(as_of) == label


def test_a_leap_day_belongs_to_february_and_its_drop_is_as_of_march() -> None:
    assert Cadence.MONTH.first_day(date(2024, 2, 29)) == date(2024, 2, 1)
    assert Cadence.MONTH.next(date(2024, 2, 29)) == date(2024, 3, 1)
    assert list(Cadence.MONTH.between(date(2024, 2, 29), date(2024, 3, 31))) == [date(2024, 3, 1)]


# ---- a monthly recipe


def test_a_monthly_recipe_has_a_partition_for_every_month() -> None:
    scheme = partitions.periods(_monthly())
    with dg.partition_loading_context(effective_dt=datetime(2024, 5, 1, tzinfo=UTC)):
        assert scheme.get_partition_keys() == ["2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"]
    with dg.partition_loading_context(effective_dt=datetime(2024, 4, 30, 23, 59, tzinfo=UTC)):
        assert scheme.get_last_partition_key() == "2024-04-01"


@given(CADENCES, st.dates(date(2001, 1, 1), date(2030, 12, 31)))
def test_the_keys_of_a_closed_recipe_end_with_its_as_of(cadence: Cadence, day: date) -> None:
    as_of = cadence.first_day(day)
    update = {"cadence": cadence, "first_as_of": cadence.back(as_of, 2), "as_of": as_of}
    recipe = vendor.recipe().model_copy(update=update)
    with dg.partition_loading_context(effective_dt=datetime(2040, 1, 1, tzinfo=UTC)):
        keys = partitions.periods(recipe).get_partition_keys()
    assert keys == [one.isoformat() for one in recipe.as_ofs(date(2040, 1, 1))]
    assert keys[-1] == as_of.isoformat()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"first_as_of": date(2024, 2, 15)}, "first_as_of 2024-02-15 is not the first day of a month"),
        ({"as_of": date(2024, 5, 31)}, "as_of 2024-05-31 is not the first day of a month"),
        ({"cadence": "quarter"}, "first_as_of 2024-02-01 is not the first day of a quarter"),
        ({"cadence": "quarter", "first_as_of": date(2024, 4, 1)}, "cadence quarter writes {quarter}, not {month}"),
        ({"cadence": "week"}, "'quarter' or 'month'"),
    ],
)
def test_what_does_not_fit_the_cadence_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _monthly(**more)
    assert message in str(refused.value)


def test_the_days_a_monthly_recipe_does_not_state_are_those_of_months() -> None:
    monthly, quarterly = _monthly(), vendor.recipe()
    assert [monthly.automation.fallback_days, quarterly.automation.fallback_days] == [15, 45]
    assert monthly.automation.retrain_after_days < quarterly.automation.retrain_after_days
    assert monthly.automation.vintage_stale_after_days < quarterly.automation.vintage_stale_after_days
    stated = _monthly(automation={"fallback_days": 9})
    assert [stated.automation.fallback_days, stated.automation.retrain_after_days] == [9, 35]
    late = [s.late_after_days for s in monthly.sources.values() if isinstance(s, VintageSource)]
    assert set(late) == {20}


def test_versions_are_kept_for_as_many_months_as_the_recipe_says() -> None:
    retention = vendor.recipe().automation.retention.model_copy(update={"versions_periods": 14})
    assert oldest_kept(date(2024, 3, 31), retention, Cadence.MONTH) == date(2023, 1, 1)
    assert oldest_kept(date(2024, 3, 31), retention, Cadence.QUARTER) == date(2020, 7, 1)


# ---- monthly files


SOURCE = VintageSource.model_validate(
    {
        "kind": "vintage",
        "table": "firms",
        "files": ["firms_{month}"],
        "contract": {"name": "firms", "columns": [{"name": "id", "type": "key"}], "key": ["id"]},
    }
)


def test_the_drop_of_a_month_is_the_file_that_names_it(tmp_path: Path) -> None:
    for month, row in (("2024_02", "1"), ("2024_03", "2"), ("2024_13", "3")):
        (tmp_path / f"firms_{month}.csv").write_text(f"id\n{row}\n")
    drop = find_drop(SOURCE, tmp_path, date(2024, 4, 1), Cadence.MONTH)
    assert [file.name for file in drop.files] == ["firms_2024_03.csv"]
    with pytest.raises(InputError, match=r"a month that does not exist, in firms_2024_13.csv.*such as 2024_04"):
        find_drop(SOURCE, tmp_path, date(2024, 5, 1), Cadence.MONTH)
    (tmp_path / "firms_2024_13.csv").unlink()
    with pytest.raises(InputError, match=r"no drop of firms for 2024_04.*months that are there: 2024_02, 2024_03"):
        find_drop(SOURCE, tmp_path, date(2024, 5, 1), Cadence.MONTH)


def test_a_monthly_manifest_states_its_month() -> None:
    text = '{"month": "2024_02", "as_of": "2024-03-01", "available_at": "2024-03-02T00:00:00Z", "files": []}'
    assert parse_manifest(text, date(2024, 3, 1), Cadence.MONTH).available_at == datetime(2024, 3, 2, tzinfo=UTC)
    with pytest.raises(InputError, match="wrong month: named 2024_03, but it states 2024_02"):
        parse_manifest(text, date(2024, 4, 1), Cadence.MONTH)
    with pytest.raises(InputError, match="it needs quarter, as_of"):
        parse_manifest(text, date(2024, 4, 1), Cadence.QUARTER)
