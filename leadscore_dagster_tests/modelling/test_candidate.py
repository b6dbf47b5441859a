"""Training end to end: what is chosen, what is never looked at, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.catalogue import gate_metrics
from leadscore_dagster.core.modelling.candidate import Candidate, fit_scoring_model, train_candidate
from leadscore_dagster.core.modelling.choice.contenders import Contender
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.recipe.schema import Model, Segment
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, FOLD_FEATURE, MedianTenure, training_table

WINDOW = 30
TABLE = training_table()


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return train_candidate(TABLE, FEATURES, FAST, window_days=WINDOW, entity="rep")


@pytest.fixture(scope="module")
def boosted() -> Candidate:
    model = FAST.model_copy(update={"estimators": ("xgboost",)})
    return train_candidate(
        TABLE, (*FEATURES, FOLD_FEATURE), model, window_days=WINDOW, entity="rep", fold_features=MedianTenure()
    )


def essence(candidate: Candidate) -> tuple[object, ...]:
    """What is decided before the test period is judged."""
    model = candidate.model.model
    stored = getattr(model, "content", None) or repr(model)
    return candidate.estimator, stored, candidate.model.calibrator, candidate.model.columns


def test_every_metric_a_gate_may_name_is_measured_with_an_interval(candidate: Candidate) -> None:
    needs_something_to_compare_with = {"business_signals", "reference_rank_correlation", "importance_stability"}
    assert set(candidate.metrics) == set(gate_metrics()) - needs_something_to_compare_with - {"segment_ece"}
    for name, interval in candidate.metrics.items():
        assert interval.low <= interval.value <= interval.high, name
        assert interval.n > 0
        assert interval.method
    assert set(candidate.judgement.baseline_metrics) >= {"auc_pr", "ece"}


def test_the_signal_is_found_and_probabilities_are_right(candidate: Candidate) -> None:
    assert candidate.metrics["auc_roc"].low > 0.65
    assert candidate.metrics["top_decile_lift"].low > 1.5
    assert candidate.metrics["ece"].value < 0.03
    assert candidate.metrics["decile_order"].low > 0.2
    assert candidate.metrics["fold_score_ks"].high < 0.2  # nothing moves; the folds hold about 900 decisions each
    assert next(iter(candidate.judgement.importances)) in ("moves", "tenure", "kind")
    assert candidate.judgement.importances["noise"] < 0.1 * candidate.judgement.importances["moves"]


def test_shuffled_labels_leave_nothing_to_find(candidate: Candidate, boosted: Candidate) -> None:
    for trained in (candidate, boosted):
        interval = trained.metrics["shuffled_label_auc"]
        assert interval.low == 0.5  # the interval of the folded AUC reaches no signal
        assert interval.high < 0.6


def test_periods_are_apart_by_the_label_window(candidate: Candidate) -> None:
    development, calibration, test = candidate.periods
    for earlier, later in ((development, calibration), (calibration, test)):
        apart = np.datetime64(later.first[:-1]) - np.datetime64(earlier.last[:-1])
        assert apart >= np.timedelta64(WINDOW, "D")
    assert candidate.purged > 0
    assert sum(period.rows for period in candidate.periods) + candidate.purged == TABLE.num_rows


def test_destroying_the_labels_of_the_test_period_changes_nothing_before_it_is_judged(
    candidate: Candidate,
) -> None:
    label = TABLE["label"].to_numpy().copy()
    judged = np.isin(TABLE["decision_id"].to_numpy(), candidate.predictions["decision_id"].to_numpy())
    label[judged] = 1 - label[judged]
    destroyed = TABLE.set_column(TABLE.schema.get_field_index("label"), "label", pa.array(label))
    other = train_candidate(destroyed, FEATURES, FAST, window_days=WINDOW, entity="rep")
    assert essence(other) == essence(candidate)
    np.testing.assert_array_equal(other.predictions["margin"], candidate.predictions["margin"])
    np.testing.assert_array_equal(other.predictions["probability"], candidate.predictions["probability"])
    assert other.metrics["auc_roc"].value < 0.5
    for name in ("cross_validation_auc_pr", "shuffled_label_auc"):
        assert other.metrics[name] == candidate.metrics[name]


def test_destroying_the_features_of_the_test_period_does_not_change_the_model(boosted: Candidate) -> None:
    judged = np.isin(TABLE["decision_id"].to_numpy(), boosted.predictions["decision_id"].to_numpy())
    tenure = np.where(judged, 1e6, TABLE["tenure"].to_numpy())
    destroyed = TABLE.set_column(TABLE.schema.get_field_index("tenure"), "tenure", pa.array(tenure, from_pandas=True))
    model = FAST.model_copy(update={"estimators": ("xgboost",)})
    other = train_candidate(
        destroyed, (*FEATURES, FOLD_FEATURE), model, window_days=WINDOW, entity="rep", fold_features=MedianTenure()
    )
    assert essence(other) == essence(boosted)
    assert other.model.statistics == boosted.model.statistics


def test_the_order_of_the_rows_changes_nothing(candidate: Candidate) -> None:
    shuffled = TABLE.take(np.random.default_rng(0).permutation(TABLE.num_rows))
    other = train_candidate(shuffled, FEATURES, FAST, window_days=WINDOW, entity="rep")
    assert essence(other) == essence(candidate)
    assert other.metrics == candidate.metrics
    assert other.predictions.equals(candidate.predictions)


@pytest.mark.parametrize("name", ["candidate", "boosted"])
def test_scoring_the_test_rows_gives_what_training_saw(name: str, request: pytest.FixtureRequest) -> None:
    trained: Candidate = request.getfixturevalue(name)
    rows = rows_of(TABLE, trained.predictions["decision_id"])
    scores = trained.model.score(rows, contributions=True)
    np.testing.assert_array_equal(scores.margin, trained.predictions["margin"].to_numpy())
    np.testing.assert_array_equal(scores.probability, trained.predictions["probability"].to_numpy())
    assert scores.contributions is not None
    assert scores.contributions.shape == (rows.num_rows, len(trained.model.features))
    without_label = trained.model.score(rows.drop_columns(["label"]))
    np.testing.assert_array_equal(without_label.margin, scores.margin)
    assert without_label.contributions is None


def test_fold_statistics_come_from_the_rows_the_model_was_fitted_on(boosted: Candidate) -> None:
    """Development and calibration; neither the rows purged between them nor the test period."""
    times = TABLE["decision_at"].to_numpy()
    early = np.zeros(len(times), dtype=bool)
    for period in boosted.periods[:2]:
        first, last = (np.datetime64(time[:-1]) for time in (period.first, period.last))
        early |= (times >= first) & (times <= last + np.timedelta64(1, "s"))
    assert boosted.model.statistics == {"median": float(np.nanmedian(TABLE["tenure"].to_numpy()[early]))}
    assert "tenure_above_median" in boosted.judgement.importances


NUMBERS = tuple(Feature(f"x{number}", "", "number") for number in range(3))
PARTS = {"part": Segment(feature="x2", edges=(-0.5, 0.7))}


def period(seed: int, rows: int, shift: float, signal: float = 1.0) -> tuple[pa.Table, np.ndarray]:
    """Rows of a period and their true probabilities; the upper part of x2 moves twice as far."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    truth = 1 / (
        1 + np.exp(-(-3.6 + shift * np.where(x[:, 2] >= 0.7, 2, 1) + signal * (0.6 * x[:, 0] + 0.4 * x[:, 1])))
    )
    label = (rng.random(rows) < truth).astype(np.int64)
    columns = {feature.name: x[:, number] for number, feature in enumerate(NUMBERS)}
    return pa.table({"decision_id": [str(row) for row in range(rows)], "label": label, **columns}), truth


