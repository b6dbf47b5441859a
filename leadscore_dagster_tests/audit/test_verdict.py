"""How verdicts combine."""

from __future__ import annotations

import json

import pytest

from leadscore_dagster.core.audit.verdict import CLOCK, SETTLED_BY_REPLAY, FeatureVerdict, blocking, overall


def verdict(part: str, answer: str, metric: str | None = None) -> FeatureVerdict:
    return FeatureVerdict("x", part, answer, f"because of {part}", metric)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "worst"),
    [
        (["clear", "clear"], "clear"),
        (["clear", "unproven"], "unproven"),
        (["unproven", "suspect", "clear"], "suspect"),
        (["suspect", "leak", "clear"], "leak"),
    ],
)
def test_the_worst_part_decides(answers: list[str], worst: str) -> None:
    verdicts = [verdict(f"part{number}", answer) for number, answer in enumerate(answers)]
    assert overall(verdicts)["x"].verdict == worst
    assert bool(blocking(verdicts)) is (worst in ("leak", "suspect"))


def test_a_clear_replay_settles_the_mixing_of_decisions_and_nothing_else() -> None:
    mixing = verdict("lineage", "unproven", SETTLED_BY_REPLAY)
    assert overall([mixing, verdict("replay", "clear")])["x"].part == "replay"
    assert overall([mixing, verdict("replay", "unproven")])["x"].verdict == "unproven"
    assert overall([mixing])["x"].verdict == "unproven"
    assert overall([verdict("lineage", "unproven"), verdict("replay", "clear")])["x"].verdict == "unproven"
    assert overall([verdict("lineage", "leak", SETTLED_BY_REPLAY), verdict("replay", "clear")])["x"].verdict == "leak"


def test_a_verdict_is_json() -> None:
    text = json.dumps(FeatureVerdict("x", "replay", "leak", "3 rows", "rows_different", 3, 0).as_dict())
    assert json.loads(text) == {
        "feature": "x",
        "part": "replay",
        "verdict": "leak",
        "evidence": "3 rows",
        "metric": "rows_different",
        "value": 3,
        "threshold": 0,
    }


def test_an_acknowledged_suspicion_no_longer_blocks_but_only_the_one_that_was_looked_into() -> None:
    suspicions = [verdict("strength", "suspect"), verdict("joint", "suspect")]
    assert [found.part for found in blocking(suspicions, {("x", "strength")})] == ["joint"]
    assert blocking(suspicions, {("x", "strength"), ("x", "joint")}) == []


def test_a_leak_cannot_be_acknowledged_and_stands_first() -> None:
    found = [verdict("strength", "suspect"), verdict("replay", "leak")]
    assert [entry.verdict for entry in blocking(found, {("x", "replay")})] == ["leak", "suspect"]


def test_of_equal_verdicts_the_one_that_names_a_clock_is_told() -> None:
    found = [verdict("restatement", "unproven"), verdict("strength", "unproven", CLOCK)]
    assert overall(found)["x"].metric == CLOCK
    assert overall([*found, verdict("joint", "suspect")])["x"].part == "joint"
