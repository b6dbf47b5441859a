"""The private modules of Dagster that the product uses, what it needs of each, and what no longer works when one moves.

Each entry is one sentence that the failure says; nothing private is imported up here, or no sentence would be said.
Behaviour of Dagster's public parts: test_upstream_characterization.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from leadscore_dagster_tests import PROJECT

#: module → (name, attributes used, what no longer works when it moves)
PRIVATE: dict[str, list[tuple[str, tuple[str, ...], str]]] = {
    "dagster._core.execution.context.system": [
        (
            "PlanOrchestrationContext",
            ("instance", "run_id"),
            "The context an executor is given has moved: LockedExecutor cannot tell whose lock to hold.",
        )
    ],
    "dagster._core.execution.plan.plan": [
        ("ExecutionPlan", (), "The plan an executor is given has moved: LockedExecutor.execute names it.")
    ],
    "dagster._core.execution.retries": [
        ("RetryMode", ("ENABLED",), "How an executor is told to allow retries of a step has moved: locked_executor.")
    ],
    "dagster._core.executor.in_process": [
        ("InProcessExecutor", ("execute",), "The executor of one process has moved: LockedExecutor is built on it.")
    ],
    "dagster._core.launcher": [
        (
            "DefaultRunLauncher",
            ("supports_check_run_worker_health", "check_run_worker_health", "_instance"),
            "The launcher that dagster.yaml replaces has moved: WatchedRunLauncher, and with it every queued run.",
        ),
        (
            "WorkerStatus",
            ("NOT_FOUND", "RUNNING"),
            "What a launcher says of a run's process has moved: a killed run would stay started for ever.",
        ),
        ("CheckRunHealthResult", (), "How a launcher answers Dagster's monitoring has moved: WatchedRunLauncher."),
    ],
    "dagster._core.scheduler.instigation": [
        (
            "InstigatorState",
            ("selector_id", "instigator_origin_id", "repository_selector", "instigator_type", "is_running", "status"),
            "What is kept of a sensor or schedule has moved: nobody is told of one that fails.",
        ),
        (
            "InstigatorTick",
            ("timestamp", "status", "error", "tick_data", "run_keys"),
            "What is kept of a tick has moved: nobody is told of a tick that failed, or of one that is missing.",
        ),
        ("TickStatus", ("STARTED", "SKIPPED", "FAILURE"), "How a tick ended is said elsewhere: alerts on ticks."),
    ],
    "dagster._core.storage.root": [
        ("LocalArtifactStorage", (), "The storage that dagster.yaml puts into the home has moved: no command starts.")
    ],
    "dagster._core.storage.local_compute_log_manager": [
        ("LocalComputeLogManager", (), "The logs that dagster.yaml puts into the home have moved: no command starts.")
    ],
    "dagster_shared.error": [
        (
            "SerializableErrorInfo",
            ("message", "stack", "cls_name", "cause"),
            "How an exception of a run or a tick is kept has moved: alerts cannot say what was raised, and where.",
        )
    ],
    "dagster._daemon": [("__main__", (), "The daemon as a module has moved: `leadscore stress` cannot kill one.")],
}
NAMES = [(module, *entry) for module, entries in PRIVATE.items() for entry in entries]


@pytest.mark.parametrize(("module", "name", "used", "moved"), NAMES, ids=[f"{m}.{n}" for m, n, *_ in NAMES])
def test_what_we_use_is_where_it_was(module: str, name: str, used: tuple[str, ...], moved: str) -> None:
    assert find_spec(module) is not None, moved
    if name == "__main__":
        assert find_spec(f"{module}.__main__") is not None, moved
        return
    found: Any = getattr(import_module(module), name, None)
    assert found is not None, moved
    fields = set(dir(found)) | set(getattr(found, "__annotations__", {}))
    missing = [attribute for attribute in used if attribute not in fields]
    assert missing == [], f"{moved} Gone: {', '.join(missing)}."


def test_every_private_module_in_use_is_described_here() -> None:
    """Also those that dagster.yaml names, and the command lines that scenarios start."""
    texts = [path.read_text(encoding="utf-8") for path in (PROJECT / "leadscore_dagster").rglob("*.py")]
    texts += [(folder / "dagster.yaml").read_text() for folder in (PROJECT, PROJECT / "deploy")]
    used = {name for text in texts for name in re.findall(r"\bdagster(?:\._|_shared\.)[\w.]+", text)}
    assert used == set(PRIVATE), "a private module of Dagster came into use, or went out of it"


def test_an_executor_is_given_the_context_and_the_plan() -> None:
    from dagster._core.executor.in_process import InProcessExecutor

    taken = list(inspect.signature(InProcessExecutor.execute).parameters)
    assert taken == ["self", "plan_context", "execution_plan"], "An executor is called otherwise: LockedExecutor."


def test_a_launcher_answers_with_a_status_and_a_sentence() -> None:
    from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

    answer = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "gone")
    told = (answer.status, answer.msg)
    assert told == (WorkerStatus.NOT_FOUND, "gone"), "A launcher's answer is read otherwise: WatchedRunLauncher."
    asked = list(inspect.signature(DefaultRunLauncher.check_run_worker_health).parameters)
    assert asked == ["self", "run"], "Monitoring asks a launcher otherwise: WatchedRunLauncher."


def test_an_instance_keeps_ticks_that_can_be_asked_for_by_status(tmp_path: Path) -> None:
    from dagster._core.scheduler.instigation import InstigatorTick, InstigatorType, TickData, TickStatus
    from dagster_shared.error import SerializableErrorInfo

    from leadscore_dagster_tests.alerts.world import quick_instance

    told = "Ticks are kept or asked for otherwise: failed_ticks and newest_tick of the alerts."
    crash = SerializableErrorInfo("went wrong", [], "ValueError")
    with quick_instance(tmp_path) as instance:
        for status, at, error in ((TickStatus.FAILURE, 100.0, crash), (TickStatus.SKIPPED, 200.0, None)):
            kept = {"instigator_origin_id": "origin", "selector_id": "selector", "instigator_name": "watch"}
            instance.create_tick(
                TickData(**kept, instigator_type=InstigatorType.SENSOR, status=status, timestamp=at, error=error)
            )
        (failed,) = instance.get_ticks("origin", "selector", after=50.0, limit=5, statuses=[TickStatus.FAILURE])
        newest = instance.get_ticks("origin", "selector", limit=2)[0]
        found = instance.get_tick("origin", "selector", 200.0)
    assert isinstance(failed, InstigatorTick), told
    assert (failed.timestamp, failed.error, list(failed.run_keys)) == (100.0, crash, []), told
    assert newest.status is TickStatus.SKIPPED, told
    assert found is not None, told
    assert found.tick_data.skip_reason is None, told


def test_dagster_yaml_names_classes_that_exist() -> None:
    named = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    for key in ("local_artifact_storage", "compute_logs", "run_launcher"):
        module, name = named[key]["module"], named[key]["class"]
        assert hasattr(import_module(module), name), f"{key} of dagster.yaml names {module}.{name}, which is not there."
