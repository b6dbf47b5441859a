"""Rare positives: weights and made-up positives, on training rows only, and no strategy exchanged in silence."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.preparation.imbalance import (
    balancing_weights,
    fill_numbers,
    learn_medians,
    oversample,
)

RANDOM = np.random.default_rng(8)
ROWS = 800
LABEL = (np.arange(ROWS) % 20 == 0).astype(np.int64)
NUMBERS = (RANDOM.normal(size=(ROWS, 3)) * [1, 1000, 1]).astype(np.float32)
KIND = RANDOM.integers(0, 4, ROWS).astype(np.float32)
KIND[::7] = np.nan
MIXED = np.column_stack([NUMBERS, KIND]).astype(np.float32)
MIXED_CATEGORIES = (False, False, False, True)


def test_positives_weigh_as_much_as_negatives() -> None:
    weight = balancing_weights(LABEL)
    assert weight[LABEL == 1].sum() == pytest.approx(weight[LABEL == 0].sum())
    assert set(weight) == {1.0, 19.0}


def test_weights_without_one_of_the_outcomes_are_refused() -> None:
    with pytest.raises(InputError, match="there are 0 positives"):
        balancing_weights(np.zeros(10, np.int64))


def test_made_up_positives_follow_the_rows_as_they_are() -> None:
    matrix, label = oversample(NUMBERS, LABEL, (False,) * 3, seed=1)
    np.testing.assert_array_equal(matrix[:ROWS], NUMBERS)
    np.testing.assert_array_equal(label[:ROWS], LABEL)
    assert label[ROWS:].all()
    assert label.mean() == 0.5
    assert matrix.dtype == np.float32


def test_a_made_up_positive_lies_between_positives_on_every_scale() -> None:
    made = oversample(NUMBERS, LABEL, (False,) * 3, seed=1)[0][ROWS:]
    positives = NUMBERS[LABEL == 1]
    assert (made >= positives.min(axis=0) - 1e-3).all()
    assert (made <= positives.max(axis=0) + 1e-3).all()


def test_the_unit_of_a_number_does_not_decide_who_is_near() -> None:
    thousand = NUMBERS * np.array([1000, 1, 1], np.float32)
    made = oversample(NUMBERS, LABEL, (False,) * 3, seed=1)[0][ROWS:]
    scaled = oversample(thousand, LABEL, (False,) * 3, seed=1)[0][ROWS:]
    np.testing.assert_allclose(made * [1000, 1, 1], scaled, rtol=1e-3, atol=1e-2)


def test_with_categories_only_levels_that_occur_are_made_up() -> None:
    made = oversample(MIXED, LABEL, MIXED_CATEGORIES, seed=1)[0][ROWS:, 3]
    assert set(made[~np.isnan(made)]) <= {0.0, 1.0, 2.0, 3.0}


def test_a_missing_category_is_a_level_of_its_own() -> None:
    matrix = MIXED.copy()
    matrix[LABEL == 1, 3] = np.nan
    assert np.isnan(oversample(matrix, LABEL, MIXED_CATEGORIES, seed=1)[0][ROWS:, 3]).all()


def test_the_same_seed_makes_up_the_same_rows() -> None:
    for matrix, categories in ((NUMBERS, (False,) * 3), (MIXED, MIXED_CATEGORIES)):
        once, again = (oversample(matrix, LABEL, categories, seed=4)[0] for _ in range(2))
        np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("positives", [0, 1, 5])
def test_too_few_positives_fail_and_say_so(positives: int) -> None:
    label = (np.arange(ROWS) < positives).astype(np.int64)
    with pytest.raises(InputError, match=f"at least 6 positives among the training rows, there are {positives}"):
        oversample(NUMBERS, label, (False,) * 3, seed=1)


def test_positives_that_are_not_rare_and_rows_without_numbers_fail_too() -> None:
    with pytest.raises(InputError, match="positive already"):
        oversample(NUMBERS, 1 - LABEL, (False,) * 3, seed=1)
    with pytest.raises(InputError, match="at least one number"):
        oversample(MIXED[:, 3:], LABEL, (True,), seed=1)


def test_missing_numbers_are_put_at_the_median_and_missing_categories_stay() -> None:
    matrix = MIXED.copy()
    matrix[:100, 0] = np.nan
    matrix[:, 1] = np.nan
    medians = learn_medians(matrix, MIXED_CATEGORIES)
    filled = fill_numbers(matrix, medians, MIXED_CATEGORIES)
    assert medians[0] == pytest.approx(float(np.median(NUMBERS[100:, 0])))
    assert (filled[:100, 0] == np.float32(medians[0])).all()
    assert (filled[:, 1] == 0).all()
    np.testing.assert_array_equal(filled[:, 3], matrix[:, 3])
    assert np.isnan(matrix[:100, 0]).all()  # a copy
