"""Retention: nothing that anything refers to is ever listed, nothing young goes, and every verdict says why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadscore_dagster.core.recipe.schema import Cadence, Retention
from leadscore_dagster.core.versions.retention import (
    Because,
    RunFact,
    judge_copies,
    judge_days,
    judge_runs,
    judge_versions,
    versions_named,
)

TODAY = date(2026, 2, 1)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
RULES = st.builds(
    Retention,
    scores_days=st.integers(31, 500),
    runs_days=st.integers(7, 400),
    versions_periods=st.integers(1, 12),
)
DAYS = st.sets(st.dates(date(2023, 1, 1), TODAY))
QUARTERS = st.sampled_from([date(year, month, 1) for year in range(2021, 2027) for month in (1, 4, 7, 10)])
VERSIONS = st.sets(
    st.builds(lambda quarter, digits: f"{quarter}-{digits:012x}", QUARTERS, st.integers(0, 16**12 - 1)), max_size=20
)
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 2, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
#: a machine with other work is slow, and no failure
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def _runs(draw: st.DrawFn) -> list[RunFact]:
    facts = []
    for number in range(draw(st.integers(0, 8))):
        created = draw(INSTANTS)
        ended = draw(st.none() | st.just(created + timedelta(hours=1)))
        made = draw(st.sampled_from([(), ("training_table 2025-10-01",)]))
        facts.append(RunFact(f"run{number}", draw(st.integers(0, 3)), created, ended, made))
    return facts


@given(VERSIONS, st.data(), RULES, st.booleans())
@EXAMPLES
def test_a_version_that_anything_names_is_never_listed(
    stored: set[str], data: st.DataObject, rules: Retention, training: bool
) -> None:
    named = data.draw(st.sets(st.sampled_from(sorted(stored)))) if stored else set()
    versions = st.sampled_from(sorted(stored))
    reports = data.draw(st.dictionaries(versions, st.sets(versions, max_size=3), max_size=5)) if stored else {}
    verdicts = judge_versions(
        stored,
        dict.fromkeys(named, "the ledger"),
        reports,
        today=TODAY,
        retention=rules,
        cadence=Cadence.QUARTER,
        training=training,
    )
    gone = {verdict.name for verdict in verdicts if verdict.goes}
    for by, found in reports.items():
        assert by in gone or not gone & (found - {by}), "a report that stays names a version that goes"
    assert {verdict.name for verdict in verdicts} == stored
    assert not gone & named
    assert not (training and gone)
    for name in gone:
        assert (TODAY - date.fromisoformat(name[:10])).days > rules.versions_periods * 90
    assert all(verdict.why for verdict in verdicts)


def test_neither_its_own_report_nor_that_of_one_that_goes_keeps_a_version() -> None:
    first, second, third = (f"2020-01-01-{digit * 12}" for digit in "abc")
    reports = {first: {first, second}, second: {first}, third: {third}}
    kept = [
        {v.name for v in judge_versions([first, second, third], named, reports, today=TODAY, retention=Retention(),
                                        cadence=Cadence.QUARTER, training=False) if not v.goes}
        for named in ({}, {first: "the ledger"})
    ]  # fmt: skip
    assert kept == [set(), {first, second}]


@given(DAYS, DAYS, DAYS, RULES, st.integers(1, 120), st.integers(0, 92))
@EXAMPLES
def test_a_day_that_is_young_or_still_needed_is_never_listed(
    scored: set[date], watched: set[date], counted: set[date], rules: Retention, label_days: int, catch_up: int
) -> None:
    days = {"scores": scored, "watched": watched}
    verdicts = judge_days(days, TODAY, rules, label_days=label_days, catch_up_days=catch_up, counted=counted)
    gone = {date.fromisoformat(verdict.name) for verdict in verdicts if verdict.goes}
    assert [verdict.name for verdict in verdicts] == sorted(str(day) for day in scored | watched)
    assert all((TODAY - day).days > max(rules.scores_days, label_days, catch_up) for day in gone)
    assert not gone & {*counted, *(max(found) for found in days.values() if found)}


@given(_runs(), RULES)
@EXAMPLES
def test_runs_in_progress_and_the_newest_of_everything_are_never_listed(runs: list[RunFact], rules: Retention) -> None:
    verdicts = {verdict.name: verdict for verdict in judge_runs(runs, NOW, rules)}
    kept = [run for run in runs if not verdicts[run.run_id].goes]
    for run in runs:
        if run.ended_at is None or run.newest_of or (NOW - run.ended_at).days < rules.runs_days:
            assert run in kept
    for subject in {run.subject for run in runs}:
        newest = max((run for run in runs if run.subject == subject), key=lambda run: (run.created_at, run.run_id))
        assert newest in kept
    assert {v.name for v in judge_runs(kept, NOW, rules) if v.goes} == set()  # pruning twice is pruning once


def test_versions_are_found_wherever_a_text_names_them() -> None:
    text = 'kept 2025-10-01-0123456789ab; "2026-01-01-ffffffffffff" was refused; 2026-01-01 is a date'
    assert versions_named([text, ""]) == {"2025-10-01-0123456789ab", "2026-01-01-ffffffffffff"}


def test_a_copy_of_a_drop_goes_a_week_after_it_was_last_used() -> None:
    now = datetime(2026, 2, 1, tzinfo=UTC)
    there = {"used": now - timedelta(days=7), "old": now - timedelta(days=7, seconds=1)}
    assert {verdict.name: verdict.goes for verdict in judge_copies(there, now)} == {"used": False, "old": True}


def test_what_decides_is_said_as_a_reason_and_never_only_in_words() -> None:
    days = {"scores": {TODAY - timedelta(days=age) for age in (1, 40, 70, 80, 90, 400)}}
    rules = Retention(scores_days=31)
    found = judge_days(days, TODAY, rules, label_days=60, catch_up_days=75, counted=[TODAY - timedelta(days=80)])
    assert [one.because for one in found] == [
        Because.OLD, Because.OLD, Because.SHADOW_COUNTS, Because.SCORED_AGAIN, Because.OUTCOMES_OPEN, Because.YOUNG,
    ]  # fmt: skip
    assert [one.goes for one in found] == [True, True, False, False, False, False]
    old = judge_days({"scores": {TODAY - timedelta(days=400)}}, TODAY, rules, label_days=1, catch_up_days=1)
    assert [(one.because, one.goes) for one in old] == [(Because.NEWEST, False)]
    assert old[0].as_dict()["because"] == "newest"
    named = judge_versions(
        ["2020-01-01-aaaaaaaaaaaa"], {}, {}, today=TODAY, retention=Retention(), cadence=Cadence.QUARTER, training=True
    )
    assert [one.because for one in named] == [Because.RUN_IN_PROGRESS]
