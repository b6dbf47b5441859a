"""`leadscore monitor`: watch a day that was scored, and write the page. Not here: any measure."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

from leadscore_dagster.commands.instance import Progress, execute, instance_of
from leadscore_dagster.commands.outcome import DONE, REFUSED, TextOutcome
from leadscore_dagster.commands.run import opened
from leadscore_dagster.commands.score import day_of_run
from leadscore_dagster.core.monitoring.overview import judgements
from leadscore_dagster.core.pages.monitoring.dashboard import FILE
from leadscore_dagster.core.recipe.loading import parse_day
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.verdict import Verdict

#: characters of a line, and of the longest name
WIDTH, NAME_WIDTH = 118, 20


def monitor_recipe(home: Path, name: str, day: str | None, progress: Progress, clock: str = "") -> TextOutcome:
    """Watch a day: the day given, or the newest that was scored; exit code 2 when something is an error."""
    recipe, workspace = opened(home, name, {}, clock)
    warehouse = workspace.warehouse(recipe)
    scored = warehouse.partitions(LEAD_SCORES)
    chosen = day_of_run(recipe, parse_day(day or scored[-1]) if day or scored else workspace.now().date())
    progress(f"{chosen}: health, class balance, drift, performance, shadow")
    with instance_of(home) as instance:
        refusal = execute(instance, recipe, workspace, "monitoring", chosen.isoformat())
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    found = judgements(warehouse, recipe, chosen)
    failed = [watched for watched in found if not watched.passed]
    page = workspace.outputs(recipe) / FILE
    waiting = sum(not watched.judged for watched in found)
    first = f"{recipe.title}, {chosen}: {len(failed)} of {len(found)} out of line, {waiting} not judged yet."
    text = "\n".join([first, "", *(line for watched in found for line in _lines(watched)), "", f"Page: {page}"])
    record = {
        "status": "alarm" if failed else "in order",
        "day": chosen.isoformat(),
        "checks": [watched.as_dict() for watched in found],
        "page": str(page),
    }
    errors = any(watched.severity == "error" for watched in failed)
    return TextOutcome(text, record, REFUSED if errors else DONE)


def _lines(watched: Verdict) -> list[str]:
    """State, name and reason, the reason wrapped into a column of its own."""
    state = ("ok" if watched.passed else watched.severity) if watched.judged else "–"
    head = f"  {state:<5}  {watched.name:<{NAME_WIDTH}}  "
    return wrap(watched.why, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
