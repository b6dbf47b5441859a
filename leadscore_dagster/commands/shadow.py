"""`leadscore shadow`: who scores beside the champion and how it goes; and putting a version there.

Not here: scoring (defs/assets/shadow), the rules (core/versions/shadow).
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

from leadscore_dagster.commands.outcome import TextOutcome, columns
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.versions.shadow import aliases, judge_shadow, put_into_shadow, shadow_days, trial_at
from leadscore_dagster.defs.resources import Workspace

SHOWN = 14


def shadow_recipe(home: Path, name: str, version: str | None, days: int | None, clock: str = "") -> TextOutcome:
    """Put ``version`` into the shadow from today on, for ``days`` (default: the recipe's), and show how it stands."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home), clock=clock)
    warehouse, state, now = workspace.warehouse(recipe), workspace.state(recipe), workspace.now()
    today = now.date()
    if version is None and days is not None:
        raise InputError(
            "--days needs --version: how long is given, but not which version", remedy="add --version VERSION"
        )
    if version is not None:
        registry.read_manifest(workspace.models(recipe), version)
        put_into_shadow(state, recipe, version, days=days or recipe.shadow.days, since=today, recorded_at=now)
    trial = trial_at(history(state), datetime.combine(today, time.min, UTC))
    seen = shadow_days(warehouse, today)
    named = aliases(state, now)
    record: dict[str, object] = {"aliases": named, "shadow": None, "days": []}
    if trial is None:
        return TextOutcome("No version is in the shadow.", record)
    own = [one for one in seen if one.version == trial.version and one.day >= trial.since]
    last = own[-1].day if own else today
    verdict = judge_shadow(own, trial, last, limits=recipe.shadow)
    rows = [(str(one.day), one.decisions, one.scored, one.rank_correlation, one.top_decile_overlap, one.same_bucket)
            for one in own[-SHOWN:]]  # fmt: skip
    header = ("day", "decisions", "scored", "rank correlation", "same best tenth", "same bucket")
    what = "It waits to be promoted." if trial.waits else "It is only being observed."
    text = f"{trial.version} has scored beside the champion since {trial.since}. {what}\n{verdict.why}"
    if rows:
        text += "\n\n" + columns(rows, header)
    record["shadow"] = {"version": trial.version, "since": str(trial.since), "days": trial.days, "waits": trial.waits}
    record["days"] = [dict(zip(header, row, strict=True)) for row in rows]
    return TextOutcome(text, record)
