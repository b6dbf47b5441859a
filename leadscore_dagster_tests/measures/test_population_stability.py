"""The stability index: what it says of columns that stay, move, go missing; and how seldom it cries wolf."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.population_stability import (
    MISSING,
    OTHER,
    Bins,
    count,
    learn_bins,
    numbers,
    shift,
)


def _column(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def test_the_index_of_two_known_distributions_is_the_textbook_value() -> None:
    bins = Bins(edges=(0.0,))
    found = shift(np.array([500_000, 500_000, 0]), np.array([400_000, 600_000, 0]), bins)
    assert found.raw == pytest.approx(0.1 * np.log(0.6 / 0.4), abs=1e-4)
    assert found.value == pytest.approx(found.raw, abs=1e-5)
    assert found.low < found.value < found.high
    assert found.p_value < 1e-12


def test_the_floor_of_a_small_sample_is_taken_off() -> None:
    """40 rows in 10 bins have an index of about .23 although nothing has moved; on average nothing is left of it."""
    rng = np.random.default_rng(3)
    bins = learn_bins(_column(np.arange(1000.0)), category=False)
    reference = np.full(len(bins.labels), 100)
    reference[-1] = 0
    drawn = [rng.multinomial(40, [0.1] * 10) for _ in range(200)]
    found = [shift(reference, np.append(counts, 0), bins) for counts in drawn]
    assert np.mean([one.raw for one in found]) > 0.2
    assert np.median([one.value for one in found]) < 0.05


def test_p_values_of_an_unmoved_column_are_seldom_small() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=2000)
    bins = learn_bins(_column(values), category=False)
    reference = count(_column(values), bins)
    p = [shift(reference, count(_column(rng.normal(size=250)), bins), bins).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) <= 0.08


@pytest.mark.parametrize("rows", [200, 2000])
def test_a_move_by_half_a_standard_deviation_is_seen(rows: int) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=4000)
    bins = learn_bins(_column(values), category=False)
    found = shift(count(_column(values), bins), count(_column(rng.normal(0.5, 1, rows)), bins), bins)
    assert found.p_value < 1e-6
    assert found.high > 0.2


def test_newly_missing_values_are_named() -> None:
    values = np.arange(1000.0)
    bins = learn_bins(_column(values), category=False)
    now = np.where(np.arange(1000) % 10 < 3, np.nan, values)
    found = shift(count(_column(values), bins), count(_column(now), bins), bins)
    assert (found.moved, found.share_before) == (MISSING, 0.0)
    assert found.share_now == pytest.approx(0.3)
    assert found.value > 0.3


def test_the_level_whose_share_has_tripled_is_named() -> None:
    before = ["web"] * 100 + ["phone"] * 900 + ["fax"] * 3
    now = ["web"] * 90 + ["phone"] * 210
    bins = learn_bins(_column(before), category=True)
    assert bins.labels == ("phone", "web", OTHER, MISSING)  # three faxes are no level
    found = shift(count(_column(before), bins), count(_column(now), bins), bins)
    assert found.moved == "web"
    assert found.moved_p_value < 1e-6


def test_of_a_flag_the_rarer_value_is_said_to_have_moved() -> None:
    bins = Bins(edges=(0.0,))
    found = shift(np.array([8_500, 1_500, 0]), np.array([350, 150, 0]), bins)
    assert (found.moved, found.share_before, found.share_now) == ("above 0", 0.15, 0.3)
    assert found.moved_p_value < 1e-9


def test_a_level_never_seen_before_counts_as_another() -> None:
    bins = learn_bins(_column(["a"] * 50 + ["b"] * 50), category=True)
    assert count(_column(["a", "z", None]), bins).tolist() == [1, 0, 1, 1]


def test_numbers_flags_constants_and_empty_columns_have_bins() -> None:
    assert learn_bins(_column([True, False, True]), category=False).labels == ("up to 0", "above 0", MISSING)
    assert learn_bins(_column([7.0, 7.0]), category=False).labels == ("any value", MISSING)
    empty = learn_bins(_column(pa.array([None, None], pa.float64())), category=False)
    assert count(_column([1.0, None]), empty).tolist() == [1, 1]
    zeros = learn_bins(_column([0.0] * 800 + list(range(1, 201))), category=False)
    assert zeros.labels[0] == "up to 0"


def test_text_in_a_numeric_column_is_bad_input() -> None:
    with pytest.raises(InputError, match="numeric feature holds string"):
        numbers(_column(["a"]))
