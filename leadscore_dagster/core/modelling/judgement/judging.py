"""The test period, looked at once: every metric a gate may name, and the evidence a report shows.

Lives here: which measure is taken of which rows. Not here: the measures (intervals, evaluation, stability,
candidate_evidence), thresholds (core/versions/gates), what was decided before (choice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.intervals import NAN, Interval
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.modelling.base_rate import ECE_LIMIT, Served, served_probability
from leadscore_dagster.core.modelling.choice.choice import Progress, Selection
from leadscore_dagster.core.modelling.choice.cross_fitted import cross_fitted_places
from leadscore_dagster.core.modelling.judgement.candidate_evidence import candidate_evidence
from leadscore_dagster.core.modelling.judgement.evaluation import (
    Decile,
    gains_table,
    importances,
    segment_calibration_error,
    train_test_gap,
)
from leadscore_dagster.core.modelling.judgement.model_stability import (
    business_signals,
    cross_validation_variation,
    fold_score_ks,
    rank_correlation,
    ranking_correlation,
)
from leadscore_dagster.core.modelling.judgement.shuffled import shuffled_label_auc
from leadscore_dagster.core.modelling.scoring import Scores, ScoringModel
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.recipe.schema import Model

#: metrics of probabilities; a row that was served none cannot count in them
OF_PROBABILITIES = ("ece", "brier", "brier_skill")
#: share of the rows that must have been served a probability, for a judgement of the others not to flatter
LEAST_SERVED = 0.5


@dataclass(frozen=True)
class Known:
    """What is known of the champion when a candidate is judged.

    ``importances``: its features' mean |contribution|; empty without a champion. ``ece_limit``: the calibration error
    the recipe's gate allows, beyond which probabilities would not be served. ``importance_stability``: what
    stands in its place where a gate asks for it and there are no importances.
    """

    importances: Mapping[str, float] = field(default_factory=dict)
    ece_limit: float = ECE_LIMIT
    importance_stability: Interval | None = None


NOTHING_KNOWN = Known()


@dataclass(frozen=True)
class Judgement:
    """How a model did on the test period.

    Attributes
    ----------
    metrics : every metric a gate may name that could be measured.
    baseline_metrics : the same test rows scored by the logistic baseline.
    extra_metrics : for the report only (Brier, AUC-PR on the training rows).
    importances : feature to mean |contribution| on the test period, in log-odds, largest first.
    predictions : test rows: decision_id, the entity, label, margin, probability (null where only the rank would have
        been served); in time order.
    served : with ``model.base_rate``: shares of rows whose probability would have been kept, corrected, left out.
    evidence : see `candidate_evidence`.
    """

    metrics: Mapping[str, Interval]
    baseline_metrics: Mapping[str, Interval]
    extra_metrics: Mapping[str, Interval]
    gains: tuple[Decile, ...]
    importances: Mapping[str, float]
    predictions: pa.Table
    served: Mapping[str, float]
    evidence: Mapping[str, Any]


def judge(
    final: ScoringModel,
    baseline: ScoringModel,
    selection: Selection,
    *,
    development: pa.Table,
    calibration: pa.Table,
    test: pa.Table,
    model: Model,
    window_days: int,
    entity: str,
    known: Known,
    say: Progress,
) -> Judgement:
    """Score the test period once and measure."""
    say(f"judging on {test.num_rows:,} rows of the test period")
    constant = float(calibration["label"].to_numpy().mean())
    matrix = final.matrix(test)
    scores = final.score_matrix(matrix, contributions=True)
    assert scores.contributions is not None
    judged = _judged(test, scores, entity)
    served = _served(judged, test["decision_at"].to_numpy(), window_days, model=model, ece_limit=known.ece_limit)
    judged = replace(judged, probability=served.probability) if served else judged
    strongest = importances(final.columns.names, scores.contributions)
    learned = _judged(development, final.score(development), entity)
    gap, training_auc_pr = train_test_gap(learned, judged, model.bootstrap)
    measured = _period_metrics(judged, constant, model) | {
        "train_test_gap": gap,
        "shuffled_label_auc": shuffled_label_auc(
            selection.chosen.contender, selection.folds, learned.label, model=model, progress=say
        ),
        **_fold_metrics(final, selection, development, learned=learned, entity=entity, model=model),
        **_expected(strongest, model, known),
        **_segment_metrics(judged, matrix, final, model=model),
    }
    brier = measured.pop("brier")
    return Judgement(
        metrics=measured,
        baseline_metrics=measured if baseline is final else _baseline(baseline, test, constant, entity, model),
        extra_metrics={"brier": brier, "training_auc_pr": training_auc_pr},
        gains=gains_table(judged),
        importances=strongest,
        predictions=_predictions(test, entity, scores, judged.probability),
        served={verdict: served.share(verdict) for verdict in ("keep", "correct", "rank_only")} if served else {},
        evidence=_evidence(
            judged, matrix, scores.contributions, final=final, test=test, model=model, constant=constant
        ),
    )


def _judged(rows: pa.Table, scores: Scores, entity: str) -> Judged:
    return Judged(rows["label"].to_numpy(), scores.margin, scores.probability, entity_codes(rows[entity]))


def _served(judged: Judged, decided: np.ndarray, window_days: int, *, model: Model, ece_limit: float) -> Served | None:
    """What would have been served day by day, where the recipe corrects for a base rate that moves."""
    if model.base_rate is None:
        return None
    known_at = decided + np.timedelta64(window_days, "D")
    return served_probability(
        judged, decision_at=decided, known_at=known_at, base_rate=model.base_rate, ece_limit=ece_limit
    )


def _period_metrics(judged: Judged, constant: float, model: Model) -> dict[str, Interval]:
    """Ranking metrics of all rows; those of probabilities of the rows that were served one."""
    there = ~np.isnan(judged.probability)
    if there.all():
        return period_metrics(judged, constant, model.bootstrap)
    flat = replace(judged, probability=np.full(len(judged), constant))
    everyone = period_metrics(flat, constant, model.bootstrap)
    if there.mean() < LEAST_SERVED:
        return everyone | dict.fromkeys(OF_PROBABILITIES, _too_few_served(judged.label, there))
    some = period_metrics(judged.take(there), constant, model.bootstrap)
    return everyone | {name: some[name] for name in OF_PROBABILITIES}


def _too_few_served(label: np.ndarray, there: np.ndarray) -> Interval:
    method = f"{there.mean():.0%} of the rows would have been served a probability: too few to judge them by"
    return Interval(NAN, NAN, NAN, int(there.sum()), int(label[there].sum()), method)


def _fold_metrics(
    final: ScoringModel, selection: Selection, development: pa.Table, *, learned: Judged, entity: str, model: Model
) -> dict[str, Interval]:
    """What the chosen contender's folds say of its steadiness."""
    folds = selection.chosen.folds
    codes = [entity_codes(development[entity].take(pa.array(fold.rows))) for fold in folds]
    rows = [Judged.ranked(learned.label[f.rows], f.margin, code) for f, code in zip(folds, codes, strict=True)]
    places = cross_fitted_places(
        selection.chosen.contender,
        final.matrix(development),
        learned.label,
        codes=learned.entity,
        columns=final.columns,
        model=model,
    )
    return {
        "cross_validation_auc_pr": selection.chosen.auc_pr,
        "cross_validation_variation": cross_validation_variation(rows, model.bootstrap),
        "fold_score_ks": fold_score_ks([places[fold.rows] for fold in folds], codes, model.bootstrap),
    }


