"""Fixtures that are expensive to build and shared by all workers. What they hold is described in scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from leadscore_dagster_tests import scenario


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drops, CRM extract and truth of the small market."""
    return scenario.market(scenario.shared_folder(tmp_path_factory))


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory, small_market: Path) -> Path:
    """A home in which the first quarter has a champion. Copy it before writing to it."""
    from leadscore_dagster.commands.instance import instance_of
    from leadscore_dagster.commands.run import refresh

    shared = scenario.shared_folder(tmp_path_factory)
    home = shared / "home"
    with FileLock(str(shared / "home.lock")):
        if not (home / "finished").is_file():
            recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
            with instance_of(home) as instance:
                refusal = refresh(instance, recipe, workspace, scenario.FIRST, print)
            assert refusal is None, refusal
            (home / "finished").touch()
    return home
