"""Splitting by time: purge, gap, ties, and positions that fit the order the rows were given in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Periods
from leadscore_dagster.core.table.periods import split_periods, time_folds

START = np.datetime64("2022-01-01T00:00:00", "us")
DAY = np.timedelta64(1, "D")
SHARES = Periods(development=0.6, calibration=0.15, test=0.25)


def days(*numbers: float) -> np.ndarray:
    return START + (np.array(numbers) * 86_400e6).astype("timedelta64[us]")


def test_periods_hold_the_shares_of_the_rows() -> None:
    split = split_periods(days(*range(100)), SHARES, window_days=0)
    assert [len(split.development), len(split.calibration), len(split.test)] == [60, 15, 25]
    assert split.purged == 0


def test_a_row_whose_label_window_reaches_into_the_next_period_is_purged() -> None:
    times = days(*range(100))
    split = split_periods(times, SHARES, window_days=5)
    # calibration starts on day 60: a decision of day 55 has its window closed then, one of day 56 has not
    assert times[split.development].max() == days(55)[0]
    assert times[split.calibration].max() == days(70)[0]
    assert split.purged == 8


def test_a_window_that_ends_exactly_when_the_next_period_starts_is_kept() -> None:
    split = split_periods(days(*range(100)), SHARES, window_days=1)
    assert split.purged == 0


def test_equal_times_never_straddle_a_border() -> None:
    times = days(*([0] * 30 + [1] * 45 + [2] * 10 + [3] * 15))
    split = split_periods(times, SHARES, window_days=0)
    assert set(times[split.development]) == set(days(0))
    assert set(times[split.calibration]) == set(days(1))
    assert set(times[split.test]) == set(days(2, 3))


def test_periods_that_would_be_empty_are_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match="too few or too close together"):
        split_periods(days(*([0] * 100)), SHARES, window_days=0)
    with pytest.raises(InputError, match="calibration period is empty") as caught:
        split_periods(days(*range(100)), SHARES, window_days=20)
    assert caught.value.remedy
    with pytest.raises(InputError, match="no decisions"):
        split_periods(days(), SHARES, window_days=0)


def test_a_missing_decision_time_is_refused() -> None:
    times = days(0, 1, 2)
    times[1] = np.datetime64("NaT")
    with pytest.raises(InputError, match=r"decision time is missing.*1 row"):
        split_periods(times, SHARES, window_days=0)
    with pytest.raises(InputError, match="must be timestamps"):
        time_folds(np.arange(10), 2, 0, 0)


def test_folds_expand_and_honour_gap_and_window() -> None:
    times = days(*range(120))
    for window, gap, distance in ((0, 0, 1), (30, 0, 30), (0, 30, 30), (7, 30, 30), (40, 30, 40)):
        folds = time_folds(times, 3, window, gap)
        for fold in folds:
            assert times[fold.validation].min() - times[fold.training].max() == distance * DAY
        assert [len(fold.validation) for fold in folds][-1] == 30
        assert all(len(a.training) < len(b.training) for a, b in pairwise(folds))


def test_a_fold_without_training_rows_is_left_out() -> None:
    assert len(time_folds(days(*range(120)), 3, 0, 45)) == 2


def test_folds_of_unsorted_rows_are_positions_into_the_rows_as_given() -> None:
    # the defect this guards against: positions of a time-sorted copy used on the unsorted table
    shuffle = np.random.default_rng(0).permutation(120)
    times = days(*range(120))
    unsorted = times[shuffle]
    for plain, moved in zip(time_folds(times, 3, 7, 30), time_folds(unsorted, 3, 7, 30), strict=True):
        np.testing.assert_array_equal(times[plain.training], unsorted[moved.training])
        np.testing.assert_array_equal(times[plain.validation], unsorted[moved.validation])


@given(
    st.lists(st.integers(0, 30), min_size=8, max_size=60),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(2, 5),
)
def test_no_fold_trains_on_what_was_not_known(numbers: list[int], window: int, gap: int, folds: int) -> None:
    times = days(*numbers)
    seen: set[int] = set()
    for fold in time_folds(times, folds, window, gap):
        first = times[fold.validation].min()
        assert (times[fold.training] < first).all()
        assert (times[fold.training] + max(window, gap) * DAY <= first).all()
        assert not seen & set(fold.validation)
        seen |= set(fold.validation)


@given(st.lists(st.integers(0, 40), min_size=10, max_size=80), st.integers(0, 4))
def test_no_period_knows_the_next(numbers: list[int], window: int) -> None:
    times = days(*numbers)
    try:
        split = split_periods(times, SHARES, window)
    except InputError:
        return
    for earlier, later in ((split.development, split.calibration), (split.calibration, split.test)):
        assert (times[earlier] < times[later].min()).all()
    calibration_from, test_from = (times[p].min() for p in (split.calibration, split.test))
    assert (times[split.development] + window * DAY <= calibration_from).all()
    assert (times[split.calibration] + window * DAY <= test_from).all()
    kept = len(split.development) + len(split.calibration) + len(split.test)
    assert kept + split.purged == len(times)


def test_a_period_emptied_by_people_who_come_back_says_so() -> None:
    times = days(*range(300))
    assert split_periods(times, SHARES, 30).purged > 0
    with pytest.raises(InputError, match="everybody in it is decided on again") as caught:
        split_periods(times, SHARES, 30, groups=np.arange(300) % 7)
    assert "group_folds" in str(caught.value)
    assert caught.value.remedy is not None
    assert "leave model.group_folds out" in caught.value.remedy
    with pytest.raises(InputError, match="no label window of 200 days"):
        split_periods(times, SHARES, 200, groups=np.arange(300) % 7)
