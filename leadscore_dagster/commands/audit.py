"""`leadscore audit`: the audit of a period's training table, as text, as JSON and as a page to open.

Lives here: building the table it needs, and what a flagged feature would have cost. Not here: any part of
the audit (core/audit/training_audit), how jobs run (instance), the page
(pages).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leadscore_dagster.commands.instance import Progress, execute, instance_of
from leadscore_dagster.commands.outcome import DONE, REFUSED, TextOutcome
from leadscore_dagster.commands.pages import write_audit_page
from leadscore_dagster.commands.run import checks_step, ingest_until, log_keys, opened, period_of_run
from leadscore_dagster.core.audit.training_audit import AuditReport, audit_training_table
from leadscore_dagster.core.audit.verdict import blocking
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.leak_cost import judged_rows, served_values, three_numbers
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.resources import Workspace


def audit_recipe(
    home: Path,
    name: str,
    as_of: str | None,
    locations: dict[str, str],
    progress: Progress,
    with_three_numbers: bool = False,
) -> TextOutcome:
    """Build the training table of a period and audit it; exit code 2 when something blocks.

    Parameters
    ----------
    with_three_numbers : also train with and without the flagged features, and say what each would claim and deliver.
    """
    recipe, workspace = opened(home, name, locations)
    period = period_of_run(recipe, workspace, as_of)
    with instance_of(home) as instance:
        refusal = ingest_until(instance, recipe, workspace, period, progress)
        if refusal is None:
            progress(f"{period}: labels, training table and its audit")
            wanted = [*log_keys(recipe), key(recipe, "labels"), key(recipe, "training_table")]
            refusal = execute(instance, recipe, workspace, "refresh", period.isoformat(), wanted)
    if refusal is not None and refusal.step != checks_step(recipe, "training_table"):
        # refused before there was a table to audit; one of an earlier run is not the answer
        return TextOutcome(refusal.why, {"blocks": True, "features": []}, REFUSED)
    report = audit_training_table(workspace.warehouse(recipe), recipe, period)
    numbers = _three_numbers(recipe, workspace, report, progress) if with_three_numbers else None
    page = write_audit_page(recipe, workspace, report, numbers.as_dict() if numbers else None)
    record = {**report.as_json(), "page": str(page)}
    text = report.as_markdown()
    if numbers is not None:
        record["three_numbers"] = numbers.as_dict()
        text += "\n" + numbers.markdown()
    return TextOutcome(f"{text}\nPage: {page}", record, REFUSED if report.blocks else DONE)


def _three_numbers(recipe: Recipe, workspace: Workspace, report: AuditReport, progress: Progress) -> Any:
    """What the flagged features would have claimed and delivered; None when nothing is flagged."""
    stored = {feature.name for feature in feature_query(recipe).features}
    flagged = list(dict.fromkeys(v.feature for v in blocking(report.verdicts) if v.feature in stored))
    if not flagged:
        progress("no feature is flagged: there are no three numbers to compare")
        return None
    warehouse = workspace.warehouse(recipe)
    rows = training_rows(warehouse, report.as_of)
    progress(f"three numbers for {', '.join(flagged)}: rebuilding what would have been served")
    try:
        judged = judged_rows(recipe, rows)
        served = served_values(warehouse, recipe, rows, report.as_of, flagged, judged["decision_id"])
        return three_numbers(recipe, rows, served, flagged, progress=progress)
    except InputError as error:
        progress(f"no three numbers: {error}")
        return None
