"""Training a candidate: check the rows, split by time, choose, fit, calibrate, judge once on the test period.

Lives here: the order of these steps and what a candidate consists of. Not here: the steps (other modules),
gates (core/versions/gates), files (core/versions/registry).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.modelling.calibration import UNCALIBRATED, Calibrator, SegmentedCalibrator, carried_over
from leadscore_dagster.core.modelling.choice.choice import Progress, Selection, select
from leadscore_dagster.core.modelling.choice.contenders import Contender, fit_contender
from leadscore_dagster.core.modelling.choice.search import SearchResult
from leadscore_dagster.core.modelling.choice.selection import CrossValidated
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.judgement.judging import NOTHING_KNOWN, Judgement, Known, judge
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.modelling.scoring import (
    FoldFeatures,
    ScoringModel,
    learn_calibrator,
    learn_fold_statistics,
    with_fold_features,
)
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.recipe.schema import Model
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.periods import Fold, TimeSplit
from leadscore_dagster.core.table.training_rows import ordered_rows, refuse_too_few, split_rows

BASELINE = "logistic_regression"
TRAINED, VALIDATED = "training", "validation"


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
class Candidate:
    """A trained and judged model, with everything the report, the gates and the registry need.

    Attributes
    ----------
    failed : contender to the reason it could not be fitted.
    searched : estimator to its search for parameters.
    folds : training and validation rows of each fold.
    purged, same_entity : rows left out between the periods, by the label window and by the recipe's groups.
    judgement : how it did on the test period.
    splits : every row: decision_id, its ``period`` (null: purged), and for each fold ``fold_1`` … whether it was
        trained on or validated there (null: neither).
    """

    model: ScoringModel
    entity: str
    contender: Contender
    why_chosen: str
    compared: tuple[CrossValidated, ...]
    failed: Mapping[str, str]
    searched: Mapping[str, SearchResult]
    periods: tuple[Period, ...]
    folds: tuple[tuple[Period, Period], ...]
    purged: int
    same_entity: int
    window_days: int
    judgement: Judgement
    splits: pa.Table

    @property
    def metrics(self) -> Mapping[str, Interval]:
        """Every metric a gate may name; on the test period unless its name says otherwise."""
        return self.judgement.metrics

    @property
    def predictions(self) -> pa.Table:
        """Test rows: decision_id, the entity, label, margin, probability; in time order."""
        return self.judgement.predictions

    @property
    def estimator(self) -> str:
        return self.contender.estimator


def train_candidate(
    table: pa.Table,
    features: Sequence[Feature],
    model: Model,
    *,
    window_days: int,
    entity: str,
    fold_features: FoldFeatures | None = None,
    progress: Progress | None = None,
    searches: Path | None = None,
    known: Known = NOTHING_KNOWN,
) -> Candidate:
    """Train, calibrate and judge a candidate on a training table (rows in any order).

    Parameters
    ----------
    table : decision_id, decision_at (timestamp, UTC), label 0/1, the entity column and the row features.
    features : columns the model may use, in the order of its matrix.
    window_days : length of the label window, for purging.
    entity : column whose values are drawn together in the bootstrap.
    searches : folder in which searches for parameters are remembered; None: this one is forgotten.
    known : the champion, to be compared with; it changes nothing about the candidate.

    Raises
    ------
    InputError : unusable rows, too few positives, too short a history. Says counts and remedy.
    """
    say = progress or (lambda message: None)
    rows = ordered_rows(table, features, entity)
    split = split_rows(rows, model, window_days, entity)
    development, calibration, test = (rows.take(p) for p in (split.development, split.calibration, split.test))
    refuse_too_few(development, calibration, model)
    selection = select(
        development,
        features,
        model,
        window_days=window_days,
        entity=entity,
        fold_features=fold_features,
        say=say,
        searches=searches,
    )
    chosen = selection.chosen
    say(f"fitting {chosen.name}, calibrating, and fitting again with the calibration period")
    final = fit_scoring_model(
        development, calibration, features, contender=chosen.contender, model=model, fold_features=fold_features
    )
    say(f"judging on {test.num_rows:,} rows of the test period")
    baseline = _baseline(final, selection, development, calibration, model)
    judgement = judge(
        final,
        baseline,
        selection,
        development=development,
        calibration=calibration,
        test=test,
        model=model,
        window_days=window_days,
        entity=entity,
        known=known,
        say=say,
    )
    return Candidate(
        model=final,
        entity=entity,
        contender=chosen.contender,
        why_chosen=selection.why,
        compared=selection.compared,
        failed=selection.failed,
        searched=selection.searched,
        periods=(_period("development", development), _period("calibration", calibration), _period("test", test)),
        folds=tuple(_fold_periods(development, encoded.fold) for encoded in selection.folds),
        purged=split.purged,
        same_entity=split.same_entity,
        window_days=window_days,
        judgement=judgement,
        splits=_splits(rows, split, selection),
    )


def _baseline(
    final: ScoringModel, selection: Selection, development: pa.Table, calibration: pa.Table, model: Model
) -> ScoringModel:
    """Logistic regression with the recipe's or default parameters, made like the candidate."""
    if selection.chosen.name == BASELINE:
        return final
    plain = Contender(BASELINE, complete_parameters(BASELINE, model.parameters.get(BASELINE, {})))
    return fit_scoring_model(
        development, calibration, final.features, contender=plain, model=model, fold_features=final.fold_features
    )


