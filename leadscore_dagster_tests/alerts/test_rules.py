"""What is an alert: judgements that the whole way (test_sensor) does not tell apart."""

from dataclasses import replace
from datetime import timedelta

from leadscore_dagster.core.alerts.alert import Severity
from leadscore_dagster.core.alerts.digest import in_episode, open_after
from leadscore_dagster.core.alerts.message import messages_of
from leadscore_dagster.core.alerts.routing import AlertSettings
from leadscore_dagster.core.alerts.rules import (
    CheckEvaluation,
    FailedStep,
    RunFacts,
    alerts_of_run,
    closed_by_run,
)
from leadscore_dagster.core.alerts.text import Crash
from leadscore_dagster_tests.alerts.samples import NOON

DAY = timedelta(days=1)
CRASH = Crash("ValueError", "boom")
GAVE_UP = FailedStep("send_messages", Crash("Failure", "1 messages are in alerts/dead: error-1-slack", told=True))


def _delivery(delivers: str, at: int = 0, succeeded: bool = False) -> RunFacts:
    steps = () if succeeded else (GAVE_UP,)
    return RunFacts(f"r{at}", "notify", succeeded, NOON + at * DAY, delivers=delivers, failed_steps=steps)


def test_failed_deliveries_are_told_once_a_day() -> None:
    first, again, later = (alerts_of_run(_delivery("check_failed", at)) for at in (0, 0, 1))
    assert first[0].key == again[0].key != later[0].key


def test_a_failed_delivery_says_why_and_one_that_was_killed_is_tried_again_instead() -> None:
    assert alerts_of_run(_delivery("check_failed"))[0].evidence == "1 messages are in alerts/dead: error-1-slack"
    died = replace(_delivery("check_failed"), failed_steps=(), message="The run worker died.")
    assert alerts_of_run(died) == []
    digest = replace(died, job="alerts_digest", delivers="digest")
    assert alerts_of_run(digest)[0].evidence == "The run worker died."


def test_that_telling_of_a_failed_delivery_failed_is_never_told() -> None:
    assert alerts_of_run(_delivery("delivery_failed", 1)) == []
    assert alerts_of_run(_delivery("check_failed", succeeded=True)) == []
    assert "delivery" in closed_by_run(_delivery("check_failed", succeeded=True))


def test_a_check_that_failed_before_its_neighbours_crashed_is_told_as_failed() -> None:
    run = RunFacts(
        "r",
        "toy_refresh",
        False,
        NOON,
        partition="p",
        results=(CheckEvaluation("toy/table", "rows", "p", False, "ERROR", "3 rows"),),
        failed_steps=(FailedStep("checks", CRASH, checks=(("toy/table", "range"),)),),
    )
    assert [(one.kind, one.check) for one in alerts_of_run(run)] == [
        ("check_failed", "rows"),
        ("check_broken", "range"),
    ]


def test_a_failed_step_that_belongs_to_no_asset_names_its_job() -> None:
    run = RunFacts("r", "tidy", False, NOON, failed_steps=(FailedStep("sweep", CRASH),))
    (alert,) = alerts_of_run(run)
    assert (alert.what, alert.asset, alert.recipe, alert.path) == ("step sweep of tidy failed", None, None, "/runs/r")


def test_a_warning_does_not_hide_that_the_run_died() -> None:
    warned = CheckEvaluation("toy/table", "drift", None, False, "WARN")
    alerts = alerts_of_run(RunFacts("r", "toy_refresh", False, NOON, assets=("toy/table",), results=(warned,)))
    assert [(one.kind, one.severity) for one in alerts] == [("check_failed", "WARN"), ("run_failed", "ERROR")]


