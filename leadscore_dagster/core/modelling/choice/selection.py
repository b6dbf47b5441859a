"""Choosing a contender by cross-validation inside the development period. Nothing later is ever seen here.

Lives here: the folds as matrices, how a contender does on them, the one-standard-error rule. Not here: what a contender
is (contenders), where its parameters come from (search), the shuffled-label test (shuffled), the test period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.measures.period import flattered
from leadscore_dagster.core.modelling.calibration import UNCALIBRATED
from leadscore_dagster.core.modelling.choice.contenders import Contender, fit_contender
from leadscore_dagster.core.modelling.ensemble import learn_weights, out_of_fold_margins
from leadscore_dagster.core.modelling.matrix import Columns, learn_columns, to_matrix
from leadscore_dagster.core.modelling.scoring import FoldFeatures, learn_fold_statistics, with_fold_features
from leadscore_dagster.core.recipe.schema import ENSEMBLE, Model
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.periods import Fold

#: a fold with fewer positives on either side says nothing about a contender
MINIMUM_FOLD_POSITIVES = 5
COMPARED = ("auc_pr", "precision_at_10pct", "ece")


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
    """How one contender did on the development folds.

    ``metrics``: AUC-PR and precision in the top tenth, means over the folds, and the calibration error of its own
    probabilities, before any calibrator, over all of them.
    """

    contender: Contender
    folds: tuple[FoldScore, ...]
    metrics: Mapping[str, Interval]

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def estimator(self) -> str:
        return self.contender.estimator

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.contender.parameters

    @property
    def auc_pr(self) -> Interval:
        return self.metrics["auc_pr"]

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
    *,
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
        training = with_fold_features(training, features, fold_features, statistics=statistics)
        validation = with_fold_features(validation, features, fold_features, statistics=statistics)
        columns = learn_columns(training, features)
        encoded.append(EncodedFold(fold, columns, to_matrix(training, columns), to_matrix(validation, columns)))
    if len(encoded) < 2:
        raise InputError(
            f"{len(encoded)} of {len(folds)} folds have {MINIMUM_FOLD_POSITIVES} positives on both sides, 2 are needed",
            rows=len(label),
            remedy="lower model.folds or model.gap_days, leave model.group_folds out, or wait for more history",
        )
    return encoded


def cross_validate(
    contender: Contender, folds: Sequence[EncodedFold], label: np.ndarray, *, codes: np.ndarray | None, model: Model
) -> CrossValidated:
    """Fit on each fold's training rows and score its validation rows."""
    margins = [out_of_fold_margin(contender, encoded, label, model=model) for encoded in folds]
    return measure(contender, folds, margins, label=label, codes=codes, model=model)


def out_of_fold_margin(contender: Contender, encoded: EncodedFold, label: np.ndarray, *, model: Model) -> np.ndarray:
    """Log-odds float64 [validation rows] of a fold, by the contender fitted on its training rows."""
    fitted = fit_contender(
        contender, encoded.training, label[encoded.fold.training], columns=encoded.columns, model=model
    )
    return fitted.margin(encoded.validation)


def measure(
    contender: Contender,
    folds: Sequence[EncodedFold],
    margins: Sequence[np.ndarray],
    *,
    label: np.ndarray,
    codes: np.ndarray | None,
    model: Model,
) -> CrossValidated:
    """Metrics of out-of-fold margins. The intervals resample the validation rows of all folds together."""
    scored = tuple(
        _fold_score(encoded.fold.validation, margin, label) for encoded, margin in zip(folds, margins, strict=True)
    )
    rows = np.concatenate([fold.rows for fold in scored])
    ends = np.cumsum([len(fold.rows) for fold in scored])[:-1]
    rankings = [metrics.rank(label[fold.rows], fold.margin) for fold in scored]
    probability = UNCALIBRATED.apply(np.concatenate(margins))

    def statistic(weight: np.ndarray) -> np.ndarray:
        curves = [metrics.curve(r, w) for r, w in zip(rankings, np.split(weight, ends), strict=True)]
        return np.array(
            [
                np.mean([metrics.auc_pr_of(points) for points in curves]),
                np.mean([metrics.precision_at(points, 0.1) for points in curves]),
            ]
        )

    part = None if codes is None else np.unique(codes[rows], return_inverse=True)[1]
    value = statistic(np.ones(len(rows)))
    low, high = model.bootstrap.ends(statistic, len(rows), part, shifted=flattered(COMPARED[:2]))
    method = f"{len(scored)} time-ordered folds; " + model.bootstrap.method(part)
    n, positives = len(rows), int(label[rows].sum())
    measured = {
        name: Interval(float(value[at]), float(low[at]), float(high[at]), n, positives, method)
        for at, name in enumerate(COMPARED[:2])
    }
    measured["ece"] = calibration_error_interval(label[rows], probability, part)
    return CrossValidated(contender, scored, measured)