@pytest.mark.parametrize("estimator", ["logistic_regression", "xgboost"])
@pytest.mark.parametrize("by", [None, "part"])
@pytest.mark.parametrize("kind", ["platt", "isotonic"])
@pytest.mark.parametrize(("shift", "signal"), [(0.0, 1.0), (0.7, 1.0), (1.2, 1.0), (0.3, 1.8)])
def test_what_moved_in_the_calibration_period_is_corrected_once(
    shift: float, signal: float, kind: str, by: str | None, estimator: str
) -> None:
    """By the calibrator; the model is fitted again with these rows, so told to its margins it would move twice."""
    model = FAST.model_copy(update={"calibration": kind, "segments": PARTS, "calibrate_by": by})
    (development, _), (calibration, expected) = period(1, 15_000, 0.0), period(2, 15_000, shift, signal)
    later, truth = period(3, 15_000, shift, signal)
    contender = Contender(estimator, complete_parameters(estimator, FAST.parameters.get(estimator, {})))
    served = fit_scoring_model(development, calibration, NUMBERS, contender=contender, model=model, fold_features=None)
    # what the calibration period's labels happened to say too much or too little is not the calibrator's fault
    luck = calibration["label"].to_numpy().mean() / expected.mean()
    assert served.score(later).probability.mean() / truth.mean() == pytest.approx(luck, abs=0.05)


