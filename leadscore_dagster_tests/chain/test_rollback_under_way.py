"""A rollback while a day is being scored: that run finishes on one version, the next uses the restored one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadscore_dagster.commands.champion import roll_back
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import promotion
from leadscore_dagster.core.versions.ledger import LedgerEntry, append_entry, champion_at, history
from leadscore_dagster.core.warehouse import Warehouse, table
from leadscore_dagster.defs.resources import Workspace
from leadscore_dagster_tests import scenario

pytestmark = pytest.mark.rehearsal

DAY = scenario.DAY.isoformat()


def _second_champion(recipe: Recipe, workspace: Workspace) -> str:
    """Another version of the same quarter, champion from the next quarter on."""
    warehouse, recorded = workspace.warehouse(recipe), datetime.now(UTC)
    model = recipe.model.model_copy(update={"estimators": ("logistic_regression",), "seed": 1})
    candidate = train_candidate(
        training_rows(warehouse, scenario.FIRST),
        features_of(recipe),
        model,
        window_days=30,
        entity="RepCRD",
        fold_features=fold_features_of(recipe),
    )
    version = promotion.register_candidate(
        workspace.state(recipe), workspace.models(recipe), recipe, as_of=scenario.FIRST, candidate=candidate,
        vintages={}, code_version="2", recorded_at=recorded,
    )  # fmt: skip
    since = datetime.combine(scenario.SECOND, datetime.min.time(), UTC)
    append_entry(
        workspace.state(recipe), LedgerEntry(recipe.name, version, "promote", since, recorded, "for this test")
    )
    return version


def _scored_by(warehouse: Warehouse) -> dict[str, set[str]]:
    return {
        name: set(table(warehouse, f"SELECT DISTINCT model_version AS v FROM {name}")["v"].to_pylist())
        for name in ("lead_scores_daily", "prospect_scores")
    }


def _score(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "leadscore_dagster", "score", str(home / "recipe.yaml"), "--day", DAY]
    return subprocess.Popen([*command, "--home", str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 0, errors.decode()[-2000:]


def test_a_run_keeps_the_champion_it_began_with(finished_home: Path, small_market: Path, tmp_path: Path) -> None:
    home = scenario.copy_home(finished_home, tmp_path / "home")
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    (first,) = {entry.version for entry in history(workspace.state(recipe))}
    second = _second_champion(recipe, workspace)

    under_way = _score(home)
    written = home / "warehouse" / recipe.name / "lead_scores_daily" / f"{DAY}.parquet"
    deadline = time.monotonic() + 200
    while not written.exists():
        assert under_way.poll() is None, under_way.stderr.read().decode()[-2000:]  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    under_way.send_signal(signal.SIGSTOP)  # the leads are scored, the prospects are not
    assert not (home / "warehouse" / recipe.name / "prospect_scores" / f"{DAY}.parquet").exists()
    roll_back(home, str(home / "recipe.yaml"), first, "the new one ranks strangely", DAY)
    under_way.send_signal(signal.SIGCONT)
    _finish(under_way)
    assert _scored_by(warehouse) == {"lead_scores_daily": {second}, "prospect_scores": {second}}

    _finish(_score(home))
    assert _scored_by(warehouse) == {"lead_scores_daily": {first}, "prospect_scores": {first}}
    assert [(entry.action, entry.version) for entry in history(workspace.state(recipe))] == [
        ("promote", first),
        ("promote", second),
        ("rollback", first),
    ]
    restored = champion_at(workspace.state(recipe), datetime.combine(scenario.DAY, datetime.min.time(), UTC))
    assert restored is not None
    assert restored.why == "the new one ranks strangely"