def fit_scoring_model(
    development: pa.Table,
    calibration: pa.Table,
    features: Sequence[Feature],
    *,
    contender: Contender,
    model: Model,
    fold_features: FoldFeatures | None,
) -> ScoringModel:
    """The model that will serve: fitted on both periods, with a calibrator learned where its model had not looked.

    A model fitted on the development rows scores the calibration rows, which come later, and the calibrator is fitted
    on those margins. Then the model is fitted again with the calibration rows added, so that what serves is not older
    than it must be, and the calibrator is carried over to its margins, see `calibration.carried_over`. The test period
    judges exactly this pair.
    """
    rehearsal = _fit(development, features, contender, model, fold_features)
    rehearsal = replace(rehearsal, calibrator=learn_calibrator(rehearsal, calibration, model))
    final = _fit(pa.concat_tables([development, calibration]), features, contender, model, fold_features)
    return replace(final, calibrator=_carried_over(rehearsal, final, calibration))


def _carried_over(rehearsal: ScoringModel, final: ScoringModel, calibration: pa.Table) -> Calibrator:
    """The rehearsal's calibrator for the margins of ``final``; the labels of the calibration rows are not read."""
    calibrator, said, matrix = rehearsal.calibrator, rehearsal.score(calibration), final.matrix(calibration)
    margin = final.model.margin(matrix)
    if not isinstance(calibrator, SegmentedCalibrator):
        return carried_over(calibrator, said.margin, said.probability, final=margin)
    codes, names = segment_codes(matrix, final.columns, calibrator.segment)
    return carried_over(calibrator, said.margin, said.probability, final=margin, codes=codes, names=names)


def _fit(
    rows: pa.Table,
    features: Sequence[Feature],
    contender: Contender,
    model: Model,
    fold_features: FoldFeatures | None,
) -> ScoringModel:
    """Statistics, levels and weights of ``rows`` alone; not calibrated yet."""
    statistics = learn_fold_statistics(rows, features, fold_features)
    training = with_fold_features(rows, features, fold_features, statistics=statistics)
    columns = learn_columns(training, features)
    fitted = fit_contender(
        contender, to_matrix(training, columns), rows["label"].to_numpy(), columns=columns, model=model
    )
    return ScoringModel(tuple(features), columns, statistics, fitted, UNCALIBRATED, fold_features)


def _splits(rows: pa.Table, split: TimeSplit, selection: Selection) -> pa.Table:
    """Which period and which side of each fold every row was on."""
    table = rows.select(["decision_id"]).append_column(
        "period", _sides(rows.num_rows, {name: getattr(split, name) for name in ("development", "calibration", "test")})
    )
    for number, encoded in enumerate(selection.folds, start=1):
        sides = {TRAINED: encoded.fold.training, VALIDATED: encoded.fold.validation}
        positions = {name: split.development[found] for name, found in sides.items()}
        table = table.append_column(f"fold_{number}", _sides(rows.num_rows, positions))
    return table


def _sides(rows: int, positions: Mapping[str, np.ndarray]) -> pa.DictionaryArray:
    code = np.full(rows, -1, dtype=np.int8)
    for number, found in enumerate(positions.values()):
        code[found] = number
    return pa.DictionaryArray.from_arrays(pa.array(code, mask=code < 0), list(positions))


def _fold_periods(development: pa.Table, fold: Fold) -> tuple[Period, Period]:
    return (
        _period(TRAINED, development.take(pa.array(fold.training))),
        _period(VALIDATED, development.take(pa.array(fold.validation))),
    )


def _period(name: str, rows: pa.Table) -> Period:
    times = rows["decision_at"].to_numpy()
    first, last = (f"{np.datetime_as_string(time, unit='s')}Z" for time in (times.min(), times.max()))
    return Period(name, rows.num_rows, int(rows["label"].to_numpy().sum()), first, last)
