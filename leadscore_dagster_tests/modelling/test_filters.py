"""Filters inside the fold: what they measure, what they leave out, and what they never do."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.filters import (
    LARGEST_FACTOR,
    Kept,
    count_bins,
    inflated,
    keep_features,
    values_of,
)
from leadscore_dagster.core.recipe.schema import Filters

ROWS = 6000
RANDOM = np.random.default_rng(5)
LABEL = (RANDOM.random(ROWS) < 0.1).astype(np.int64)
BOTH = Filters(information_value_below=0.02, variance_inflation_above=10)


def numbers(*columns: np.ndarray) -> tuple[np.ndarray, Columns]:
    names = tuple(f"f{position}" for position in range(len(columns)))
    return np.stack(columns, axis=1).astype(np.float32), Columns(names, ("number",) * len(columns), {})


def category(codes: np.ndarray, levels: int) -> tuple[np.ndarray, Columns]:
    return codes[:, None].astype(np.float32), Columns(("c",), ("category",), {"c": tuple(map(str, range(levels)))})


def signal(strength: float = 1.0) -> np.ndarray:
    return RANDOM.normal(size=ROWS) + strength * LABEL


def test_the_value_of_a_binormal_feature_is_its_squared_distance() -> None:
    """Kullback and Leibler's divergence of two normals d apart is d², of which ten bins lose a little."""
    matrix, columns = numbers(signal(0.5), signal(0.0))
    value, nothing = values_of(count_bins(matrix, LABEL, columns))
    assert 0.19 < value < 0.28
    assert abs(nothing) < 0.02


def test_the_value_is_the_textbook_sum_over_bins_less_its_bias() -> None:
    """Written out bin by bin, with the quantiles of pandas."""
    import pandas as pd

    matrix, columns = numbers(np.where(RANDOM.random(ROWS) < 0.2, np.nan, signal()))
    frame = pd.DataFrame({"bin": pd.qcut(matrix[:, 0], 10, labels=False), "label": LABEL}).fillna({"bin": -1})
    shares = frame.groupby("label")["bin"].value_counts(normalize=True).unstack(0)
    plain = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    bias = 10 * (1 / LABEL.sum() + 1 / (1 - LABEL).sum())
    assert values_of(count_bins(matrix, LABEL, columns))[0] == pytest.approx(plain - bias, rel=0.03)


def test_missing_is_a_bin_of_its_own() -> None:
    hidden = np.where(RANDOM.random(ROWS) < 0.1 + 0.5 * LABEL, np.nan, RANDOM.normal(size=ROWS))
    matrix, columns = numbers(hidden)
    assert values_of(count_bins(matrix, LABEL, columns))[0] > 0.5


@pytest.mark.parametrize("levels", [4, 60, 300])
def test_a_category_of_many_levels_that_says_nothing_is_left_out(levels: int) -> None:
    """The plain sum would be about (levels - 1) / positives: .5 for 300 levels here."""
    codes, columns = category(RANDOM.integers(0, levels, ROWS), levels)
    matrix, names = (
        np.column_stack([codes, signal()]).astype(np.float32),
        Columns(("c", "x"), ("category", "number"), columns.levels),
    )
    label = (np.arange(ROWS) % 10 == 0).astype(np.int64)
    matrix[:, 1] = RANDOM.normal(size=ROWS) + label
    kept = keep_features(matrix, label, names, filters=Filters(information_value_below=0.1))
    assert kept.indices == (1,)
    assert kept.dropped["c"].filter == "information_value"
    assert kept.dropped["c"].value < 0.1


def test_a_category_counts_by_level_not_by_the_order_of_its_codes() -> None:
    codes = RANDOM.integers(0, 50, ROWS)
    label = (RANDOM.random(ROWS) < np.where(codes % 2, 0.02, 0.2)).astype(np.int64)
    matrix, columns = category(codes, 50)
    assert values_of(count_bins(matrix, label, columns))[0] > 0.5
    assert values_of(count_bins(matrix, label, Columns(("c",), ("number",), {})))[0] < 0.05


def test_factors_are_those_of_regressing_each_column_on_the_others() -> None:
    base = RANDOM.normal(size=(ROWS, 4))
    columns = np.column_stack([base, base @ [1, 1, 0, 0] + 0.2 * RANDOM.normal(size=ROWS)])
    (_, factor), *_ = inflated(columns.astype(np.float32), 10)
    last = columns[:, 4] - columns[:, 4].mean()
    others = columns[:, :4] - columns[:, :4].mean(axis=0)
    rest = last - others @ np.linalg.lstsq(others, last, rcond=None)[0]
    assert factor == pytest.approx((last**2).sum() / (rest**2).sum(), rel=1e-4)


