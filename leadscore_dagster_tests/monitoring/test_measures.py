"""Health of a day, weekly balance, and performance of matured scores: when they alarm and when they keep still."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.monitoring.balance import judge_balance, measure_balance
from leadscore_dagster.core.monitoring.health import availability, judge_health, usual
from leadscore_dagster.core.monitoring.performance import (
    fallen_version,
    judge_performance,
    measure_performance,
    relative_drop,
    version_to_judge,
)
from leadscore_dagster.core.monitoring.watched import Watched
from leadscore_dagster.recipes.loading import load_recipe
from leadscore_dagster.recipes.schema import Monitoring

RECIPE = load_recipe("bank_marketing")
RECIPE = RECIPE.model_copy(update={"model": RECIPE.model.model_copy(update={"bootstrap_replicates": 200})})
LIMITS = Monitoring()
DAY = date(2024, 5, 6)


# ---- health


def _days(**today: Any) -> list[dict[str, Any]]:
    usual_day = {"decisions": 100, "scored": 100, "success": 1.0, "version": "v", "seconds": 10.0, "failed_runs": 0}
    return [
        {**usual_day, "day": DAY - timedelta(days=back), **(today if back == 0 else {})} for back in range(56, -1, -1)
    ]


def _health(there: list[dict[str, Any]] | None = None, **today: Any) -> dict[str, Watched]:
    found = judge_health(RECIPE, _days(**today), there or [], {"rep_vintage": DAY - timedelta(days=30)})
    return {watched.name: watched for watched in found}


def test_a_usual_day_is_in_order() -> None:
    assert [name for name, watched in _health().items() if not watched.passed] == []


@pytest.mark.parametrize(
    ("today", "alarm"),
    [
        ({"scored": 94, "success": 0.94}, "success_rate"),
        ({"decisions": None, "scored": 0, "success": None}, "success_rate"),
        ({"decisions": 50, "scored": 50}, "volume"),
        ({"decisions": 200, "scored": 200}, "volume"),
        ({"seconds": 400.0}, "latency"),
        ({"failed_runs": 1}, "failed_runs"),
    ],
)
def test_what_is_out_of_line_is_said(today: dict[str, Any], alarm: str) -> None:
    found = _health(**today)
    assert not found[alarm].passed
    assert found["vintage_age"].passed


def test_a_day_with_nobody_to_score_has_not_failed() -> None:
    assert _health(decisions=0, scored=0, success=None)["success_rate"].passed


def test_a_little_more_or_slower_than_always_is_no_alarm() -> None:
    found = _health(decisions=125, scored=125, seconds=55.0)
    assert found["volume"].passed
    assert found["latency"].passed


def test_stale_vintages_are_said_by_name() -> None:
    found = judge_health(RECIPE, _days(), [], {"rep_vintage": DAY - timedelta(days=400), "firm_vintage": None})[-1]
    assert not found.passed
    assert "rep_vintage" in found.why
    assert "firm_vintage: no vintage had arrived" in found.why


def test_nothing_is_usual_before_there_are_days_to_compare_with() -> None:
    assert usual([(DAY - timedelta(days=back), 5.0) for back in (1, 2, 3)], DAY) is None


def test_a_feature_that_is_gone_is_named_and_a_few_gaps_are_not() -> None:
    rng = np.random.default_rng(1)
    training = pa.table({"gone": np.ones(1000), "gaps": np.where(rng.random(1000) < 0.1, np.nan, 1.0)})
    now = pa.table({"gone": [None] * 60 + [1.0] * 140, "gaps": np.where(rng.random(200) < 0.12, np.nan, 1.0)})
    found = _health(availability(training, now, ["gone", "gaps"]))["feature_availability"]
    assert not found.passed
    assert found.value == pytest.approx(0.3)
    assert "1 of 2" in found.why
    assert "gone is filled in 70%" in found.why


# ---- class balance


def _matured(rate: float, weeks: int = 4, per_week: int = 400) -> pa.Table:
    first = datetime(2024, 1, 1, 12, tzinfo=UTC)  # a Monday
    decided = [first + timedelta(days=7 * (row // per_week) + row % 7) for row in range(weeks * per_week)]
    label = [int(row % 100 < rate * 100) for row in range(weeks * per_week)]
    return pa.table({"decision_at": pa.array(decided, pa.timestamp("us", tz="UTC")), "label": label})


def test_weeks_count_once_all_their_outcomes_are_known() -> None:
    matured = _matured(0.1)
    on_time = measure_balance(matured, 0.1, date(2024, 1, 29) + timedelta(days=30), 30)
    assert [row["week"] for row in on_time] == ["2024-W01", "2024-W02", "2024-W03", "2024-W04"]
    assert [row["n"] for row in on_time] == [400] * 4
    early = measure_balance(matured, 0.1, date(2024, 1, 28) + timedelta(days=30), 30)
    assert [row["week"] for row in early][-1] == "2024-W03"
    assert measure_balance(matured.slice(0, 0), 0.1, DAY, 30) == []


@pytest.mark.parametrize(("training", "passed"), [(0.10, True), (0.12, True), (0.20, False), (0.04, False)])
def test_balance_alarms_only_when_the_whole_interval_is_outside(training: float, passed: bool) -> None:
    rows = measure_balance(_matured(0.1), training, DAY, 30)
    assert judge_balance(rows, LIMITS)[0].passed is passed


def test_a_week_with_few_decisions_is_not_judged() -> None:
    found = judge_balance(measure_balance(_matured(0.9, per_week=100), 0.1, DAY, 30), LIMITS)[0]
    assert found.passed
    assert "not judged" in found.why


# ---- performance


def _scored(rows: int, strength: float, seed: int, promise: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.5, 1, rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(1.5 - strength * (margin + 1.5)))).astype(np.int64)
    return {"label": label, "margin": margin, "probability": 1 / (1 + np.exp(-margin - promise))}


def _test_scores() -> pa.Table:
    values = _scored(2_000, 1.0, 1)
    return pa.table({**values, "row_order": np.arange(len(values["label"]))})


def _delivered(strength: float, rows: int = 1_500, promise: float = 0.0) -> pa.Table:
    values = _scored(rows, strength, 2, promise)
    decided = np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(3600, "s")
    return pa.table(
        {
            "label": values["label"],
            "margin": values["margin"],
            "score": values["probability"],
            "decision_at": pa.array(decided, pa.timestamp("us", tz="UTC")),
            "row_order": np.arange(rows),
            "model_version": ["v1"] * rows,
        }
    )


def _performance(delivered: pa.Table, segments: dict[str, np.ndarray] | None = None) -> list[dict[str, Any]]:
    return measure_performance(delivered, _test_scores(), RECIPE, segments or {})


def test_scores_that_turn_out_as_in_the_test_period_are_in_order() -> None:
    rows = _performance(_delivered(1.0))
    assert [watched.passed for watched in judge_performance(rows, LIMITS)] == [True, True]
    assert fallen_version(rows, LIMITS) is None
    assert [row["part"] for row in rows if row["metric"] == "rate"] == ["all", "2024-01", "2024-02", "2024-03"]
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["metric"] == "auc_roc")


def test_scores_that_have_become_noise_are_an_error_with_numbers() -> None:
    rows = _performance(_delivered(0.0))
    performance = judge_performance(rows, LIMITS)[0]
    assert (performance.passed, performance.severity) == (False, "error")
    assert "AUC-PR fell by" in performance.why
    assert performance.low is not None
    assert performance.low > LIMITS.performance_drop
    assert fallen_version(rows, LIMITS) == "v1"


def test_a_segment_in_which_the_scores_have_become_noise_is_named() -> None:
    whole = _delivered(1.0, 3_000).to_pandas()
    noise = np.random.default_rng(3).permutation(whole["label"].to_numpy()[:1_500])
    whole.loc[:1_499, "label"] = noise
    part = np.where(np.arange(3_000) < 1_500, "small firms", "large firms")
    found = judge_performance(_performance(pa.Table.from_pandas(whole, preserve_index=False), {"size": part}), LIMITS)[
        0
    ]
    assert not found.passed
    assert "(size small firms)" in found.why
    assert "(size large firms)" not in found.why


def test_scores_that_promise_too_much_are_a_warning() -> None:
    calibration = judge_performance(_performance(_delivered(1.0, promise=1.0)), LIMITS)[1]
    assert (calibration.name, calibration.passed, calibration.severity) == ("calibration", False, "warn")


def test_too_few_matured_scores_are_shown_and_not_judged() -> None:
    few = _delivered(0.0, rows=150)
    assert version_to_judge(few, LIMITS) is None
    assert version_to_judge(_delivered(0.0), LIMITS) == "v1"
    assert all(
        watched.passed and "not judged" in watched.why for watched in judge_performance(_performance(few), LIMITS)
    )
    assert judge_performance([], LIMITS)[0].passed


def test_auc_pr_of_a_rarer_outcome_is_no_drop() -> None:
    """The same ranking, with every second positive gone: AUC-PR falls, the drop at equal base rate does not."""
    values = _scored(6_000, 1.0, 4)
    label, margin = values["label"], values["margin"]
    kept = ~((label == 1) & (np.cumsum(label) % 2 == 0))
    drop = relative_drop((label, margin, None), (label[kept], margin[kept], None), "auc_pr", 200, 1)
    assert drop.low < 0 < drop.high
    assert abs(drop.value) < 0.1
