"""Runs the small world's whole chain in a process of its own, so that a test can kill it: home, market."""

from __future__ import annotations

import sys
from pathlib import Path

from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.run import refresh
from leadscore_dagster.commands.score import score
from leadscore_dagster_tests import scenario


def main(home: Path, market: Path) -> None:
    recipe, workspace = scenario.opened(home, market, scenario.recipe_document())
    with instance_of(home) as instance:
        assert refresh(instance, recipe, workspace, scenario.FIRST, print) is None
        assert score(instance, recipe, workspace, scenario.DAY, print) is None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
