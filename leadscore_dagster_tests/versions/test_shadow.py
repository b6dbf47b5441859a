"""The shadow: seven days beside the champion and then promotion, or refusal; who waits, and who is only looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Shadow
from leadscore_dagster.core.state import State
from leadscore_dagster.core.verdict import Reason, Verdict, to_json
from leadscore_dagster.core.versions.comparison import PROMOTION
from leadscore_dagster.core.versions.ledger import (
    LedgerEntry,
    ModelVersion,
    append_entry,
    champion_at,
    history,
    record_version,
)
from leadscore_dagster.core.versions.shadow import (
    ShadowDay,
    Trial,
    agreement,
    aliases,
    asked,
    distribution,
    follow,
    instead_of_promotion,
    is_final,
    is_over,
    judge_shadow,
    put_into_shadow,
    shadow_days,
    store_day,
    trial_at,
)
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import scenario

RECIPE = load_recipe("bank_marketing")
OLD, NEW = "2009-01-01-aaaaaaaaaaaa", "2009-04-01-bbbbbbbbbbbb"
FIRST = date(2009, 4, 1)
BETTER = Verdict(PROMOTION, True, Reason.BETTER, value=0.1, low=0.05, high=0.15, threshold=0.0, why="Better: promoted.")
PASSED = [
    Verdict("auc_roc", True, Reason.MET, value=0.8, low=0.7, high=0.9, threshold=0.6, why="AUC-ROC is .8: passed.")
]


def _start(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


@dataclass(frozen=True)
class Home:
    lake: Lake
    state: State


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """OLD is champion; NEW has beaten it and waits in the shadow since 1 April."""
    lake, state = Lake(tmp_path, "bank_marketing"), scenario.state_of(tmp_path, "bank_marketing")
    for version in (OLD, NEW):
        made = date.fromisoformat(version[:10])
        record_version(state, ModelVersion(RECIPE.name, version, made, _start(made), version[-12:]))
    first = LedgerEntry(RECIPE.name, OLD, "promote", _start(date(2009, 1, 1)), _start(date(2009, 1, 1)), "first")
    append_entry(state, first)
    champion = champion_at(state, _start(FIRST))
    action, waiting = instead_of_promotion(BETTER, champion, Shadow(required=True))
    verdicts = to_json([*PASSED, BETTER, *waiting])
    append_entry(state, LedgerEntry(RECIPE.name, NEW, action, _start(FIRST), _start(FIRST), "waits", verdicts))
    return Home(lake, state)


def _live(home: Home, days: int, scored: int, first: date = FIRST, decisions: int = 100) -> list[Verdict]:
    """Days as the assets live them: score in the shadow, judge, let follow what follows."""
    verdicts = []
    for number in range(days):
        day = first + timedelta(days=number)
        trial = trial_at(history(home.state), _start(day))
        if trial is None:
            break
        store_day(home.lake, ShadowDay(day, trial.version, OLD, decisions, scored, 1.5))
        verdict = judge_shadow(shadow_days(home.lake, day), trial, day, limits=RECIPE.shadow)
        follow(home.state, RECIPE, trial, verdict=verdict, gates=PASSED, day=day, recorded_at=_start(day))
        verdicts.append(verdict)
    return verdicts


def test_a_candidate_scores_beside_the_champion_for_seven_days_and_then_replaces_it(home: Home) -> None:
    verdicts = _live(home, 10, scored=100)
    assert [is_final(verdict) for verdict in verdicts] == [False] * 6 + [True]
    for number in range(8):
        champion = champion_at(home.state, _start(FIRST + timedelta(days=number)))
        assert champion is not None
        assert champion.version == (OLD if number < 7 else NEW)
    assert trial_at(history(home.state), _start(FIRST + timedelta(days=7))) is None
    promoted = history(home.state)[-1]
    assert promoted.action == "promote"
    assert "scored 700 of 700 decisions" in promoted.why
    assert [result.name for result in _verdicts(promoted)] == ["auc_roc", PROMOTION, "shadow"]


def test_with_94_percent_scored_it_is_refused_and_the_champion_stays(home: Home) -> None:
    verdicts = _live(home, 10, scored=94)
    assert len(verdicts) == 7
    assert verdicts[-1].value == pytest.approx(0.94)
    assert not verdicts[-1].passed
    entry = history(home.state)[-1]
    assert (entry.action, entry.version) == ("refuse", NEW)
    assert "(94.0%). More than 95% is required: refused." in entry.why
    champion = champion_at(home.state, _start(date(2010, 1, 1)))
    assert champion is not None
    assert champion.version == OLD
    assert trial_at(history(home.state), _start(FIRST + timedelta(days=8))) is None


@pytest.mark.parametrize(("scored", "passed"), [(95, False), (96, True)])
def test_more_than_the_share_that_is_asked_for_is_needed(home: Home, scored: int, passed: bool) -> None:
    assert _live(home, 7, scored=scored)[-1].passed is passed


def test_a_day_with_nobody_to_decide_on_is_passed_over(home: Home) -> None:
    _live(home, 5, scored=100)
    weekend = _live(home, 2, scored=0, decisions=0, first=FIRST + timedelta(days=5))
    week = _live(home, 2, scored=100, first=FIRST + timedelta(days=7))
    assert [is_final(verdict) for verdict in [*weekend, *week]] == [False, False, False, True]
    assert week[-1].passed


def test_days_with_hardly_anybody_wait_for_more(home: Home) -> None:
    verdicts = _live(home, 30, scored=5, decisions=5)
    assert [is_final(verdict) for verdict in verdicts] == [False] * 19 + [True]
    assert "7 days in a row with 100 decisions are needed: it waits." in verdicts[7].why


def test_a_day_without_scores_starts_the_count_anew(home: Home) -> None:
    _live(home, 3, scored=100)
    verdicts = _live(home, 7, scored=100, first=FIRST + timedelta(days=4))
    assert [is_final(verdict) for verdict in verdicts] == [False] * 6 + [True]


def test_a_day_on_which_scoring_failed_counts_with_its_decisions_unscored(home: Home) -> None:
    _live(home, 6, scored=100)
    store_day(home.lake, ShadowDay(FIRST + timedelta(days=6), NEW, OLD, 100, 0, 0.1, why="a column is missing"))
    trial = trial_at(history(home.state), _start(FIRST + timedelta(days=6)))
    assert trial is not None
    verdict = judge_shadow(
        shadow_days(home.lake, FIRST + timedelta(days=6)), trial, FIRST + timedelta(days=6), limits=Shadow()
    )
    assert is_final(verdict)
    assert not verdict.passed


def test_running_the_last_day_again_changes_nothing(home: Home) -> None:
    _live(home, 7, scored=100)
    before = history(home.state)
    assert _live(home, 1, scored=100, first=FIRST + timedelta(days=6))[-1].passed
    assert history(home.state) == before


def test_gates_that_no_longer_pass_refuse_it_after_its_days(home: Home) -> None:
    day = FIRST + timedelta(days=6)
    trial = trial_at(history(home.state), _start(day))
    assert trial is not None
    verdict = Verdict("shadow", True, Reason.MET, value=1.0, low=0.9, high=1.0, threshold=0.95, why="All scored.")
    failed = [replace(PASSED[0], passed=False, why="AUC-ROC is .5: refused.")]
    entry = follow(home.state, RECIPE, trial, verdict=verdict, gates=failed, day=day, recorded_at=_start(day))
    assert entry is not None
    assert (entry.action, entry.why) == ("refuse", "All scored. AUC-ROC is .5: refused.")


def test_only_a_recipe_that_asks_for_it_lets_a_better_candidate_wait(home: Home) -> None:
    champion = champion_at(home.state, _start(FIRST))
    assert instead_of_promotion(BETTER, champion, Shadow())[0] == "promote"
    assert instead_of_promotion(BETTER, None, Shadow(required=True))[0] == "promote"  # the first has nobody beside it
    assert instead_of_promotion(replace(BETTER, passed=False), champion, Shadow(required=True)) == ("keep", ())
    action, waiting = instead_of_promotion(BETTER, champion, Shadow(required=True, days=3))
    assert (action, waiting) == ("shadow", (asked(3),))


def test_who_is_champion_challenger_and_in_the_shadow(home: Home) -> None:
    assert aliases(home.state, _start(FIRST)) == {"champion": OLD, "challenger": NEW, "shadow": NEW}
    _live(home, 7, scored=100)
    assert aliases(home.state, _start(FIRST + timedelta(days=7))) == {"champion": NEW}


def test_a_version_put_there_by_hand_is_looked_at_and_never_promoted(home: Home) -> None:
    _live(home, 7, scored=94)
    day = FIRST + timedelta(days=10)
    put_into_shadow(home.state, RECIPE, NEW, days=3, since=day, recorded_at=_start(day))
    trial = trial_at(history(home.state), _start(day))
    assert trial is not None
    assert (trial.days, trial.waits) == (3, False)
    before = history(home.state)
    assert _live(home, 3, scored=100, first=day)[-1].passed
    assert history(home.state) == before
    assert is_over(shadow_days(home.lake, day + timedelta(days=2)), trial, day + timedelta(days=3))
    assert not is_over(shadow_days(home.lake, day + timedelta(days=2)), trial, day + timedelta(days=2))


@pytest.mark.parametrize(
    ("version", "days", "what"),
    [
        (OLD, 3, "is the champion"),
        ("2009-07-01-cccccccccccc", 3, "would lose its place"),
        (NEW, 0, "not a number of days"),
    ],
)
def test_what_cannot_be_put_into_the_shadow_is_refused(home: Home, version: str, days: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        put_into_shadow(home.state, RECIPE, version, days=days, since=FIRST, recorded_at=_start(FIRST))


def test_an_unknown_version_cannot_be_put_into_the_shadow(home: Home) -> None:
    _live(home, 7, scored=94)
    with pytest.raises(InputError, match="is not recorded"):
        put_into_shadow(
            home.state,
            RECIPE,
            "2009-07-01-cccccccccccc",
            days=3,
            since=date(2009, 5, 1),
            recorded_at=_start(date(2009, 5, 1)),
        )


def test_a_rollback_ends_the_shadow(home: Home) -> None:
    _live(home, 7, scored=100)
    day = FIRST + timedelta(days=20)
    put_into_shadow(home.state, RECIPE, OLD, days=3, since=day, recorded_at=_start(day))
    later = day + timedelta(days=1)
    append_entry(
        home.state, LedgerEntry(RECIPE.name, OLD, "rollback", _start(later), _start(later), "the market moved")
    )
    assert trial_at(history(home.state), _start(day)) is not None
    assert trial_at(history(home.state), _start(later)) is None


def _scores(margin: np.ndarray, first: int = 0) -> pa.Table:
    place = np.argsort(np.argsort(-margin))
    decile = place * 10 // len(margin) + 1
    return pa.table(
        {
            "decision_id": [f"d{number}" for number in range(first, first + len(margin))],
            "margin": margin,
            "decile": decile,
            "bucket": np.where(decile <= 2, "Hot", "Cold"),
        }
    )


def test_agreement_is_full_with_oneself_and_little_with_noise() -> None:
    rng = np.random.default_rng(1)
    margin = rng.normal(size=1000)
    assert agreement(_scores(margin), _scores(margin)) == pytest.approx(
        {"rank_correlation": 1.0, "top_decile_overlap": 1.0, "same_bucket": 1.0}
    )
    noise = agreement(_scores(margin), _scores(rng.normal(size=1000)))
    assert abs(noise["rank_correlation"] or 1) < 0.1
    assert noise["top_decile_overlap"] == pytest.approx(0.1, abs=0.06)


def test_agreement_is_that_of_the_decisions_both_have_scored() -> None:
    margin = np.arange(10.0)
    shifted = agreement(_scores(margin), _scores(margin, first=5))
    assert shifted["rank_correlation"] == pytest.approx(1.0)
    assert agreement(_scores(margin), _scores(margin, first=20))["rank_correlation"] is None
    assert agreement(_scores(margin), _scores(np.zeros(10)))["rank_correlation"] is None
    assert distribution(np.empty(0)) == {}


def _verdicts(entry: LedgerEntry) -> tuple[Verdict, ...]:
    trial = trial_at([replace(entry, action="shadow")], entry.effective_from)
    assert isinstance(trial, Trial)
    return trial.verdicts
