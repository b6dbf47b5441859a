import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leadscore_dagster.core.scoring.drivers import (
    NOBODY,
    assert_additive,
    driver_columns,
    driver_fields,
    driver_values,
    top_drivers,
)


def columns_of(features, contributions, top):
    names = features.column_names
    found = top_drivers(np.array(contributions, dtype=np.float32), top)
    return driver_columns(names, found, driver_values(features, names, found), top=top)


def test_drivers_fall_in_absolute_size_and_keep_their_sign():
    found = top_drivers(np.array([[0.1, -0.5, 0.3, 0.0]], dtype=np.float32), 2)
    assert found.feature.tolist() == [[1, 2]]
    assert found.effect.tolist() == [[np.float32(-0.5), np.float32(0.3)]]


def test_of_equal_sizes_the_first_feature_is_taken():
    found = top_drivers(np.array([[0.2, -0.2, 0.2, -0.2]], dtype=np.float32), 3)
    assert found.feature.tolist() == [[0, 1, 2]]


def test_a_contribution_of_zero_is_no_driver_and_more_drivers_than_features_are_null():
    found = top_drivers(np.array([[0.0, 0.7]], dtype=np.float32), 3)
    assert found.feature.tolist() == [[1, NOBODY, NOBODY]]


@given(arrays(np.float32, (5, 6), elements=st.integers(-3, 3).map(float)), st.integers(1, 6))
def test_drivers_agree_with_a_plain_sort_of_each_row(contributions, top):
    found = top_drivers(contributions, top)
    for row, features in zip(contributions, found.feature, strict=True):
        wanted = [i for i in sorted(range(6), key=lambda i: (-abs(row[i]), i)) if row[i] != 0][:top]
        assert [i for i in features if i != NOBODY] == wanted


def test_values_are_the_leads_own_and_missing_stays_missing():
    features = pa.table(
        {
            "months": [8.0, None, float("nan")],
            "clients": pa.array([None, 1_200_000_000, 3], pa.int64()),
            "state": ["NY", None, "Zürich"],
            "owner": [True, False, None],
        }
    )
    columns = columns_of(features, [[4, 3, 2, 1]] * 3, 4)
    assert columns["driver_1_value"].to_pylist() == ["8", None, None]
    assert columns["driver_2_value"].to_pylist() == [None, "1200000000", "3"]
    assert columns["driver_3_value"].to_pylist() == ["NY", None, "Zürich"]
    assert columns["driver_4_value"].to_pylist() == ["1", "0", None]
    assert columns["driver_3"].to_pylist() == ["state"] * 3
    assert [pa.field(name, column.type) for name, column in columns.items()] == driver_fields(4)


def test_contributions_that_do_not_add_up_to_the_margin_are_refused():
    contributions = np.array([[1, 2], [3, 4]], dtype=np.float32)
    assert_additive(np.array([3.5, 7.5]), contributions, 0.5)
    with pytest.raises(ValueError, match="1 of 2 rows"):
        assert_additive(np.array([3.5, 7.51]), contributions, 0.5)
    with pytest.raises(ValueError, match="1 of 2 rows"):
        assert_additive(np.array([np.nan, 7.5]), contributions, 0.5)
    with pytest.raises(ValueError, match="not finite"):
        top_drivers(np.array([[np.nan]], dtype=np.float32), 1)
