"""`leadscore open`: the newest page of a recipe in the browser. Not here: making pages (pages, monitor, score)."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from leadscore_dagster.commands.outcome import TextOutcome
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.text import did_you_mean
from leadscore_dagster.defs.resources import Workspace

#: page → the files it may be, and the command that makes it
PAGES = {
    "report": ("model_report_*.html", "leadscore run {recipe}"),
    "audit": ("leakage_audit_*.html", "leadscore audit {recipe}"),
    "dashboard": ("dashboard.html", "leadscore monitor {recipe}"),
    "list": ("ranked_leads_*.csv", "leadscore score {recipe}"),
}


def open_newest(home: Path, name: str, page: str) -> TextOutcome:
    """Open the newest file of that kind; its path is printed, for machines without a browser.

    Raises InputError for a page there is none of, or a kind there is not.
    """
    if page not in PAGES:
        raise InputError(
            f"There is no page {page!r}{did_you_mean(page, PAGES)}", remedy=f"use one of {', '.join(PAGES)}"
        )
    recipe = load_recipe(name)
    pattern, made_by = PAGES[page]
    folder = Workspace(home=str(home)).outputs(recipe)
    newest = max(folder.glob(pattern), key=lambda path: (path.stat().st_mtime, path.name), default=None)
    if newest is None:
        command = made_by.format(recipe=name)
        raise InputError(f"There is no {page} of {recipe.name!r} yet", where=folder, remedy=f"run `{command}` first")
    opened = webbrowser.open(newest.as_uri())
    said = "" if opened else " No browser was found here: open it yourself."
    return TextOutcome(f"{newest}{said}", {"page": str(newest), "opened": opened})
