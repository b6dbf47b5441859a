"""What the market promises to whoever models it, on the demo market with intervals of three standard errors."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.simulation.market import World
from leadscore_dagster.core.simulation.market.conversion import OPEN, Leads
from leadscore_dagster.core.simulation.market.diagnostics import (
    converted_within_window,
    days_in_gap,
    gap_information,
    information_value,
    mature,
    newest_vintage,
    top_decile_lift,
)
from leadscore_dagster.core.simulation.market.shown import newest_job
from leadscore_dagster.core.simulation.market.size import FIRST_CONTACT, QUARTERS, TODAY, day_number


def test_the_base_rate_is_3_9_per_cent_within_30_days(demo_leads: Leads) -> None:
    propensity = demo_leads.propensity[demo_leads.contacted_at > 0]
    assert propensity.mean() == pytest.approx(0.039, abs=0.0002)
    realised, count = converted_within_window(demo_leads)[mature(demo_leads)].mean(), mature(demo_leads).sum()
    assert realised == pytest.approx(0.039, abs=3 * np.sqrt(0.039 * 0.961 / count))


def test_nine_of_ten_conversions_fall_within_30_days(demo_leads: Leads) -> None:
    old = (demo_leads.contacted_at > 0) & (demo_leads.contacted_at < (TODAY - 365) * 86_400)
    ever = (demo_leads.converted_at[old] > 0).sum()
    assert converted_within_window(demo_leads)[old].sum() / ever == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / ever))


def test_the_oracles_top_decile_lift_is_between_3_and_3_5(demo_leads: Leads) -> None:
    rows = mature(demo_leads)
    propensity, outcome = demo_leads.propensity[rows], converted_within_window(demo_leads)[rows]
    assert 3.0 <= top_decile_lift(propensity, propensity) <= 3.5
    hits = 3.3 * outcome.sum() / 10
    assert top_decile_lift(propensity, outcome) == pytest.approx(3.3, abs=3.3 * 3 / np.sqrt(hits) + 0.2)


def test_a_gap_seen_with_hindsight_is_informative_and_as_known_worthless(demo_world: World, demo_leads: Leads) -> None:
    hindsight, as_known = gap_information(demo_world, demo_leads)
    assert 0.38 <= hindsight <= 0.64
    assert as_known < 0.02
    rows = mature(demo_leads)
    rep, day = demo_leads.rep[rows], demo_leads.contacted_at[rows] // 86_400
    gap = days_in_gap(demo_world, rep, day, day_number(QUARTERS[-1].as_of)) > 0
    outcome = converted_within_window(demo_leads)[rows]
    assert 0.145 <= gap.mean() <= 0.17
    assert 0.10 <= outcome[gap].mean() <= 0.13
    assert (days_in_gap(demo_world, rep, day, newest_vintage(day)) > 0).mean() < 0.005


def test_short_tenure_and_small_firms_convert_more(demo_world: World, demo_leads: Leads) -> None:
    rows = demo_leads.contacted_at > 0
    rep, day, p = demo_leads.rep[rows], demo_leads.contacted_at[rows] // 86_400, demo_leads.propensity[rows]
    job = newest_job(demo_world.jobs, rep, day)
    months = (day - demo_world.jobs.start[job]) / 30.4
    limits = ((0, 12), (12, 24), (24, 48), (48, 120), (120, 999))
    rates = [p[(months >= low) & (months < high)].mean() for low, high in limits]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.08
    assert rates[-1] < 0.016
    firm = demo_world.jobs.firm[job]
    assets = demo_world.firms.assets[-1][firm]
    assert p[assets < 5e8].mean() > 1.15 * p[assets > 5e8].mean()
    undisclosed = demo_world.firms.undisclosed[firm] > 1
    assert p[undisclosed].mean() > 1.3 * p[~undisclosed].mean()


def test_contacts_lie_in_the_calendar_and_on_weekdays(demo_leads: Leads) -> None:
    contacted = demo_leads.contacted_at[demo_leads.contacted_at > 0]
    assert contacted.min() >= FIRST_CONTACT * 86_400
    assert contacted.max() < TODAY * 86_400
    weekend = (contacted // 86_400 + 3) % 7 >= 5
    assert 0.002 < weekend.mean() < 0.03
    assert demo_leads.converted_at.max() < TODAY * 86_400
    assert (demo_leads.kind == OPEN).sum() > 1_000


def test_the_information_value_of_a_known_table_is_the_textbook_sum() -> None:
    flag = np.repeat([True, True, False, False], [4_000, 16_000, 6_000, 74_000])
    outcome = np.repeat([True, False, True, False], [4_000, 16_000, 6_000, 74_000])
    by_hand = (0.4 - 16 / 90) * np.log(0.4 / (16 / 90)) + (0.6 - 74 / 90) * np.log(0.6 / (74 / 90))
    assert information_value(flag, outcome) == pytest.approx(by_hand, rel=1e-3)
