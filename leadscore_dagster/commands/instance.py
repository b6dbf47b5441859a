"""One home, one Dagster instance: running a job in this process and saying plainly how it ended.

Lives here: the instance, Dagit on it, executing a job, telling bad input from a refused gate from a crash. Not here:
which jobs a command needs (refresh, scoring), what is printed (outcome).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import dagster as dg

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import shipped
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.assets.shell import BAD_INPUT, REFUSED
from leadscore_dagster.defs.resources import Workspace

Progress = Callable[[str], None]
_BUILT: dict[str, Any] = {}


@dataclass(frozen=True)
class Refusal:
    """A gate said no: which step, and the sentences it gave."""

    step: str
    why: str


def instance_environment(home: Path) -> dict[str, str]:
    """Environment variables that ``dagster.yaml`` and the definitions read."""
    return {"LEADSCORE_HOME": str(home), "LEADSCORE_DAGSTER_STORAGE": str(home / "dagster")}


def shipped_configuration() -> Path:
    """The folder of the ``dagster.yaml`` and ``workspace.yaml`` that come with the product; only read."""
    return shipped("dagster.yaml").parent


def dagster_environment(home: Path, configuration: Path) -> dict[str, str]:
    """Environment variables for Dagster's own commands (webserver, daemon), with the folder of their ``dagster.yaml``.

    ``dagster.yaml`` switches telemetry off; without the last variable folders for it are still made beside that file.
    """
    own = {"DAGSTER_HOME": str(configuration), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    return {**instance_environment(home), **own}


def open_dagit(home: Path, port: int) -> NoReturn:
    """Become ``dagster dev`` on a home: it hears the signals meant for us, and ends the processes it has started."""
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **dagster_environment(home, _configuration())}
    workspace = str(shipped_configuration() / "workspace.yaml")
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", workspace, "--port", str(port)]
    os.execve(sys.executable, command, environment)


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home: the one ``leadscore ui`` shows."""
    os.environ.update(instance_environment(home))
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.from_config(str(_configuration())) as instance:
        yield instance


def _configuration() -> Path:
    """A deployment with a storage of its own (deploy/dagster.yaml) says where its ``dagster.yaml`` lies."""
    own = os.environ.get("LEADSCORE_DAGSTER_CONFIG")
    return Path(own).absolute() if own else shipped_configuration()


def execute(
    instance: dg.DagsterInstance,
    recipe: Recipe,
    workspace: Workspace,
    job: str,
    partition: str,
    selection: Sequence[dg.AssetKey] | None = None,
) -> Refusal | None:
    """Run a job of a recipe for one partition in this process.

    Returns
    -------
    None when everything ran, or the refusal of the first gate that said no.

    Raises
    ------
    InputError : the run ended on bad input.
    RuntimeError : a step crashed; the message names it.
    """
    result = (
        _definitions(recipe, workspace)
        .resolve_job_def(f"{recipe.name}_{job}")
        .execute_in_process(
            partition_key=partition,
            instance=instance,
            raise_on_error=False,
            asset_selection=list(selection) if selection else None,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )
    return None if result.success else _explain(result)


def _definitions(recipe: Recipe, workspace: Workspace) -> dg.Definitions:
    """The definitions of one recipe, built once for all runs of a command."""
    content = recipe.model_dump_json(), workspace.home, workspace.clock, workspace.engine
    if _BUILT.get("content") != content:
        _BUILT.update(content=content, defs=build_defs(recipes=[recipe], workspace=workspace))
    return _BUILT["defs"]


def _explain(result: dg.ExecuteInProcessResult) -> Refusal:
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None:
            kind = data.user_failure_data.metadata.get("kind")
            text = data.user_failure_data.description or ""
            if kind is not None and kind.value == BAD_INPUT:
                raise InputError(text)
            if kind is not None and kind.value == REFUSED:
                return Refusal(str(event.step_key), text)
        if data.error is not None and data.error.cls_name == "DagsterAssetCheckFailedError":
            return Refusal(str(event.step_key), _failed_checks(result))
        raise RuntimeError(
            f"Step {event.step_key} crashed: {data.error.to_string() if data.error else 'no reason given'}"
        )
    raise RuntimeError("The run failed before its first step; see the event log in Dagit.")


def _failed_checks(result: dg.ExecuteInProcessResult) -> str:
    failed = [
        check
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    return "\n".join(f"{check.check_name}: {check.description or 'failed'}" for check in failed)
