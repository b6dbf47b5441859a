"""An extract that has stopped growing: no day is scored from it, and no decision becomes a negative by it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.monitoring.cohort import decided_between, decisions_known, matured
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.staleness import newest_log_row, require_fresh
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import vendor

NEWEST = datetime(2024, 5, 6, 15, tzinfo=UTC)
ROWS = 60


def _stored(lake: Lake, recipe: Recipe, day: date) -> None:
    """One lead a day up to `NEWEST`, every tenth called the next day, in the extract read to score ``day``."""
    created = [NEWEST - timedelta(days=back) for back in range(ROWS)]
    called = [at + timedelta(days=1) if place % 10 == 5 else None for place, at in enumerate(created)]
    moment = pa.timestamp("us", tz="UTC")
    rows = pa.table(
        {
            "Id": [f"lead {place}" for place in range(ROWS)],
            "person": pa.array(range(ROWS), pa.int64()),
            "created": pa.array(created, moment),
            "called": pa.array(called, moment),
            "age": pa.array([40.0] * ROWS),
            "known_at": pa.array(created, moment),
            "as_of": pa.array([day + timedelta(days=1)] * ROWS, pa.date32()),
        }
    )
    lake.write_partition(f"{recipe.decision_source.table}_of_day", (day + timedelta(days=1)).isoformat(), rows)


@pytest.fixture
def lake(tmp_path) -> Lake:  # type: ignore[no-untyped-def]
    return Lake(tmp_path, "small")


def test_a_day_is_not_scored_from_an_extract_that_has_stopped_growing(lake: Lake) -> None:
    """Seven days after its newest row it may still be used, the day after not: one reason, with a remedy."""
    recipe = vendor.log_recipe()
    last, late = date(2024, 5, 13), date(2024, 5, 14)
    for day in (last, late):
        _stored(lake, recipe, day)
    assert newest_log_row(lake, recipe, last) == date(2024, 5, 6)
    require_fresh(lake, recipe, last)
    with pytest.raises(GateRefused) as refused:
        require_fresh(lake, recipe, late)
    why = str(refused.value)
    assert "The extract of 'leads' is stale on 2024-05-14: its newest row became known on 2024-05-06, 8 days" in why
    assert "at most 7 are allowed. Remedy: put a new extract of 'leads' where it is read" in why
    require_fresh(lake, vendor.log_recipe(log_stale_after_days=8), late)
    require_fresh(lake, vendor.log_recipe(log_stale_after_days=None), late)


def test_a_log_that_does_not_grow_has_no_age() -> None:
    assert load_recipe("bank_marketing").automation.log_stale_after_days is None
    assert load_recipe("advisor_mql").automation.log_stale_after_days == 7


def test_outcomes_that_nobody_can_have_recorded_are_censored_and_not_negative(lake: Lake) -> None:
    """90 days later every 30-day window has passed; but after its newest row the extract says nothing."""
    recipe, day = vendor.log_recipe(), NEWEST.date() + timedelta(days=90)
    _stored(lake, recipe, day)
    known = decisions_known(lake, recipe, day)
    found = matured(known)
    assert found.num_rows == ROWS - 30
    assert pc.max(found["decision_at"]).as_py() == NEWEST - timedelta(days=30)
    assert pc.sum(found["label"]).as_py() == 3
    censored = known.filter(pc.equal(known["status"], "right_censored"))
    assert censored.num_rows == 30
    assert censored["label"].null_count == 30
    # drift asks who was decided on, whatever became of it
    assert decided_between(known, NEWEST.date() - timedelta(days=9), NEWEST.date()).num_rows == 10


def test_an_extract_that_grows_censors_what_the_day_censors(lake: Lake) -> None:
    recipe, day = vendor.log_recipe(), NEWEST.date() + timedelta(days=1)
    _stored(lake, recipe, day)
    found = matured(decisions_known(lake, recipe, day))
    assert pc.max(found["decision_at"]).as_py() == NEWEST - timedelta(days=30)
