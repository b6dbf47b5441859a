from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state.tables import LEDGER
from leadscore_dagster.core.versions.ledger import (
    LedgerEntry,
    ModelVersion,
    append_entry,
    champion_at,
    champion_before,
    history,
    record_version,
    rollback,
    versions,
)
from leadscore_dagster.core.versions.shadow import aliases
from leadscore_dagster_tests import scenario

RECORDED = datetime(2024, 12, 1, 12, tzinfo=UTC)


def instant(month: int) -> datetime:
    return datetime(2024, month, 1, tzinfo=UTC)


def entry(version: str, month: int, action: str = "promote", **changes) -> LedgerEntry:
    return replace(LedgerEntry("advisor_mql", version, action, instant(month), RECORDED, "beat it"), **changes)


@pytest.fixture
def state(tmp_path):
    state = scenario.state_of(tmp_path, "advisor_mql")
    for number in (1, 2, 3):
        record_version(state, ModelVersion("advisor_mql", f"v{number}", date(2024, 1, 1), RECORDED, "abc"))
    return state


def test_before_the_first_entry_there_is_no_champion(state):
    assert champion_at(state, RECORDED) is None
    assert champion_before(state, RECORDED) is None
    assert history(state) == []


def test_the_champion_of_an_instant_is_the_newest_promotion_by_then(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7))
    assert champion_at(state, instant(4) - timedelta(microseconds=1)) is None
    assert champion_at(state, instant(4)).version == "v1"
    assert champion_at(state, instant(7) - timedelta(microseconds=1)).version == "v1"
    assert champion_at(state, instant(7)).version == "v2"
    assert champion_before(state, instant(7)).version == "v1"


def test_an_earlier_quarter_backfilled_later_does_not_become_todays_champion(state):
    append_entry(state, entry("v2", 7))
    append_entry(state, entry("v1", 4))
    assert champion_at(state, instant(9)).version == "v2"
    assert [known.sequence for known in history(state)] == [1, 2]


def test_of_two_entries_effective_at_the_same_instant_the_later_one_counts(state):
    append_entry(state, entry("v2", 7))
    append_entry(state, entry("v1", 7))
    assert champion_at(state, instant(7)).version == "v1"


def test_a_run_repeated_after_a_kill_finds_its_entry_and_writes_no_second_one(state):
    first = append_entry(state, entry("v1", 4, gates_json='[{"name": "auc"}]'))
    stored = state.rows(LEDGER)
    elsewhere = instant(4).astimezone(timezone(timedelta(hours=2)))
    again = append_entry(
        state,
        entry(
            "v1",
            4,
            gates_json='[{"name": "auc"}]',
            recorded_at=RECORDED + timedelta(1),
            effective_from=elsewhere,
        ),
    )
    assert again == first
    assert again.recorded_at == RECORDED
    assert state.rows(LEDGER) == stored


def test_what_is_judged_anew_is_a_new_entry_and_the_old_one_stays(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v1", 4, gates_json="[1]", waiver="the head of sales, until June"))
    append_entry(state, entry("v1", 4, gates_json="[1]", waiver="the head of sales, until July"))
    append_entry(state, entry("v1", 4, gates_json="[1]", waiver="the head of sales, until July"))
    until_june = "the head of sales, until June"
    assert [known.waiver for known in history(state)] == [None, until_june, "the head of sales, until July"]
    assert champion_at(state, instant(4)).waiver == "the head of sales, until July"


def test_a_refused_or_unneeded_candidate_is_recorded_and_never_becomes_champion(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7, "refuse", why="lift 1.2 is below 1.5"))
    append_entry(state, entry("v3", 7, "keep"))
    assert champion_at(state, instant(9)).version == "v1"
    assert [known.action for known in history(state)] == ["promote", "refuse", "keep"]


def test_a_refused_version_is_promoted_only_by_a_new_judgement_or_a_waiver(state):
    append_entry(state, entry("v2", 4, "refuse", why="lift 1.2 is below 1.5", gates_json="[0]"))
    with pytest.raises(InputError, match="was refused: lift"):
        append_entry(state, entry("v2", 7, gates_json="[0]"))
    append_entry(state, entry("v2", 7, gates_json="[0]", waiver="the head of sales, until June"))
    append_entry(state, entry("v3", 7, "refuse", gates_json="[0]"))
    assert append_entry(state, entry("v3", 8, gates_json="[1]")).version == "v3"


def test_a_rollback_that_a_later_entry_would_undo_is_refused(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7))
    append_entry(state, entry("v3", 10))
    with pytest.raises(InputError, match=r"from 2024-08-01 on would not last: entry 3 makes v3 .*from 2024-10-01 on"):
        rollback(state, "advisor_mql", "v1", effective_from=instant(8), recorded_at=RECORDED, why="complaints")
    assert champion_at(state, RECORDED).version == "v3"
    rollback(state, "advisor_mql", "v1", effective_from=instant(10), recorded_at=RECORDED, why="complaints")
    assert champion_at(state, RECORDED).version == "v1"