def test_fold_features_without_their_statements_are_refused(boosted: Candidate) -> None:
    with pytest.raises(InputError, match="tenure_above_median"):
        train_candidate(TABLE, (*FEATURES, FOLD_FEATURE), FAST, window_days=WINDOW, entity="rep")
    with pytest.raises(InputError, match="no statements"):
        replace(boosted.model, fold_features=None).score(TABLE)


def test_fold_features_that_lose_or_repeat_rows_are_refused(boosted: Candidate) -> None:
    class Losing(MedianTenure):
        def add(self, table: pa.Table, statistics: dict[str, float]) -> pa.Table:
            return super().add(table, statistics).slice(1)

    with pytest.raises(InputError, match="turned 6,000 rows into 5,999"):
        replace(boosted.model, fold_features=Losing()).score(TABLE)


def test_the_gains_table_adds_up(candidate: Candidate) -> None:
    test = candidate.periods[2]
    assert sum(decile.n for decile in candidate.judgement.gains) == test.rows
    assert sum(decile.positives for decile in candidate.judgement.gains) == pytest.approx(test.positives)
    assert [decile.decile for decile in candidate.judgement.gains] == list(range(1, 11))
    for decile in candidate.judgement.gains:
        assert decile.low <= decile.rate <= decile.high
    lift = candidate.metrics["top_decile_lift"].value
    assert candidate.judgement.gains[0].lift == pytest.approx(lift, rel=0.02)


def test_progress_is_told(candidate: Candidate) -> None:
    said: list[str] = []
    train_candidate(TABLE, FEATURES, FAST, window_days=WINDOW, entity="rep", progress=said.append)
    assert any("cross-validating xgboost" in message for message in said)


def with_column(name: str, values: object) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.drop_columns(["moves"]), "lacks a column.*column moves"),
        (TABLE.drop_columns(["rep"]), "lacks a column.*column rep"),
        (pa.concat_tables([TABLE, TABLE.slice(0, 3)]), "more than once.*3 rows"),
        (with_column("label", np.full(TABLE.num_rows, 2)), "neither 0 nor 1.*6,000 rows"),
        (with_column("label", [None] * TABLE.num_rows), "value is missing.*column label"),
        (TABLE.slice(0, 0), "no decisions"),
        (with_column("label", np.zeros(TABLE.num_rows, int)), r"0 positives of .* 100 are needed"),
    ],
)
def test_rows_not_fit_to_train_on_are_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_candidate(table, FEATURES, FAST, window_days=WINDOW, entity="rep")


def test_too_few_positives_say_how_many_there_are_and_what_to_do() -> None:
    with pytest.raises(InputError, match="development period holds") as caught:
        train_candidate(training_table(1500), FEATURES, FAST, window_days=WINDOW, entity="rep")
    assert "minimum_positives" in str(caught.value)
    few = Model(folds=3, minimum_positives=10)
    late = np.sort(TABLE["decision_at"].to_numpy())[int(0.59 * TABLE.num_rows)]
    label = np.where(TABLE["decision_at"].to_numpy() > late, 0, TABLE["label"].to_numpy())
    with pytest.raises(InputError, match="calibration period holds 0 positives"):
        train_candidate(with_column("label", label), FEATURES, few, window_days=WINDOW, entity="rep")


def test_no_usable_folds_are_refused() -> None:
    with pytest.raises(InputError, match="positives on both sides"):
        train_candidate(TABLE, FEATURES, FAST.model_copy(update={"gap_days": 400}), window_days=WINDOW, entity="rep")


def test_the_evidence_is_json(candidate: Candidate) -> None:
    from leadscore_dagster.core.versions.gates import metrics_from_dict, metrics_to_dict

    stored = json.loads(json.dumps(metrics_to_dict(candidate.metrics), allow_nan=False))
    assert metrics_from_dict(stored) == candidate.metrics
