"""Health of a day, weekly balance, and performance of matured scores: when they alarm and when they keep still."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.monitoring.balance import judge_balance, measure_balance
from leadscore_dagster.core.monitoring.health import Runs, availability, judge_health, measure_health, usual
from leadscore_dagster.core.monitoring.performance import (
    chance_of_rate,
    fallen_version,
    judge_performance,
    measure_performance,
    relative_drop,
    version_to_judge,
)
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Monitoring
from leadscore_dagster.core.scoring.day import DECISIONS
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Lake

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


def _health(there: list[dict[str, Any]] | None = None, **today: Any) -> dict[str, Verdict]:
    found = judge_health(RECIPE, _days(**today), there or [], vintages={"rep_vintage": DAY - timedelta(days=30)})
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


def test_a_day_nobody_has_scored_is_not_a_day_with_nobody_to_score(tmp_path: Path) -> None:
    """From the tables as they are, not from a row made up for it."""
    lake, none = Lake(tmp_path, "bank_marketing"), Runs(None, 0)
    row = measure_health(lake, RECIPE, DAY, version=None, runs=none)
    assert (row["decisions"], row["scored"], row["success"]) == (None, 0, None)
    judged = {
        watched.name: watched for watched in judge_health(RECIPE, [*_days()[:-1], {"day": DAY, **row}], [], vintages={})
    }
    assert (judged["success_rate"].passed, judged["success_rate"].severity) == (False, "error")
    assert "2024-05-06 was not scored." in judged["success_rate"].why
    assert "not judged" in judged["volume"].why
    lake.write_partition(DECISIONS, DAY.isoformat(), pa.table({"score_day": pa.array([DAY] * 7, pa.date32())}))
    row = measure_health(lake, RECIPE, DAY, version=None, runs=none)
    assert (row["decisions"], row["scored"], row["success"]) == (7, 0, 0.0)


def test_a_day_with_nobody_to_score_has_not_failed() -> None:
    assert _health(decisions=0, scored=0, success=None)["success_rate"].passed


def test_a_little_more_or_slower_than_always_is_no_alarm() -> None:
    found = _health(decisions=125, scored=125, seconds=55.0)
    assert found["volume"].passed
    assert found["latency"].passed


def test_stale_vintages_are_said_by_name() -> None:
    found = judge_health(
        RECIPE, _days(), [], vintages={"rep_vintage": DAY - timedelta(days=400), "firm_vintage": None}
    )[-1]
    assert not found.passed
    assert found.about[1:] == ("firm_vintage", "rep_vintage")
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
    assert found.about[1:] == ("gone",)
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
    on_time = measure_balance(matured, 0.1, date(2024, 1, 29) + timedelta(days=30), window_days=30)
    assert [row["week"] for row in on_time] == ["2024-W01", "2024-W02", "2024-W03", "2024-W04"]
    assert [row["n"] for row in on_time] == [400] * 4
    early = measure_balance(matured, 0.1, date(2024, 1, 28) + timedelta(days=30), window_days=30)
    assert [row["week"] for row in early][-1] == "2024-W03"
    assert measure_balance(matured.slice(0, 0), 0.1, DAY, window_days=30) == []


@pytest.mark.parametrize(("training", "passed"), [(0.10, True), (0.12, True), (0.20, False), (0.04, False)])
def test_balance_alarms_only_when_the_whole_interval_is_outside(training: float, passed: bool) -> None:
    rows = measure_balance(_matured(0.1), training, DAY, window_days=30)
    assert judge_balance(rows, LIMITS)[0].passed is passed


def test_a_shift_too_small_for_any_week_to_prove_adds_up_over_the_weeks() -> None:
    rows = measure_balance(_matured(0.08), 0.1, DAY, window_days=30)
    newest, trained = rows[-1], rows[-1]["training_rate"]
    assert newest["high"] > trained
    found = judge_balance(rows, LIMITS)[0]
    assert not found.passed
    assert f"{len(rows)} weeks together" in found.why
    assert found.high is not None
    assert found.high < trained


def test_a_week_with_few_decisions_is_not_judged() -> None:
    found = judge_balance(measure_balance(_matured(0.9, per_week=100), 0.1, DAY, window_days=30), LIMITS)[0]
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
    return measure_performance(delivered, _test_scores(), RECIPE, segments=segments or {})


def test_scores_that_turn_out_as_in_the_test_period_are_in_order() -> None:
    rows = _performance(_delivered(1.0))
    assert [watched.passed for watched in judge_performance(rows, LIMITS)] == [True, True, True]
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


def test_a_segment_in_which_the_scores_have_become_noise_is_a_warning_with_its_name() -> None:
    whole = _delivered(1.0, 6_000).to_pandas()
    noise = np.random.default_rng(3).permutation(whole["label"].to_numpy()[:1_500])
    whole.loc[:1_499, "label"] = noise
    part = np.where(np.arange(6_000) < 1_500, "small firms", "large firms")
    rows = _performance(pa.Table.from_pandas(whole, preserve_index=False), {"size": part})
    found, order, _ = judge_performance(rows, LIMITS)
    assert (found.passed, found.severity) == (False, "warn")
    assert "(size small firms)" in found.why
    assert "(size large firms)" not in found.why
    assert (order.name, order.passed, order.severity) == ("decile_order", False, "warn")
    assert "order of the deciles (Somers' D) (size small firms) fell by" in order.why
    assert fallen_version(rows, LIMITS) is None


def test_a_fall_of_the_whole_and_one_of_a_part_need_different_proof() -> None:
    """Four fifths of the 5% belong to the whole's questions, here one, the rest to those of all parts, here ten."""
    facts = {"version": "v1", "n": 900, "positives": 90, "value": 0.3, "low": 0.11, "high": 0.5, "reference": 0.0}
    rate = facts | {"scope": "all", "part": "all", "metric": "rate", "value": 0.1, "reference": 0.1, "p_value": 1.0}
    parts = [
        facts | {"scope": "month", "part": f"2024-{month:02}", "metric": "drop_auc_pr", "p_value": 0.3}
        for month in range(1, 11)
    ]

    def judged(whole: float, part: float) -> tuple[bool, str]:
        first = parts[0] | {"p_value": part}
        rows = [rate, facts | {"scope": "all", "part": "all", "metric": "drop_auc_pr", "p_value": whole}]
        found = judge_performance([*rows, first, *parts[1:]], LIMITS)[0]
        return found.passed, found.severity

    assert judged(whole=0.03, part=0.3) == (False, "error")
    assert judged(whole=0.05, part=0.3) == (True, "error")
    assert judged(whole=0.5, part=0.0009) == (False, "warn")
    assert judged(whole=0.5, part=0.0011) == (True, "error")


