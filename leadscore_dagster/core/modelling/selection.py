"""Choosing an estimator by cross-validation inside the development period. Nothing later is ever seen here.

Lives here: fold scores, the one-standard-error rule, the shuffled-label test. Does not: calibration, the test
period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.features.catalogue import Feature
from leadscore_dagster.core.modelling import metrics
from leadscore_dagster.core.modelling.estimators import SIMPLEST_FIRST, fit
from leadscore_dagster.core.modelling.intervals import Interval, bootstrap, describe_method
from leadscore_dagster.core.modelling.matrix import Columns, learn_columns, to_matrix
from leadscore_dagster.core.modelling.periods import Fold
from leadscore_dagster.core.modelling.scoring import FoldFeatures, learn_fold_statistics, with_fold_features

#: a fold with fewer positives on either side says nothing about an estimator
MINIMUM_FOLD_POSITIVES = 5
SHUFFLES = 2


@dataclass(frozen=True)
class EncodedFold:
    """One fold as matrices; everything learned comes from its training rows."""

    fold: Fold
    columns: Columns
    training: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class FoldScore:
    """Out-of-fold margins of one fold: ``rows`` are positions in the development period."""

    rows: np.ndarray
    margin: np.ndarray
    auc_pr: float
    auc_roc: float


@dataclass(frozen=True)
class CrossValidated:
    """How one estimator did on the development folds."""

    estimator: str
    parameters: Mapping[str, Any]
    folds: tuple[FoldScore, ...]
    auc_pr: Interval

    @property
    def fold_auc_pr(self) -> np.ndarray:
        return np.array([fold.auc_pr for fold in self.folds])

    @property
    def variation(self) -> float:
        """Coefficient of variation of the folds' AUC-PR."""
        values = self.fold_auc_pr
        return float(values.std(ddof=1) / values.mean()) if values.mean() > 0 else float("nan")


def encode_folds(
    table: pa.Table,
    label: np.ndarray,
    folds: Sequence[Fold],
    features: Sequence[Feature],
    fold_features: FoldFeatures | None,
) -> list[EncodedFold]:
    """Matrices of the folds that hold enough positives on both sides.

    Raises
    ------
    InputError : fewer than two such folds.
    """
    encoded = []
    for fold in folds:
        if min(label[fold.training].sum(), label[fold.validation].sum()) < MINIMUM_FOLD_POSITIVES:
            continue
        training, validation = table.take(fold.training), table.take(fold.validation)
        statistics = learn_fold_statistics(training, features, fold_features)
        training = with_fold_features(training, features, fold_features, statistics)
        validation = with_fold_features(validation, features, fold_features, statistics)
        columns = learn_columns(training, features)
        encoded.append(EncodedFold(fold, columns, to_matrix(training, columns), to_matrix(validation, columns)))
    if len(encoded) < 2:
        raise InputError(
            f"{len(encoded)} of {len(folds)} folds have {MINIMUM_FOLD_POSITIVES} positives on both sides, 2 are needed",
            rows=len(label),
            remedy="lower model.folds or model.gap_days, or wait for more history",
        )
    return encoded


def cross_validate(
    estimator: str,
    parameters: Mapping[str, Any],
    folds: Sequence[EncodedFold],
    label: np.ndarray,
    codes: np.ndarray | None,
    replicates: int,
    seed: int,
) -> CrossValidated:
    """Fit on each fold's training rows and score its validation rows.

    ``auc_pr`` is the mean of the folds' AUC-PR; its interval resamples the out-of-fold rows of all folds
    together.
    """
    scored = tuple(_fold_score(estimator, parameters, encoded, label, seed) for encoded in folds)
    rows = np.concatenate([fold.rows for fold in scored])
    ends = np.cumsum([len(fold.rows) for fold in scored])[:-1]
    rankings = [metrics.rank(label[fold.rows], fold.margin) for fold in scored]

    def statistic(weight: np.ndarray) -> np.ndarray:
        parts = np.split(weight, ends)
        values = [metrics.auc_pr_of(metrics.curve(r, w)) for r, w in zip(rankings, parts, strict=True)]
        return np.array([np.mean(values)])

    part = None if codes is None else np.unique(codes[rows], return_inverse=True)[1]
    low, high = bootstrap(statistic, len(rows), part, replicates, seed, shifted=np.array([True]))
    value = float(np.mean([fold.auc_pr for fold in scored]))
    method = f"mean of {len(scored)} time-ordered folds; " + describe_method(part, replicates)
    interval = Interval(value, float(low[0]), float(high[0]), len(rows), int(label[rows].sum()), method)
    return CrossValidated(estimator, dict(parameters), scored, interval)


