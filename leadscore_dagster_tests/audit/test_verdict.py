"""How verdicts combine."""

from __future__ import annotations

import json

import pytest

from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, Verdict, blocks, overall, table


def verdict(part: str, answer: str, metric: str | None = None) -> Verdict:
    return Verdict("x", part, answer, f"because of {part}", metric)  # type: ignore[arg-type]


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
    assert blocks(verdicts) is (worst == "leak")


def test_a_clear_replay_settles_the_mixing_of_decisions_and_nothing_else() -> None:
    mixing = verdict("lineage", "unproven", SETTLED_BY_REPLAY)
    assert overall([mixing, verdict("replay", "clear")])["x"].part == "replay"
    assert overall([mixing, verdict("replay", "unproven")])["x"].verdict == "unproven"
    assert overall([mixing])["x"].verdict == "unproven"
    assert overall([verdict("lineage", "unproven"), verdict("replay", "clear")])["x"].verdict == "unproven"
    assert overall([verdict("lineage", "leak", SETTLED_BY_REPLAY), verdict("replay", "clear")])["x"].verdict == "leak"


def test_a_verdict_is_json() -> None:
    text = json.dumps(Verdict("x", "replay", "leak", "3 rows", "rows_different", 3, 0).as_dict())
    assert json.loads(text) == {
        "feature": "x",
        "part": "replay",
        "verdict": "leak",
        "evidence": "3 rows",
        "metric": "rows_different",
        "value": 3,
        "threshold": 0,
    }


def test_the_table_puts_the_worst_first_and_cannot_be_broken_by_its_content() -> None:
    lines = table([verdict("lineage", "clear"), Verdict("y", "replay", "leak", "a | b\nc")]).splitlines()
    assert lines[2] == "| y | replay | leak | a \\| b c |"
    assert lines[3].startswith("| x | lineage | clear |")
