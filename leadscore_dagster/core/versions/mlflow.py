"""Model versions in MLflow too, for teams that compare experiments there (extra ``mlflow``).

Lives here: copying what the registry already holds. Not here: the registry of record (core/versions/registry); nothing
is ever read back from MLflow, so a server that is down or wrong cannot change what scores.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.versions import registry

#: where MLflow keeps its runs; unset: nothing is logged
VARIABLE = "LEADSCORE_MLFLOW_URI"


def log_version(models: Path, recipe: str, version: str) -> str | None:
    """Log a registered version as a run of experiment ``recipe``; the run's id, or None when nothing is to be logged
    or the version is there already.

    Raises
    ------
    InputError : ``LEADSCORE_MLFLOW_URI`` is set and MLflow is not installed.
    """
    uri = os.environ.get(VARIABLE)
    if not uri:
        return None
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise InputError(
            "MLflow is not installed", where=VARIABLE, remedy="pip install 'leadscore-dagster[mlflow]', or unset it"
        ) from error
    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(recipe)
    experiment = known.experiment_id if known else client.create_experiment(recipe)
    if client.search_runs([experiment], f"tags.version = '{version}'", max_results=1):
        return None
    manifest = registry.read_manifest(models, version)
    run = client.create_run(experiment, run_name=version, tags={"version": version, "as_of": manifest["as_of"]})
    for name, value in _parameters(manifest).items():
        client.log_param(run.info.run_id, name, value)
    for name, metric in manifest["metrics"].items():
        for end in ("value", "low", "high"):
            if metric[end] is not None:
                client.log_metric(run.info.run_id, name if end == "value" else f"{name}_{end}", metric[end])
    client.log_artifacts(run.info.run_id, str(models / version))
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _parameters(manifest: dict[str, Any]) -> dict[str, Any]:
    contender = manifest["contender"]
    return {"estimator": manifest["estimator"], "imbalance": contender["imbalance"], **contender.get("parameters", {})}
