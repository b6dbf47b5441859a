"""What is decided on the development period: contenders, their searches, the ensemble, groups; and what cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.modelling.choice.contenders import fit_contender
from leadscore_dagster.core.recipe.schema import Model, Search
from leadscore_dagster.core.versions.registry import load_splits, load_version
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table
from leadscore_dagster_tests.versions.test_registry import save

WINDOW = 30
TABLE = training_table(5000, rate=0.1)
QUICK = {"n_estimators": 15}
MODEL = FAST.model_copy(
    update={
        "estimators": ("logistic_regression", "lightgbm", "xgboost", "ensemble"),
        "parameters": {"lightgbm": QUICK, "xgboost": QUICK},
        "imbalance": ("none", "class_weight"),
        "minimum_positives": 50,
    }
)


def train(model: Model, table: pa.Table = TABLE, searches: Path | None = None) -> Candidate:
    return train_candidate(table, FEATURES, model, window_days=WINDOW, entity="rep", searches=searches)


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return train(MODEL)


def test_every_estimator_is_compared_under_every_treatment_and_the_ensemble_once(candidate: Candidate) -> None:
    treated = [f"{name}{suffix}" for name in MODEL.estimators[:3] for suffix in ("", " + class_weight")]
    compared = [result.name for result in candidate.compared]
    assert compared[:6] == treated
    assert compared[6:] == ["ensemble"] or "ensemble" in candidate.failed
    for result in candidate.compared:
        assert set(result.metrics) == {"auc_pr", "precision_at_10pct", "ece"}
        assert result.auc_pr.n == sum(len(fold.rows) for fold in result.folds)


def test_raised_weights_spoil_the_probabilities_and_the_comparison_says_so(candidate: Candidate) -> None:
    errors = {result.name: result.metrics["ece"] for result in candidate.compared}
    for estimator in ("logistic_regression", "lightgbm", "xgboost"):
        assert errors[f"{estimator} + class_weight"].low > 5 * errors[estimator].high > 0


def test_a_treatment_that_cannot_be_carried_out_is_reported_and_never_exchanged() -> None:
    few = training_table(1500, rate=0.02)
    smote = MODEL.model_copy(
        update={"estimators": ("logistic_regression",), "imbalance": ("none", "smote"), "minimum_positives": 10}
    )
    table = few.set_column(few.schema.get_field_index("label"), "label", pa.array(_few_early(few)))
    candidate = train(smote, table)
    assert [result.name for result in candidate.compared] == ["logistic_regression"]
    assert "positives" in candidate.failed["logistic_regression + smote"]
    with pytest.raises(InputError, match="smote"):
        train(smote.model_copy(update={"imbalance": ("smote",)}), table)


def _few_early(table: pa.Table) -> np.ndarray:
    """Labels with five positives in the first fold's training rows: enough to fit, too few to make up more."""
    times, label = table["decision_at"].to_numpy(), np.zeros(table.num_rows, dtype=np.int64)
    order = np.argsort(times)
    label[order[np.linspace(2, 110, 5).astype(int)]] = 1
    label[order[np.arange(250, table.num_rows, 12)]] = 1
    return label


def test_an_ensemble_is_stored_and_scores_as_it_did(tmp_path: Path) -> None:
    model = MODEL.model_copy(update={"imbalance": ("none",)})
    candidate = train(model)
    ensemble = next((result for result in candidate.compared if result.name == "ensemble"), None)
    assert ensemble is not None, candidate.failed
    assert all(weight > 0 for weight in ensemble.contender.weights)
    matrix = candidate.model.matrix(TABLE)
    fitted = fit_contender(
        ensemble.contender, matrix, TABLE["label"].to_numpy(), columns=candidate.model.columns, model=model
    )
    stored = replace(candidate, contender=ensemble.contender, model=replace(candidate.model, model=fitted))
    loaded = load_version(tmp_path, save(tmp_path, stored))
    scores = loaded.score(TABLE, contributions=True)
    np.testing.assert_array_equal(scores.margin, stored.model.score(TABLE).margin)
    assert scores.contributions is not None
    assert scores.contributions.shape == (TABLE.num_rows, len(FEATURES))


def test_every_row_s_period_and_side_of_each_fold_is_kept(candidate: Candidate, tmp_path: Path) -> None:
    splits = load_splits(tmp_path, save(tmp_path, candidate))
    assert splits["decision_id"].to_pylist() == TABLE.sort_by([("decision_at", "ascending")])["decision_id"].to_pylist()
    period = splits["period"].cast(pa.string()).to_pylist()
    assert period.count(None) == candidate.purged
    for expected in candidate.periods:
        assert period.count(expected.name) == expected.rows
    for number, fold in enumerate(candidate.compared[0].folds, start=1):
        sides = np.array(splits[f"fold_{number}"].cast(pa.string()).to_pylist(), dtype=object)
        assert (sides == "validation").sum() == len(fold.rows)
        trained, validated = (np.flatnonzero(sides == side) for side in ("training", "validation"))
        assert trained.max() < validated.min()  # rows are in time order
        assert {period[row] for row in np.concatenate([trained, validated])} == {"development"}


def test_with_groups_no_entity_is_on_both_sides() -> None:
    model = FAST.model_copy(
        update={"estimators": ("logistic_regression",), "group_folds": True, "minimum_positives": 50}
    )
    candidate = train(model)
    assert candidate.same_entity > 0
    rep = dict(zip(TABLE["decision_id"].to_pylist(), TABLE["rep"].to_pylist(), strict=True))
    entity = np.array([rep[decision] for decision in candidate.splits["decision_id"].to_pylist()])
    period = np.array(candidate.splits["period"].cast(pa.string()).to_pylist(), dtype=object)
    parts = [set(entity[period == name]) for name in ("development", "calibration", "test")]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]
    for name in candidate.splits.column_names[2:]:
        side = np.array(candidate.splits[name].cast(pa.string()).to_pylist(), dtype=object)
        assert not set(entity[side == "training"]) & set(entity[side == "validation"])


def test_a_search_is_remembered_and_its_answer_gives_the_same_version(tmp_path: Path) -> None:
    model = FAST.model_copy(
        update={"estimators": ("logistic_regression",), "search": Search(trials=4), "minimum_positives": 50}
    )
    first, again = (train(model, searches=tmp_path / "searches") for _ in range(2))
    assert not first.searched["logistic_regression"].reused
    assert again.searched["logistic_regression"].reused
    assert save(tmp_path, first) == save(tmp_path, again)
    other = train(model, training_table(5000, rate=0.1, seed=1), tmp_path / "searches")
    assert not other.searched["logistic_regression"].reused


def test_another_parameter_is_another_version(candidate: Candidate, tmp_path: Path) -> None:
    model = MODEL.model_copy(update={"estimators": ("logistic_regression",), "imbalance": ("none",)})
    weaker = model.model_copy(update={"parameters": {"logistic_regression": {"C": 0.5}}})
    ids = {save(tmp_path, train(settings)) for settings in (model, model, weaker)}
    assert len(ids) == 2
