"""Gates: which end decides, what is never passed, when a champion falls."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.measures.intervals import Interval, period_metrics
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.modelling.judgement.model_stability import business_signals
from leadscore_dagster.core.recipe.schema import Gate, Promotion
from leadscore_dagster.core.versions import gates
from leadscore_dagster.core.versions.gates import compare_with_champion, evaluate_gates
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table

NAN = float("nan")
LIFT = Interval(2.1, 1.8, 2.4, 5000, 180, "bootstrap")
ORDINARY = {
    "test_positives": Gate(at_least=50),
    "auc_roc": Gate(at_least=0.55),
    "top_decile_lift": Gate(at_least=1.2),
    "ece": Gate(at_most=0.05),
    "shuffled_label_auc": Gate(at_most=0.57),
}


def verdict(interval: Interval, **gate: object) -> gates.GateResult:
    (result,) = evaluate_gates({"top_decile_lift": interval}, {"top_decile_lift": Gate(**gate)})
    return result


def test_the_unfavourable_end_decides_unless_the_gate_says_point() -> None:
    assert not verdict(LIFT, at_least=1.9).passed
    assert verdict(LIFT, at_least=1.9, use="point").passed
    assert verdict(LIFT, at_least=1.8).passed
    assert not verdict(LIFT, at_most=2.2).passed
    assert verdict(LIFT, at_most=2.2, use="point").passed
    assert verdict(LIFT, at_most=2.4).passed


def test_the_reason_is_a_sentence_with_the_numbers() -> None:
    assert verdict(LIFT, at_least=1.9).why == (
        "Top-decile lift is 2.1 (95% interval 1.8 to 2.4; 5,000 decisions, 180 positives); "
        "the low end, 1.8, must be at least 1.9: refused."
    )
    assert verdict(LIFT, at_least=1.9, use="point").why.endswith("the value must be at least 1.9: passed.")


@pytest.mark.parametrize("use", ["interval", "point"])
@pytest.mark.parametrize("side", ["at_least", "at_most"])
def test_what_was_not_measured_has_not_passed(side: str, use: str) -> None:
    nothing = Interval(NAN, NAN, NAN, 900, 0, "bootstrap")
    result = verdict(nothing, **{side: 0.0, "use": use})
    assert not result.passed
    assert "cannot be measured" in result.why
    (missing,) = evaluate_gates({}, {"auc_pr": Gate(**{side: 0.0, "use": use})})
    assert not missing.passed
    assert missing.why == "AUC-PR was not measured."


def test_an_end_that_is_unknown_fails_although_the_value_is_good() -> None:
    assert not verdict(Interval(3, NAN, NAN, 900, 3, "bootstrap"), at_least=1).passed
    assert not verdict(Interval(NAN, 2, 3, 900, 3, "bootstrap"), at_least=1).passed
    assert not verdict(Interval(3, 2, float("inf"), 900, 3, "bootstrap"), at_most=9).passed


def test_verdicts_survive_json_and_evidence_can_be_judged_again() -> None:
    metrics = {"auc_pr": Interval(NAN, NAN, NAN, 5, 0, "x"), "top_decile_lift": LIFT}
    rules = {"auc_pr": Gate(at_least=0.1), "top_decile_lift": Gate(at_least=1.5), "ece": Gate(at_most=0.05)}
    results = evaluate_gates(metrics, rules)
    assert [gates.GateResult(**stored) for stored in json.loads(gates.to_json(results))] == results
    again = gates.metrics_from_dict(gates.metrics_to_dict(metrics))
    assert evaluate_gates(again, rules) == results
    assert [result.passed for result in results] == [False, True, False]


def test_a_consumer_stops_at_a_failed_gate_and_at_no_gate() -> None:
    gates.require_passed([verdict(LIFT, at_least=1.5)], "candidate A")
    with pytest.raises(GateRefused, match=r"candidate A was refused\. Top-decile lift is 2\.1"):
        gates.require_passed([verdict(LIFT, at_least=1.5), verdict(LIFT, at_least=2)], "candidate A")
    with pytest.raises(GateRefused, match="No gate was evaluated"):
        gates.require_passed([], "candidate A")


def test_metrics_over_features_or_scores_say_what_they_rest_on() -> None:
    correlation = Interval(0.7, 0.4, 0.86, 24, 0, "Spearman")
    (result,) = evaluate_gates({"importance_stability": correlation}, {"importance_stability": Gate(at_least=0.5)})
    assert result.why == (
        "Rank correlation of the importances with the champion's is 0.700 (95% interval 0.400 to 0.860; 24 features); "
        "the low end, 0.400, must be at least 0.500: refused."
    )
    distance = Interval(0.04, 0.02, 0.06, 9000, 0, "bootstrap")
    (result,) = evaluate_gates({"fold_score_ks": distance}, {"fold_score_ks": Gate(at_most=0.1)})
    assert "0.060; 9,000 decisions); the high end, 0.060, must be at most 0.100: passed." in result.why
    signals = business_signals({"tenure": 0.4, "moves": 0.2}, {"tenure"})
    (result,) = evaluate_gates({"business_signals": signals}, {"business_signals": Gate(at_least=2)})
    assert result.why == "Expected features among the five strongest: 1 (2 features); it must be at least 2: refused."


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_refused_and_signal_passes(seed: int) -> None:
    noise = train_candidate(training_table(signal=0, seed=seed), FEATURES, FAST, 30, "rep")
    refused = {result.name for result in gates.refused(evaluate_gates(noise.metrics, ORDINARY))}
    assert refused >= {"auc_roc", "top_decile_lift"}
    signal = train_candidate(training_table(signal=1.2, seed=seed), FEATURES, FAST, 30, "rep")
    assert not gates.refused(evaluate_gates(signal.metrics, ORDINARY))


def scores(rows: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = (rng.random(rows) < 0.1).astype(int)
    good = rng.normal(size=rows) + 1.2 * label
    return label, good, good + 1.5 * rng.normal(size=rows)


PROMOTION = Promotion(metric="auc_pr", stale_after_quarters=2, tolerance=0.1)


def test_the_first_candidate_is_promoted() -> None:
    label, good, _ = scores(100)
    result = compare_with_champion(label, good, None, None, PROMOTION, 0)
    assert result.passed
    assert result.why == "There is no champion yet: promoted."


def test_a_clearly_better_candidate_replaces_the_champion() -> None:
    label, good, worse = scores()
    result = compare_with_champion(label, good, worse, None, PROMOTION, 1, 300)
    assert result.passed
    assert result.low is not None
    assert result.low > 0
    assert result.why.endswith("The improvement is larger than chance explains: promoted.")


def test_an_improvement_that_may_be_noise_leaves_the_champion_and_says_so() -> None:
    label, good, _ = scores()
    nearly = good + 0.1 * np.random.default_rng(4).normal(size=len(good))
    result = compare_with_champion(label, nearly, good, None, PROMOTION, 1, 300)
    assert not result.passed
    assert result.why.endswith("The difference may be noise: unchanged.")
    assert not compare_with_champion(label, good, good, None, PROMOTION, 1, 300).passed


def test_a_stale_champion_yields_to_its_near_equal_but_not_to_a_worse_one() -> None:
    label, good, worse = scores()
    nearly = good + 0.1 * np.random.default_rng(4).normal(size=len(good))
    assert not compare_with_champion(label, nearly, good, None, PROMOTION, 2, 300).passed
    stale = compare_with_champion(label, nearly, good, None, PROMOTION, 3, 300)
    assert stale.passed
    assert "3 quarters old" in stale.why
    assert "not clearly worse: promoted." in stale.why
    refused = compare_with_champion(label, worse, good, None, PROMOTION, 3, 300)
    assert not refused.passed
    assert refused.why.endswith("may be more than 10% worse: unchanged.")


def test_a_worse_candidate_is_named_worse() -> None:
    label, good, worse = scores()
    result = compare_with_champion(label, worse, good, None, PROMOTION, 0, 300)
    assert result.why.endswith("The candidate is worse: unchanged.")


@pytest.mark.parametrize("age", [0, 9])
def test_rows_without_positives_promote_nobody(age: int) -> None:
    label, good, worse = scores()
    result = compare_with_champion(np.zeros_like(label), good, worse, None, PROMOTION, age, 100)
    assert not result.passed
    assert "do not allow a comparison" in result.why
    assert [gates.GateResult(**stored) for stored in json.loads(gates.to_json([result]))] == [result]


def test_repeated_entities_widen_the_comparison() -> None:
    label, good, worse = scores(400)
    repeat = np.repeat(np.arange(400), 8)
    naive = compare_with_champion(label[repeat], good[repeat], worse[repeat], None, PROMOTION, 0, 200)
    honest = compare_with_champion(label[repeat], good[repeat], worse[repeat], repeat, PROMOTION, 0, 200)
    assert honest.low is not None
    assert naive.low is not None
    assert honest.low < naive.low


@pytest.mark.parametrize(
    ("interval", "gate", "ends"),
    [
        (Interval(2.3, 1.8971, 2.7, 7000, 240, "b"), Gate(at_least=1.9), "the low end, 1.897, must be at least 1.9: r"),
        (Interval(0.03, 0.01, 0.0503, 7000, 240, "b"), Gate(at_most=0.05), "end, 0.0503, must be at most 0.0500: r"),
        (Interval(1.2, 0.99996, 1.4, 7000, 240, "b"), Gate(at_least=1), "the low end, 0.99996, must be at least 1: r"),
        (Interval(152, 149.6, 160, 7000, 240, "b"), Gate(at_least=150), "low end, 149.6, must be at least 150.0: r"),
        (Interval(2.3, 1.9, 2.7, 7000, 240, "b"), Gate(at_least=1.9), "the low end, 1.9, must be at least 1.9: p"),
        (Interval(1.8999, 1, 2, 9, 9, "b"), Gate(at_least=1.9, use="point"), "lift is 1.8999 (95% interval 1"),
    ],
)  # fmt: skip
def test_a_number_never_reads_like_the_threshold_it_misses(interval: Interval, gate: Gate, ends: str) -> None:
    (result,) = evaluate_gates({"top_decile_lift": interval}, {"top_decile_lift": gate})
    assert ends in result.why


def test_the_order_of_the_deciles_refuses_noise_and_an_upside_down_ranking() -> None:
    rising, passed = {"decile_order": Gate(at_least=0.01)}, dict[float, int]()
    for signal in (0.0, -0.3, 0.6):
        passed[signal] = 0
        for seed in range(60):
            random = np.random.default_rng(seed)
            score = random.normal(size=3000)
            label = (random.random(3000) < 1 / (1 + np.exp(3 - signal * score))).astype(int)
            measured = period_metrics(label, score, np.full(3000, 0.05), 0.05, None, 100, seed)
            passed[signal] += evaluate_gates(measured, rising)[0].passed
    assert passed[0.0] <= 5  # 2.5% of 60 and the luck of 60 worlds
    assert passed[-0.3] == 0
    assert passed[0.6] >= 58
    nobody_apart = period_metrics(label, np.zeros(3000), np.full(3000, 0.05), 0.05, None, 100, 0)
    assert not evaluate_gates(nobody_apart, rising)[0].passed
