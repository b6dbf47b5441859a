"""Training a candidate: check the rows, split by time, choose, fit, calibrate, judge once on the test period.

Lives here: the order of these steps and what a candidate consists of. Does not: the steps (other modules),
gates (core/gates), files (core/registry).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.features.catalogue import Feature
from leadscore_dagster.core.modelling.calibration import UNCALIBRATED, fit_calibrator
from leadscore_dagster.core.modelling.estimators import complete_parameters, fit
from leadscore_dagster.core.modelling.evaluation import Decile, gains_table, importances, train_test_gap
from leadscore_dagster.core.modelling.intervals import Interval, entity_codes, period_metrics
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.periods import TimeSplit, split_periods, time_folds
from leadscore_dagster.core.modelling.scoring import (
    FoldFeatures,
    ScoringModel,
    learn_fold_statistics,
    with_fold_features,
)
from leadscore_dagster.core.modelling.selection import (
    CrossValidated,
    EncodedFold,
    choose,
    cross_validate,
    encode_folds,
    shuffled_label_auc,
)
from leadscore_dagster.core.modelling.training_rows import ordered_rows, refuse_too_few
from leadscore_dagster.recipes.schema import Estimator, Model

BASELINE: Estimator = "logistic_regression"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Period:
    """Rows of one period. ``first`` and ``last`` are decision times, ISO 8601 in UTC."""

    name: str
    rows: int
    positives: int
    first: str
    last: str

    @property
    def rate(self) -> float:
        return self.positives / self.rows


@dataclass(frozen=True)
class Selection:
    """What was decided before the calibration and test periods were looked at."""

    chosen: CrossValidated
    why: str
    compared: tuple[CrossValidated, ...]
    folds: tuple[EncodedFold, ...]


@dataclass(frozen=True)
class Candidate:
    """A trained and judged model, with everything the report, the gates and the registry need.

    Attributes
    ----------
    metrics : every metric a gate may name; on the test period unless its name says otherwise.
    baseline_metrics : the same test rows scored by logistic regression with its default or given parameters.
    extra_metrics : for the report only (Brier, AUC-PR on the training rows).
    importances : feature to mean |contribution| on the test period, in log-odds, largest first.
    predictions : test rows: decision_id, the entity, label, margin, probability; in time order.
    """

    model: ScoringModel
    entity: str
    estimator: str
    parameters: Mapping[str, Any]
    why_chosen: str
    compared: tuple[CrossValidated, ...]
    periods: tuple[Period, ...]
    purged: int
    window_days: int
    metrics: Mapping[str, Interval]
    baseline_metrics: Mapping[str, Interval]
    extra_metrics: Mapping[str, Interval]
    gains: tuple[Decile, ...]
    importances: Mapping[str, float]
    predictions: pa.Table


def train_candidate(
    table: pa.Table,
    features: Sequence[Feature],
    model: Model,
    window_days: int,
    entity: str,
    fold_features: FoldFeatures | None = None,
    progress: Progress | None = None,
) -> Candidate:
    """Train, calibrate and judge a candidate on a training table (rows in any order).

    Parameters
    ----------
    table : decision_id, decision_at (timestamp, UTC), label 0/1, the entity column and the row features.
    features : columns the model may use, in the order of its matrix.
    window_days : length of the label window, for purging.
    entity : column whose values are drawn together in the bootstrap.

    Raises
    ------
    InputError : unusable rows, too few positives, too short a history. Says counts and remedy.
    """
    say = progress or (lambda message: None)
    rows = ordered_rows(table, features, entity)
    split = split_periods(rows["decision_at"].to_numpy(), model.periods, window_days)
    development, calibration, test = (rows.take(p) for p in (split.development, split.calibration, split.test))
    refuse_too_few(development, calibration, model)
    selection = select(development, features, model, window_days, entity, fold_features, say)
    chosen = selection.chosen
    say(f"fitting {chosen.estimator}, calibrating, and fitting again with the calibration period")
    final = fit_scoring_model(
        development, calibration, features, chosen.estimator, chosen.parameters, model, fold_features
    )
    say(f"judging on {test.num_rows:,} rows of the test period")
    return _judge(final, selection, split, (development, calibration, test), model, window_days, entity, say)


def select(
    development: pa.Table,
    features: Sequence[Feature],
    model: Model,
    window_days: int,
    entity: str,
    fold_features: FoldFeatures | None,
    say: Progress,
) -> Selection:
    """Cross-validate the recipe's estimators on the development rows and choose one."""
    label = development["label"].to_numpy()
    codes = entity_codes(development[entity])
    folds = time_folds(development["decision_at"].to_numpy(), model.folds, window_days, model.gap_days)
    encoded = encode_folds(development, label, folds, features, fold_features)
    compared = []
    for estimator in model.estimators:
        say(f"cross-validating {estimator} on {len(encoded)} folds")
        parameters = complete_parameters(estimator, model.parameters.get(estimator, {}))
        compared.append(
            cross_validate(estimator, parameters, encoded, label, codes, model.bootstrap_replicates, model.seed)
        )
    chosen, why = choose(compared)
    return Selection(chosen, why, tuple(compared), tuple(encoded))


