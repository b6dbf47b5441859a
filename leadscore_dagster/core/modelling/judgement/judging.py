"""The test period, looked at once: every metric a gate may name, and the evidence a report shows.

Lives here: which measure is taken of which rows. Not here: the measures (intervals, evaluation, stability,
candidate_evidence), thresholds (core/versions/gates), what was decided before (choice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.intervals import NAN, Interval, entity_codes, period_metrics
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
    label, codes = test["label"].to_numpy(), entity_codes(test[entity])
    matrix = final.matrix(test)
    scores = final.score_matrix(matrix, contributions=True)
    assert scores.contributions is not None
    served = _served(test, scores.probability, window_days, model, known.ece_limit, codes)
    probability = served.probability if served else scores.probability
    measured = _period_metrics(label, scores.margin, probability, constant, codes, model)
    strongest = importances(final.columns.names, scores.contributions)
    gap, training_auc_pr = _gap(final, development, label, scores.margin, codes, entity, model)
    measured |= {
        "train_test_gap": gap,
        "shuffled_label_auc": shuffled_label_auc(
            selection.chosen.contender, selection.folds, development["label"].to_numpy(), model, say
        ),
        **_fold_metrics(final, selection, development, entity, model),
        **_expected(strongest, model, known),
        **_segment_metrics(matrix, final, label, probability, codes, model),
    }
    brier = measured.pop("brier")
    return Judgement(
        metrics=measured,
        baseline_metrics=measured if baseline is final else _baseline(baseline, test, label, constant, codes, model),
        extra_metrics={"brier": brier, "training_auc_pr": training_auc_pr},
        gains=gains_table(label, scores.margin, codes),
        importances=strongest,
        predictions=_predictions(test, entity, scores, probability),
        served={verdict: served.share(verdict) for verdict in ("keep", "correct", "rank_only")} if served else {},
        evidence=_evidence(final, test, label, scores, probability, matrix, codes, model, constant),
    )


def _served(
    test: pa.Table,
    probability: np.ndarray,
    window_days: int,
    model: Model,
    ece_limit: float,
    codes: np.ndarray | None,
) -> Served | None:
    """What would have been served day by day, where the recipe corrects for a base rate that moves."""
    if model.base_rate is None:
        return None
    decided = test["decision_at"].to_numpy()
    known_at = decided + np.timedelta64(window_days, "D")
    label = test["label"].to_numpy()
    return served_probability(decided, known_at, label, probability, model.base_rate, ece_limit, codes)


def _period_metrics(
    label: np.ndarray,
    margin: np.ndarray,
    probability: np.ndarray,
    constant: float,
    codes: np.ndarray | None,
    model: Model,
) -> dict[str, Interval]:
    """Ranking metrics of all rows; those of probabilities of the rows that were served one."""
    there = ~np.isnan(probability)
    replicates, seed = model.bootstrap_replicates, model.seed
    if there.all():
        return period_metrics(label, margin, probability, constant, codes, replicates, seed)
    everyone = period_metrics(label, margin, np.full(len(label), constant), constant, codes, replicates, seed)
    if there.mean() < LEAST_SERVED:
        return everyone | dict.fromkeys(OF_PROBABILITIES, _too_few_served(label, there))
    part = None if codes is None else codes[there]
    some = period_metrics(label[there], margin[there], probability[there], constant, part, replicates, seed)
    return everyone | {name: some[name] for name in OF_PROBABILITIES}


def _too_few_served(label: np.ndarray, there: np.ndarray) -> Interval:
    method = f"{there.mean():.0%} of the rows would have been served a probability: too few to judge them by"
    return Interval(NAN, NAN, NAN, int(there.sum()), int(label[there].sum()), method)


def _gap(
    final: ScoringModel,
    development: pa.Table,
    label: np.ndarray,
    margin: np.ndarray,
    codes: np.ndarray | None,
    entity: str,
    model: Model,
) -> tuple[Interval, Interval]:
    learned = development["label"].to_numpy(), final.score(development).margin, entity_codes(development[entity])
    return train_test_gap(learned, (label, margin, codes), model.bootstrap_replicates, model.seed)


def _fold_metrics(
    final: ScoringModel, selection: Selection, development: pa.Table, entity: str, model: Model
) -> dict[str, Interval]:
    """What the chosen contender's folds say of its steadiness."""
    label, folds = development["label"].to_numpy(), selection.chosen.folds
    codes = [entity_codes(development[entity].take(pa.array(fold.rows))) for fold in folds]
    rows = [(label[fold.rows], fold.margin, code) for fold, code in zip(folds, codes, strict=True)]
    replicates, seed = model.bootstrap_replicates, model.seed
    places = cross_fitted_places(
        selection.chosen.contender,
        final.matrix(development),
        label,
        entity_codes(development[entity]),
        final.columns,
        model,
    )
    return {
        "cross_validation_auc_pr": selection.chosen.auc_pr,
        "cross_validation_variation": cross_validation_variation(rows, replicates, seed),
        "fold_score_ks": fold_score_ks([places[fold.rows] for fold in folds], codes, replicates, seed),
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


def _segment_metrics(
    matrix: np.ndarray,
    final: ScoringModel,
    label: np.ndarray,
    probability: np.ndarray,
    codes: np.ndarray | None,
    model: Model,
) -> dict[str, Interval]:
    """The largest calibration error of any part of any segment."""
    there = ~np.isnan(probability)
    if model.segments and there.mean() < LEAST_SERVED:
        return {"segment_ece": _too_few_served(label, there)}
    found = []
    for segment in model.segments.values():
        parts, names = segment_codes(matrix, final.columns, segment)
        named = np.array(names)[parts[there]]
        found.append(
            segment_calibration_error(label[there], probability[there], named, None if codes is None else codes[there])
        )
    return {"segment_ece": max(found, key=lambda interval: interval.high)} if found else {}


def _baseline(
    baseline: ScoringModel, test: pa.Table, label: np.ndarray, constant: float, codes: np.ndarray | None, model: Model
) -> dict[str, Interval]:
    scores = baseline.score(test)
    return period_metrics(
        label, scores.margin, scores.probability, constant, codes, model.bootstrap_replicates, model.seed
    )


def _predictions(test: pa.Table, entity: str, scores: Scores, probability: np.ndarray) -> pa.Table:
    return (
        test.select(list(dict.fromkeys(["decision_id", entity, "label"])))
        .append_column("margin", pa.array(scores.margin))
        .append_column("probability", pa.array(probability, from_pandas=True))
    )


def _evidence(
    final: ScoringModel,
    test: pa.Table,
    label: np.ndarray,
    scores: Scores,
    probability: np.ndarray,
    matrix: np.ndarray,
    codes: np.ndarray | None,
    model: Model,
    constant: float,
) -> dict[str, Any]:
    """Evidence of the rows that were served a probability; of all rows where all were."""
    there = ~np.isnan(probability)
    assert scores.contributions is not None
    return candidate_evidence(
        label[there],
        scores.margin[there],
        probability[there],
        scores.contributions[there],
        matrix[there],
        final.columns,
        final.features,
        test["decision_at"].to_numpy()[there],
        None if codes is None else codes[there],
        model,
        model.bootstrap_replicates,
        model.seed,
        constant,
    )
