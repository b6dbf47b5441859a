"""MLflow is a copy for those who want one: off by default, once per version, and never needed."""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.versions.mlflow import VARIABLE, log_version
from leadscore_dagster.core.versions.registry import save_version
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table

INSTALLED = importlib.util.find_spec("mlflow") is not None


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    models = tmp_path_factory.mktemp("models")
    model = FAST.model_copy(update={"estimators": ("logistic_regression",), "minimum_positives": 50})
    candidate = train_candidate(training_table(3000, rate=0.1), FEATURES, model, window_days=30, entity="rep")
    return models, save_version(models, candidate, recipe="r", as_of=date(2024, 1, 1), vintages={}, code_version="1")


def test_without_the_setting_nothing_is_logged(registered: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert log_version(registered[0], "r", registered[1]) is None


@pytest.mark.skipif(INSTALLED, reason="MLflow is installed")
def test_a_missing_mlflow_is_one_clear_error(
    registered: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(InputError, match="MLflow is not installed"):
        log_version(registered[0], "r", registered[1])


@pytest.mark.skipif(not INSTALLED, reason="NOT TESTED: MLflow is not installed (pip install '.[mlflow]')")
def test_a_version_is_logged_once_with_metrics_and_files(
    registered: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(VARIABLE, uri)
    monkeypatch.chdir(tmp_path)
    run_id = log_version(registered[0], "r", registered[1])
    assert run_id is not None
    assert log_version(registered[0], "r", registered[1]) is None
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)
    assert {"auc_pr", "auc_pr_low", "auc_pr_high"} <= set(run.data.metrics)
    assert run.data.params["estimator"] == "logistic_regression"
    assert "manifest.json" in [file.path for file in client.list_artifacts(run_id)]
