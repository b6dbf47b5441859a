"""The search: what it tries, what it remembers, that a kill changes nothing, and that luck does not choose."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.choice.search import SearchResult, Trial, best_parameters, choose
from leadscore_dagster.core.modelling.estimators.registry import (
    ESTIMATORS,
    complete_parameters,
    complexity,
    space_of,
)
from leadscore_dagster.core.recipe.schema import Search

DEFAULTS = complete_parameters("xgboost", {})
TRIALS = 12  # two of them drawn by TPE
#: what a search runs on, spelled once for this process and for those that are killed
SCORE = """
import math
def score(parameters):
    effort = math.log(parameters["n_estimators"] * parameters["learning_rate"] / 12)
    value = 0.2 - 0.02 * effort**2 - 0.01 * (parameters["max_depth"] - 4) ** 2
    return tuple(value + 0.003 * math.sin(fold * 7000 * parameters["learning_rate"]) for fold in range(5))
"""
KILLED = (
    SCORE
    + """
import sys, time
from pathlib import Path
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.choice.search import best_parameters
from leadscore_dagster.core.recipe.schema import Search
storage, trials, hang_at, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
tried = 0
def slow(parameters):
    global tried
    tried += 1
    print("trying", tried, flush=True)
    time.sleep(600 if tried == hang_at else pause)
    return score(parameters)
