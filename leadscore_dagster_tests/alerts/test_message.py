"""Wording: grouped by occasion and severity, complete, and not too long."""

import json
from typing import get_args

import pytest

from leadscore_dagster.core.alerts.alert import Kind
from leadscore_dagster.core.alerts.message import (
    BLOCKS,
    KINDS,
    LONGEST_BODY,
    message_of,
    messages_of,
    together,
    with_notice,
)
from leadscore_dagster.core.alerts.routing import AlertSettings
from leadscore_dagster_tests import PROJECT
from leadscore_dagster_tests.alerts.samples import alert

SETTINGS = AlertSettings(ui="https://dagit.example/", runbook="https://wiki.example/runbook")


def test_alerts_of_one_run_make_one_message_per_severity() -> None:
    alerts = [alert(), alert(check="range"), alert(severity="WARN"), alert(occasion="run/r2")]
    messages = messages_of(alerts, SETTINGS)
    assert [(one.place, len(one.alerts)) for one in messages] == [("ERROR", 2), ("WARN", 1), ("ERROR", 1)]
    assert len({one.id for one in messages}) == 3


def test_the_same_failure_found_again_is_the_same_message() -> None:
    assert messages_of([alert()], SETTINGS) == messages_of([alert()], SETTINGS)


def test_a_message_says_what_where_whose_and_what_to_do() -> None:
    (message,) = messages_of([alert(owner="team:growth", value=3.0, threshold=0.0)], SETTINGS)
    assert message.title == "ERROR toy: check rows failed on toy/table p"
    for line in (
        "Evidence: 3 rows are missing; value 3; threshold 0",
        "Owner: team:growth",
        "Dagit: https://dagit.example/assets/toy/table?view=checks&checkDetail=rows",
        "Run: https://dagit.example/runs/r1",
        f"Message: {message.id}",
    ):
        assert line in message.body.splitlines()
    assert "Runbook: https://wiki.example/runbook#check-failed" in message.body


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_words_and_a_chapter_of_the_runbook(kind: Kind) -> None:
    (message,) = messages_of([alert(kind=kind)] * 2, SETTINGS)
    assert KINDS[kind] in message.title
    chapters = (PROJECT / "docs" / "runbook.md").read_text().splitlines()
    assert f"## {alert(kind=kind).anchor}" in chapters


def test_a_notice_is_never_cut_off() -> None:
    (message,) = messages_of([alert(evidence="x" * 400)] * 40, SETTINGS)
    noticed = with_notice(message, ["address 1 of warn cannot be used", "and another"])
    assert noticed.body.endswith("Alerts: address 1 of warn cannot be used; and another")
    assert len(noticed.body) <= LONGEST_BODY
    assert noticed.id == message.id
    assert with_notice(message, []) is message


def test_what_is_not_known_is_not_mentioned() -> None:
    (message,) = messages_of([alert(evidence="", owner=None, partition=None)], SETTINGS)
    for label in ("Evidence", "Owner", "Partition", "None"):
        assert label not in message.body


def test_of_many_alerts_some_are_spelled_out_and_all_are_counted() -> None:
    many = [alert(check=f"c{i}", what=f"check c{i} failed", evidence="x" * 400) for i in range(40)]
    (message,) = messages_of(many, SETTINGS)
    assert message.title == "ERROR toy: 40 failed checks (check c0 failed, …)"
    assert message.body.count("Evidence:") == BLOCKS
    assert len(message.body) <= LONGEST_BODY
    bundle = together([message] * 30)
    assert len(bundle.body) <= LONGEST_BODY
    assert bundle.body.endswith("the rest is in Dagit.")


def test_a_bundle_of_the_same_messages_has_the_same_identity_in_any_order() -> None:
    first, second = messages_of([alert(), alert(occasion="run/r2")], SETTINGS)
    assert together([first, second]).id == together([second, first]).id != first.id
    assert together([first]) is first


def test_a_message_survives_being_kept_as_json() -> None:
    (message,) = messages_of([alert(value=0.5)], SETTINGS)
    assert message_of(json.loads(json.dumps(message.as_record()))) == message
