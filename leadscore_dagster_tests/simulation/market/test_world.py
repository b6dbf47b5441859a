"""The world: time runs forward, ends are filed late, histories of two dates agree on what was known."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.simulation.market import World, employment_as_shown, known_facts, simulate_world
from leadscore_dagster.core.simulation.market.size import NEVER, WORLD_START
from leadscore_dagster_tests.simulation.market.conftest import SMALL, SmallMarket

START, END = (f"PREVIOUS_REGISTRATION_COMPANY_{side}_DATE" for side in ("START", "END"))


def test_no_fact_is_known_before_it_happens(demo_world: World) -> None:
    facts = known_facts(demo_world)
    assert pc.all(pc.greater_equal(facts["known_at"], facts["event_at"])).as_py()
    counts = dict(zip(*np.unique(facts["kind"].to_numpy(zero_copy_only=False), return_counts=True), strict=True))
    assert set(counts) == {
        "job start", "job end", "side job start", "side job end", "firm assets", "firm assets restated"
    }  # fmt: skip


def test_job_starts_are_known_at_once_and_ends_about_115_days_later(demo_world: World) -> None:
    jobs = demo_world.jobs
    ended = (jobs.end < NEVER) & (jobs.end >= WORLD_START)
    assert 105 <= np.median((jobs.end_known - jobs.end)[ended]) <= 125
    starts = known_facts(demo_world).filter(pc.equal(known_facts(demo_world)["kind"], "job start"))
    assert starts["event_at"] == starts["known_at"]


def test_careers_are_sequences_of_jobs_that_do_not_overlap_while_side_jobs_do(demo_world: World) -> None:
    jobs, side = demo_world.jobs, demo_world.side_jobs
    assert (jobs.end >= jobs.start).all()
    same = jobs.rep[1:] == jobs.rep[:-1]
    assert (jobs.start[1:][same] >= jobs.end[:-1][same]).all()
    host = np.searchsorted(
        jobs.rep.astype(np.int64) * NEVER + jobs.start, side.rep.astype(np.int64) * NEVER + side.start
    )
    assert (jobs.rep[host - 1] == side.rep).all()
    assert (side.end < jobs.end[host - 1]).all()
    assert 0.005 < len(side.rep) / len(jobs.rep) < 0.03


def test_the_gap_before_the_next_job_is_the_filing_lag_for_nearly_all_ends(demo_world: World) -> None:
    jobs = demo_world.jobs
    followed = np.flatnonzero(jobs.rep[1:] == jobs.rep[:-1])
    at_next_start = jobs.end_known[followed] == jobs.start[followed + 1]
    assert 0.95 < at_next_start.mean() < 1
    assert (jobs.end_known[followed] <= jobs.start[followed + 1]).all()


@pytest.mark.parametrize("at", [date(2024, 4, 1), date(2025, 2, 17), date(2026, 1, 1)])
def test_an_end_is_invisible_until_it_is_filed(small_market: SmallMarket, at: date) -> None:
    jobs = small_market.world.jobs
    day = np.datetime64(at, "D").astype(int)
    shown = employment_as_shown(small_market.world, at)
    known_ends = ((jobs.start < day) & (jobs.end_known < day)).sum()
    side = small_market.world.side_jobs
    known_ends += ((side.start < day) & (side.end_known < day)).sum()
    assert shown.num_rows == (jobs.start < day).sum() + (side.start < day).sum()
    assert shown.num_rows - shown[END].null_count == known_ends
    assert pc.max(shown[START]).as_py() < at.isoformat()
    assert pc.max(shown[END]).as_py() < at.isoformat()
    hidden = ((jobs.end < day) & (jobs.end_known >= day) & (jobs.end_known < NEVER)).sum()
    assert hidden > 20


def test_a_later_history_fills_ends_in_and_changes_nothing_else(small_market: SmallMarket) -> None:
    keys = ["RIA_CONTACT_CRD_ID", "PREVIOUS_REGISTRATION_COMPANY_CRD_ID", START]
    earlier = employment_as_shown(small_market.world, date(2025, 1, 1)).group_by(keys).aggregate([(END, "max")])
    later = employment_as_shown(small_market.world, date(2025, 7, 1)).group_by(keys).aggregate([(END, "max")])
    both = earlier.join(later, keys, join_type="left outer", right_suffix="_later")
    old, new = both[f"{END}_max"], both[f"{END}_max_later"]
    kept = pc.fill_null(pc.equal(old, new), True)
    assert pc.all(kept).as_py()
    filled = pc.and_(pc.is_null(old), pc.is_valid(new))
    assert pc.sum(filled).as_py() > 50
    assert pc.sum(pc.and_(pc.is_valid(old), pc.is_null(new))).as_py() == 0
    backdated = pc.less(new.filter(filled), "2025-01-01")
    assert pc.sum(backdated).as_py() > 20, "ends before the earlier date that it did not show"


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, again, other = simulate_world(SMALL, 3), simulate_world(SMALL, 3), simulate_world(SMALL, 4)
    assert np.array_equal(first.jobs.start, again.jobs.start)
    assert np.array_equal(first.firms.first_report, again.firms.first_report, equal_nan=True)
    assert not np.array_equal(first.advisors.crd, other.advisors.crd)
