"""A base rate that moves: seen, corrected by outcomes known at the time, or said to be beyond correction."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.log_odds import BOUND, shift_interval, shifted
from leadscore_dagster.core.measures.metrics import ece
from leadscore_dagster.core.modelling.base_rate import BaseRateVerdict, Served, judge_base_rate, served_probability
from leadscore_dagster.core.recipe.schema import BaseRate

SETTINGS = BaseRate()
DAY = np.timedelta64(1, "D")
START = np.datetime64("2024-01-01T00:00:00", "us")


def said(rate: float, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Probabilities of a model that tells leads apart, with about this mean."""
    odds = rng.normal(0, 1, rows)
    if not rows:
        return odds
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-odds - middle))) < rate else (low, middle)
    return 1 / (1 + np.exp(-odds - low))


def drawn(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(len(probability)) < probability).astype(np.int64)


def world(rows: int, shift: float, seed: int, rate: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, what was said, when it was decided; the truth lies ``shift`` above what was said."""
    rng = np.random.default_rng(seed)
    probability = said(rate, rows, rng)
    decided = START + np.sort(rng.integers(0, 90 * 86_400, rows)).astype("timedelta64[s]")
    return drawn(shifted(probability, shift), rng), probability, decided


def verdict_of(label: np.ndarray, probability: np.ndarray, decided: np.ndarray) -> BaseRateVerdict:
    return judge_base_rate(Judged(label, probability, probability), decided, SETTINGS)


def test_a_rate_that_rose_from_3_to_57_percent_is_recovered_and_corrected() -> None:
    rng = np.random.default_rng(1)
    probability = said(0.03, 3000, rng)
    truth = np.log(0.57 / 0.43) - np.log(0.03 / 0.97) + 0.4
    label = drawn(shifted(probability, truth), rng)
    found = judge_base_rate(Judged(label, probability, probability), np.full(3000, START), SETTINGS)
    assert 0.5 < label.mean() < 0.65
    assert found.verdict == "correct"
    assert found.estimate.low < truth < found.estimate.high
    assert ece(label, probability) > 0.4
    assert ece(label, found.serve(probability)) < 0.04


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        label, probability, _ = world(400, 0.7, seed)
        found = shift_interval(label, np.log(probability / (1 - probability)))
        inside += found.low <= 0.7 <= found.high
    assert 0.91 <= inside / 200 <= 0.985


def test_without_a_shift_the_probabilities_are_kept_nearly_always() -> None:
    verdicts = [verdict_of(*world(1500, 0.0, seed)) for seed in range(200)]
    kept = [found for found in verdicts if found.verdict == "keep"]
    assert len(kept) / 200 >= 0.93  # 95% but for the noise of 200 worlds
    _, probability, _ = world(1500, 0.0, 0)
    assert kept[0].serve(probability) is probability
    assert kept[0].offset == 0


def test_people_who_repeat_do_not_feign_a_shift() -> None:
    people, kept = np.repeat(np.arange(300), 5), {True: 0, False: 0}
    for seed in range(100):
        label, probability, decided = (column[people] for column in world(300, 0.0, seed))
        for known in kept:
            codes = people if known else None
            kept[known] += (
                judge_base_rate(Judged(label, probability, probability, codes), decided, SETTINGS).verdict == "keep"
            )
    assert kept[True] >= 89  # 95% but for the noise of 100 worlds
    assert kept[False] < 80


def test_a_period_is_served_by_what_people_say_and_not_rows() -> None:
    people = np.repeat(np.arange(1200), 5)
    label, probability, decided = (column[people] for column in world(1200, 0.35, 2))
    known = decided + 7 * DAY
    rows = walked(decided, known, label, probability, base_rate=SETTINGS)
    entities = walked(decided, known, label, probability, base_rate=SETTINGS, codes=people)
    assert entities.share("keep") > rows.share("keep")
    for alone, together in zip(rows.days, entities.days, strict=True):
        first, second = alone.verdict.estimate, together.verdict.estimate
        assert first.n < 100 or second.high - second.low > 1.8 * (first.high - first.low)


def test_a_window_too_small_to_see_anything_corrects_nothing_and_says_so() -> None:
    found = verdict_of(*world(60, 0.3, 3))
    assert (found.verdict, found.offset) == ("keep", 0.0)
    assert "too few to see" in found.why
    nobody = verdict_of(*world(0, 0.0, 3))
    assert nobody.verdict == "keep"
    assert "0 matured outcomes" in nobody.why


def test_a_shift_seen_in_too_few_outcomes_leaves_the_rank_alone() -> None:
    label, probability, decided = world(40, 3.0, 4)
    found = judge_base_rate(Judged(label, probability, probability), decided, SETTINGS)
    assert found.verdict == "rank_only"
    assert "too few to correct" in found.why
    assert np.isnan(found.serve(probability)).all()


def test_outcomes_of_one_class_alone_show_a_shift_with_an_open_end() -> None:
    _, probability, decided = world(400, 0.0, 5)
    found = judge_base_rate(Judged(np.zeros(400, dtype=np.int64), probability, probability), decided, SETTINGS)
    assert found.verdict == "rank_only"
    assert found.estimate.low == -BOUND
    assert found.estimate.high < 0


def test_a_rate_still_on_the_move_is_not_corrected_by_its_past() -> None:
    rng = np.random.default_rng(6)
    probability = said(0.1, 3000, rng)
    decided = START + np.arange(3000) * np.timedelta64(1, "h")
    label = drawn(shifted(probability, np.linspace(0, 3, 3000)), rng)
    found = judge_base_rate(Judged(label, probability, probability), decided, SETTINGS)
    assert found.verdict == "rank_only"
    assert "still moves" in found.why


def test_what_no_shift_mends_is_not_served_as_a_probability() -> None:
    """The ranking is upside down: the mean can be right and every probability wrong."""
    rng = np.random.default_rng(7)
    odds = rng.normal(0, 2, 4000)
    label = drawn(1 / (1 + np.exp(odds)), rng)
    for shift in (0.0, 1.0):
        found = judge_base_rate(
            Judged(label, 1 / (1 + np.exp(-odds - shift)), 1 / (1 + np.exp(-odds - shift))),
            np.full(4000, START),
            SETTINGS,
        )
        assert found.verdict == "rank_only"
        assert "all the same" in found.why
        assert found.ece.low > 0.05


def test_a_correction_never_changes_an_order() -> None:
    label, probability, decided = world(3000, 1.2, 8)
    found = judge_base_rate(Judged(label, probability, probability), decided, SETTINGS)
    served = found.serve(probability)
    assert found.verdict == "correct"
    assert (np.argsort(served, kind="stable") == np.argsort(probability, kind="stable")).all()
    assert (served > 0).all()
    assert (served < 1).all()


def test_a_verdict_is_plain_json() -> None:
    for rows in (0, 40, 2000):
        found = verdict_of(*world(rows, 1.0, 9))
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["verdict"] == found.verdict


# ---- a past period, walked forward

MONTH = BaseRate(window_days=30)


def past(rows: int = 4000, seed: int = 0, lag: int = 15) -> tuple[np.ndarray, ...]:
    """150 days; the base rate jumps on the 50th; outcomes are known ``lag`` days after the decision."""
    rng = np.random.default_rng(seed)
    probability = said(0.08, rows, rng)
    decided = START + np.sort(rng.integers(0, 150 * 86_400, rows)).astype("timedelta64[s]")
    shift = np.where(decided < START + 50 * DAY, 0.0, 1.5)
    return decided, decided + lag * DAY, drawn(shifted(probability, shift), rng), probability


def walked(
    decided: np.ndarray,
    known: np.ndarray,
    label: np.ndarray,
    probability: np.ndarray,
    base_rate: BaseRate = MONTH,
    codes: np.ndarray | None = None,
) -> Served:
    judged = Judged(label, probability, probability, codes)
    return served_probability(judged, decision_at=decided, known_at=known, base_rate=base_rate)


def test_a_past_period_is_served_as_the_outcomes_of_then_allowed() -> None:
    decided, known, label, probability = past()
    served = walked(decided, known, label, probability)
    before = decided < START + 50 * DAY
    after = decided > START + 96 * DAY  # the window has passed the jump
    assert {day.verdict.verdict for day in served.days[:15]} == {"keep"}  # nothing has matured
    assert np.abs(served.probability[before] - probability[before]).mean() < 0.01
    assert ece(label[after], probability[after]) > 0.1
    assert ece(label[after], served.probability[after]) < 0.05  # .03 of it is the noise of 1,460 rows
    assert served.has_probability[after].mean() > 0.9
    assert served.share("correct") + served.share("keep") + served.share("rank_only") == pytest.approx(1)


def test_outcomes_of_the_future_change_nothing_that_was_served() -> None:
    decided, known, label, probability = past()
    whole = walked(decided, known, label, probability)
    for day in (40, 90):
        cut = START + day * DAY
        destroyed = np.where(known > cut, 1 - label, label)
        again = walked(decided, known, destroyed, probability)
        until = decided < cut + DAY  # served on that day or before
        np.testing.assert_array_equal(again.probability[until], whole.probability[until])
        assert not np.array_equal(again.probability, whole.probability, equal_nan=True)


def test_a_row_counts_from_when_its_label_was_known_for_the_window_and_no_longer() -> None:
    decided, known, label, probability = past(rows=1000, lag=100)  # longer than the window
    served = walked(decided, known, label, probability)
    for day in served.days:
        begin = np.datetime64(day.day, "us")
        assert day.verdict.estimate.n == int(((known <= begin) & (known > begin - 30 * DAY)).sum())


def test_the_order_of_the_rows_does_not_matter_and_a_second_run_is_the_same() -> None:
    rows = past(1500)
    order = np.random.default_rng(1).permutation(1500)
    first = walked(*rows)
    again = walked(*rows)
    shuffled = walked(*(column[order] for column in rows))
    np.testing.assert_array_equal(first.probability, again.probability)
    np.testing.assert_allclose(shuffled.probability, first.probability[order], rtol=1e-9)
