"""`leadscore prune`: what retention lets go, as text and as JSON. Not here: any rule, any deletion."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.outcome import TextOutcome, columns
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions.retention import Because
from leadscore_dagster.defs.pruning.pruning import prune
from leadscore_dagster.defs.resources import Workspace

#: why things stay, of many together
_KEPT = {
    Because.YOUNG: "not older than what is kept",
    Because.NEWEST: "the newest of its kind",
    Because.OUTCOMES_OPEN: "its outcomes are not all known yet",
    Because.SCORED_AGAIN: "the daily schedule would score it again",
    Because.SHADOW_COUNTS: "it counts for the version in the shadow",
    Because.NAMED: "named by what is kept",
    Because.RUN_IN_PROGRESS: "a run is in progress",
    Because.MADE_WHAT_IS_THERE: "made what is there",
}


def prune_recipe(home: Path, name: str, dry_run: bool, clock: str = "") -> TextOutcome:
    """Delete what the recipe's retention lets go, or with ``dry_run`` only say what that is."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home), clock=clock)
    with instance_of(home) as instance:
        done = prune(instance, recipe, workspace, dry_run=dry_run)
    gone = [one for one in done.dispositions if one.goes]
    kept = Counter((one.kind, _KEPT[one.because]) for one in done.dispositions if not one.goes)
    verb = "would be deleted" if dry_run else "deleted"
    lines = [f"{len(gone)} {verb}, {kept.total()} kept."]
    if gone:
        lines += ["", columns([(one.kind, one.name, one.why) for one in gone], (verb, "name", "why"))]
    if kept:
        rows = [(kind, count, why) for (kind, why), count in sorted(kept.items())]
        lines += ["", columns(rows, ("kept", "number", "why"))]
    record = {"dry_run": dry_run, "verdicts": [one.as_dict() for one in done.dispositions]}
    return TextOutcome("\n".join(lines), record)
