"""Encodings of categories: no row sees its own label, noise gains no strength, and new rows read a table."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.measures.metrics import auc_roc
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.encoding import PRIOR_POSITIVES, learn_encoding
from leadscore_dagster.core.recipe.schema import Categories

ROWS, LEVELS = 8000, 400
RANDOM = np.random.default_rng(3)
LABEL = (RANDOM.random(ROWS) < 0.1).astype(np.int64)
NOISE = RANDOM.integers(0, LEVELS, ROWS).astype(np.float32)
NOISE[::17] = np.nan
FEW = RANDOM.integers(0, 3, ROWS).astype(np.float32)
FEW[::5] = np.nan
MATRIX = np.stack([RANDOM.normal(size=ROWS).astype(np.float32), NOISE, FEW], axis=1)
COLUMNS = Columns(
    ("x", "firm", "kind"),
    ("number", "category", "category"),
    {"firm": tuple(map(str, range(LEVELS))), "kind": ("a", "b", "c")},
)
TARGET = Categories(target_above_levels=20)


def training_encoding(label: np.ndarray, seed: int = 1) -> np.ndarray:
    return learn_encoding(MATRIX, label, COLUMNS, indices=(0, 1, 2), categories=TARGET, seed=seed)[1][:, 1]


@pytest.mark.parametrize("row", [0, 1, 2, 17, 4321])
def test_no_training_row_sees_its_own_label(row: int) -> None:
    flipped = LABEL.copy()
    flipped[row] = 1 - flipped[row]
    before, after = training_encoding(LABEL), training_encoding(flipped)
    assert after[row] == before[row]
    same_level = (NOISE[row] == NOISE) | (np.isnan(NOISE) & np.isnan(NOISE[row]))
    assert (after[same_level] != before[same_level]).any()  # but the others of its level do


def test_noise_of_many_levels_gains_no_strength_where_a_naive_encoding_would() -> None:
    encoding, training = learn_encoding(MATRIX, LABEL, COLUMNS, indices=(0, 1, 2), categories=TARGET, seed=1)
    naive = encoding.apply(MATRIX)[:, 1]  # what encoding the training rows with the whole table gives
    assert auc_roc(LABEL, naive) > 0.65
    assert abs(auc_roc(LABEL, training[:, 1]) - 0.5) < 0.03


def test_a_model_of_noise_alone_finds_nothing_on_new_rows() -> None:
    from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
    from leadscore_dagster.core.modelling.preparation.preparation import Preparation, fit_prepared

    half, columns = ROWS // 2, Columns(("firm",), ("category",), {"firm": COLUMNS.levels["firm"]})
    parameters = complete_parameters("xgboost", {"n_estimators": 40, "learning_rate": 0.1})
    model = fit_prepared(
        "xgboost",
        MATRIX[:half, 1:2],
        LABEL[:half],
        columns=columns,
        parameters=parameters,
        preparation=Preparation(categories=TARGET),
        seed=1,
    )
    later = auc_roc(LABEL[half:], model.margin(MATRIX[half:, 1:2]))
    assert abs(later - 0.5) < 0.04


def test_a_category_that_tells_something_is_worth_as_much_out_of_fold() -> None:
    rate = np.where(np.nan_to_num(NOISE) % 4 == 0, 0.3, 0.03)
    label = (RANDOM.random(ROWS) < rate).astype(np.int64)
    encoding, training = learn_encoding(MATRIX, label, COLUMNS, indices=(1,), categories=TARGET, seed=1)
    fresh = (RANDOM.random(ROWS) < rate).astype(np.int64)
    assert auc_roc(label, training[:, 0]) > 0.7
    assert auc_roc(fresh, encoding.apply(MATRIX)[:, 0]) > 0.7


def test_the_table_is_the_smoothed_mean_less_that_of_all_rows() -> None:
    encoding, _ = learn_encoding(MATRIX, LABEL, COLUMNS, indices=(1,), categories=TARGET, seed=1)
    rate, of_level = LABEL.mean(), NOISE == 7
    hits, rows = LABEL[of_level].sum(), of_level.sum()
    prior = PRIOR_POSITIVES / rate
    expected = (hits + prior * rate) / (rows + prior) - rate
    new = np.full((2, 3), np.nan, np.float32)
    new[0, 1] = 7
    first, missing = encoding.apply(new)[:, 0]
    assert first == pytest.approx(expected, rel=1e-5)
    assert missing == pytest.approx(encoding.rules[0].table[-1], rel=1e-5)


def test_a_level_never_seen_beside_a_label_is_worth_nothing() -> None:
    columns = Columns(("firm",), ("category",), {"firm": tuple(map(str, range(LEVELS + 1)))})
    encoding, _ = learn_encoding(MATRIX[:, 1:2], LABEL, columns, indices=(0,), categories=TARGET, seed=1)
    assert encoding.apply(np.array([[LEVELS]], np.float32))[0, 0] == 0


def test_one_hot_has_a_part_per_level_and_one_for_missing() -> None:
    categories = Categories(encoding="one_hot", target_above_levels=20)
    encoding, training = learn_encoding(MATRIX, LABEL, COLUMNS, indices=(0, 1, 2), categories=categories, seed=1)
    inner = encoding.columns(COLUMNS)
    assert inner.names == ("x", "firm", "kind.0", "kind.1", "kind.2", "kind.3")
    assert inner.types == ("number", "number", "flag", "flag", "flag", "flag")
    assert encoding.owners.tolist() == [0, 1, 2, 2, 2, 2]
    np.testing.assert_array_equal(training[:, 2:].sum(axis=1), 1)
    np.testing.assert_array_equal(training[:, 5] == 1, np.isnan(FEW))
    np.testing.assert_array_equal(training[:, 3] == 1, FEW == 1)


def test_left_alone_a_category_stays_a_category() -> None:
    encoding, training = learn_encoding(MATRIX, LABEL, COLUMNS, indices=(1, 2), categories=TARGET, seed=1)
    inner = encoding.columns(COLUMNS)
    assert inner.types == ("number", "category")
    assert inner.levels == {"kind": ("a", "b", "c")}
    np.testing.assert_array_equal(training[:, 1], FEW)


def test_the_same_seed_deals_the_same_parts() -> None:
    np.testing.assert_array_equal(training_encoding(LABEL), training_encoding(LABEL))
    assert (training_encoding(LABEL) != training_encoding(LABEL, seed=2)).any()