def test_a_month_whose_outcomes_are_far_from_what_was_promised_is_named() -> None:
    delivered = _delivered(1.0, 6_000).to_pandas()
    july = delivered["decision_at"].dt.month == 7
    delivered.loc[july, "label"] = 0
    found = judge_performance(_performance(pa.Table.from_pandas(delivered, preserve_index=False)), LIMITS)[2]
    assert (found.passed, found.severity) == (False, "warn")
    assert "Beyond chance: month 2024-07 0.00%" in found.why
    assert "month 2024-06" not in found.why


@pytest.mark.parametrize(
    ("positives", "expected"), [(100, 1.0), (104, 1.0), (180, 0.0), (40, 0.0)], ids=["as promised", "inside", "+", "-"]
)
def test_the_chance_of_a_rate_is_exact_at_the_edge_of_what_is_tolerated(positives: int, expected: float) -> None:
    assert chance_of_rate(positives, 1_000, 0.1, tolerance=0.05) == pytest.approx(expected, abs=1e-6)
    assert 0.05 < chance_of_rate(122, 1_000, 0.1, tolerance=0.05) < 0.2


def test_scores_that_promise_too_much_are_a_warning() -> None:
    calibration = judge_performance(_performance(_delivered(1.0, promise=1.0)), LIMITS)[2]
    assert (calibration.name, calibration.passed, calibration.severity) == ("calibration", False, "warn")


def test_too_few_matured_scores_are_shown_and_not_judged() -> None:
    few = _delivered(0.0, rows=150)
    assert version_to_judge(few, LIMITS) is None
    assert version_to_judge(_delivered(0.0), LIMITS) == "v1"
    assert all(watched.passed and not watched.judged for watched in judge_performance(_performance(few), LIMITS))
    assert judge_performance([], LIMITS)[0].passed


def test_auc_pr_of_a_rarer_outcome_is_no_drop() -> None:
    """The same ranking, with every second positive gone: AUC-PR falls, the drop at equal base rate does not."""
    values = _scored(6_000, 1.0, 4)
    label, margin = values["label"], values["margin"]
    before = Judged.ranked(label, margin)
    kept = ~((label == 1) & (np.cumsum(label) % 2 == 0))
    drop, _ = relative_drop(before, before.take(kept), "auc_pr", bootstrap=Bootstrap(200, 1))
    assert drop.low < 0 < drop.high
    assert abs(drop.value) < 0.1
