"""What a scenario works on and what it answers. Not here: the scenarios."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from leadscore_dagster.commands.stress import copies
from leadscore_dagster.commands.stress.processes import Ended, leadscore
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.simulation.damage import changed
from leadscore_dagster.core.state import State
from leadscore_dagster.core.versions.ledger import LedgerEntry
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.resources import Workspace


@dataclass(frozen=True)
class Bench:
    """What a scenario works on: a copy of its own in which ``day`` has been scored, and how that was to do.

    ``name`` : the recipe as the command line takes it. ``period`` : the newest for which a candidate was trained.
    ``before`` : digests of every file of the copy. ``entries`` : its ledger. ``plain`` : scoring the day again,
    undisturbed.
    """

    name: str
    recipe: Recipe
    home: Path
    day: date
    period: date
    before: dict[str, str]
    entries: list[LedgerEntry]
    plain: Ended

    @property
    def warehouse(self) -> Warehouse:
        return Workspace(home=str(self.home)).warehouse(self.recipe)

    @property
    def state(self) -> State:
        return copies.state_of(self.home, self.recipe.name)

    def location(self, source: str) -> str:
        return Workspace(home=str(self.home)).location(self.recipe, source)

    def worker(self, task: str) -> list[str]:
        module = "leadscore_dagster.commands.stress.worker"
        return [sys.executable, "-m", module, task, str(self.home), self.name, self.day.isoformat()]

    def score(self, *more: object) -> list[str]:
        return leadscore(self.home, "score", self.name, "--day", self.day, *more)

    def train(self, *more: object) -> list[str]:
        return leadscore(self.home, "run", self.name, "--as-of", self.period, *more)

    def lost(self, *parts: str) -> list[str]:
        """Files that were there before and are not what they were, below any of the parts of the home."""
        found = changed(self.before, copies.digests(self.home))
        return [name for name in found if name in self.before and name.startswith(parts)]


@dataclass(frozen=True)
class Result:
    """``passed`` None: it could not be tried here."""

    did: str
    saw: str
    passed: bool | None
    seconds: float = 0.0


def in_copies(bench: Bench, names: Iterable[str], folder: Path, keep: bool) -> Iterator[tuple[str, Bench]]:
    """Every scenario's name with a bench of its own, a copy of ``bench``'s home, removed when it is done with."""
    for name in names:
        own = copies.copy_home(bench.home, folder / name, bench.state)
        yield name, replace(bench, home=own)
        if not keep:
            shutil.rmtree(own)
