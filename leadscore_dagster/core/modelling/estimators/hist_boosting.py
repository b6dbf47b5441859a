"""scikit-learn's histogram gradient boosting: fitted there, then written down in LightGBM's text format.

Both libraries grow the same kind of tree (thresholds, sets of levels, a side for missing values, row counts), so
nothing is lost: the margins are equal, TreeSHAP is LightGBM's exact one, and no Python object has to be stored.
Lives here: fitting, and that translation. Not here: scoring and files (lightgbm_model), which parameters exist
(registry).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.lightgbm_model import (
    CATEGORICAL,
    END,
    MISSING_IS_NAN,
    MISSING_LEFT,
    LightGBMModel,
)
from leadscore_dagster.core.modelling.estimators.xgboost_model import FITTING_THREADS
from leadscore_dagster.core.modelling.matrix import Columns

#: rows on which the translation is compared with scikit-learn at every fit: its trees are not public
COMPARED_ROWS = 1000
COMPARED_TOLERANCE = 1e-9
WORD = 32


def fit_hist_boosting(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> LightGBMModel:
    """Fit on matrix float32 [n, k], labels 0/1 [n] and weights [n]; categories and missing values are
    scikit-learn's own. Of a category with more than ``max_bins`` levels the most frequent are kept; the others,
    like levels never seen, go where missing values go.

    Raises
    ------
    InputError : scikit-learn refuses a parameter.
    ArithmeticError : the translated trees do not give scikit-learn's margins.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.utils._param_validation import InvalidParameterError
    from threadpoolctl import threadpool_limits

    kept = {
        at: _kept_levels(matrix[:, at], parameters["max_bins"]) for at in np.flatnonzero(columns.categories).tolist()
    }
    seen = matrix.copy()
    seen[:, np.isnan(seen).all(axis=0)] = 0  # scikit-learn cannot bin a column without a value; a constant never splits
    for at, codes in kept.items():
        if len(codes):
            seen[~np.isin(seen[:, at], codes), at] = np.nan
    fitted = HistGradientBoostingClassifier(
        **parameters,
        categorical_features=np.array(columns.categories) if kept else None,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(limits=FITTING_THREADS):
        try:
            fitted.fit(seen, label, sample_weight=weight)
        except InvalidParameterError as error:
            where = "model.parameters.hist_gradient_boosting"
            raise InputError(f"scikit-learn refused its parameters: {error}", where=where) from error
        expected = fitted.decision_function(seen[:COMPARED_ROWS])
    model = LightGBMModel(columns, _as_text(fitted, columns, kept), "hist_gradient_boosting")
    difference = np.abs(model.margin(matrix[:COMPARED_ROWS]) - expected).max()
    if not difference <= COMPARED_TOLERANCE:
        raise ArithmeticError(f"translated trees differ from scikit-learn's by {difference:.2g}")
    return model


def _kept_levels(values: np.ndarray, most: int) -> np.ndarray:
    """Codes of at most ``most`` levels in rising order, the most frequent of ``values``."""
    codes, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return np.sort(codes[np.argsort(-counts, kind="stable")[:most]])


def _as_text(fitted: Any, columns: Columns, kept: Mapping[int, np.ndarray]) -> str:
    """The model in LightGBM's text format; its first tree is the constant boosting began with."""
    # inside, scikit-learn puts the categories before the numbers
    order = np.argsort(~np.array(columns.categories), kind="stable")
    trees = [_tree("num_leaves=1", "num_cat=0", f"leaf_value={float(fitted._baseline_prediction[0, 0])!r}")]
    for ((predictor),) in fitted._predictors:
        trees.append(_tree_of(predictor, order, columns, kept))
    blocks = [f"Tree={number}\n{tree}\n" for number, tree in enumerate(trees)]
    width = len(columns.names)
    header = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={width - 1}",
        "objective=binary sigmoid:1",
        _line("feature_names", [f"Column_{number}" for number in range(width)]),
        _line("feature_infos", ["none"] * width),
        _line("tree_sizes", [len(block) for block in blocks]),
    ]
    ending = "feature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"
    return "\n".join(header) + "\n\n" + "".join(blocks) + END + "\n" + ending


def _tree_of(predictor: Any, order: np.ndarray, columns: Columns, kept: Mapping[int, np.ndarray]) -> str:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    leaves, inner = nodes[leaf], nodes[~leaf]
    if not len(inner):
        return _tree("num_leaves=1", "num_cat=0", f"leaf_value={float(leaves['value'][0])!r}")
    # a child is the number of an inner node, or minus one minus the number of a leaf
    number = np.where(leaf, -np.cumsum(leaf), np.cumsum(~leaf) - 1)
    missing_left = inner["missing_go_to_left"].astype(bool)
    left, right = number[inner["left"]], number[inner["right"]]
    threshold = inner["num_threshold"].astype(object)
    decision = MISSING_IS_NAN + MISSING_LEFT * missing_left
    feature = order[inner["feature_idx"]]
    boundaries, words = [0], []
    for at in np.flatnonzero(inner["is_categorical"]):
        levels = len(columns.levels[columns.names[feature[at]]])
        bits = predictor.raw_left_cat_bitsets[inner["bitset_idx"][at]]
        words += _set_of_levels(bits, kept[feature[at]].astype(int), levels, missing_left[at])
        if missing_left[at]:  # LightGBM sends a missing category, and every level outside the set, to the right
            left[at], right[at] = right[at], left[at]
        threshold[at] = len(boundaries) - 1
        decision[at] = CATEGORICAL
        boundaries.append(len(words))
    categories = [_line("cat_boundaries", boundaries), _line("cat_threshold", words)] if words else []
    return _tree(
        f"num_leaves={len(leaves)}",
        f"num_cat={len(boundaries) - 1}",
        _line("split_feature", feature),
        _line("split_gain", inner["gain"].tolist()),
        _line("threshold", threshold),
        _line("decision_type", decision),
        _line("left_child", left),
        _line("right_child", right),
        _line("leaf_value", leaves["value"].tolist()),
        _line("leaf_count", leaves["count"]),
        _line("internal_value", inner["value"].tolist()),
        _line("internal_count", inner["count"]),
        *categories,
    )


def _set_of_levels(bits: np.ndarray, kept: np.ndarray, levels: int, missing_left: bool) -> list[int]:
    """32-bit words of the set of codes that do not go where missing values go.

    ``bits`` is scikit-learn's set of the codes going left, numbered by their position in ``kept``.
    """
    position = np.arange(len(kept))
    left = (bits[position // WORD] >> (position % WORD).astype(np.uint32)) & 1 == 1
    chosen = kept[left != missing_left]
    flags = np.zeros(-(-max(levels, 1) // WORD) * WORD, dtype=np.uint8)
    flags[chosen] = 1
    return np.packbits(flags, bitorder="little").view("<u4").tolist()


def _tree(*lines: str) -> str:
    return "\n".join([*lines, "is_linear=0", "shrinkage=1", "", ""])


def _line(name: str, values: Any) -> str:
    return f"{name}=" + " ".join(str(value) for value in values)