def _expected(strongest: Mapping[str, float], model: Model, known: Known) -> dict[str, Interval]:
    """Importances beside what a person, another model and the champion say, where there is such a thing."""
    found = {}
    if model.business_signals:
        found["business_signals"] = business_signals(strongest, model.business_signals)
    if model.reference_ranking:
        found["reference_rank_correlation"] = ranking_correlation(strongest, model.reference_ranking)
    if known.importances:
        found["importance_stability"] = rank_correlation(strongest, known.importances)
    elif known.importance_stability is not None:
        found["importance_stability"] = known.importance_stability
    return found


def _segment_metrics(judged: Judged, matrix: np.ndarray, final: ScoringModel, *, model: Model) -> dict[str, Interval]:
    """The largest calibration error of any part of any segment."""
    there = ~np.isnan(judged.probability)
    if model.segments and there.mean() < LEAST_SERVED:
        return {"segment_ece": _too_few_served(judged.label, there)}
    found = []
    for segment in model.segments.values():
        parts, names = segment_codes(matrix, final.columns, segment)
        found.append(segment_calibration_error(judged.take(there), np.array(names)[parts[there]]))
    return {"segment_ece": max(found, key=lambda interval: interval.high)} if found else {}


def _baseline(
    baseline: ScoringModel, test: pa.Table, constant: float, entity: str, model: Model
) -> dict[str, Interval]:
    return period_metrics(_judged(test, baseline.score(test), entity), constant, model.bootstrap)


def _predictions(test: pa.Table, entity: str, scores: Scores, probability: np.ndarray) -> pa.Table:
    return (
        test.select(list(dict.fromkeys(["decision_id", entity, "label"])))
        .append_column("margin", pa.array(scores.margin))
        .append_column("probability", pa.array(probability, from_pandas=True))
    )


def _evidence(
    judged: Judged,
    matrix: np.ndarray,
    contributions: np.ndarray,
    *,
    final: ScoringModel,
    test: pa.Table,
    model: Model,
    constant: float,
) -> dict[str, Any]:
    """Evidence of the rows that were served a probability; of all rows where all were."""
    there = ~np.isnan(judged.probability)
    return candidate_evidence(
        judged.take(there),
        matrix[there],
        contributions[there],
        columns=final.columns,
        features=final.features,
        decision_at=test["decision_at"].to_numpy()[there],
        model=model,
        constant_rate=constant,
    )
