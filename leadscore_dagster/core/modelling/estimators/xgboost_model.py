"""Gradient boosted trees: XGBoost with its own treatment of missing values and categories, exact TreeSHAP.

Lives here: fitting and applying it. Not here: which parameters exist (registry), calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import Columns

FILE = "booster.ubj"
#: one thread to fit: sums run in one order on every machine, and threads of a busy machine do not wait for
#: each other at every tree (10,000 rows, two busy cores: 0.5 s with one thread, 4 to 11 s with two)
FITTING_THREADS = 1
#: rows are scored independently, so their number of threads changes nothing but time
SCORING_THREADS = 2
#: rows explained at a time: bounds the memory TreeSHAP needs beside its result
CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class XGBoostModel:
    """A fitted booster, held as the bytes XGBoost writes."""

    columns: Columns
    content: bytes
    estimator: str = "xgboost"

    @cached_property
    def booster(self) -> Any:
        import xgboost

        booster = xgboost.Booster({"nthread": SCORING_THREADS})
        booster.load_model(bytearray(self.content))
        return booster

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds float64 [n] of a float32 matrix [n, k]."""
        if len(matrix) == 0:
            return np.empty(0)
        # DMatrix, never QuantileDMatrix: without its reference its cuts are not those of training
        return self.booster.predict(_data(matrix, self.columns), output_margin=True).astype(np.float64)

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """Exact TreeSHAP values float32 [n, k] (Lundberg et al. 2020) and bias; they sum to the margin."""
        return tree_contributions(self._explain, matrix)

    def _explain(self, matrix: np.ndarray) -> np.ndarray:
        explained: np.ndarray = self.booster.predict(_data(matrix, self.columns), pred_contribs=True)
        return explained

    def save(self, folder: Path) -> None:
        (folder / FILE).write_bytes(self.content)


def tree_contributions(explain: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Contributions float32 [n, k] and bias, asked of ``explain`` (rows to [rows, k + 1], the bias last) a chunk of
    rows at a time."""
    values = np.empty(matrix.shape, dtype=np.float32)
    nobody = np.full((1, matrix.shape[1]), np.nan, dtype=np.float32)
    bias = float(explain(nobody)[0, -1])  # the same for every row, and defined for no rows
    for start in range(0, len(matrix), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        values[rows] = explain(matrix[rows])[:, :-1]
    return values, bias


def load_xgboost(folder: Path, columns: Columns) -> XGBoostModel:
    """Read a model written by ``save``."""
    return XGBoostModel(columns, (folder / FILE).read_bytes())


def fit_xgboost(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> XGBoostModel:
    """Fit on matrix float32 [n, k], labels 0/1 [n] and weights [n]. The number of trees is a parameter: stopping early
    would need rows that are then no longer fit to judge the model."""
    import xgboost

    settings = {name: value for name, value in parameters.items() if name != "n_estimators"}
    fixed = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": FITTING_THREADS,
        "seed": seed,
        "validate_parameters": True,
        "verbosity": 1,
    }
    try:
        booster = xgboost.train(
            {**settings, **fixed}, _data(matrix, columns, label, weight), parameters["n_estimators"]
        )
    except xgboost.core.XGBoostError as error:
        reason = str(error).splitlines()[-1]
        raise InputError(f"XGBoost refused its parameters: {reason}", where="model.parameters.xgboost") from error
    return XGBoostModel(columns, bytes(booster.save_raw("ubj")))


def _data(
    matrix: np.ndarray, columns: Columns, label: np.ndarray | None = None, weight: np.ndarray | None = None
) -> Any:
    import xgboost

    return xgboost.DMatrix(
        matrix,
        label=label,
        weight=weight,
        feature_names=list(columns.names),
        feature_types=["c" if category else "q" for category in columns.categories],
        enable_categorical=True,
        nthread=SCORING_THREADS if label is None else FITTING_THREADS,
    )
