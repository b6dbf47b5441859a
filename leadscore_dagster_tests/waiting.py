"""A job that works until its file is there, for tests that kill it; and what a real daemon loads to run it.

The folder it waits in comes from the environment: run, code server and daemon are processes of their own.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import dagster as dg

from leadscore_dagster.defs.alerts.definitions import ALERT_JOBS, alert_sensor
from leadscore_dagster.defs.automation.launcher import locked_executor
from leadscore_dagster.defs.resources import Workspace, default_home


@dg.op
def wait() -> None:
    home = default_home()
    (home / f"begun-{os.getpid()}").touch()
    while not (home / "enough").is_file():
        time.sleep(0.05)


@dg.op(ins={"after": dg.In(dg.Nothing)})
def rest() -> None: ...


@dg.job(executor_def=locked_executor)
def waiting() -> None:
    rest(wait())


@dg.definitions
def defs() -> dg.Definitions:
    """What the daemon loads."""
    home = default_home()
    return dg.Definitions(
        jobs=[waiting, *ALERT_JOBS],
        sensors=[alert_sensor(home)],
        resources={"workspace": Workspace(home=str(home))},
        executor=locked_executor,
    )


def main(config: Path) -> None:
    """One run of the job in this process, as the code server executes it."""
    with dg.DagsterInstance.from_config(str(config)) as instance:
        dg.execute_job(dg.reconstructable(waiting), instance)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
