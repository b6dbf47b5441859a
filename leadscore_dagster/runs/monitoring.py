"""`leadscore monitor`: watch a day that was scored, and write the page. Does not belong here: any measure."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from leadscore_dagster.core.monitoring.dashboard import FILE
from leadscore_dagster.core.monitoring.overview import judgements
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.recipes.loading import parse_day
from leadscore_dagster.runs.instance import Progress, execute, instance_of
from leadscore_dagster.runs.outcome import DONE, REFUSED, TextOutcome, columns
from leadscore_dagster.runs.refresh import opened


def monitor_recipe(home: Path, name: str, day: str | None, progress: Progress, clock: str = "") -> TextOutcome:
    """Watch a day: the day given, or the newest that was scored; exit code 2 when something is an error."""
    recipe, workspace = opened(home, name, {}, clock)
    warehouse = workspace.warehouse(recipe)
    scored = warehouse.partitions(LEAD_SCORES)
    chosen = parse_day(day) if day else parse_day(scored[-1]) if scored else workspace.now().date()
    progress(f"{chosen}: health, class balance, drift, performance, shadow")
    with instance_of(home) as instance:
        refusal = execute(instance, recipe, workspace, "monitoring", chosen.isoformat())
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    found = judgements(warehouse, recipe, chosen)
    failed = [watched for watched in found if not watched.passed]
    page = workspace.outputs(recipe) / FILE
    rows = [(_state(watched.passed, watched.severity), watched.name, watched.why) for watched in found]
    text = "\n".join(
        [f"{recipe.title}, {chosen}: {len(failed)} of {len(found)} out of line.", "",
         columns(rows, ("", "watched", "why")), "", f"Page: {page}"]
    )  # fmt: skip
    record = {
        "status": "alarm" if failed else "in order",
        "day": chosen.isoformat(),
        "checks": [asdict(watched) for watched in found],
        "page": str(page),
    }
    errors = any(watched.severity == "error" for watched in failed)
    return TextOutcome(text, record, REFUSED if errors else DONE)


def _state(passed: bool, severity: str) -> str:
    return "ok" if passed else severity
