"""A run killed anywhere and started again ends with the tables, models and lists of a run nobody disturbed."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadscore_dagster.commands.score import score
from leadscore_dagster_tests import scenario

pytestmark = pytest.mark.rehearsal

DROPS = "warehouse/advisor_mql/rep_vintage/2024-10-01.parquet"
#: the kill comes as soon as the file is there: while that asset, its checks or the next one is being made
KILL_POINTS = (
    DROPS,
    "warehouse/advisor_mql/training_table/2025-10-01.parquet",
    "models/advisor_mql",
    "warehouse/advisor_mql/decisions_of_day/2026-01-26.parquet",
)


def _start(home: Path, market: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "leadscore_dagster_tests.chain.driver", str(home), str(market)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])


def _finish(home: Path, market: Path) -> None:
    process = _start(home, market)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors.decode()[-2000:]


def _contents(home: Path) -> dict[str, str]:
    """Digest of every file a user can see: tables, models, lists."""
    files = [path for part in ("warehouse", "models", "outputs") for path in (home / part).rglob("*") if path.is_file()]
    visible = [path for path in files if not any(piece.startswith(".") for piece in path.relative_to(home).parts)]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in visible}


@pytest.fixture(scope="module")
def undisturbed(finished_home: Path, small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from leadscore_dagster.commands.instance import instance_of

    home = scenario.copy_home(finished_home, tmp_path_factory.mktemp("undisturbed") / "home")
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    with instance_of(home) as instance:
        assert score(instance, recipe, workspace, scenario.DAY, print) is None
    return _contents(home)


@pytest.mark.timeout(600)
def test_a_run_killed_four_times_ends_like_one_nobody_disturbed(
    small_market: Path, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """One home, killed at each point in turn and started again: every kill also meets what the last one left."""
    home = tmp_path / "home"
    for point in KILL_POINTS:
        process = _start(home, small_market)
        deadline = time.monotonic() + 240
        while not (home / point).exists():
            assert process.poll() is None, process.stderr.read().decode()[-2000:]  # type: ignore[union-attr]
            assert time.monotonic() < deadline, point
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    _finish(home, small_market)
    assert _contents(home) == undisturbed
