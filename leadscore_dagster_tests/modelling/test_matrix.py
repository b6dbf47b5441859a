"""From a table to a matrix: missing values, levels, ranges, refusals."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import MINIMUM_LEVEL_ROWS, learn_columns, to_matrix
from leadscore_dagster.core.table.features.catalogue import Feature

NUMBER, KIND = Feature("x", "", "number"), Feature("kind", "", "category")


def test_numbers_integers_flags_and_decimals_become_floats_with_nan_for_missing() -> None:
    table = pa.table(
        {
            "number": [1.5, None, float("nan")],
            "integer": pa.array([1, None, 3], pa.int64()),
            "flag": [True, False, None],
            "decimal": pa.array([decimal.Decimal("1.25"), None, None]),
            "nothing": pa.nulls(3),
        }
    )
    columns = learn_columns(table, [Feature(name, "", "number") for name in table.column_names])
    matrix = to_matrix(table, columns)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    nan = np.nan
    expected = [[1.5, 1, 1, 1.25, nan], [nan, nan, 0, nan, nan], [nan, 3, nan, nan, nan]]
    np.testing.assert_array_equal(matrix, np.array(expected, np.float32))


def test_levels_are_learned_in_training_and_unseen_or_rare_ones_are_missing() -> None:
    often = ["b"] * MINIMUM_LEVEL_ROWS + ["a"] * MINIMUM_LEVEL_ROWS
    columns = learn_columns(pa.table({"kind": [*often, "rare", None]}), [KIND])
    assert columns.levels == {"kind": ("a", "b")}
    matrix = to_matrix(pa.table({"kind": ["b", "a", "rare", "never", None]}), columns)
    np.testing.assert_array_equal(matrix[:, 0], np.array([1, 0, np.nan, np.nan, np.nan], np.float32))


def test_levels_do_not_depend_on_how_a_column_is_encoded() -> None:
    plain = pa.table({"kind": ["b", "a"] * 30})
    encoded = pa.table({"kind": plain["kind"].dictionary_encode()})
    assert learn_columns(plain, [KIND]) == learn_columns(encoded, [KIND])
    np.testing.assert_array_equal(
        to_matrix(plain, learn_columns(plain, [KIND])), to_matrix(encoded, learn_columns(plain, [KIND]))
    )


def test_numbers_beyond_float32_become_its_largest_value() -> None:
    table = pa.table({"x": [1e300, -1e300, float("inf"), -float("inf"), 1.0]})
    values = to_matrix(table, learn_columns(table, [NUMBER]))[:, 0]
    assert np.isfinite(values).all()
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(values, np.array([largest, -largest, largest, -largest, 1], np.float32))


def test_column_order_is_the_models_not_the_tables() -> None:
    table = pa.table({"y": [2.0], "x": [1.0]})
    columns = learn_columns(table, [NUMBER, Feature("y", "", "number")])
    np.testing.assert_array_equal(to_matrix(table, columns), [[1, 2]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"other": [1.0]}), "lacks a feature.*column x"),
        (pa.table({"x": ["text"]}), "numeric feature holds string.*column x"),
        (pa.table({"x": pa.array([0], pa.timestamp("us"))}), "numeric feature holds timestamp"),
    ],
)
def test_a_missing_or_wrong_column_is_refused_by_name(table: pa.Table, message: str) -> None:
    columns = learn_columns(pa.table({"x": [1.0]}), [NUMBER])
    with pytest.raises(InputError, match=message):
        to_matrix(table, columns)


def test_an_empty_table_gives_an_empty_matrix() -> None:
    table = pa.table({"x": pa.array([], pa.float64()), "kind": pa.array([], pa.string())})
    assert to_matrix(table, learn_columns(table, [NUMBER, KIND])).shape == (0, 2)
