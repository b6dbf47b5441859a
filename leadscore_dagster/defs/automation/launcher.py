"""How runs work, and how one whose process has died is noticed.

Lives here: the executor that holds a run's lock while it works, and the run launcher of ``dagster.yaml``, which
Dagster's monitoring asks about every started run. Not here: the lock (core/locks), starting a dead run once more (the
tags of standing, Dagster's own retries).

Dagster's code server fails a run whose process ends early; a run whose code server died with it (kill -9 of the
service, a power cut) it would leave started until its time is up, and everything that waits for it would wait, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from leadscore_dagster.core.locks import at_work, is_gone

DIED = "the run's process disappeared without a message: it was killed, ran out of memory, or the machine stopped"


def locks_of(instance: dg.DagsterInstance) -> Path:
    """Where the locks of an instance's runs lie: beside what its runs store."""
    return Path(instance.storage_directory()) / "working"


class LockedExecutor(InProcessExecutor):
    """Dagster's executor of one process, which holds the run's lock while it works."""

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[Any]:
        with at_work(locks_of(plan_context.instance), plan_context.run_id):
            yield from super().execute(plan_context, execution_plan)


@dg.executor(name="in_process")
def locked_executor(context: dg.InitExecutorContext) -> LockedExecutor:
    """The executor of every job."""
    return LockedExecutor(retries=RetryMode.ENABLED)


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which also says whether a started run is still at work."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if is_gone(locks_of(self._instance), run.run_id):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, DIED)
        return CheckRunHealthResult(WorkerStatus.RUNNING)