defaults = complete_parameters("xgboost", {})
search, asked = Search(trials=trials), dict(storage=storage, question="q", defaults=defaults, seed=1)
best_parameters("xgboost", slow, search, say=lambda text: None, **asked)
"""
)
space: dict[str, Any] = {}
exec(compile(SCORE, "score", "exec"), space)
score: Callable[[Mapping[str, Any]], tuple[float, ...]] = space["score"]


def searched(storage: Path, trials: int = TRIALS, **changed: Any) -> SearchResult:
    search = Search(trials=trials, seconds=changed.pop("seconds", None), tier=changed.pop("tier", "reuse"))
    given: dict[str, Any] = {
        "estimator": "xgboost",
        "score": score,
        "question": "q",
        "defaults": DEFAULTS,
        "seed": 1,
        "say": lambda text: None,
    }
    return best_parameters(search=search, storage=storage, **{**given, **changed})


def rows(storage: Path) -> list[tuple[Any, ...]]:
    """Every parameter and value of every trial, as the file holds them."""
    query = """
        SELECT s.study_name, t.number, t.state, v.value, p.param_name, p.param_value
        FROM trials t JOIN studies s USING (study_id) JOIN trial_values v USING (trial_id)
        LEFT JOIN trial_params p USING (trial_id) ORDER BY 1, 2, 5"""
    with sqlite3.connect(storage) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path]:
    storage = tmp_path_factory.mktemp("unbroken") / "studies.sqlite"
    return searched(storage), storage


def process(storage: Path, *arguments: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", KILLED, str(storage), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def wait_for(line: str, running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    for text in running.stdout:
        if text.strip() == line:
            return
    raise AssertionError(f"it ended before {line!r}")


# ---- what is tried


def test_the_defaults_come_first_and_the_search_never_ends_below_them(unbroken: tuple[SearchResult, Path]) -> None:
    result, storage = unbroken
    first = {name: value for _, number, _, _, name, value in rows(storage) if number == 0}
    assert first == {name: DEFAULTS[name] for name in space_of("xgboost", DEFAULTS)}
    assert result.value >= np.mean(score(DEFAULTS))
    assert result.trials == TRIALS
    assert not result.reused
    assert set(result.parameters) == set(DEFAULTS)
    assert result.folds == score(result.parameters)


def test_where_nothing_is_better_the_defaults_stay(tmp_path: Path) -> None:
    best = DEFAULTS["max_depth"]
    result = searched(tmp_path / "s", trials=4, score=lambda p: (0.2, 0.21) if p["max_depth"] == best else (0.1, 0.11))
    assert result.value == pytest.approx(0.205)


def test_another_seed_tries_other_parameters(unbroken: tuple[SearchResult, Path], tmp_path: Path) -> None:
    searched(tmp_path / "s", trials=3, seed=2)
    assert {row[4:] for row in rows(tmp_path / "s") if row[1]}.isdisjoint(
        {row[4:] for row in rows(unbroken[1]) if row[1] and row[4] == "learning_rate"}
    )


def test_every_drawn_parameter_is_one_the_estimator_takes(tmp_path: Path) -> None:
    tried: list[Mapping[str, Any]] = []

    def remember(parameters: Mapping[str, Any]) -> tuple[float, ...]:
        tried.append(parameters)
        return (0.1 + 0.001 * len(tried), 0.1)

    for estimator, row in ESTIMATORS.items():
        tried.clear()
        searched(tmp_path / "s", trials=3, estimator=estimator, score=remember, defaults=row.defaults)
        for parameters in tried:
            assert complete_parameters(estimator, parameters) == parameters
        assert len({tuple(sorted(parameters.items())) for parameters in tried}) == 3


def test_a_default_outside_its_range_widens_it_and_one_no_range_can_hold_stays() -> None:
    given = {**DEFAULTS, "n_estimators": 2000, "reg_lambda": 0.0}
    ranges = space_of("xgboost", given)
    assert ranges["n_estimators"].high == 2000
    assert "reg_lambda" not in ranges
    with pytest.raises(InputError, match="no parameters to search"):
        space_of("ensemble", {})


def test_a_fold_without_a_score_is_an_error_and_what_was_scored_is_kept(tmp_path: Path) -> None:
    calls: list[int] = []

    def breaks(parameters: Mapping[str, Any]) -> tuple[float, ...]:
        calls.append(1)
        return (0.1, float("nan")) if len(calls) == 3 else score(parameters)

    with pytest.raises(InputError, match="trial 2 has no AUC-PR"):
        searched(tmp_path / "s", trials=4, score=breaks)
    assert {row[1] for row in rows(tmp_path / "s")} == {0, 1}


# ---- what is remembered


def test_reuse_tries_nothing_again_and_finds_the_same(unbroken: tuple[SearchResult, Path]) -> None:
    def never(parameters: Mapping[str, Any]) -> tuple[float, ...]:
        raise AssertionError("it was scored before")

    result, storage = unbroken
    again = searched(storage, score=never)
    assert again.reused
    assert (again.parameters, again.folds, again.why) == (result.parameters, result.folds, result.why)


@pytest.mark.parametrize("tier", ["reuse", "resume"])
def test_what_was_asked_before_does_not_change_the_answer(
    unbroken: tuple[SearchResult, Path], tmp_path: Path, tier: str
) -> None:
    """Asked for fewer trials before, a study goes on; asked for more, only the first are chosen among."""

    def essence(found: SearchResult) -> tuple[Any, ...]:
        return found.parameters, found.folds, found.why, found.trials

    storage = tmp_path / "s"
    few = searched(storage, trials=3, tier=tier)
    assert essence(searched(storage, tier=tier)) == essence(unbroken[0])
    assert rows(storage) == rows(unbroken[1])
    again = searched(storage, trials=3, tier=tier)
    assert essence(again) == essence(few)
    assert again.reused
    assert f"of {TRIALS}" not in again.why
    assert len({row[1] for row in rows(storage)}) == TRIALS


def test_resume_goes_on_to_the_very_trials_of_a_search_that_never_stopped(
    unbroken: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    storage = tmp_path / "s"
    searched(storage, trials=5)
    resumed = searched(storage, tier="resume")
    assert rows(storage) == rows(unbroken[1])
    assert (resumed.parameters, resumed.folds, resumed.why) == (
        unbroken[0].parameters,
        unbroken[0].folds,
        unbroken[0].why,
    )
    assert not resumed.reused


def test_fresh_begins_another_study_and_keeps_the_older(tmp_path: Path) -> None:
    storage = tmp_path / "s"
    searched(storage, trials=3)
    assert not searched(storage, trials=3, tier="fresh").reused
    studies = {row[0] for row in rows(storage)}
    assert len(studies) == 2
    first, second = ([row[1:] for row in rows(storage) if row[0] == name] for name in sorted(studies))
    assert first == second


def test_a_study_of_another_question_is_never_reused(tmp_path: Path) -> None:
    searched(tmp_path / "s", trials=1)
    others: list[dict[str, Any]] = [
        {"question": "another"},
        {"seed": 2},
        {"defaults": {**DEFAULTS, "gamma": 1.0}},
    ]
    for other in others:
        result = searched(tmp_path / "s", trials=2, **other)
        assert not result.reused
        assert result.trials == 2


def test_out_of_time_it_stops_says_so_and_the_next_run_goes_on(tmp_path: Path) -> None:
    def slow(parameters: Mapping[str, Any]) -> tuple[float, ...]:
        time.sleep(0.6)
        return score(parameters)

    result = searched(tmp_path / "s", score=slow, seconds=1)
    assert result.cut_short
    assert 1 <= result.trials < TRIALS
    assert "cut short" in result.why
    assert searched(tmp_path / "s", tier="reuse").trials == TRIALS


# ---- kills and company


def test_a_search_killed_in_the_middle_of_a_trial_ends_as_if_it_had_not_been(
    unbroken: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    storage = tmp_path / "s"
    running = process(storage, TRIALS, 6, 0)
    wait_for("trying 6", running)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert {row[1] for row in rows(storage)} == set(range(5))
    result = searched(storage)
    assert rows(storage) == rows(unbroken[1])
    assert (result.parameters, result.folds, result.why) == (
        unbroken[0].parameters,
        unbroken[0].folds,
        unbroken[0].why,
    )


def test_a_second_process_waits_and_takes_what_the_first_found(
    unbroken: tuple[SearchResult, Path], tmp_path: Path
) -> None:
    storage, said = tmp_path / "s", list[str]()
    running = process(storage, TRIALS, 0, 0.05)
    wait_for("trying 1", running)
    result = searched(storage, say=said.append)
    assert running.wait() == 0
    assert said == ["waiting: another run is searching in the same file"]
    assert result.reused
    assert rows(storage) == rows(unbroken[1])


# ---- the choice


def trial(number: int, depth: int, *folds: float) -> Trial:
    return Trial(number, {**DEFAULTS, "max_depth": depth}, folds)


def test_within_one_standard_error_the_simplest_is_chosen() -> None:
    trials = [trial(0, 4, 0.10, 0.20), trial(1, 6, 0.14, 0.22), trial(2, 2, 0.12, 0.22)]
    chosen, why = choose("xgboost", trials)
    assert chosen is trials[2]
    assert "within one standard error" in why


def test_folds_are_compared_in_pairs() -> None:
    """Folds differ a hundred times more than these trials do; still trial 1 is better, in every fold alike."""
    trials = [trial(0, 2, 0.1, 0.5, 0.9), trial(1, 6, 0.111, 0.509, 0.91)]
    assert choose("xgboost", trials)[0] is trials[1]


def test_the_simplest_is_not_chosen_below_the_defaults() -> None:
    trials = [trial(0, 4, 0.20, 0.20), trial(1, 6, 0.30, 0.19), trial(2, 2, 0.16, 0.22)]
    assert choose("xgboost", trials)[0] is trials[0]
    assert choose("xgboost", [trial(0, 4, 0.18, 0.20), *trials[1:]])[0] is trials[2]


def test_simpler_is_fewer_leaves_then_a_stronger_penalty() -> None:
    lightgbm = complete_parameters("lightgbm", {})
    small = {**lightgbm, "num_leaves": 4, "max_depth": 6}
    assert complexity("lightgbm", small) < complexity("lightgbm", lightgbm)
    assert complexity("lightgbm", {**small, "reg_lambda": 50.0}) < complexity("lightgbm", small)
    assert complexity("logistic_regression", {"C": 0.001, "max_iter": 1000}) < complexity(
        "logistic_regression", {"C": 0.01, "max_iter": 1000}
    )
