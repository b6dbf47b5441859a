"""scikit-learn's trees in LightGBM's format: equal margins, exact Shapley values, every kind of split."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from leadscore_dagster.core.modelling.estimators import hist_boosting
from leadscore_dagster.core.modelling.estimators.hist_boosting import fit_hist_boosting
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.matrix import Columns

ROWS, LEVELS = 4000, 70
COLUMNS = Columns(
    ("number", "town", "count", "kind"),
    ("number", "category", "integer", "category"),
    {"town": tuple(f"town{n}" for n in range(LEVELS)), "kind": ("a", "b", "c")},
)
PARAMETERS = complete_parameters(
    "hist_gradient_boosting",
    {"max_iter": 30, "learning_rate": 0.2, "min_samples_leaf": 20, "max_leaf_nodes": 12, "max_depth": 6},
)


def rows_and_labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    number, town = rng.normal(size=ROWS), rng.integers(0, LEVELS, ROWS).astype(float)
    count, kind = rng.poisson(1.5, ROWS).astype(float), rng.integers(0, 3, ROWS).astype(float)
    for column, share in ((number, 0.2), (town, 0.1), (kind, 0.3)):
        column[rng.random(ROWS) < share] = np.nan
    score = np.isnan(number) + 0.8 * (town % 7 == 1) - np.isnan(town) + 0.5 * count - (kind == 1) + np.isnan(kind)
    label = (rng.random(ROWS) < 1 / (1 + np.exp(2.5 - score))).astype(int)
    return np.column_stack([number, town, count, kind]).astype(np.float32), label


MATRIX, LABEL = rows_and_labels()


def scikit_learn(matrix: np.ndarray) -> object:
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = np.array(COLUMNS.categories)
    model = HistGradientBoostingClassifier(
        **PARAMETERS, categorical_features=categories, early_stopping=False, random_state=5
    )
    return model.fit(matrix, LABEL)


def test_margins_equal_scikit_learns_on_rows_never_seen() -> None:
    ours = fit_hist_boosting(MATRIX, LABEL, COLUMNS, parameters=PARAMETERS, seed=5)
    later = rows_and_labels(1)[0]
    expected = scikit_learn(MATRIX).decision_function(later)  # type: ignore[attr-defined]
    np.testing.assert_allclose(ours.margin(later), expected, rtol=0, atol=1e-9)
    assert len(np.unique(expected)) > 1000


def test_contributions_are_the_shapley_values_of_the_trees_by_the_definition() -> None:
    """Compared with the definition itself: the mean over all orders of the features, a split on a feature not yet
    known averaged over its branches by their training rows."""
    few = {**PARAMETERS, "max_iter": 3}
    model = fit_hist_boosting(MATRIX, LABEL, COLUMNS, parameters=few, seed=5)
    trees = [tree["tree_structure"] for tree in model.booster.dump_model()["tree_info"]]
    rows = MATRIX[[0, 1, 2, int(np.flatnonzero(np.isnan(MATRIX).sum(axis=1) > 1)[0])]]
    values, bias = model.contributions(rows)

    def goes_left(node: dict, x: np.ndarray) -> bool:
        value = float(x[node["split_feature"]])
        if node["decision_type"] == "==":
            return bool(not np.isnan(value) and str(int(value)) in node["threshold"].split("||"))
        return bool(node["default_left"] if np.isnan(value) else value <= node["threshold"])

    def expected(node: dict, x: np.ndarray, known: frozenset[int]) -> float:
        if "leaf_value" in node:
            return float(node["leaf_value"])
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            return expected(left if goes_left(node, x) else right, x, known)
        counts = [child.get("leaf_count", child.get("internal_count")) for child in (left, right)]
        parts = [expected(child, x, known) for child in (left, right)]
        return float(np.average(parts, weights=counts))

    def game(x: np.ndarray, known: frozenset[int]) -> float:
        return sum(expected(tree, x, known) for tree in trees)

    assert bias == pytest.approx(game(rows[0], frozenset()), abs=1e-9)
    for x, found in zip(rows, values, strict=True):
        for feature in range(4):
            others = [other for other in range(4) if other != feature]
            value = 0.0
            for size in range(4):
                share = factorial(size) * factorial(3 - size) / factorial(4)
                for chosen in map(frozenset, combinations(others, size)):
                    value += share * (game(x, chosen | {feature}) - game(x, chosen))
            assert found[feature] == pytest.approx(value, abs=1e-6)


def test_more_levels_than_bins_keep_the_most_frequent_and_treat_the_others_as_missing() -> None:
    few_bins = {**PARAMETERS, "max_bins": 10}
    model = fit_hist_boosting(MATRIX, LABEL, COLUMNS, parameters=few_bins, seed=5)
    counts = np.bincount(MATRIX[~np.isnan(MATRIX[:, 1]), 1].astype(int), minlength=LEVELS)
    rare, missing = MATRIX[:50].copy(), MATRIX[:50].copy()
    rare[:, 1], missing[:, 1] = counts.argmin(), np.nan
    np.testing.assert_array_equal(model.margin(rare), model.margin(missing))
    rare[:, 1] = counts.argmax()
    assert (model.margin(rare) != model.margin(missing)).any()


def test_a_translation_that_is_not_exact_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hist_boosting, "MISSING_LEFT", 0)
    with pytest.raises(ArithmeticError, match="differ from scikit-learn's"):
        fit_hist_boosting(MATRIX, LABEL, COLUMNS, parameters=PARAMETERS, seed=5)
