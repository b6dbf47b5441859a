"""`leadscore recipes`: which recipes there are, and who is champion of each. Not here: what a recipe says."""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.commands.outcome import TextOutcome, columns
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.definitions import recipe_names
from leadscore_dagster.defs.resources import Workspace


def list_recipes(home: Path) -> TextOutcome:
    """One row a recipe: its name, its title, where it lies and its champion in this home."""
    workspace, rows = Workspace(home=str(home)), []
    for name in recipe_names():
        recipe = load_recipe(name)
        entry = champion_at(workspace.state(recipe), workspace.now())
        rows.append((recipe.name, recipe.title, entry.version if entry else None, name))
    table = columns([(name, title, version or "no champion", where) for name, title, version, where in rows],
                    ("recipe", "title", "champion", "give it as"))  # fmt: skip
    keys = ("recipe", "title", "champion", "given_as")
    return TextOutcome(table, {"recipes": [dict(zip(keys, row, strict=True)) for row in rows]})