def fit_scoring_model(
    development: pa.Table,
    calibration: pa.Table,
    features: Sequence[Feature],
    estimator: str,
    parameters: Mapping[str, Any],
    model: Model,
    fold_features: FoldFeatures | None,
) -> ScoringModel:
    """The model that will serve: fitted on both periods, with a calibrator learned where its model had not looked.

    A model fitted on the development rows scores the calibration rows, which come later, and the calibrator is fitted
    on those margins. Then the model is fitted again with the calibration rows added, so that what serves is not older
    than it must be. The test period judges exactly this pair.
    """
    rehearsal = _fit(development, features, estimator, parameters, model, fold_features)
    margin = rehearsal.score(calibration).margin
    calibrator = fit_calibrator(model.calibration, margin, calibration["label"].to_numpy())
    both = pa.concat_tables([development, calibration])
    return replace(_fit(both, features, estimator, parameters, model, fold_features), calibrator=calibrator)


def _fit(
    rows: pa.Table,
    features: Sequence[Feature],
    estimator: str,
    parameters: Mapping[str, Any],
    model: Model,
    fold_features: FoldFeatures | None,
) -> ScoringModel:
    """Statistics, levels and weights of ``rows`` alone; not calibrated yet."""
    statistics = learn_fold_statistics(rows, features, fold_features)
    training = with_fold_features(rows, features, fold_features, statistics)
    columns = learn_columns(training, features)
    fitted = fit(estimator, to_matrix(training, columns), rows["label"].to_numpy(), columns, parameters, model.seed)
    return ScoringModel(tuple(features), columns, statistics, fitted, UNCALIBRATED, fold_features)


def _judge(
    final: ScoringModel,
    selection: Selection,
    split: TimeSplit,
    tables: tuple[pa.Table, pa.Table, pa.Table],
    model: Model,
    window_days: int,
    entity: str,
    say: Progress,
) -> Candidate:
    """Score the test period once and measure."""
    development, calibration, test = tables
    chosen = selection.chosen
    constant = float(calibration["label"].to_numpy().mean())
    scores = final.score(test, contributions=True)
    assert scores.contributions is not None
    label = test["label"].to_numpy()
    codes = entity_codes(test[entity])
    replicates, seed = model.bootstrap_replicates, model.seed
    measured = period_metrics(label, scores.margin, scores.probability, constant, codes, replicates, seed)
    brier = measured.pop("brier")
    training_label = development["label"].to_numpy()
    gap, training_auc_pr = train_test_gap(
        (training_label, final.score(development).margin, entity_codes(development[entity])),
        (label, scores.margin, codes),
        replicates,
        seed,
    )
    measured["train_test_gap"] = gap
    measured["cross_validation_auc_pr"] = chosen.auc_pr
    measured["shuffled_label_auc"] = shuffled_label_auc(chosen, selection.folds, training_label, seed, say)
    baseline = measured
    if chosen.estimator != BASELINE:
        parameters = complete_parameters(BASELINE, model.parameters.get(BASELINE, {}))
        simple = fit_scoring_model(
            development, calibration, final.features, BASELINE, parameters, model, final.fold_features
        ).score(test)
        baseline = period_metrics(label, simple.margin, simple.probability, constant, codes, replicates, seed)
    return Candidate(
        model=final,
        entity=entity,
        estimator=chosen.estimator,
        parameters=chosen.parameters,
        why_chosen=selection.why,
        compared=selection.compared,
        periods=tuple(map(_period, ("development", "calibration", "test"), tables)),
        purged=split.purged,
        window_days=window_days,
        metrics=measured,
        baseline_metrics=baseline,
        extra_metrics={"brier": brier, "training_auc_pr": training_auc_pr},
        gains=gains_table(label, scores.margin),
        importances=importances(final.columns.names, scores.contributions),
        predictions=test.select(list(dict.fromkeys(["decision_id", entity, "label"])))
        .append_column("margin", pa.array(scores.margin))
        .append_column("probability", pa.array(scores.probability)),
    )


def _period(name: str, rows: pa.Table) -> Period:
    times = rows["decision_at"].to_numpy()
    first, last = (f"{np.datetime_as_string(time, unit='s')}Z" for time in (times.min(), times.max()))
    return Period(name, rows.num_rows, int(rows["label"].to_numpy().sum()), first, last)
