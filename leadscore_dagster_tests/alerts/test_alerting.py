"""The commands: a test alert to every address, and the words of the digest's last line."""

from datetime import timedelta
from pathlib import Path

import pytest

from leadscore_dagster.commands.alerts import redeliver, send_test_alert
from leadscore_dagster.core.alerts.digest import LISTED, digest, open_after, watcher_line
from leadscore_dagster.core.alerts.routing import AlertSettings
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.defs.alerts.instigators import last_due
from leadscore_dagster_tests.alerts.samples import NOON, alert
from leadscore_dagster_tests.alerts.world import SECRET, Webhook


def test_every_address_is_asked_and_says_whether_it_answered(tmp_path: Path, hook: Webhook) -> None:
    outcome = send_test_alert(tmp_path)
    assert outcome.exit_code == 0
    assert [one["name"] for one in outcome.as_json()["targets"]] == ["error-1-json", "warn-1-json"]
    assert len(hook.messages("error")) == len(hook.messages("warn")) == 1
    assert "test alert for error-1-json" in hook.messages("error")[0]["title"]


def test_one_address_that_fails_is_named_without_its_secrets_and_the_others_still_get_theirs(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.answers["/warn"] = 500
    bad = [f"json://bot:{SECRET}@127.0.0.1:1/{SECRET}", f"nonsense://{SECRET}", SECRET]
    monkeypatch.setenv("LEADSCORE_ALERTS_ERROR", " ".join([hook.url("error"), *bad]))
    outcome = send_test_alert(tmp_path)
    assert outcome.exit_code == 1
    assert [one["ok"] for one in outcome.as_json()["targets"]] == [True, False, False, False, False]
    assert SECRET not in outcome.as_text() + str(outcome.as_json())
    assert "500" in outcome.as_json()["targets"][-1]["problem"]
    assert len(hook.messages("error")) == 1


def test_no_address_at_all_is_an_error_that_says_what_to_set(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADSCORE_ALERTS_ERROR")
    monkeypatch.delenv("LEADSCORE_ALERTS_WARN")
    with pytest.raises(InputError, match="LEADSCORE_ALERTS_ERROR"):
        send_test_alert(tmp_path)


def test_an_address_whose_secret_is_not_set_fails_the_test_and_the_others_still_get_theirs(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADSCORE_ALERTS_WARN")
    monkeypatch.delenv("NOT_THERE", raising=False)
    (tmp_path / "alerts.yaml").write_text(f'warn: ["slack://{SECRET}/$NOT_THERE"]')
    outcome = send_test_alert(tmp_path)
    assert outcome.exit_code == 1
    assert "address 1 of warn cannot be used: NOT_THERE is not set" in outcome.as_text()
    assert SECRET not in outcome.as_text()
    assert len(hook.messages("error")) == 1
    monkeypatch.delenv("LEADSCORE_ALERTS_ERROR")
    assert send_test_alert(tmp_path).exit_code == 1


def test_a_test_alert_leaves_nothing_in_the_outbox(tmp_path: Path, hook: Webhook) -> None:
    send_test_alert(tmp_path)
    assert not (tmp_path / "alerts").exists()
    assert redeliver(tmp_path).exit_code == 0


# ---- digest


def test_a_good_day_has_a_digest_too(tmp_path: Path) -> None:
    message = digest(tmp_path, AlertSettings(), {}, "The alert sensor is well", NOON, NOON - timedelta(days=1))
    assert message.title == "leadscore digest 2026-03-04: 0 errors, 0 warnings, 0 open"
    assert "Failed: nothing." in message.body
    assert "Still open: nothing." in message.body


def test_a_long_list_of_open_matters_is_cut_and_counted(tmp_path: Path) -> None:
    many = open_after({}, [alert(subject=f"s{i}", what=f"matter {i}") for i in range(LISTED + 3)], [])
    body = digest(tmp_path, AlertSettings(), many, "", NOON, NOON - timedelta(days=1)).body
    assert "- … and 3 more" in body
    assert body.count("matter") == LISTED


def test_what_fails_again_stays_open_since_it_first_failed() -> None:
    first = open_after({}, [alert()], [])
    again = open_after(first, [alert(at=NOON + timedelta(days=1))], [])
    assert again == first
    assert open_after(again, [], [alert().subject]) == {}


def test_the_digest_watches_the_watcher() -> None:
    hour = timedelta(hours=1)
    assert "OFF" in watcher_line(None, failed=False, running=False, now=NOON)
    assert "FAILS" in watcher_line(NOON, failed=True, running=True, now=NOON)
    assert "too long ago" in watcher_line(NOON - hour, failed=False, running=True, now=NOON)
    assert "too long ago" not in watcher_line(NOON, failed=False, running=True, now=NOON)
    assert "not looked yet" in watcher_line(None, failed=False, running=True, now=NOON)


# ---- when a schedule was last due


@pytest.mark.parametrize(
    ("cron", "zone", "due"),
    [
        ("0 6 * * *", "UTC", "2026-03-04T06:00:00+00:00"),
        ("0 12 * * *", "UTC", "2026-03-04T12:00:00+00:00"),
        ("30 12 * * *", "Europe/Vienna", "2026-03-04T12:30:00+01:00"),
        ("0 0 1 1,4,7,10 *", "UTC", "2026-01-01T00:00:00+00:00"),
        (["0 6 * * *", "0 9 * * *"], "UTC", "2026-03-04T09:00:00+00:00"),
    ],
)
def test_when_a_schedule_was_last_due(cron: str | list[str], zone: str, due: str) -> None:
    assert last_due(cron, zone, NOON).isoformat() == due
