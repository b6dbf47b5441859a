"""`leadscore prune`: what retention lets go, as text and as JSON. Not here: any rule, any deletion."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.outcome import TextOutcome, columns
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.defs.pruning.pruning import prune
from leadscore_dagster.defs.resources import Workspace


def prune_recipe(home: Path, name: str, dry_run: bool, clock: str = "") -> TextOutcome:
    """Delete what the recipe's retention lets go, or with ``dry_run`` only say what that is."""
    recipe, workspace = load_recipe(name), Workspace(home=str(home), clock=clock)
    with instance_of(home) as instance:
        done = prune(instance, recipe, workspace, dry_run=dry_run)
    gone = [verdict for verdict in done.verdicts if verdict.goes]
    kept = Counter((verdict.kind, verdict.why.split(" of ")[0]) for verdict in done.verdicts if not verdict.goes)
    verb = "would be deleted" if dry_run else "deleted"
    lines = [f"{len(gone)} {verb}, {kept.total()} kept."]
    if gone:
        lines += ["", columns([(v.kind, v.name, v.why) for v in gone], (verb, "name", "why"))]
    if kept:
        rows = [(kind, count, why) for (kind, why), count in sorted(kept.items())]
        lines += ["", columns(rows, ("kept", "number", "why"))]
    record = {"dry_run": dry_run, "verdicts": [asdict(verdict) for verdict in done.verdicts]}
    return TextOutcome("\n".join(lines), record)
