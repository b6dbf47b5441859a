"""`leadscore score`: one day of scores. Not here: any step of it (defs/assets/scores, core/scoring)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa

from leadscore_dagster.commands.instance import Progress, Refusal, execute, instance_of
from leadscore_dagster.commands.outcome import REFUSED, TextOutcome, columns
from leadscore_dagster.commands.run import opened
from leadscore_dagster.core.delivery.lead_list import list_name
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import parse_day
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES, PROSPECT_SCORES
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.warehouse import table
from leadscore_dagster.defs.partitions import days
from leadscore_dagster.defs.resources import Workspace


def score_recipe(
    home: Path, name: str, day: str | None, locations: dict[str, str], progress: Progress, clock: str = ""
) -> TextOutcome:
    """Score one day: the day given, or today."""
    recipe, workspace = opened(home, name, locations, clock)
    chosen = day_of_run(recipe, parse_day(day) if day else workspace.now().date())
    with instance_of(home) as instance:
        refusal = score(instance, recipe, workspace, chosen, progress)
    if refusal is not None:
        return TextOutcome(f"Refused: {refusal.why}", {"status": "refused", "why": refusal.why}, REFUSED)
    return day_outcome(recipe, workspace, chosen)


def day_of_run(recipe: Recipe, day: date) -> date:
    """The day. Raises InputError when the recipe has no such day."""
    known = days(recipe)
    if not known.has_partition_key(day.isoformat()):
        first, last = known.get_first_partition_key(), known.get_last_partition_key()
        raise InputError(f"{day} is not a day of recipe {recipe.name!r}", remedy=f"give --day from {first} to {last}")
    return day


def score(
    instance: dg.DagsterInstance, recipe: Recipe, workspace: Workspace, day: date, progress: Progress
) -> Refusal | None:
    """Run the daily job for a day."""
    progress(f"{day}: scoring")
    return execute(instance, recipe, workspace, "daily_scores", day.isoformat())


def day_outcome(recipe: Recipe, workspace: Workspace, day: date) -> TextOutcome:
    """The day's top of the list, without personal data, and where the list lies."""
    path = list_path(recipe, workspace, day)
    leads = scores_of(recipe, workspace, LEAD_SCORES, day)
    top = leads.slice(0, 5).to_pylist()
    champion = champion_at(workspace.state(recipe), datetime.combine(day, datetime.min.time(), tzinfo=UTC))
    lines = [f"{leads.num_rows:,} leads scored for {day} by {champion.version if champion else '–'}", ""]
    lines.append(
        columns(
            [(r["rank"], r["decision_id"], r["score"], r["bucket"]) for r in top], ("rank", "lead", "score", "bucket")
        )
    )
    if top:
        lines += ["", f"  First on the list: {top[0]['narrative']}"]
    record = {"status": "done", "day": day.isoformat(), "leads": leads.num_rows, "outputs": {"ranked_leads": str(path)}}
    if recipe.scoring.prospects:
        record["prospects"] = scores_of(recipe, workspace, PROSPECT_SCORES, day).num_rows
        lines += ["", f"{record['prospects']:,} people who are not in the CRM scored too (table {PROSPECT_SCORES})."]
    lines += ["", f"The list: {path}"]
    return TextOutcome("\n".join(lines), record)


def scores_of(recipe: Recipe, workspace: Workspace, name: str, day: date) -> pa.Table:
    """A day's partition of a score table, best first."""
    sql = f"SELECT rank, decision_id, score, bucket, narrative FROM {name} WHERE score_day = @day ORDER BY rank"
    return table(workspace.warehouse(recipe), sql, {"day": day})


def list_path(recipe: Recipe, workspace: Workspace, day: date) -> Path:
    """Where the day's CSV lies."""
    return workspace.outputs(recipe) / list_name(day)
