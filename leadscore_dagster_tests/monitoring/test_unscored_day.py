"""A day nobody has scored: the real command says so and ends with exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from leadscore_dagster_tests import scenario


@pytest.mark.timeout(600)
def test_the_command_refuses_to_call_an_unscored_day_in_order(
    finished_home: Path, small_market: Path, tmp_path: Path
) -> None:
    home = scenario.copy_home(finished_home, tmp_path / "home")
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    day = scenario.DAY + timedelta(days=1)
    assert day.isoformat() not in workspace.warehouse(recipe).partitions("lead_scores_daily")
    command = [
        sys.executable,
        "-m",
        "leadscore_dagster",
        "monitor",
        str(home / "recipe.yaml"),
        "--day",
        day.isoformat(),
    ]
    done = subprocess.run([*command, "--home", str(home), "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["success_rate"]["passed"], checks["success_rate"]["severity"]) == (False, "error")
    assert checks["success_rate"]["why"] == f"{day} was not scored."
