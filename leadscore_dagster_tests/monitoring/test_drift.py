"""Drift: what has moved is named within a month, and a hundred features that have not moved keep still."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import drift as simulated
from leadscore_dagster.core.monitoring.drift import (
    SCORE,
    TRENDING,
    compare,
    degree,
    drifted,
    judge_drift,
    months_of,
    usual_index,
)
from leadscore_dagster.core.recipe.schema import Cadence, Monitoring
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.verdict import Reason

#: months for which a quarterly vintage lasts
QUARTER = Cadence.QUARTER.months

LIMITS = Monitoring()


def test_stable_months_of_a_hundred_features_raise_no_alarm() -> None:
    """The benchmark shows it for 100 months; here are few of them."""
    alarms, _ = simulated.stable(months=4, rows=300, seed=8)
    assert alarms == 0


@pytest.mark.parametrize("move", simulated.MOVES.values(), ids=simulated.MOVES.keys())
def test_one_moved_feature_among_a_hundred_is_named_within_the_month(move: simulated.Move) -> None:
    named, others = simulated.moved(move, months=1, rows=600, seed=9)
    assert (named, others) == (1, 0)


def _row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "month": "2024-03", "complete": True, "feature": "tenure", "columns": 101, "n": 500, "psi": 0.35, "low": 0.25,
        "high": 0.45, "p_value": 1e-9, "moved": "missing", "share_before": 0.0, "share_now": 0.3,
        "moved_p_value": 1e-9, "usual": 0.01, "trend": 0.0,
    }  # fmt: skip
    return row | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "error"),
        ({"psi": 0.15, "high": 0.21}, "warn"),
        ({"psi": 0.05, "high": 0.08}, "warn"),  # the index is small, but one share alone went from nothing to 30%
        ({"psi": 0.05, "high": 0.08, "share_before": 0.19}, "warn"),  # half as much again
        ({"psi": 0.05, "high": 0.08, "share_before": 0.21}, "still"),
        ({"p_value": 1e-3}, "still"),  # one of 101 columns does that every tenth month
        ({"n": 199}, "still"),
        ({"usual": 0.4}, "still"),  # months of the training rows lay as far from the whole
        ({"usual": 0.4, "trend": 0.95}, "warn"),  # only because they were on their way
        ({"usual": 0.4, "trend": -0.95}, "warn"),
        ({"usual": 0.4, "trend": 0.95, "psi": 0.2}, "still"),
    ],
)
def test_size_proof_and_season_decide_together(changes: dict[str, Any], expected: str) -> None:
    assert degree(_row(**changes), LIMITS) == expected


def test_the_check_names_what_moved_and_says_how() -> None:
    rows = [_row(), _row(feature="age", psi=0.01, p_value=0.5), _row(feature=SCORE, psi=0.02, p_value=0.4)]
    features, scores = judge_drift(rows, LIMITS)
    assert (features.name, features.passed, features.severity) == ("feature_drift", False, "error")
    assert features.about[1:] == ("tenure",)
    assert "1 of 2 moved beyond chance: tenure with a PSI of 0.35" in features.why
    assert "'missing': 0.0% then, 30.0% now" in features.why
    assert (scores.name, scores.passed) == ("score_drift", True)


def test_the_month_so_far_is_shown_and_not_judged() -> None:
    features, scores = judge_drift([_row(complete=False)], LIMITS)
    assert features.passed
    assert (features.reason, scores.reason) == (Reason.NOT_JUDGED, Reason.NOT_JUDGED)
    assert drifted([_row(complete=False)], LIMITS) == {}


def test_a_column_that_tells_the_season_keeps_still_until_it_leaves_its_usual_range() -> None:
    rng = np.random.default_rng(2)
    months = 12
    decided = np.repeat(np.arange("2023-01", "2024-01", dtype="datetime64[M]").astype("datetime64[us]"), 200)
    season = np.repeat(np.cos(np.arange(months) / months * 2 * np.pi), 200) * 2
    columns = {
        "decision_at": decided,
        "season": season + rng.normal(size=len(season)),
        "still": rng.normal(size=len(season)),
    }
    training = pa.table(columns)
    features = [Feature("season", "…", "number"), Feature("still", "…", "number")]
    scores = pa.table({"margin": rng.normal(size=500)})

    def found(mean: float) -> dict[str, str]:
        now = pa.table({"season": mean + rng.normal(size=300), "still": rng.normal(size=300)})
        rows = [
            {"month": "2024-01", "complete": True} | row
            for row in compare(training, scores, now, scored=scores, features=features)
        ]
        return dict(drifted(rows, LIMITS))

    assert found(1.7) == {}
    assert found(5.0) == {"season": "error"}


def test_a_column_that_goes_on_as_it_went_through_training_alarms_and_is_said_to_extrapolate() -> None:
    """By its own trend its usual distance would be so wide that it could never alarm."""
    rng = np.random.default_rng(3)
    months = 24
    decided = np.repeat(np.arange("2023-01", "2025-01", dtype="datetime64[M]").astype("datetime64[us]"), 200)
    growth = np.repeat(np.arange(months), 200) * 0.15 + rng.normal(size=months * 200)
    training = pa.table({"decision_at": decided, "growth": growth, "still": rng.normal(size=months * 200)})
    features = [Feature("growth", "…", "number"), Feature("still", "…", "number")]
    scores = pa.table({"margin": np.zeros(0)})
    now = pa.table({"growth": months * 0.15 + rng.normal(size=300), "still": rng.normal(size=300)})
    rows = [
        {"month": "2025-01", "complete": True} | row
        for row in compare(training, scores, now, scored=scores, features=features)
    ]
    assert dict(drifted(rows, LIMITS)) == {"growth": "warn"}
    assert rows[0]["trend"] > TRENDING
    assert "the model extrapolates: growth." in judge_drift(rows, LIMITS)[0].why


def _with_vintages(rng: np.random.Generator, step: float, months: int = 24) -> tuple[pa.Table, pa.Table]:
    """Two years of training rows and a further month, 300 rows each, of 20 features that every quarter's vintage moves
    up and down by about a step."""
    up_and_down = np.where(np.arange(months // 3 + 1) % 2, -step, step)[:, None] * rng.choice([-1, 1], 20)
    quarters = up_and_down + 0.2 * step * rng.normal(size=(months // 3 + 1, 20))
    means = np.repeat(quarters, 3, axis=0)[: months + 1]
    values = np.repeat(means, 300, axis=0) + rng.normal(size=((months + 1) * 300, 20))
    decided = np.repeat(np.datetime64("2022-01", "M") + np.arange(months + 1), 300).astype("datetime64[us]")
    rows = pa.table({"decision_at": decided, **{f"column_{at}": values[:, at] for at in range(20)}})
    return rows.slice(0, months * 300), rows.slice(months * 300)


def _drifted(training: pa.Table, now: pa.Table, lasting: int) -> dict[str, str]:
    features = [Feature(name, "…", "number") for name in training.column_names[1:]]
    scores = pa.table({"margin": np.zeros(0)})
    rows = compare(training, scores, now, scored=scores, features=features, lasting=lasting)
    return dict(drifted([{"complete": True, "month": "2024-01"} | row for row in rows], LIMITS))


def test_a_new_vintage_that_moves_columns_as_each_one_did_is_no_alarm_and_a_moved_column_still_is() -> None:
    """By the rows alone most of these months would alarm."""
    rng = np.random.default_rng(12)
    alarms = rows_alone = named = 0
    for _ in range(20):
        training, now = _with_vintages(rng, 0.4)
        alarms += bool(_drifted(training, now, QUARTER))
        rows_alone += bool(_drifted(training.slice(900, 900), now, QUARTER))  # one quarter: too little to know
        quiet, month = _with_vintages(rng, 0.05)
        moved = month.set_column(5, "column_4", pa.array(month["column_4"].to_numpy() + 0.5))
        named += "column_4" in _drifted(quiet, moved, QUARTER)
    assert alarms <= 2
    assert rows_alone >= 15
    assert named >= 18


def test_too_few_months_are_said_and_a_part_of_a_month_is_none() -> None:
    training, now = _with_vintages(np.random.default_rng(3), 0.5)
    features = [Feature("column_0", "…", "number")]
    scores = pa.table({"margin": np.zeros(0)})
    few = compare(training.slice(0, 300 * 11), scores, now, scored=scores, features=features, lasting=QUARTER)[0]
    assert few["usual"] is None
    judged = judge_drift([{"complete": True, "month": "2024-01"} | few], LIMITS)[0]
    assert judged.passed or "judged by the rows alone" in judged.why
    # the twelfth month, but only its first hundred rows
    part = compare(training.slice(0, 300 * 11 + 100), scores, now, scored=scores, features=features, lasting=QUARTER)[0]
    assert part["usual"] is None


def test_what_is_usual_grows_with_the_months_differences_and_for_a_smaller_month() -> None:
    rng = np.random.default_rng(4)
    still = [rng.multinomial(1000, [0.1] * 10) for _ in range(24)]
    moving = [rng.multinomial(1000, rng.dirichlet([50] * 10)) for _ in range(24)]
    usual = usual_index(still, 1000, 1, level=1e-3)
    assert usual is not None
    assert usual < 0.05
    assert (usual_index(moving, 1000, 1, level=1e-3) or 0) > 2 * usual
    assert (usual_index(still, 200, 1, level=1e-3) or 0) > 3 * usual
    assert (usual_index(still, 1000, 3, level=1e-3) or 0) > usual
    assert usual_index(still, 1000, 1, level=1e-3) == usual
    assert usual_index(still[:3], 1000, 1, level=1e-3) is None


def test_a_month_is_judged_once_it_is_over() -> None:
    assert months_of(date(2024, 3, 1)) == ((date(2024, 2, 1), date(2024, 2, 29)), (date(2024, 3, 1), date(2024, 2, 29)))
    assert months_of(date(2024, 1, 20)) == (
        (date(2023, 12, 1), date(2023, 12, 31)),
        (date(2024, 1, 1), date(2024, 1, 19)),
    )