def test_a_rollback_appends_a_row_and_the_history_stays(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7))
    back = rollback(state, "advisor_mql", "v1", effective_from=instant(8), recorded_at=RECORDED, why="complaints")
    assert champion_at(state, instant(8)) == back
    assert champion_at(state, instant(7)).version == "v2"
    assert [known.version for known in history(state)] == ["v1", "v2", "v1"]


@pytest.mark.parametrize(
    ("version", "month", "message"),
    [
        ("v9", 8, "not recorded.*choose one of v1, v2, v3"),
        ("v3", 8, "never champion before"),
        ("v2", 8, "already the champion.*choose one of v1"),
        ("v2", 5, "never champion before"),
        ("v1", 5, "already the champion.*no earlier champion"),
    ],
)
def test_a_rollback_that_makes_no_sense_says_what_is_wrong(state, version, month, message):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7))
    append_entry(state, entry("v3", 7, "refuse"))
    with pytest.raises(InputError, match=message):
        rollback(
            state,
            "advisor_mql",
            version,
            effective_from=instant(month),
            recorded_at=RECORDED,
            why="complaints",
        )
    assert len(history(state)) == 3


def test_a_version_that_is_not_recorded_is_not_promoted(state):
    with pytest.raises(InputError, match="'v9' is not recorded"):
        append_entry(state, entry("v9", 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "crown"}, "'crown' is no action"),
        ({"why": " "}, "why is empty"),
        ({"version": ""}, "version is empty"),
        ({"waiver": ""}, "waiver is empty"),
        ({"gates_json": "{"}, "gates_json is not JSON"),
        ({"effective_from": datetime(2024, 4, 1)}, "effective_from is not a time with a zone"),
        ({"recorded_at": datetime(2024, 4, 1)}, "recorded_at is not a time with a zone"),
    ],
)
def test_a_malformed_entry_is_refused(state, change, message):
    with pytest.raises(InputError, match=message):
        append_entry(state, replace(entry("v1", 4), **change))
    assert history(state) == []


def test_an_instant_without_a_zone_is_refused(state):
    with pytest.raises(InputError, match="time with a zone"):
        champion_at(state, datetime(2024, 4, 1))


def test_a_version_is_recorded_once_and_never_with_other_content(state):
    known = versions(state)[0]
    assert record_version(state, replace(known, recorded_at=RECORDED + timedelta(1))) == known
    with pytest.raises(InputError, match="another digest"):
        record_version(state, replace(known, digest="other"))
    with pytest.raises(InputError, match="metrics_json is not JSON"):
        record_version(state, replace(known, version="v4", metrics_json="nan nan"))
    assert [version.version for version in versions(state)] == ["v1", "v2", "v3"]


def test_a_version_is_a_row_of_any_text(state):
    odd = ModelVersion("advisor_mql", "v2-boosted/2024 ü", date(2024, 4, 1), RECORDED, "d", '{"auc": 0.61}')
    record_version(state, odd)
    assert odd in versions(state)


def test_the_ledger_can_be_read_as_it_stood(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7, recorded_at=RECORDED + timedelta(hours=2)))
    rollback(
        state, "advisor_mql", "v1", effective_from=instant(7), recorded_at=RECORDED + timedelta(hours=4), why="wrong"
    )
    versions_by_hour = [champion_at(state, instant(9), RECORDED + timedelta(hours=hour)).version for hour in (1, 3, 5)]
    assert versions_by_hour == ["v1", "v2", "v1"]


def test_there_and_back_and_there_again_on_one_day(state):
    append_entry(state, entry("v1", 4))
    append_entry(state, entry("v2", 7))
    for hour, version in enumerate(("v1", "v2", "v1")):
        moment = RECORDED + timedelta(hours=hour)
        rollback(state, "advisor_mql", version, effective_from=instant(8), recorded_at=moment, why="trying")
        assert champion_at(state, instant(9)).version == version


def test_aliases_name_champion_challenger_and_shadow(state):
    assert aliases(state, instant(9)) == {}
    append_entry(state, entry("v1", 4))
    assert aliases(state, instant(9)) == {"champion": "v1"}
    append_entry(state, entry("v2", 7, "shadow"))
    assert aliases(state, instant(9)) == {"champion": "v1", "challenger": "v2", "shadow": "v2"}
    append_entry(state, entry("v2", 8, "keep"))
    assert aliases(state, instant(9)) == {"champion": "v1", "challenger": "v2"}
    append_entry(state, entry("v2", 9))
    assert aliases(state, instant(9)) == {"champion": "v2"}
    assert aliases(state, instant(8)) == {"champion": "v1", "challenger": "v2"}
