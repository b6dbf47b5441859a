"""Parts of the test period and call lists, against cases computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leadscore_dagster.core.measures.impact import call_lists
from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.log_odds import shifted
from leadscore_dagster.core.measures.metrics import auc_roc
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.modelling.judgement.cohorts import clustered_auc, cohort_cells, months

GENERATOR = np.random.default_rng(5)
MARGIN = GENERATOR.normal(size=2000)
LABEL = (GENERATOR.random(2000) < 1 / (1 + np.exp(2.5 - MARGIN))).astype(np.int64)
PROBABILITY = 1 / (1 + np.exp(2.5 - MARGIN))


def test_cells_count_their_rows_and_hold_rate_against_promise() -> None:
    part = np.repeat([0, 1, -1], [1200, 50, 750])
    large, small = cohort_cells(Judged(LABEL, MARGIN, PROBABILITY), part, ("large", "small", "empty"))
    assert (large.n, large.positives) == (1200, int(LABEL[:1200].sum()))
    assert large.low < large.rate == large.positives / 1200 < large.high
    assert large.expected == pytest.approx(PROBABILITY[:1200].sum())
    assert large.auc_roc is not None
    assert large.auc_roc.value == pytest.approx(auc_roc(LABEL[:1200], MARGIN[:1200]))
    assert large.lift.low < large.lift.value < large.lift.high <= 10
    assert small.small
    assert small.auc_roc is None
    assert not large.small


def test_a_part_without_positives_says_so_and_claims_no_lift() -> None:
    (cell,) = cohort_cells(Judged(np.zeros(200), MARGIN[:200], PROBABILITY[:200]), np.zeros(200, int), ("none",))
    assert (cell.positives, cell.rate, cell.small) == (0, 0.0, True)
    assert np.isnan(cell.lift.value)


def test_months_are_calendar_months_in_order() -> None:
    times = np.array(["2025-07-01T00:00:00", "2025-06-30T23:59:59", "2025-07-31"], dtype="datetime64[us]")
    numbers, names = months(times)
    assert names == ("2025-06", "2025-07")
    assert numbers.tolist() == [1, 0, 1]


def test_the_variance_of_the_auc_is_delongs_computed_by_hand() -> None:
    # positives 3, 1 against negatives 2, 0: placements 1 and .5 of the positives, .5 and 1 of the negatives
    found = clustered_auc(np.array([1, 1, 0, 0]), np.array([3.0, 1.0, 2.0, 0.0]), None)
    assert found.value == 0.75
    error = np.sqrt(0.125 / 2 + 0.125 / 2)  # variance of each class's placements over its size
    half = 1.959963984540054 * error / (0.75 * 0.25)
    assert np.log(found.high / (1 - found.high)) == pytest.approx(np.log(3) + half)


def test_rows_of_one_person_widen_the_interval_of_the_auc() -> None:
    codes = np.arange(2000) // 4
    label, margin = np.repeat(LABEL[::4], 4), np.repeat(MARGIN[::4], 4)  # every person four times the same
    once, alone, four = (
        clustered_auc(LABEL[::4], MARGIN[::4], None),
        clustered_auc(label, margin, None),
        clustered_auc(label, margin, codes),
    )
    assert four.high - four.low == pytest.approx(once.high - once.low, rel=0.02)
    assert alone.high - alone.low < 0.6 * (four.high - four.low)


def test_an_auc_without_both_classes_or_with_one_person_has_no_interval() -> None:
    assert np.isnan(clustered_auc(np.ones(20), MARGIN[:20], None).value)
    assert np.isnan(clustered_auc(LABEL[:200], MARGIN[:200], np.zeros(200, int)).low)


def test_a_list_brings_what_its_leads_brought() -> None:
    label = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0] * 10)
    margin = -np.tile(np.arange(10.0), 10)
    probability = np.full(100, 0.3)
    half, everybody = call_lists(Judged(label, margin, probability), Bootstrap(200, 1), shares=(0.5, 1.0))
    assert (half.called, half.conversions.value, half.per_hundred.value) == (50, 30.0, 60.0)
    assert half.expected == pytest.approx(15.0)
    assert half.lift.value == pytest.approx(2.0)
    assert half.found.value == 1.0
    assert half.calls_per_conversion.value == pytest.approx(50 / 30)
    assert half.over_random.value == pytest.approx(30.0)
    assert half.per_hundred.low < 60 < half.per_hundred.high
    assert everybody.over_random.value == everybody.over_random.low == 0.0
    assert everybody.found.value == 1.0


def test_equal_scores_are_cut_at_their_expected_value() -> None:
    (tenth,) = call_lists(Judged(LABEL, np.zeros(2000), PROBABILITY), Bootstrap(100, 1), shares=(0.1,))
    assert tenth.lift.value == pytest.approx(1.0)


def test_a_list_with_hardly_a_conversion_has_wilsons_interval_and_no_upper_end_of_calls() -> None:
    label = np.zeros(400, dtype=np.int64)
    label[390:] = 1
    (tenth,) = call_lists(Judged(label, -np.arange(400.0), np.full(400, 0.02)), Bootstrap(100, 1), shares=(0.1,))
    assert tenth.conversions.value == 0.0
    assert 0 < tenth.per_hundred.high < 10
    assert np.isnan(tenth.calls_per_conversion.high)
    # what might have been found is not nothing either, and the lift says the same
    assert (tenth.found.value, tenth.found.low) == (0.0, 0.0)
    assert tenth.found.high == pytest.approx(wilson(0, 10)[1])
    assert tenth.lift.high == pytest.approx(tenth.found.high / 0.1)
    assert tenth.over_random.value == pytest.approx(-2.5)
    assert tenth.over_random.low < -2.5 < 0 < tenth.over_random.high


def test_a_list_that_found_everything_may_have_missed_one() -> None:
    label = np.zeros(400, dtype=np.int64)
    label[:12] = 1
    half, whole = call_lists(Judged(label, -np.arange(400.0), np.full(400, 0.02)), Bootstrap(100, 1), shares=(0.5, 1.0))
    assert (half.found.value, half.found.high) == (1.0, 1.0)
    assert half.found.low == pytest.approx(wilson(12, 12)[0])
    assert half.lift.low == pytest.approx(half.found.low / 0.5)
    for sure in (whole.found, whole.lift):
        assert (sure.low, sure.value, sure.high) == (1.0, 1.0, 1.0)


def test_leads_that_repeat_a_person_widen_the_interval_of_a_few_conversions() -> None:
    label, codes = np.zeros(800, dtype=np.int64), np.repeat(np.arange(200), 4)
    label[40:44], label[400:480] = 1, 1
    margin = -np.arange(800.0)
    alone, four = (call_lists(Judged(label, margin, np.full(800, 0.1), found), Bootstrap(100, 1), shares=(0.1,))[0]
                   for found in (None, codes))  # fmt: skip
    assert alone.per_hundred.value == four.per_hundred.value == pytest.approx(5.0)
    # people convert four times or never: 80 leads are worth 20
    assert four.per_hundred.high == pytest.approx(100 * wilson(1, 20)[1], rel=0.02)
    for name in ("per_hundred", "found", "lift", "over_random"):
        one, many = getattr(alone, name), getattr(four, name)
        assert many.high - many.low > 1.3 * (one.high - one.low), name


def test_a_probability_is_the_border_of_a_list_only_where_it_falls_with_the_margin() -> None:
    (tenth,) = call_lists(Judged(LABEL, MARGIN, PROBABILITY), Bootstrap(100, 1), shares=(0.1,))
    assert int((tenth.threshold <= PROBABILITY).sum()) == tenth.called
    # every second lead belongs to a part that converts twice as often in odds
    apart = shifted(PROBABILITY, np.tile([0.0, 0.7], 1000))
    (tenth,) = call_lists(Judged(LABEL, MARGIN, apart), Bootstrap(100, 1), shares=(0.1,))
    assert np.isnan(tenth.threshold)


def test_rows_of_one_person_make_rate_and_lift_of_a_part_no_surer() -> None:
    people = np.repeat(np.arange(2000), 4)
    judged, every = Judged(LABEL, MARGIN, PROBABILITY), np.zeros(8000, int)
    (once,) = cohort_cells(judged, every[:2000], ("all",))
    repeated = judged.take(people)
    (naive,), (honest,) = (cohort_cells(replace(repeated, entity=e), every, ("all",)) for e in (None, people))
    assert (honest.rate, honest.lift.value) == pytest.approx((once.rate, once.lift.value))
    assert (honest.low, honest.high) == pytest.approx((once.low, once.high))
    assert (honest.lift.low, honest.lift.high) == pytest.approx((once.lift.low, once.lift.high))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)
    (nobody,) = cohort_cells(replace(repeated, label=np.zeros(8000), entity=people), every, ("all",))
    assert nobody.high == pytest.approx(wilson(0, 2000)[1])
