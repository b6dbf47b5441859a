"""Encoding: order, ties and missing values survive it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.statistics.columns import bins, encode, grouped, words
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.catalogue import Feature


def test_numbers_keep_their_order_and_missing_stays_missing() -> None:
    rows = pa.table({"x": pa.array([3.0, None, 1.0, float("nan"), 3.0])})
    (column,) = encode(rows, [Feature("x", "", "number")])
    assert column.codes.tolist() == [1, -1, 0, -1, 1]
    assert column.values.tolist() == [1.0, 3.0]


def test_booleans_decimals_and_columns_of_nothing_are_numbers() -> None:
    rows = pa.table({"b": [True, False], "d": pa.array([1, 2], pa.decimal128(5)), "n": pa.nulls(2)})
    found = encode(rows, [Feature(name, "", "number") for name in ("b", "d", "n")])
    assert [column.levels for column in found] == [2, 2, 0]


def test_text_in_a_numeric_feature_is_refused() -> None:
    with pytest.raises(InputError, match="string"):
        encode(pa.table({"x": ["a"]}), [Feature("x", "", "number")])


def test_a_missing_feature_is_refused() -> None:
    with pytest.raises(InputError, match="lacks a feature"):
        encode(pa.table({"x": [1]}), [Feature("y", "", "number")])


def test_groups_have_about_equal_mass_and_split_no_value() -> None:
    values = np.sort(np.random.default_rng(0).poisson(100, 10_000))
    distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    group, many = grouped(codes.astype(np.int32), counts, 10)
    assert many == 10
    assert np.bincount(group).min() > 600
    assert all(len(set(group[codes == place])) == 1 for place in range(len(distinct)))


def test_rare_levels_share_a_bin_and_missing_has_its_own() -> None:
    names = ["a"] * 50 + ["b"] * 40 + ["c"] * 2 + ["d"] + [None]
    (column,) = encode(pa.table({"x": names}), [Feature("x", "", "category")])
    assert np.bincount(bins(column, 3)).tolist() == [1, 50, 40, 3]


def test_words_are_counted_once_a_row() -> None:
    rows = pa.table({"x": ["Status: booked, booked!", None, "booked", "no"]})
    found = words(rows, "x", least=2)
    assert list(found.names) == ["booked"]
    assert found.row.tolist() == [0, 2]
