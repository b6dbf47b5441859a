"""The small world's definitions for a real daemon, with a clock that runs: its day goes on from the scenario's.

The daemon, its code server and every run load this module in processes of their own, so what they share comes from the
environment: the home and the instant at which the rehearsal began. Not here: what the test does with it.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.resources import Workspace
from leadscore_dagster_tests import scenario

BEGAN = "LEADSCORE_TESTS_BEGAN"


class RunningClock(Workspace):
    """The scenario's clock, running on from there since ``began`` (seconds since 1970): alerts are tried again later,
    which under a clock that stands still never comes."""

    began: float

    def now(self) -> datetime:
        midnight = datetime.combine(date.fromisoformat(self.clock), datetime.min.time(), tzinfo=UTC)
        return midnight + timedelta(seconds=time.time() - self.began)


def workspace_of(home: Path, began: float) -> RunningClock:
    return RunningClock(home=str(home), clock=scenario.CLOCK, began=began)


@dg.definitions
def defs() -> dg.Definitions:
    """What the daemon loads."""
    home = Path(os.environ["LEADSCORE_HOME"])
    workspace = workspace_of(home, float(os.environ[BEGAN]))
    return build_defs(recipes=[load_recipe(home / "recipe.yaml")], workspace=workspace)