def _fold_score(
    estimator: str, parameters: Mapping[str, Any], encoded: EncodedFold, label: np.ndarray, seed: int
) -> FoldScore:
    rows = encoded.fold.validation
    model = fit(estimator, encoded.training, label[encoded.fold.training], encoded.columns, parameters, seed)
    margin = model.margin(encoded.validation)
    points = metrics.curve(metrics.rank(label[rows], margin))
    return FoldScore(rows, margin, metrics.auc_pr_of(points), metrics.auc_roc_of(points))


def choose(results: Sequence[CrossValidated]) -> tuple[CrossValidated, str]:
    """The simplest estimator within one standard error of the best, and why in a sentence.

    The standard error is that of the mean of the per-fold differences to the best (Breiman et al. 1984,
    paired): folds differ more from each other than estimators do.
    """
    best = max(results, key=lambda result: (result.auc_pr.value, -SIMPLEST_FIRST.index(result.estimator)))
    for result in sorted(results, key=lambda result: SIMPLEST_FIRST.index(result.estimator)):
        difference = best.fold_auc_pr - result.fold_auc_pr
        error = difference.std(ddof=1) / np.sqrt(len(difference))
        if result is best or difference.mean() <= error:
            break
    if result is best:
        return (
            result,
            f"{result.estimator} has the best mean AUC-PR over the folds, {result.auc_pr.value:.4f}",
        )
    return result, (
        f"{result.estimator} is simpler than {best.estimator} and its mean AUC-PR over the folds, "
        f"{result.auc_pr.value:.4f}, is within one standard error ({error:.4f}) of the best, "
        f"{best.auc_pr.value:.4f}"
    )


def shuffled_label_auc(
    chosen: CrossValidated,
    folds: Sequence[EncodedFold],
    label: np.ndarray,
    seed: int,
    progress: Callable[[str], None],
) -> Interval:
    """Out-of-fold AUC-ROC after the labels of the development period were shuffled: must be about .5.

    Anything else means the pipeline tells the model the answer. Written as .5 + |AUC - .5|, since too low is
    as wrong as too high: .5 is perfect, and a gate says ``at_most``. AUC is the mean over folds and
    `SHUFFLES` shuffles; the interval uses the exact variance of AUC without signal, (P + N + 1) / (12 P N)
    (Mann & Whitney 1947).
    """
    generator = np.random.default_rng([seed, 1])
    areas, variances = [], []
    for number in range(SHUFFLES):
        progress(f"shuffled-label test {number + 1} of {SHUFFLES}")
        shuffled = generator.permutation(label)
        for encoded in folds:
            rows = encoded.fold.validation
            inside = int(shuffled[encoded.fold.training].sum())
            positives, negatives = int(shuffled[rows].sum()), int(len(rows) - shuffled[rows].sum())
            if not positives or not negatives or not 0 < inside < len(encoded.fold.training):
                continue
            areas.append(_fold_score(chosen.estimator, chosen.parameters, encoded, shuffled, seed).auc_roc)
            variances.append((positives + negatives + 1) / (12 * positives * negatives))
    distance = abs(float(np.mean(areas)) - 0.5)
    half = 1.96 * float(np.sqrt(np.sum(variances))) / len(variances)
    rows_used = sum(len(encoded.fold.validation) for encoded in folds)
    hits = int(sum(label[encoded.fold.validation].sum() for encoded in folds))
    method = f".5 + |AUC - .5| over {SHUFFLES} shuffles; variance without signal"
    return Interval(0.5 + distance, 0.5 + max(0.0, distance - half), 0.5 + distance + half, rows_used, hits, method)
