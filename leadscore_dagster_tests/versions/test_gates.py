"""Gates: which end decides, and what is never passed."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.measures.intervals import Bootstrap, Interval, unmeasured
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.modelling.judgement.model_stability import business_signals, rank_correlation
from leadscore_dagster.core.recipe.schema import Gate
from leadscore_dagster.core.verdict import Reason, Verdict, from_json, to_json
from leadscore_dagster.core.versions import gates
from leadscore_dagster.core.versions.gates import evaluate_gates
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


def verdict(interval: Interval, **gate: object) -> Verdict:
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
    assert from_json(to_json(results)) == results
    again = gates.metrics_from_dict(gates.metrics_to_dict(metrics))
    assert evaluate_gates(again, rules) == results
    assert [result.passed for result in results] == [False, True, False]
    assert [result.reason for result in results] == [Reason.NOT_MEASURABLE, Reason.MET, Reason.NOT_MEASURED]


@pytest.mark.parametrize(("reason", "passed"), [(Reason.NO_CHAMPION, True), (Reason.UNREADABLE_CHAMPION, False)])
def test_only_for_want_of_a_champion_a_comparison_with_one_passes_whatever_the_text_says(
    reason: Reason, passed: bool
) -> None:
    gate = {"importance_stability": Gate(at_least=0.5)}
    for text in ("There is no champion yet", "a champion cannot be read"):
        (result,) = evaluate_gates({"importance_stability": unmeasured(reason, text)}, gate)
        assert (result.passed, result.reason, result.value) == (passed, reason, None)


def test_metrics_stored_before_there_were_reasons_had_no_champion_where_they_rest_on_nothing() -> None:
    gate = {"importance_stability": Gate(at_least=0.5)}
    ends = {"value": None, "low": None, "high": None, "positives": 0, "method": "any text"}
    for features, reason in ((0, Reason.NO_CHAMPION), (3, Reason.NOT_MEASURABLE)):
        old = gates.metrics_from_dict({"importance_stability": {**ends, "n": features}})
        assert evaluate_gates(old, gate)[0].reason is reason


def test_a_champion_without_a_common_feature_is_no_missing_champion() -> None:
    (result,) = evaluate_gates(
        {"importance_stability": rank_correlation({"a": 1.0}, {"b": 1.0})}, {"importance_stability": Gate(at_least=0)}
    )
    assert (result.passed, result.reason, result.n) == (False, Reason.NOT_MEASURABLE, 0)


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
    noise = train_candidate(training_table(signal=0, seed=seed), FEATURES, FAST, window_days=30, entity="rep")
    refused = {result.name for result in gates.refused(evaluate_gates(noise.metrics, ORDINARY))}
    assert refused >= {"auc_roc", "top_decile_lift"}
    signal = train_candidate(training_table(signal=1.2, seed=seed), FEATURES, FAST, window_days=30, entity="rep")
    assert not gates.refused(evaluate_gates(signal.metrics, ORDINARY))


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
            measured = period_metrics(Judged(label, score, np.full(3000, 0.05)), 0.05, Bootstrap(100, seed))
            passed[signal] += evaluate_gates(measured, rising)[0].passed
    assert passed[0.0] <= 5  # 2.5% of 60 and the luck of 60 worlds
    assert passed[-0.3] == 0
    assert passed[0.6] >= 58
    nobody_apart = period_metrics(Judged(label, np.zeros(3000), np.full(3000, 0.05)), 0.05, Bootstrap(100, 0))
    assert not evaluate_gates(nobody_apart, rising)[0].passed
