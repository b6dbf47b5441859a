"""Waivers: for a gate that was failed, by somebody, for a reason, until a day; never without a trace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import WAIVERS
from leadscore_dagster.core.verdict import Reason, Verdict, to_json
from leadscore_dagster.core.versions.waivers import Waiver, grant, judged, waived, waivers_of
from leadscore_dagster_tests import scenario

FAILED = Verdict(
    "ece",
    False,
    Reason.MISSED,
    value=0.08,
    low=0.06,
    high=0.1,
    threshold=0.05,
    why="Calibration error is 0.080: refused.",
)
PASSED = Verdict(
    "auc_roc", True, Reason.MET, value=0.7, low=0.65, high=0.75, threshold=0.6, why="AUC-ROC is 0.700: passed."
)
WAIVER = Waiver(
    recipe="advisor_mql",
    version="2026-01-01-aaaaaaaaaaaa",
    gate="ece",
    why="ranks are used, not probabilities",
    granted_by="head of sales",
    granted_at=datetime(2026, 1, 10, 9, tzinfo=UTC),
    expires_on=date(2026, 3, 31),
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return scenario.state_of(tmp_path, "advisor_mql")


def test_a_waived_gate_passes_until_its_last_day_and_says_who_and_why(state: State) -> None:
    grant(state, WAIVER, [FAILED])
    for day in (date(2026, 1, 10), date(2026, 3, 31)):
        ece, auc = waived([FAILED, PASSED], waivers_of(state, WAIVER.version, day))
        assert ece.passed
        assert "head of sales" in ece.why
        assert "until 2026-03-31" in ece.why
        assert FAILED.why in ece.why
        assert (ece.value, ece.high) == (FAILED.value, FAILED.high)
        assert auc == PASSED


@pytest.mark.parametrize("day", [date(2026, 1, 9), date(2026, 4, 1)])
def test_before_it_was_granted_and_after_its_last_day_it_does_not_count(state: State, day: date) -> None:
    grant(state, WAIVER, [FAILED])
    assert waived([FAILED], waivers_of(state, WAIVER.version, day)) == [FAILED]


def test_after_its_last_day_the_gate_says_when_it_was_waived(state: State) -> None:
    grant(state, WAIVER, [FAILED])
    (before,) = judged(state, WAIVER.version, [FAILED], on=date(2026, 2, 1))
    (after,) = judged(state, WAIVER.version, [FAILED], on=date(2026, 4, 1))
    assert (before.word, after.word) == ("waived", "refused")
    assert (before.reason, after.reason) == (Reason.WAIVED, Reason.MISSED)
    assert after.why == f"{FAILED.why} It was waived from 2026-01-10 to 2026-03-31 only."
    assert '"waived": true' in to_json([before])
    assert "waived" not in to_json([PASSED])


def test_it_is_for_one_version_only(state: State) -> None:
    grant(state, WAIVER, [FAILED])
    assert waivers_of(state, "2026-04-01-bbbbbbbbbbbb", date(2026, 2, 1)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gate": "auc_roc"}, "did not fail gate 'auc_roc'.*ece"),
        ({"why": "  "}, "why is empty"),
        ({"granted_by": ""}, "granted_by is empty"),
        ({"expires_on": date(2026, 1, 9)}, "would expire -1 days from now"),
        ({"expires_on": date(2027, 1, 9)}, "would expire 364 days from now"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_refused(state: State, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grant(state, replace(WAIVER, **changes), [FAILED])  # type: ignore[arg-type]
    assert state.rows(WAIVERS) == []


def test_both_of_two_waivers_stay(state: State) -> None:
    grant(state, WAIVER, [FAILED])
    grant(state, replace(WAIVER, why="still ranks only", expires_on=date(2026, 4, 30)), [FAILED])
    assert len(waivers_of(state, WAIVER.version, date(2026, 2, 1))) == 2
    (ece,) = waived([FAILED], waivers_of(state, WAIVER.version, date(2026, 4, 15)))
    assert ece.passed
