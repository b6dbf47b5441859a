"""`leadscore champion`, `leadscore rollback` and `leadscore waive`: reading the ledger, and appending to it.

Lives here: what is printed about it. Not here: the ledger and the waivers themselves (core/versions).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from leadscore_dagster.commands.outcome import ERROR, TextOutcome, columns
from leadscore_dagster.core.recipe.loading import load_recipe, parse_day
from leadscore_dagster.core.state import State
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.versions import promotion, registry
from leadscore_dagster.core.versions.gates import evaluate_gates, refused
from leadscore_dagster.core.versions.ledger import LedgerEntry, champion_at, history, rollback
from leadscore_dagster.core.versions.registry import trained_as_of
from leadscore_dagster.core.versions.shadow import aliases
from leadscore_dagster.core.versions.waivers import Waiver, grant
from leadscore_dagster.defs.resources import Workspace


def show_champion(home: Path, name: str, at: str | None) -> TextOutcome:
    """The champion at an instant, and the ledger up to it."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    instant = _instant(at) if at else workspace.now()
    state = workspace.state(recipe)
    entry = champion_at(state, instant)
    if entry is None:
        return TextOutcome(f"No champion of {recipe.name} at {instant:%Y-%m-%d}.", {"champion": None}, ERROR)
    past = [known for known in history(state) if known.effective_from <= instant]
    rows = [(e.sequence, f"{e.effective_from:%Y-%m-%d}", e.action, e.version) for e in past]
    roles = aliases(state, instant)
    text = "\n".join(
        [
            f"{entry.version} is champion of {recipe.name} since {entry.effective_from:%Y-%m-%d} ({entry.action}).",
            entry.why,
            *(f"{version} is its {role}." for role, version in roles.items() if role != "champion"),
            *([f"Waived: {entry.waiver}."] if entry.waiver else []),
            "",
            columns(rows, ("entry", "from", "action", "version")),
        ]
    )
    return TextOutcome(text, {"champion": _record(entry), "aliases": roles, "history": [_record(e) for e in past]})


def show_ledger(home: Path, name: str) -> TextOutcome:
    """The whole ledger in the order of writing."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    entries = history(workspace.state(recipe))
    record = {"ledger": [{"sequence": entry.sequence, **_record(entry)} for entry in entries]}
    if not entries:
        return TextOutcome(f"Nothing has been decided about {recipe.name} yet.", record)
    rows = [
        (e.sequence, f"{e.recorded_at:%Y-%m-%d %H:%M}", f"{e.effective_from:%Y-%m-%d}", e.action, e.version, e.why,
         e.waiver or "") for e in entries
    ]  # fmt: skip
    return TextOutcome(columns(rows, ("entry", "recorded", "effective", "action", "version", "why", "waiver")), record)


def roll_back(home: Path, name: str, version: str, why: str, since: str | None) -> TextOutcome:
    """Append a rollback to an earlier version, of which is verified first that it can score.

    It counts from the beginning of today on: a day is scored by the champion of its first instant, and whoever rolls
    back wants today's list made again by the restored version.
    """
    recipe, workspace = load_recipe(name), Workspace(home=str(home))
    registry.load_version(workspace.models(recipe), version, fold_features_of(recipe), statements=statements_of(recipe))
    now = workspace.now()
    entry = rollback(
        workspace.state(recipe),
        recipe.name,
        version,
        effective_from=_instant(since) if since else datetime.combine(now.date(), datetime.min.time(), tzinfo=UTC),
        recorded_at=now,
        why=why,
    )
    text = (
        f"{version} is champion of {recipe.name} again, from {entry.effective_from:%Y-%m-%d %H:%M} UTC on. "
        f"{_who_scores(workspace.state(recipe), now)} Runs that have begun keep the champion they began with; "
        f"`leadscore score {recipe.name} --day {now:%Y-%m-%d}` makes today's list again."
    )
    return TextOutcome(text, {"champion": _record(entry)})


def _who_scores(state: State, now: datetime) -> str:
    """Who scores today and tomorrow, as the ledger stands: a day belongs to the champion of its first instant."""
    today = datetime.combine(now.date(), datetime.min.time(), tzinfo=UTC)
    named = [champion_at(state, today + timedelta(days=days)) for days in (0, 1)]
    first, second = (entry.version if entry else "nobody" for entry in named)
    return f"Today and tomorrow {first} scores." if first == second else f"Today {first} scores, tomorrow {second}."


def waive(
    home: Path, name: str, version: str, gate: str, until: str, why: str, granted_by: str, clock: str = ""
) -> TextOutcome:
    """Let a version past a gate it failed, until a day. The comparison with the champion is a gate, too."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home), clock=clock)
    state, models, now = workspace.state(recipe), workspace.models(recipe), workspace.now()
    failed = refused(evaluate_gates(registry.load_metrics(models, version), recipe.gates))
    failed += promotion.not_promoted(state, version)
    waiver = grant(state, Waiver(recipe.name, version, gate, why, granted_by, now, parse_day(until)), failed)
    champion = champion_at(state, now)
    again = f"Run it again to promote it: `leadscore run {recipe.name} --as-of {trained_as_of(version)}`."
    if champion is not None and champion.version == version:
        again = f"It is the champion and scores up to and including {waiver.expires_on}."
    text = f"{waiver.text()}. {again}"
    record = {"version": version, "gate": gate, "until": until, "why": why, "granted_by": granted_by}
    return TextOutcome(text, {"waiver": record})


def _instant(day: str) -> datetime:
    return datetime.combine(parse_day(day), datetime.min.time(), tzinfo=UTC)


def _record(entry: LedgerEntry) -> dict[str, object]:
    return {
        "version": entry.version,
        "action": entry.action,
        "effective_from": entry.effective_from.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "why": entry.why,
        "waiver": entry.waiver,
    }