def test_what_stands_for_a_month_is_one_alert_whatever_day_it_is_seen_on_and_one_subject_that_a_later_day_closes() -> (
    None
):
    def seen(day: str, month: str, passed: bool = False, severity: Severity = "WARN") -> RunFacts:
        result = CheckEvaluation("toy/drift", "score_drift", day, passed, severity, about=(month,))
        of_the_day = CheckEvaluation("toy/health", "failed_runs", day, False, "WARN")
        return RunFacts(f"run of {day}", "toy_monitoring", True, NOON, partition=day, results=(result, of_the_day))

    days = ("2026-02-01", "2026-01"), ("2026-02-02", "2026-01"), ("2026-03-01", "2026-02")
    told = [message.id for day in days for message in messages_of(alerts_of_run(seen(*day)), AlertSettings())]
    assert len(told) == 6
    assert told[0] == told[2] != told[4]
    assert len({told[1], told[3], told[5]}) == 3
    (worse, _) = messages_of(alerts_of_run(seen(*days[1], severity="ERROR")), AlertSettings())
    assert worse.id != told[0]
    opened = [alerts_of_run(seen(*day))[0].subject for day in days]
    assert set(opened) <= set(closed_by_run(seen("2026-03-02", "2026-02", passed=True)))


def _performance(day: int, *fails: str, passed: bool = False, said: str = "") -> RunFacts:
    result = CheckEvaluation(
        "toy/performance", "performance", f"day {day}", passed, "ERROR", said, about=("v1", *fails)
    )
    return RunFacts(f"r{day}", "toy_monitoring", True, NOON + day * DAY, partition=f"day {day}", results=(result,))


def _told(runs: list[RunFacts]) -> list[bool]:
    """Of each run in turn: whether a message comes of it that has not come before."""
    ids, opened, news = set[str](), {}, []
    for run in runs:
        alerts = [in_episode(one, opened) for one in alerts_of_run(run)]
        opened = open_after(opened, alerts, list(closed_by_run(run)))
        new = {message.id for message in messages_of(alerts, AlertSettings())} - ids
        ids |= new
        news.append(bool(new))
    return news


def test_a_standing_alarm_is_news_when_something_else_fails_and_when_it_fails_again_after_a_recovery() -> None:
    segment, whole = "auc_pr firm_size 10-50", "auc_pr all all"
    fails = [segment, segment, whole, segment]
    assert _told([_performance(day, name) for day, name in enumerate(fails)]) == [True, False, True, False]
    again = [
        _performance(5, segment),
        _performance(6, passed=True),
        _performance(7, segment),
        _performance(8, segment),
    ]
    assert _told(again) == [True, False, True, False]


def test_the_sentence_of_a_standing_alarm_may_change_every_day_and_the_order_of_its_names_too() -> None:
    runs = [
        _performance(1, "tenure", "age", said="tenure fell by 22%; age fell by 20%"),
        _performance(2, "age", "tenure", said="in other words, today"),
        _performance(3, "age", said="in other words, today"),
    ]
    assert _told(runs) == [True, False, True]


def test_a_standing_alarm_that_is_found_again_after_a_crash_is_the_same() -> None:
    first, later = (alerts_of_run(_performance(day, "auc_pr all all"))[0] for day in (1, 2))
    opened = open_after({}, [first], [])
    assert in_episode(first, {}) == in_episode(first, opened)
    assert in_episode(later, opened).key == in_episode(first, opened).key
    assert in_episode(first, open_after({}, [later], [])) == in_episode(first, {})


def test_a_canceled_run_is_a_warning_and_what_its_checks_said_is_told_too() -> None:
    failed = CheckEvaluation("toy/table", "rows", "p", False, "ERROR", "3 rows")
    run = RunFacts("r", "toy_refresh", False, NOON, partition="p", results=(failed,), canceled=True)
    assert [(one.kind, one.severity) for one in alerts_of_run(run)] == [
        ("check_failed", "ERROR"),
        ("run_canceled", "WARN"),
    ]
    assert alerts_of_run(replace(_delivery("check_failed"), canceled=True)) == []


def test_a_passing_check_and_a_made_asset_are_well_again() -> None:
    passed = CheckEvaluation("toy/table", "rows", "p", True, "ERROR")
    run = RunFacts("r", "toy_refresh", True, NOON, partition="p", assets=("toy/table",), results=(passed,))
    assert set(closed_by_run(run)) == {"check toy/table rows p", "asset toy/table p", "job toy_refresh p"}