def _fold_score(rows: np.ndarray, margin: np.ndarray, label: np.ndarray) -> FoldScore:
    points = metrics.curve(metrics.rank(label[rows], margin))
    return FoldScore(rows, margin, metrics.auc_pr_of(points), metrics.auc_roc_of(points))


def combine(
    compared: Sequence[CrossValidated],
    folds: Sequence[EncodedFold],
    label: np.ndarray,
    *,
    codes: np.ndarray | None,
    model: Model,
) -> CrossValidated | None:
    """The ensemble of each estimator's best contender. It is judged on each fold with weights learned on the folds
    before it; the weights it keeps are learned on all. None where a single member has all the weight."""
    members = best_of_each_estimator(compared)
    labels = [label[encoded.fold.validation] for encoded in folds]
    # per fold, float64 [validation rows, members]
    margins = [np.column_stack([member.folds[at].margin for member in members]) for at in range(len(folds))]
    weights, bias = learn_weights(np.concatenate(margins), np.concatenate(labels))
    kept = [at for at, weight in enumerate(weights) if weight > 0]
    if len(kept) < 2:
        return None
    contender = Contender(
        ENSEMBLE,
        members=tuple(members[at].contender for at in kept),
        weights=tuple(float(weights[at]) for at in kept),
        bias=float(bias),
    )
    combined = out_of_fold_margins([margin[:, kept] for margin in margins], labels)
    return measure(contender, folds, combined, label=label, codes=codes, model=model)


def best_of_each_estimator(compared: Sequence[CrossValidated]) -> list[CrossValidated]:
    """By mean AUC-PR over the folds, in the order they were compared."""
    best: dict[str, CrossValidated] = {}
    for result in compared:
        known = best.get(result.estimator)
        if known is None or result.auc_pr.value > known.auc_pr.value:
            best[result.estimator] = result
    return list(best.values())


def choose(results: Sequence[CrossValidated]) -> tuple[CrossValidated, str]:
    """The simplest contender within one standard error of the best, and why in a sentence.

    The standard error is that of the mean of the per-fold differences to the best (Breiman et al. 1984,
    paired): folds differ more from each other than contenders do.
    """
    simplest_first = sorted(results, key=lambda result: result.contender.simplicity)
    best = max(simplest_first, key=lambda result: result.auc_pr.value)  # of equals the first, the simplest
    for result in simplest_first:
        mean, error = difference(best, result)
        if result is best or mean <= error:
            break
    if result is best:
        return (
            result,
            f"{result.name} has the best mean AUC-PR over the folds, {result.auc_pr.value:.4f}",
        )
    return result, (
        f"{result.name} is simpler than {best.name} and its mean AUC-PR over the folds, "
        f"{result.auc_pr.value:.4f}, is within one standard error ({error:.4f}) of the best, "
        f"{best.auc_pr.value:.4f}"
    )


def difference(first: CrossValidated, second: CrossValidated) -> tuple[float, float]:
    """Mean difference of AUC-PR over the folds, first less second, and its standard error, paired by fold."""
    apart = first.fold_auc_pr - second.fold_auc_pr
    return float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart)))
