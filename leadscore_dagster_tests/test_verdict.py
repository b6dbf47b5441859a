"""The one verdict: what it is in JSON, and what is read where an earlier release has written no reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leadscore_dagster.core.verdict import Reason, Verdict, from_json, to_json

FULL = Verdict(
    "drift", False, Reason.MISSED, severity="warn", value=0.3, low=0.2, high=0.4, threshold=0.1, n=900, why="Moved.",
    evidence="| a |", about=("2026-03", "tenure", "age"),
)  # fmt: skip


@pytest.mark.parametrize(
    "verdict", [FULL, Verdict("ece", True, Reason.WAIVED, value=0.1), Verdict("auc", True, Reason.NO_CHAMPION)]
)
def test_a_verdict_survives_json(verdict: Verdict) -> None:
    assert from_json(to_json([verdict])) == [verdict]


def test_json_has_the_documented_keys_and_no_more_than_there_is_to_say() -> None:
    stored = json.loads(to_json([Verdict("auc_roc", True, Reason.MET, value=0.8, why="Fine.")]))[0]
    assert stored == {
        "name": "auc_roc", "passed": True, "severity": "error", "reason": "met", "value": 0.8, "low": None,
        "high": None, "threshold": None, "n": None, "why": "Fine.",
    }  # fmt: skip
    assert Verdict("ece", True, Reason.WAIVED).as_dict()["waived"] is True


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({"passed": True, "value": 0.8}, Reason.MET),
        ({"passed": False, "value": 0.4}, Reason.MISSED),
        ({"passed": True, "value": 0.4, "waived": True}, Reason.WAIVED),
        ({"passed": True, "value": None}, Reason.NO_CHAMPION),
        ({"passed": False, "value": None}, Reason.NOT_MEASURED),
    ],
)
@pytest.mark.parametrize("why", ["There is no champion yet: promoted.", "It was waived.", "Unchanged."])
def test_what_was_stored_without_a_reason_gets_one_from_its_numbers_whatever_its_sentence_says(
    stored: dict[str, Any], reason: Reason, why: str
) -> None:
    old = {"name": "auc_roc", "low": None, "high": None, "threshold": 0.6, "why": why, **stored}
    (verdict,) = from_json(json.dumps([old]))
    assert (verdict.reason, verdict.why) == (reason, why)


def test_a_reason_nobody_knows_is_refused_and_not_guessed() -> None:
    with pytest.raises(ValueError, match="because"):
        Verdict.from_dict({"name": "auc_roc", "passed": True, "reason": "because"})


@pytest.mark.parametrize(
    ("verdict", "blocks", "judged", "word"),
    [
        (Verdict("a", False, Reason.MISSED), True, True, "refused"),
        (FULL, False, True, "refused"),
        (Verdict("a", True, Reason.NOT_JUDGED), False, False, "passed"),
        (Verdict("a", True, Reason.WAIVED), False, True, "waived"),
    ],
)
def test_what_a_verdict_comes_to(verdict: Verdict, blocks: bool, judged: bool, word: str) -> None:
    assert (verdict.blocks, verdict.judged, verdict.word) == (blocks, judged, word)
