"""Reliability: right probabilities are found right, wrong ones wrong, and few rows prove nothing."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.log_odds import recalibration_line
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.reliability import measure_reliability, reliability_curve, segments_of
from leadscore_dagster.core.modelling.segments import MISSING, segment_codes
from leadscore_dagster.core.recipe.schema import Segment
from leadscore_dagster.core.table.features.catalogue import Feature

FEATURES = (Feature("assets", "…", "number"), Feature("kind", "…", "category"), Feature("owner", "…", "flag"))


def rows(n: int, seed: int = 0, slope: float = 1.0, intercept: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and what a model says whose log-odds need this slope and intercept to be right."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1, n)
    truth = 1 / (1 + np.exp(-(intercept + slope * odds)))
    return (rng.random(n) < truth).astype(np.int64), 1 / (1 + np.exp(-odds))


def test_right_probabilities_lie_inside_the_intervals_of_their_rates() -> None:
    label, probability = rows(20_000)
    found = measure_reliability(Judged(label, probability, probability), 0.15)
    assert sum(each.n for each in found.bins) == 20_000
    assert sum(each.low <= each.probability <= each.high for each in found.bins) >= 8
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.low < 0 < found.intercept.high
    assert found.overall.ece.low < 0.01
    assert found.overall.shift.low < 0 < found.overall.shift.high
    assert found.brier < found.constant_brier


def test_the_line_finds_what_is_wrong_with_the_probabilities() -> None:
    slope, intercept = recalibration_line(*rows(20_000, slope=0.5, intercept=0.7))
    assert slope.low < 0.5 < slope.high < 1
    assert 0 < intercept.low < 0.7 < intercept.high


def test_the_intervals_of_the_line_hold_the_truth_as_often_as_they_say() -> None:
    inside = np.zeros(2)
    for seed in range(200):
        lines = recalibration_line(*rows(500, seed, slope=1.3, intercept=0.4))
        inside += [line.low <= truth <= line.high for line, truth in zip(lines, (1.3, 0.4), strict=True)]
    assert (inside / 200 > 0.9).all()


def test_rows_of_one_entity_count_once_in_the_line() -> None:
    label, probability = rows(500)
    once, _ = recalibration_line(label, probability)
    codes = np.tile(np.arange(500), 4)
    four, _ = recalibration_line(np.tile(label, 4), np.tile(probability, 4), codes)
    assert four.value == pytest.approx(once.value)
    assert four.high - four.low == pytest.approx(once.high - once.low, rel=0.2)


def test_a_line_that_cannot_be_drawn_has_no_value() -> None:
    label, probability = rows(100)
    for labels, said in ((np.zeros(100), probability), (label, np.full(100, 0.2)), (probability > 0.12, probability)):
        slope, intercept = recalibration_line(np.asarray(labels, dtype=np.int64), said)
        assert np.isnan([slope.value, intercept.low]).all()


def test_the_curve_has_ten_bins_in_order_or_as_many_as_there_are_probabilities() -> None:
    label, probability = rows(1000)
    curve = reliability_curve(label, probability)
    assert len(curve) == 10
    assert [each.probability for each in curve] == sorted(each.probability for each in curve)
    assert len(reliability_curve(label, np.full(1000, 0.2))) == 1
    assert reliability_curve(label[:0], probability[:0]) == ()


def test_the_part_that_is_wrong_is_found() -> None:
    label, probability = rows(4000)
    wrong = np.arange(4000) % 4 == 0
    label[wrong] = np.random.default_rng(1).random(1000) < 0.7
    parts = {"firm size": (wrong.astype(np.int64), ("small", "large"))}
    found = measure_reliability(Judged(label, probability, probability), 0.15, parts=parts)
    large, small = found.segments["firm size"]["large"], found.segments["firm size"]["small"]
    assert large.ece.low > 0.3
    assert large.shift.low > 1
    assert small.ece.low < 0.02
    assert (
        json.loads(json.dumps(found.to_dict(), allow_nan=False))["segments"]["firm size"]["large"]["ece"]["n"] == 1000
    )


def test_a_part_without_rows_is_left_out_and_entities_that_repeat_widen_the_intervals() -> None:
    label, probability = rows(600)
    label, probability = np.tile(label, 3), np.tile(probability, 3)
    halves = {"half": (np.tile(np.arange(600) // 300, 3), ("first", "second", "none"))}
    alone = measure_reliability(Judged(label, probability, probability), 0.15, parts=halves).segments["half"]
    together = measure_reliability(
        Judged(label, probability, probability, np.tile(np.arange(600), 3)), 0.15, halves
    ).segments["half"]
    assert set(together) == {"first", "second"}
    assert together["second"].ece.high > alone["second"].ece.high
    once = measure_reliability(Judged(label[:600], probability[:600], probability[:600]), 0.15)
    three = measure_reliability(Judged(label, probability, probability, np.tile(np.arange(600), 3)), 0.15)
    assert three.overall.shift.low == pytest.approx(once.overall.shift.low, abs=1e-6)
    assert three.overall.shift.high == pytest.approx(once.overall.shift.high, abs=1e-6)
    for honest, single in zip(three.bins, once.bins, strict=True):
        assert (honest.low, honest.high) == pytest.approx((single.low, single.high), rel=0.01)


# ---- parts


def table() -> pa.Table:
    return pa.table(
        {
            "assets": pa.array([99.9, 0.7, 100.0, 500.0, None], pa.float64()),
            "kind": pa.array(["bank", "broker", "bank", "never seen", None]),
            "owner": pa.array([True, False, None, True, False]),
        }
    )


def encoded() -> tuple[np.ndarray, object]:
    trained = pa.table({"assets": [1.0] * 40, "kind": ["bank"] * 20 + ["broker"] * 20, "owner": [True] * 40})
    columns = learn_columns(trained, FEATURES)
    return to_matrix(table(), columns), columns


def test_numbers_are_divided_at_edges_which_belong_to_the_part_above() -> None:
    matrix, columns = encoded()
    codes, names = segment_codes(matrix, columns, Segment(feature="assets", edges=(100.0, 500.0)))
    assert names == ("below 100", "100 to 500", "from 500", MISSING)
    assert codes.tolist() == [0, 0, 1, 2, 3]
    # 0.7 is below 0.7 once it is a float32, if the edge is not one too
    assert segment_codes(matrix, columns, Segment(feature="assets", edges=(0.7,)))[0].tolist() == [1, 1, 1, 1, 2]


def test_categories_are_divided_by_level_and_what_is_not_known_is_a_part() -> None:
    matrix, columns = encoded()
    codes, names = segment_codes(matrix, columns, Segment(feature="kind"))
    assert [names[code] for code in codes] == ["bank", "broker", "bank", MISSING, MISSING]
    codes, names = segment_codes(matrix, columns, Segment(feature="owner"))
    assert [names[code] for code in codes] == ["yes", "no", MISSING, "yes", "no"]
    assert segments_of(matrix, columns, {"kind": Segment(feature="kind")})["kind"][1] == ("bank", "broker", MISSING)


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (Segment(feature="aum"), "does not have"),
        (Segment(feature="assets"), "needs edges"),
        (Segment(feature="kind", edges=(1.0,)), "has no edges"),
    ],
)
def test_a_segment_that_divides_nothing_is_refused(segment: Segment, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segment_codes(*encoded(), segment)
