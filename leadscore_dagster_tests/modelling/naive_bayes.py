"""An estimator that the product does not have: all that adding one takes, its module and its row.

Gaussian naive Bayes: what a feature adds to the log-odds is the logarithm of how much likelier its value is among
positives, so its contributions are exact. It takes neither missing values nor categories; the preparation sees to both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.modelling.estimators.base import Estimator, Parameter, Range
from leadscore_dagster.core.modelling.matrix import Columns

NAME = "gaussian_naive_bayes"
FILE = "gaussian_naive_bayes.json"


@dataclass(frozen=True)
class NaiveBayes:
    """Means and variances of each feature, of negatives and of positives, and its mean term over the training rows."""

    prior_odds: float
    means: tuple[tuple[float, ...], ...]
    variances: tuple[tuple[float, ...], ...]
    centres: tuple[float, ...] = ()
    estimator: str = NAME

    def terms(self, matrix: np.ndarray) -> np.ndarray:
        """What each value adds to the log-odds, float64 [n, k]."""
        values = matrix.astype(np.float64)
        negative, positive = (
            -0.5 * (np.log(variance) + (values - np.array(mean)) ** 2 / np.array(variance))
            for mean, variance in zip(self.means, self.variances, strict=True)
        )
        return positive - negative

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        return self.prior_odds + self.terms(matrix).sum(axis=1)

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        centres = np.array(self.centres)
        return (self.terms(matrix) - centres).astype(np.float32), self.prior_odds + float(centres.sum())

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), allow_nan=False), encoding="utf-8")


def fit_naive_bayes(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> NaiveBayes:
    from sklearn.naive_bayes import GaussianNB

    fitted = GaussianNB(**parameters).fit(matrix.astype(np.float64), label, sample_weight=weight)
    negatives, positives = fitted.class_prior_
    means, variances = (tuple(map(tuple, each.tolist())) for each in (fitted.theta_, fitted.var_))
    plain = NaiveBayes(float(np.log(positives / negatives)), means, variances)
    centres = tuple(plain.terms(matrix).mean(axis=0).tolist())
    return NaiveBayes(plain.prior_odds, means, variances, centres)


def load_naive_bayes(folder: Path, columns: Columns) -> NaiveBayes:
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    means, variances = (tuple(map(tuple, stored[name])) for name in ("means", "variances"))
    return NaiveBayes(stored["prior_odds"], means, variances, tuple(stored["centres"]))


ROW = Estimator(
    fit=fit_naive_bayes,
    load=load_naive_bayes,
    parameters={"var_smoothing": Parameter(1e-3, Range(1e-6, 1.0, log=True), above_zero=True)},
    complexity=lambda parameters: (-float(parameters["var_smoothing"]), 0.0),
    library="scikit-learn",
    missing=False,
    categories=False,
)
