"""`leadscore champion` and `leadscore rollback`: reading the ledger, and appending to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from leadscore_dagster.core import registry
from leadscore_dagster.core.champion import LedgerEntry, champion_at, history, rollback
from leadscore_dagster.recipes.loading import load_recipe, parse_day
from leadscore_dagster.resources import Workspace
from leadscore_dagster.runs.outcome import ERROR, TextOutcome, columns


def show_champion(home: Path, name: str, at: str | None) -> TextOutcome:
    """The champion at an instant, and the ledger up to it."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    instant = _instant(at) if at else workspace.now()
    warehouse = workspace.warehouse(recipe)
    entry = champion_at(warehouse, instant)
    if entry is None:
        return TextOutcome(f"No champion of {recipe.name} at {instant:%Y-%m-%d}.", {"champion": None}, ERROR)
    past = [known for known in history(warehouse) if known.effective_from <= instant]
    rows = [(e.sequence, f"{e.effective_from:%Y-%m-%d}", e.action, e.version) for e in past]
    text = "\n".join(
        [
            f"{entry.version} is champion of {recipe.name} since {entry.effective_from:%Y-%m-%d} ({entry.action}).",
            entry.why,
            "",
            columns(rows, ("entry", "from", "action", "version")),
        ]
    )
    return TextOutcome(text, {"champion": _record(entry), "history": [_record(e) for e in past]})


def roll_back(home: Path, name: str, version: str, why: str, since: str | None) -> TextOutcome:
    """Append a rollback to an earlier version, whose files are verified first."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    registry.read_manifest(workspace.models(recipe), version)
    now = workspace.now()
    entry = rollback(
        workspace.warehouse(recipe),
        recipe.name,
        version,
        effective_from=_instant(since) if since else now,
        recorded_at=now,
        why=why,
    )
    text = f"{version} is champion of {recipe.name} again, from {entry.effective_from:%Y-%m-%d %H:%M} UTC on."
    return TextOutcome(text, {"champion": _record(entry)})


def _instant(day: str) -> datetime:
    return datetime.combine(parse_day(day), datetime.min.time(), tzinfo=UTC)


def _record(entry: LedgerEntry) -> dict[str, object]:
    return {
        "version": entry.version,
        "action": entry.action,
        "effective_from": entry.effective_from.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "why": entry.why,
    }
