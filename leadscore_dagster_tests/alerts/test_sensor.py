"""From a failure in Dagster to one message at a webhook: the whole way, with real runs and a real server."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from leadscore_dagster.commands.alerts import redeliver
from leadscore_dagster.core.alerts import outbox
from leadscore_dagster_tests import PROJECT
from leadscore_dagster_tests.alerts import world
from leadscore_dagster_tests.alerts.world import SECRET, Daemon, Webhook, quick_instance, tick, turn_on

RETRIES = "retry_seconds: [30, 120]\n"


def _states(home: Path) -> dict[str, int]:
    return {state: len(outbox.entries(home / "alerts", state)) for state in outbox.STATES}


# ---- what is told


def test_what_went_well_is_not_told(daemon: Daemon, hook: Webhook) -> None:
    daemon.run("fine")
    assert daemon.look() == []
    assert hook.received == []


def test_two_failed_checks_of_one_run_are_one_message_with_everything_in_it(daemon: Daemon, hook: Webhook) -> None:
    run_id = daemon.run("failed")
    daemon.look()
    (message,) = hook.messages("error")
    assert hook.messages("warn") == []
    assert message["title"].startswith("ERROR toy: 2 failed checks")
    for part in (
        "check rows failed on toy/table failed",
        "check range failed on toy/table failed",
        "rows of failed is ‹b›off‹/b›; value 0.25; threshold 0.1",
        "Owner: team:growth",
        "http://127.0.0.1:3000/assets/toy/table?view=checks&checkDetail=rows",
        "docs/runbook.md#check-failed",
        f"http://127.0.0.1:3000/runs/{run_id}",
    ):
        assert part in message["message"]
    assert message["severity"] == "ERROR"
    assert {(one["recipe"], one["asset"], one["check"], one["partition"]) for one in message["alerts"]} == {
        ("toy", "toy/table", "rows", "failed"),
        ("toy", "toy/table", "range", "failed"),
    }
    assert "Ann Smith" not in json.dumps(message)


def test_a_failed_check_that_warns_goes_to_the_place_of_warnings_although_the_run_succeeded(
    daemon: Daemon, hook: Webhook
) -> None:
    daemon.run("warned")
    daemon.look()
    assert hook.messages("error") == []
    (message,) = hook.messages("warn")
    assert "check drift failed" in message["title"]
    assert message["type"] == "warning"


def test_an_error_and_a_warning_of_one_run_go_to_different_places(daemon: Daemon, hook: Webhook) -> None:
    daemon.run("both")
    daemon.look()
    assert [one["alerts"][0]["check"] for one in hook.messages("error")] == ["rows"]
    assert [one["alerts"][0]["check"] for one in hook.messages("warn")] == ["drift"]


def test_checks_that_crash_are_told_as_crashed_not_as_failed(daemon: Daemon, hook: Webhook) -> None:
    daemon.run("crashed")
    daemon.look()
    (message,) = hook.messages("error")
    assert message["title"].startswith("ERROR toy: 3 crashed checks")
    assert {one["kind"] for one in message["alerts"]} == {"check_broken"}
    assert "ValueError" in message["message"]
    assert "#check-broken" in message["message"]


def test_a_run_whose_asset_crashes_is_told_without_the_secrets_markup_and_names_in_its_exception(
    daemon: Daemon, hook: Webhook
) -> None:
    daemon.run("unmade")
    daemon.look()
    (message,) = hook.messages("error")
    (alert,) = message["alerts"]
    assert (alert["kind"], alert["asset"], alert["partition"]) == ("run_failed", "toy/table", "unmade")
    assert alert["evidence"].startswith("RuntimeError: cannot reach postgresql://…")
    assert "alerts/world.py:" in alert["evidence"]
    for banned in (SECRET, "Smith", "<", "[", "?t=1"):
        assert banned not in message["message"], banned
    kept = "".join(path.read_text() for path in (daemon.home / "alerts").rglob("*.json"))
    assert SECRET not in kept
    assert "Smith" not in kept


def test_a_failure_raised_on_purpose_says_its_reason_without_secrets(daemon: Daemon, hook: Webhook) -> None:
    daemon.run("refused")
    daemon.look()
    (message,) = hook.messages("error")
    assert "The vintage is stale; ask …. cannot reach postgresql://…" in message["alerts"][0]["evidence"]
    assert SECRET not in json.dumps(message)
    assert "vendor" not in json.dumps(message)


def test_a_run_that_died_without_a_failed_step_is_told(daemon: Daemon, hook: Webhook) -> None:
    run = daemon.instance.create_run_for_job(
        daemon.defs.resolve_job_def("toy_refresh"), tags={"dagster/partition": "fine"}
    )
    daemon.instance.report_run_failed(run, "The run worker was killed.")
    daemon.look()
    (message,) = hook.messages("error")
    assert message["alerts"][0]["kind"] == "run_failed"
    assert "The run worker was killed." in message["message"]


def test_a_canceled_run_is_a_warning_unless_it_was_ended_because_it_had_failed(daemon: Daemon, hook: Webhook) -> None:
    def launched() -> dg.DagsterRun:
        tags = {"dagster/partition": "fine"}
        return daemon.instance.create_run_for_job(daemon.defs.resolve_job_def("toy_refresh"), tags=tags)

    daemon.instance.report_run_canceled(launched())
    daemon.look()
    daemon.look()
    (message,) = hook.messages("warn")
    assert message["title"] == "WARN toy: run of toy_refresh fine was canceled"
    assert "#run-canceled" in message["message"]
    assert hook.messages("error") == []
    run = launched()
    daemon.instance.report_run_failed(run, "Exceeded maximum runtime of 60 seconds.")
    daemon.instance.report_run_canceled(run)
    daemon.look()
    assert len(hook.messages("error")) == len(hook.messages("warn")) == 1


def test_canceled_runs_of_before_an_upgrade_are_not_told(daemon: Daemon, hook: Webhook) -> None:
    """The cursor of a release that looked at two kinds of ending only."""
    run = daemon.instance.create_run_for_job(daemon.defs.resolve_job_def("toy_refresh"))
    daemon.instance.report_run_canceled(run)
    assert daemon.cursor is not None
    cursor = json.loads(daemon.cursor)
    del cursor["runs"]["PIPELINE_CANCELED"]
    daemon.cursor = json.dumps(cursor)
    daemon.look()
    assert hook.received == []
    daemon.instance.report_run_canceled(daemon.instance.create_run_for_job(daemon.defs.resolve_job_def("toy_refresh")))
    daemon.look()
    assert len(hook.messages("warn")) == 1


def test_a_run_that_dagster_tries_again_by_itself_is_not_told(daemon: Daemon, hook: Webhook) -> None:
    tags = {"dagster/will_retry": "true"}
    run = daemon.instance.create_run_for_job(daemon.defs.resolve_job_def("toy_refresh"), tags=tags)
    daemon.instance.report_run_failed(run)
    daemon.look()
    assert hook.received == []


def test_what_failed_before_the_watching_began_is_not_told(tmp_path: Path, hook: Webhook) -> None:
    with quick_instance(tmp_path) as instance:
        daemon = Daemon(tmp_path, instance)
        daemon.run("failed")
        daemon.look()
        daemon.look()
    assert hook.received == []


# ---- once


def test_each_failure_comes_once_across_restarts_and_a_kill_before_the_cursor_was_kept(
    tmp_path: Path, hook: Webhook
) -> None:
    storage = tmp_path / "storage"
    storage.mkdir()
    with dg.DagsterInstance.local_temp(str(storage)) as instance:
        daemon = Daemon(tmp_path, instance)
        daemon.look()
        daemon.run("failed")
        daemon.look()
        daemon.look()
        daemon.run("unmade")
        daemon.look(keep_cursor=False, launch=False)  # killed with the message in the outbox
        cursor = daemon.cursor
    with dg.DagsterInstance.local_temp(str(storage)) as instance:
        restarted = Daemon(tmp_path, instance, cursor)
        restarted.look(keep_cursor=False)
        restarted.look()
        restarted.look()
        restarted.run("fine")
        restarted.look()
    told = [one["alerts"][0]["partition"] for one in hook.messages("error")]
    assert told == ["failed", "unmade"]
    assert _states(tmp_path) == {"pending": 0, "sent": 2, "dead": 0}


def test_a_failure_that_comes_again_in_another_run_is_told_again(daemon: Daemon, hook: Webhook) -> None:
    for _ in range(2):
        daemon.run("failed")
        daemon.look()
    assert len(hook.messages("error")) == 2
    assert len({one["id"] for one in hook.messages("error")}) == 2


def test_failures_of_many_runs_found_in_one_look_are_one_message(daemon: Daemon, hook: Webhook) -> None:
    for scenario in ("failed", "unmade", "crashed"):
        daemon.run(scenario)
    daemon.look()
    (message,) = hook.messages("error")
    assert message["title"] == "ERROR toy: 3 messages, 2 failed checks, 1 failed run, 3 crashed checks"
    assert len(message["alerts"]) == 6


def test_a_notify_run_that_never_started_is_asked_for_again(daemon: Daemon, hook: Webhook) -> None:
    """A run_key is used up by a run that dies in the queue; the outbox is what remembers."""
    daemon.run("failed")
    daemon.look(launch=False)
    (first,) = daemon.requests().run_requests
    (again,) = daemon.requests().run_requests
    assert again.run_key == first.run_key
    daemon.later(minutes=16)
    (later,) = daemon.requests().run_requests
    assert later.run_key != first.run_key
    daemon.look()
    daemon.look()
    assert len(hook.messages("error")) == 1


# ---- addresses that do not answer


def test_nothing_is_lost_while_the_webhook_answers_500_and_nothing_comes_twice_after(
    daemon: Daemon, hook: Webhook
) -> None:
    (daemon.home / "alerts.yaml").write_text(RETRIES)
    hook.answers["/error"] = 500
    daemon.run("failed")
    (run,) = daemon.look()
    assert run.success  # it will be tried again: nothing to mend yet
    assert daemon.look() == []  # not before its time
    hook.answers.clear()
    daemon.later(seconds=31)
    daemon.look()
    daemon.later(hours=1)
    daemon.look()
    assert len(hook.messages("error")) == 1
    assert _states(daemon.home) == {"pending": 0, "sent": 1, "dead": 0}


def test_what_nobody_takes_is_given_up_told_at_most_once_and_can_be_sent_again(daemon: Daemon, hook: Webhook) -> None:
    (daemon.home / "alerts.yaml").write_text(RETRIES)
    hook.answers["/error"] = 500
    daemon.run("failed")
    outcomes = [run.success for _ in range(3) for run in daemon.look() if daemon.later(minutes=3) is None]
    assert outcomes == [True, True, False]
    assert _states(daemon.home) == {"pending": 0, "sent": 0, "dead": 1}
    for _ in range(8):  # the failed delivery is an alert itself, and that it fails, too, is not
        daemon.look()
        daemon.later(minutes=3)
    assert _states(daemon.home) == {"pending": 0, "sent": 0, "dead": 2}
    kinds = {entry.message.alerts[0].kind for entry in outbox.entries(daemon.home / "alerts", "dead")}
    assert kinds == {"check_failed", "delivery_failed"}
    runs = daemon.instance.get_runs_count(dg.RunsFilter(job_name="notify"))
    assert runs == 6

    failed = redeliver(daemon.home)
    assert failed.exit_code == 1
    assert "error-1-json" in failed.text
    assert "500" in failed.text
    hook.answers.clear()
    daemon.set_clock(datetime.now(UTC) + timedelta(days=1))
    daemon.look()
    assert sum(len(one["alerts"]) for one in hook.messages("error")) == 3
    assert _states(daemon.home)["dead"] == 0
    assert redeliver(daemon.home).text == "There are no dead letters."


def test_an_address_that_took_a_message_does_not_get_it_again_because_another_did_not(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_ERROR", f"{hook.url('error')} {hook.url('pager')}")
    hook.answers["/pager"] = 503
    daemon.run("failed")
    daemon.look()
    hook.answers.clear()
    daemon.later(minutes=1)
    daemon.look()
    assert len(hook.messages("error")) == len(hook.messages("pager")) == 1


def test_no_address_ever_appears_in_logs_tags_or_files(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_ERROR", f"json://bot:{SECRET}@127.0.0.1:1/{SECRET}?-token={SECRET}")
    daemon.run("unmade")
    (run,) = daemon.look()
    logs = [str(one.event_log_entry) for one in daemon.instance.get_records_for_run(run.run_id).records]
    assert any("error-1-json" in line for line in logs)
    files = [path.read_text() for path in (daemon.home / "alerts").rglob("*.json")]
    stored = daemon.instance.get_run_by_id(run.run_id)
    assert SECRET not in "".join([*logs, *files, str(stored)])


def test_without_an_address_alerts_are_kept_until_there_is_one_and_the_tick_says_so(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADSCORE_ALERTS_ERROR")
    monkeypatch.delenv("LEADSCORE_ALERTS_WARN")
    daemon.run("failed")
    assert daemon.look() == []
    assert daemon.execute("notify").success  # nor does somebody who starts it by hand lose them
    assert daemon.execute("alerts_digest").success
    assert _states(daemon.home) == {"pending": 1, "sent": 0, "dead": 0}
    assert daemon.requests().skip_message == "1 messages are kept, because no address is set for error"
    monkeypatch.setenv("LEADSCORE_ALERTS_WARN", hook.url("warn"))  # where errors go that have no address of their own
    daemon.look()
    daemon.look()
    assert len(hook.messages("warn")) == 1
    assert _states(daemon.home) == {"pending": 0, "sent": 1, "dead": 0}


def test_one_secret_that_is_not_set_silences_nobody_else_and_every_message_says_so(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADSCORE_ALERTS_WARN")
    monkeypatch.delenv("NOT_THERE", raising=False)
    lines = f'error: ["slack://$UNREAD"]\nwarn: ["slack://$NOT_THERE/{SECRET}", "{hook.url("warn")}"]\n'
    (daemon.home / "alerts.yaml").write_text(lines + "retry_seconds: [30]\n")
    said = "address 1 of warn cannot be used: NOT_THERE is not set"
    assert daemon.requests().skip_message == said  # the environment has the say over error, so UNREAD is not needed
    daemon.run("both")
    daemon.look()
    daemon.execute("alerts_digest")
    messages = [*hook.messages("error"), *hook.messages("warn")]
    assert len(messages) == 3  # the digest is one of them
    for message in messages:
        assert message["message"].endswith(f"Alerts: {said}")
        assert SECRET not in message["message"]
    assert {name for entry in outbox.entries(daemon.home / "alerts", "sent") for name in entry.delivered} == {
        "error-1-json",
        "warn-2-json",
    }


def test_a_mistake_in_the_settings_stops_the_sensor_loudly_and_loses_nothing(daemon: Daemon, hook: Webhook) -> None:
    path = daemon.home / "alerts.yaml"
    path.write_text("errors: []")
    daemon.run("failed")
    with pytest.raises(Exception, match="errors"):
        daemon.look()
    path.unlink()
    daemon.look()
    assert len(hook.messages("error")) == 1


# ---- the queue


@pytest.mark.parametrize("file", ["dagster.yaml", "deploy/dagster.yaml"])
def test_a_delivery_waits_for_no_training(daemon: Daemon, file: str) -> None:
    """Runs of a limited tag wait for each other."""
    concurrency = yaml.safe_load((PROJECT / file).read_text())["concurrency"]["runs"]
    limited = {limit["key"] for limit in concurrency["tag_concurrency_limits"]}
    assert limited
    daemon.run("both")
    daemon.look(launch=False)
    requests = daemon.requests().run_requests
    assert len(requests) == 2
    for request in requests:
        tags = {**daemon.defs.resolve_job_def("notify").tags, **request.tags}
        assert tags["leadscore/about_recipe"] == "toy"
        assert not limited & set(tags)


# ---- the receiver


def test_a_repetition_can_be_told_by_its_idempotency_key(daemon: Daemon, hook: Webhook) -> None:
    daemon.run("failed")
    daemon.look()
    ((_, body, headers),) = hook.received
    (entry,) = outbox.entries(daemon.home / "alerts", "sent")
    assert headers["Idempotency-Key"] == body["id"] == entry.id


# ---- quiet hours


def test_quiet_hours_hold_what_is_tried_again_in_them_and_the_digest(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_QUIET", "22:00-07:00 Europe/Vienna")
    monkeypatch.setenv("LEADSCORE_ALERTS_QUIET_HOLDS", "WARN DIGEST")
    monkeypatch.setenv("LEADSCORE_ALERTS_DIGEST", hook.url("digest"))
    daemon.set_clock(datetime(2026, 7, 1, 19, 59, tzinfo=UTC))  # a minute to ten in Vienna
    hook.answers["/warn"] = 503
    daemon.run("warned")
    daemon.look()
    hook.answers.clear()
    for _ in range(3):
        daemon.later(hours=1)
        daemon.look()
    assert daemon.execute("alerts_digest").success
    daemon.look()
    assert hook.received == []
    daemon.set_clock(datetime(2026, 7, 2, 5, 0, tzinfo=UTC))
    daemon.look()
    daemon.look()
    assert (len(hook.messages("warn")), len(hook.messages("digest"))) == (1, 1)


def test_what_was_due_before_the_quiet_hours_and_comes_late_waits_for_their_end(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_QUIET", "22:00-07:00")
    daemon.set_clock(datetime(2026, 7, 1, 21, 59, tzinfo=UTC))
    daemon.run("warned")
    daemon.look(launch=False)
    daemon.later(minutes=5)  # its run has waited in the queue
    daemon.look()
    assert hook.received == []
    daemon.set_clock(datetime(2026, 7, 2, 7, 0, tzinfo=UTC))
    daemon.look()
    assert len(hook.messages("warn")) == 1


def test_a_warning_waits_for_the_end_of_quiet_hours_and_an_error_does_not(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_QUIET", "22:00-07:00 Europe/Vienna")
    daemon.set_clock(datetime(2026, 7, 1, 22, 30, tzinfo=UTC))  # half past midnight in Vienna
    daemon.run("both")
    daemon.look()
    assert (len(hook.messages("error")), len(hook.messages("warn"))) == (1, 0)
    daemon.set_clock(datetime(2026, 7, 2, 4, 59, tzinfo=UTC))
    daemon.look()
    assert hook.messages("warn") == []
    daemon.set_clock(datetime(2026, 7, 2, 5, 0, tzinfo=UTC))
    daemon.look()
    daemon.look()
    assert len(hook.messages("warn")) == 1


# ---- sensors and schedules


def test_a_sensor_that_keeps_failing_is_told_once(daemon: Daemon, hook: Webhook) -> None:
    state = turn_on(daemon.instance, "vendor_drops", daemon.now)
    for _ in range(3):
        daemon.later(seconds=30)
        tick(daemon.instance, state, daemon.now, "FAILURE", f"token={SECRET}")
        daemon.look()
    (message,) = hook.messages("error")
    assert "sensor vendor_drops raised an error" in message["title"]
    assert "/locations/leadscore/sensors/vendor_drops" in message["message"]
    assert SECRET not in json.dumps(message)
    daemon.later(hours=3)
    tick(daemon.instance, state, daemon.now, "SKIPPED")
    daemon.look()
    daemon.later(hours=3)
    tick(daemon.instance, state, daemon.now, "FAILURE", "again")
    daemon.look()
    assert len(hook.messages("error")) == 2


def test_a_sensor_that_looks_once_an_hour_and_keeps_failing_is_told_once(daemon: Daemon, hook: Webhook) -> None:
    state = turn_on(daemon.instance, "vendor_drops", daemon.now, every=3600)
    for _ in range(72):
        daemon.later(seconds=3605)
        tick(daemon.instance, state, daemon.now, "FAILURE", "no such folder")
        daemon.look()
    assert len(hook.messages("error")) == 1


@pytest.fixture
def scheduled(daemon: Daemon) -> Daemon:
    """A daemon at 05:00 with the daily schedule on since the day before."""
    daemon.set_clock(datetime(2026, 3, 4, 5, tzinfo=UTC))
    daemon.cursor = None
    daemon.look()
    turn_on(daemon.instance, "toy_daily_schedule", daemon.now - timedelta(days=1))
    return daemon


def _watch(daemon: Daemon, hours: float) -> None:
    for _ in range(round(hours * 6)):
        daemon.later(minutes=10)
        daemon.look()


def test_a_day_that_nobody_scored_is_told_once_after_its_grace(scheduled: Daemon, hook: Webhook) -> None:
    _watch(scheduled, 2.8)
    assert hook.received == []
    _watch(scheduled, 2)
    (message,) = hook.messages("error")
    (alert,) = message["alerts"]
    assert (alert["kind"], alert["asset"], alert["partition"]) == ("schedule_missed", "toy/scores", "2026-03-04")
    assert alert["owner"] == "team:sales"
    assert "due at 2026-03-04 06:00 UTC and never began" in alert["evidence"]


def test_a_day_that_was_scored_is_not_told(scheduled: Daemon, hook: Webhook) -> None:
    scheduled.execute("toy_daily_scores", partition_key="2026-03-04")
    _watch(scheduled, 4)
    assert hook.received == []


def test_a_day_whose_run_failed_is_told_as_a_failed_run_only(scheduled: Daemon, hook: Webhook) -> None:
    job = scheduled.defs.resolve_job_def("toy_daily_scores")
    run = scheduled.instance.create_run_for_job(job, tags={"dagster/partition": "2026-03-04"})
    scheduled.instance.report_run_failed(run, "killed")
    _watch(scheduled, 4)
    assert [one["alerts"][0]["kind"] for one in hook.messages("error")] == ["run_failed"]


def test_a_schedule_whose_tick_raised_is_told_as_that_only(scheduled: Daemon, hook: Webhook) -> None:
    (state,) = scheduled.instance.all_instigator_state()
    tick(scheduled.instance, state, datetime(2026, 3, 4, 6, tzinfo=UTC), "FAILURE", "no such folder")
    _watch(scheduled, 4)
    assert [one["alerts"][0]["kind"] for one in hook.messages("error")] == ["tick_failed"]
    assert "schedule toy_daily_schedule raised an error" in hook.messages("error")[0]["title"]


def test_a_day_that_is_being_scored_is_not_missed_yet(scheduled: Daemon, hook: Webhook) -> None:
    job = scheduled.defs.resolve_job_def("toy_daily_scores")
    tags, started = {"dagster/partition": "2026-03-04"}, dg.DagsterRunStatus.STARTED
    run = scheduled.instance.create_run_for_job(job, tags=tags, status=started)
    _watch(scheduled, 4)
    assert hook.received == []
    scheduled.instance.report_run_canceled(run)
    _watch(scheduled, 1)
    (message,) = hook.messages("error")
    assert "its run was canceled" in message["alerts"][0]["evidence"]


def test_a_sensor_is_judged_by_its_last_finished_tick(daemon: Daemon) -> None:
    """The alert sensor looks at itself, too, in the middle of a tick."""
    state = turn_on(daemon.instance, "alerts", daemon.now)
    for status in ("FAILURE", "STARTED"):
        daemon.later(seconds=30)
        tick(daemon.instance, state, daemon.now, status, "disk full" if status == "FAILURE" else None)
    daemon.look()
    daemon.look()
    assert list(json.loads((daemon.home / "alerts/open.json").read_text())) == ["tick alerts"]


def test_a_skipped_day_is_missed_only_where_there_have_been_days_before(scheduled: Daemon, hook: Webhook) -> None:
    """A recipe that nobody has set up is skipped every morning; one that was scored yesterday should not be."""
    (state,) = scheduled.instance.all_instigator_state()
    tick(scheduled.instance, state, datetime(2026, 3, 4, 6, tzinfo=UTC), "SKIPPED")
    _watch(scheduled, 4)
    assert hook.received == []
    scheduled.execute("toy_daily_scores", partition_key="2026-03-03")
    tick(scheduled.instance, state, datetime(2026, 3, 5, 6, tzinfo=UTC), "SKIPPED")
    scheduled.later(hours=20)
    _watch(scheduled, 5)
    (message,) = hook.messages("error")
    assert "skipped at 2026-03-05 06:00 UTC" in message["alerts"][0]["evidence"]


def test_a_schedule_that_waits_for_a_late_day_has_missed_only_what_it_has_asked_for(
    daemon: Daemon, hook: Webhook
) -> None:
    """Monitoring leaves a day that is not scored yet to its next tick; the schedule that scores tells of the day."""
    daemon.execute("toy_daily_scores", partition_key="2026-03-03")
    daemon.set_clock(datetime(2026, 3, 4, 5, tzinfo=UTC))
    daemon.cursor = None
    daemon.look()
    state = turn_on(daemon.instance, "toy_waiting_schedule", daemon.now - timedelta(days=1))
    tick(daemon.instance, state, datetime(2026, 3, 4, 6, tzinfo=UTC), "SKIPPED")
    _watch(daemon, 4)
    asked = ["toy/monitoring/2026-03-02"]
    tick(daemon.instance, state, datetime(2026, 3, 5, 6, tzinfo=UTC), "SUCCESS", run_keys=asked)
    daemon.later(hours=20)
    _watch(daemon, 5)
    assert hook.received == []
    asked = ["toy/monitoring/2026-03-06"]
    tick(daemon.instance, state, datetime(2026, 3, 6, 6, tzinfo=UTC), "SUCCESS", run_keys=asked)
    daemon.later(hours=20)
    _watch(daemon, 5)
    (message,) = hook.messages("error")
    assert message["alerts"][0]["partition"] == "2026-03-06"


def test_after_a_pause_the_daemon_may_catch_up_before_anything_counts_as_missed(
    scheduled: Daemon, hook: Webhook
) -> None:
    scheduled.later(hours=6)  # everything was down from five to eleven
    scheduled.look()
    scheduled.later(minutes=9)
    scheduled.look()
    assert hook.received == []
    scheduled.later(minutes=9)
    scheduled.look()
    assert len(hook.messages("error")) == 1


# ---- the digest


def test_the_digest_says_what_failed_what_is_open_and_what_was_delivered_once_a_day(
    daemon: Daemon, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_ALERTS_DIGEST", hook.url("digest"))
    daemon.set_clock(datetime(2026, 3, 4, 5, tzinfo=UTC))
    for scenario in ("failed", "warned", "both"):
        daemon.run(scenario)
    daemon.look()
    daemon.later(hours=2)
    for _ in range(2):
        assert daemon.execute("alerts_digest").success
    (message,) = hook.messages("digest")
    assert message["title"] == "leadscore digest 2026-03-04: 3 errors, 2 warnings, 5 open"
    assert "check rows failed on toy/table failed" in message["message"]
    assert "- 4 messages delivered" in message["message"]
    assert "The alert sensor is OFF" in message["message"]


def test_what_went_well_again_is_no_longer_open(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def still_open() -> list[str]:
        return list(json.loads((daemon.home / "alerts/open.json").read_text()))

    for scenario in ("failed", "unmade"):
        daemon.run(scenario)
    daemon.look()
    assert still_open() == ["check toy/table rows failed", "check toy/table range failed", "asset toy/table unmade"]
    monkeypatch.setattr(world, "MENDED", True)
    daemon.run("failed")
    daemon.look()
    assert still_open() == ["asset toy/table unmade"]
