"""The one small world used wherever a test needs the whole chain: a market, a recipe over it, a home that has run.

The recipe is the shipped ``advisor_mql`` with less to compute and gates that so few positives can pass: the tests are
about what gates do, not about how good a model of 40 positives is. Building it takes a while, so it is built once per
test session and shared between workers; a test gets a copy of its own.
"""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import yaml
from filelock import FileLock

from leadscore_dagster.core.recipe.loading import load_recipe, shipped_document
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.simulation.market import MarketSize, generate_market
from leadscore_dagster.core.state import STATE_FILE, State, file_url, open_state
from leadscore_dagster.core.state.tables import LEDGER, METADATA
from leadscore_dagster.defs.resources import Workspace, write_locations

SIZE = MarketSize(reps=8_000, firms=640, leads=6_000)
SEED = 11
#: the quarter of the champion, the next one, and a day on which leads are open
FIRST, SECOND, DAY = date(2025, 10, 1), date(2026, 1, 1), date(2026, 1, 26)
CLOCK = "2026-02-01"
LEAK = "days_in_gap_current"


def recipe_document() -> dict[str, object]:
    """The shipped recipe, made small."""
    document = shipped_document("advisor_mql")
    document["first_as_of"] = date(2024, 10, 1)  # two drops fewer to ingest
    document["model"] |= {"folds": 3, "minimum_positives": 40, "bootstrap_replicates": 200}
    document["model"]["parameters"] = {"xgboost": {"n_estimators": 40}}
    document["gates"] = {
        "test_positives": {"at_least": 10},
        "auc_roc": {"at_least": 0.5},
        "ece": {"at_most": 0.2},
    }
    return dict(document)


def write_recipe(folder: Path, document: dict[str, object]) -> Path:
    """The document as a recipe file."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def leaky_document() -> dict[str, object]:
    """The same recipe with ``days_in_gap`` from today's employment history."""
    document = recipe_document()
    document["features"]["sets"].append(LEAK)  # type: ignore[index]
    return document


def shared_folder(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    """A folder common to all workers of this test session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def market(shared: Path) -> Path:
    """The market's folder, generated once."""
    folder = shared / "market"
    with FileLock(str(shared / "market.lock")):
        if not folder.is_dir():
            generate_market(folder, SIZE, SEED)
    return folder


def locations(folder: Path) -> dict[str, str]:
    """Where the sources of the recipe lie in a market's folder."""
    drops = str(folder / "drops")
    return {"reps": drops, "firms": drops, "employment": drops, "firm_history": drops, "leads": str(folder / "crm")}


def opened(home: Path, folder: Path, document: dict[str, object]) -> tuple[Recipe, Workspace]:
    """A recipe over a market, and the workspace of a home."""
    home.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(write_recipe(home, document))
    write_locations(home, recipe, locations(folder))
    return recipe, Workspace(home=str(home), clock=CLOCK)


def state_of(home: Path, recipe: str) -> State:
    """The state of a recipe in the file of a home."""
    return open_state(file_url(home / STATE_FILE), recipe)


def forget_the_ledger(home: Path, recipe: str) -> None:
    """A home in which nobody was ever judged: the same state in a new file, for no ledger lets an entry go."""
    kept = {table: state_of(home, recipe).rows(table) for table in METADATA.sorted_tables if table is not LEDGER}
    for path in home.glob(f"{STATE_FILE}*"):
        path.unlink()
    with state_of(home, recipe).writing() as writing:
        for table, rows in kept.items():
            for row in rows:
                writing.append(table, row)


def copy_home(home: Path, target: Path) -> Path:
    """A home of a test's own."""
    shutil.copytree(home, target)
    return target
