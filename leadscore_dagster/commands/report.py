"""`leadscore report`: the report of a model version, made again from what is stored.

Not here: what the report says (core/pages/model), where it is written (pages).
"""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.commands.outcome import TextOutcome
from leadscore_dagster.commands.pages import write_model_page
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.defs.resources import Workspace


def report_version(home: Path, name: str, version: str | None, clock: str = "") -> TextOutcome:
    """Write the report of a version, of today's champion by default."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home), clock=clock)
    if version is None:
        champion = champion_at(workspace.state(recipe), workspace.now())
        if champion is None:
            raise InputError(f"{recipe.name} has no champion", remedy="name a version with --version, or run one first")
        version = champion.version
    path = write_model_page(recipe, workspace, version)
    return TextOutcome(f"Report of {version}: {path}", {"version": version, "report": str(path)})