def test_the_worst_column_goes_first_and_the_others_are_measured_anew() -> None:
    first, second, noise = (RANDOM.normal(size=ROWS) for _ in range(3))
    matrix, columns = numbers(first, second, first + second + 0.1 * noise, RANDOM.normal(size=ROWS))
    kept = keep_features(matrix, LABEL, columns, filters=Filters(variance_inflation_above=10))
    assert kept.indices == (0, 1, 3)
    assert list(kept.dropped) == ["f2"]


def test_of_twins_the_later_goes_and_an_infinite_factor_is_a_number() -> None:
    one, other = signal(), signal()
    matrix, columns = numbers(one, other, one, 3 * one + 7, other)
    kept = keep_features(matrix, LABEL, columns, filters=Filters(variance_inflation_above=10))
    assert kept.indices == (0, 1)
    assert all(reason.value == LARGEST_FACTOR for reason in kept.dropped.values())


def test_an_exact_sum_of_others_is_found_though_no_pair_is_alike() -> None:
    parts = [RANDOM.normal(size=ROWS) for _ in range(6)]
    matrix, columns = numbers(*parts, np.sum(parts, axis=0))
    kept = keep_features(matrix, LABEL, columns, filters=Filters(variance_inflation_above=10))
    assert kept.indices == tuple(range(6))


def test_categories_have_no_factor() -> None:
    codes = RANDOM.integers(0, 5, ROWS)
    matrix = np.stack([codes, codes], axis=1).astype(np.float32)
    levels = tuple("abcde")
    columns = Columns(("a", "b"), ("category", "category"), {"a": levels, "b": levels})
    assert keep_features(matrix, LABEL, columns, filters=Filters(variance_inflation_above=2)).indices == (0, 1)


@pytest.mark.parametrize("filters", [BOTH, Filters(variance_inflation_above=10), Filters(information_value_below=0.02)])
def test_constant_empty_and_huge_columns_do_no_harm(filters: Filters) -> None:
    nothing, largest = np.full(ROWS, np.nan), float(np.finfo(np.float32).max)
    once = np.where(np.arange(ROWS) < 3000, 1.0, np.nan)  # constant where it is there: its absence may tell
    huge = np.where(LABEL == 1, largest, -largest)
    matrix, columns = numbers(signal(), np.full(ROWS, 1e30), nothing, once, huge)
    kept = keep_features(matrix, LABEL, columns, filters=filters)
    assert kept.dropped["f1"].filter == kept.dropped["f2"].filter == "constant"
    assert {0, 4} <= set(kept.indices)
    assert all(np.isfinite(reason.value) for reason in kept.dropped.values())


def test_one_feature_always_stays() -> None:
    """A model needs one: with shuffled labels none would pass, and the shuffled-label test must run."""
    matrix, columns = numbers(signal(0.0), signal(0.3), signal(0.0))
    assert keep_features(matrix, LABEL, columns, filters=Filters(information_value_below=50.0)).indices == (1,)
    constant, columns = numbers(np.ones(ROWS), np.ones(ROWS))
    assert keep_features(constant, LABEL, columns, filters=BOTH).indices == (0,)


def test_without_filters_everything_stays_even_constants() -> None:
    matrix, columns = numbers(np.ones(ROWS), signal())
    assert keep_features(matrix, LABEL, columns, filters=Filters()) == Kept((0, 1), {})


def test_neither_the_order_of_rows_nor_the_run_changes_the_answer() -> None:
    base = RANDOM.normal(size=(ROWS, 12))
    matrix, columns = numbers(*(base @ RANDOM.normal(size=(12, 30))).T)
    order = RANDOM.permutation(ROWS)
    once = keep_features(matrix, LABEL, columns, filters=BOTH)
    assert once == keep_features(matrix, LABEL, columns, filters=BOTH)
    assert once.indices == keep_features(matrix[order], LABEL[order], columns, filters=BOTH).indices


def test_labels_of_one_kind_are_refused() -> None:
    matrix, columns = numbers(signal())
    with pytest.raises(InputError, match="positives and negatives"):
        keep_features(matrix, np.zeros(ROWS, np.int64), columns, filters=BOTH)
