"""Adding a metric is one entry and adding an estimator is one row: both are added here, and used to the end."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.stats import ks_2samp

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures import catalogue, metrics
from leadscore_dagster.core.measures.catalogue import METRICS, Metric, Noticed
from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.modelling.estimators.registry import (
    ESTIMATORS,
    complete_parameters,
    estimator_names,
    space_of,
)
from leadscore_dagster.core.modelling.recipe_check import check_estimators, load_checked
from leadscore_dagster.core.pages.model.document import model_page
from leadscore_dagster.core.pages.model.markdown import candidate_markdown, gates_markdown
from leadscore_dagster.core.recipe.loading import RECIPES, load_recipe
from leadscore_dagster.core.recipe.schema import Gate, Search
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.versions.gates import evaluate_gates, require_passed
from leadscore_dagster.core.versions.registry import load_test_scores, load_version, read_manifest, save_version
from leadscore_dagster.defs.checks.gates import build_checks
from leadscore_dagster_tests.modelling import naive_bayes
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table

TABLE = training_table(4000, rate=0.1)
SHOWN = {"recipe": {"title": "Leads", "cadence": "quarter"}}


def recipe_with(folder: Path, old: str, new: str) -> Path:
    """The bank recipe with one text replaced."""
    text = (RECIPES / "bank_marketing" / "recipe.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path = folder / "recipe.yaml"
    contract = ("contract: bank_contacts", "contract: bank_marketing/bank_contacts")
    path.write_text(text.replace(*contract).replace(old, new), encoding="utf-8")
    return path


def saved(folder: Path, candidate: Candidate) -> str:
    return save_version(
        folder, candidate, recipe="r", as_of=date(2024, 1, 1), vintages={"reps": "2024-01-01"}, code_version="1"
    )


# ---- a metric

NEW_METRIC = "separation"


def separation_of(points: metrics.Curve) -> float:
    """Largest distance between the shares of positives and of negatives above a score (Kolmogorov-Smirnov)."""
    misses = points.rows - points.hits
    return float(np.abs(points.hits / points.hits[-1] - misses / misses[-1]).max()) if points.hits[-1] else float("nan")


@pytest.fixture
def metric(monkeypatch: pytest.MonkeyPatch) -> str:
    """The whole of the work."""
    entry = Metric(
        "separation of the classes",
        "largest distance between the scores of leads that convert and of leads that do not; 0 is chance",
        form="percent",
        curve=separation_of,
        noticed=Noticed("converting leads stand out by less than ", " of all leads", "percent"),
    )
    monkeypatch.setitem(METRICS, NEW_METRIC, entry)
    return NEW_METRIC


def test_a_new_metric_is_measured_gated_and_shown_by_its_entry_alone(metric: str, tmp_path: Path) -> None:
    recipe = load_recipe(recipe_with(tmp_path, "ece: {at_most: 0.05}", f"{metric}: {{at_least: 0.1}}"))
    candidate = train_candidate(TABLE, FEATURES, FAST, window_days=30, entity="rep")
    found, label, margin = (
        candidate.metrics[metric],
        *(candidate.predictions[n].to_numpy() for n in ("label", "margin")),
    )
    assert found.value == pytest.approx(ks_2samp(margin[label == 1], margin[label == 0]).statistic)
    assert found.low < found.value < found.high

    gates = {metric: recipe.gates[metric]}
    (passed,) = evaluate_gates(candidate.metrics, gates)
    require_passed([passed], "the candidate")
    (refused,) = evaluate_gates(candidate.metrics, {metric: Gate(at_least=0.99)})
    assert passed.passed
    assert not refused.passed
    assert passed.why.startswith("Separation of the classes is ")
    assert "separation of the classes" in gates_markdown([passed])
    assert "separation of the classes" in candidate_markdown(candidate)

    version = saved(tmp_path / "models", candidate)
    manifest = read_manifest(tmp_path / "models", version)
    page = model_page(SHOWN | {"version": version, "manifest": manifest, "gates": [refused.as_dict()]})
    assert METRICS[metric].meaning in page
    assert "In the test period converting leads stand out by less than 99% of all leads." in page
    (checks,) = build_checks(recipe)
    told = [spec.description or "" for spec in checks.check_specs]
    assert any(text.startswith("Separation of the classes: the unfavourable end") for text in told)


def test_without_its_entry_the_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"there is no metric '{NEW_METRIC}'"):
        load_recipe(recipe_with(tmp_path, "ece: {at_most: 0.05}", f"{NEW_METRIC}: {{at_least: 0.1}}"))


@pytest.mark.parametrize("name", METRICS)
def test_every_entry_of_the_catalogue_is_complete(name: str) -> None:
    entry = METRICS[name]
    assert [one.phrase for one in METRICS.values()].count(entry.phrase) == 1
    assert entry.meaning
    assert not entry.meaning.endswith(".")
    assert entry.lowest < entry.highest
    assert entry.form in get_args(catalogue.Form)
    assert entry.rests_on in get_args(catalogue.Rest)
    assert entry.curve is None or entry.measure is None
    assert entry.curve is not None or not entry.flattered


# ---- an estimator


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> str:
    """The whole of the work, beside its module."""
    monkeypatch.setitem(ESTIMATORS, naive_bayes.NAME, naive_bayes.ROW)
    return naive_bayes.NAME


def test_a_new_estimator_is_searched_fitted_stored_and_explained_by_its_row_alone(
    estimator: str, tmp_path: Path
) -> None:
    chosen = {"estimators": (estimator,), "search": Search(trials=3), "imbalance": ("none", "class_weight", "smote")}
    candidate = train_candidate(TABLE, FEATURES, FAST.model_copy(update=chosen), window_days=30, entity="rep")
    assert candidate.estimator == estimator
    assert len(candidate.compared) == 3
    assert candidate.searched[estimator].trials == 3
    assert candidate.metrics["auc_roc"].low > 0.6

    version = saved(tmp_path, candidate)
    model = load_version(tmp_path, version)
    stored = load_test_scores(tmp_path, version)
    scores = model.score(rows_of(TABLE, stored["decision_id"]), contributions=True)
    np.testing.assert_array_equal(scores.margin, stored["margin"].to_numpy())
    assert scores.contributions is not None
    assert scores.bias is not None
    np.testing.assert_allclose(scores.bias + scores.contributions.sum(axis=1), scores.margin, atol=1e-3)
    assert next(iter(candidate.judgement.importances)) in ("moves", "tenure", "kind")
    assert estimator.replace("_", " ") in model_page(SHOWN | {"manifest": read_manifest(tmp_path, version)})


def test_a_new_estimator_can_be_a_member_of_an_ensemble(estimator: str, tmp_path: Path) -> None:
    model = FAST.model_copy(update={"estimators": ("logistic_regression", estimator, "ensemble")})
    candidate = train_candidate(TABLE, FEATURES, model, window_days=30, entity="rep")
    assert candidate.estimator == "ensemble"
    assert {member.estimator for member in candidate.contender.members} == {"logistic_regression", estimator}
    loaded, matrix = load_version(tmp_path, saved(tmp_path, candidate)), candidate.model.matrix(TABLE)
    np.testing.assert_array_equal(loaded.model.margin(matrix), candidate.model.model.margin(matrix))


def test_a_recipe_may_name_a_new_estimator_and_not_one_without_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe_with(tmp_path, "[logistic_regression, xgboost]", f"[logistic_regression, {naive_bayes.NAME}]")
    with pytest.raises(InputError, match=rf"unknown estimator '{naive_bayes.NAME}', in .*recipe\.yaml, line \d+"):
        load_checked(path)
    monkeypatch.setitem(ESTIMATORS, naive_bayes.NAME, naive_bayes.ROW)
    assert load_checked(path).model.estimators[1] == naive_bayes.NAME
    wrong = load_recipe(path)
    wrong = wrong.model_copy(update={"model": wrong.model.model_copy(update={"estimators": ("naive_bayes",)})})
    with pytest.raises(InputError, match=f"did you mean '{naive_bayes.NAME}'"):
        check_estimators(wrong)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_row_of_the_registry_is_complete(name: str) -> None:
    row = ESTIMATORS[name]
    parameters = complete_parameters(name, {})
    assert parameters == row.defaults
    assert set(space_of(name, parameters)) == {key for key, one in row.parameters.items() if one.search}
    assert all(one.default > 0 for one in row.parameters.values() if one.above_zero)
    for key, one in row.parameters.items():
        if one.search:
            assert one.search.low <= one.default <= one.search.high, key
            assert type(one.search.low) is type(one.default), key
    assert row.complexity(parameters) == row.complexity(dict(parameters))
    assert row.library
    assert estimator_names()[-1] == "ensemble"
