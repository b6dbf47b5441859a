"""Pages people open: written beside and renamed into place, so that nobody opens half of one.

Does not belong here: what a page says (core/audit/page).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from leadscore_dagster.core.audit.page import audit_page
from leadscore_dagster.core.audit.verdict import overall
from leadscore_dagster.core.training_audit import PARTS, TABLE_PARTS, AuditReport
from leadscore_dagster.recipes.schema import Recipe
from leadscore_dagster.resources import Workspace


def write_audit_page(
    recipe: Recipe, workspace: Workspace, report: AuditReport, numbers: dict[str, Any] | None = None
) -> Path:
    """The audit as one HTML file in the recipe's outputs; the path."""
    page = audit_page(
        f"Leakage audit: {recipe.title}",
        {
            "recipe": recipe.name,
            "as_of": report.as_of.isoformat(),
            "rows": report.rows,
            "positives": report.positives,
            "parts": {**PARTS, **TABLE_PARTS},
        },
        report.verdicts,
        overall(report.verdicts),
        report.findings,
        report.violations,
        report.restated,
        numbers,
        [entry.model_dump(mode="json") for entry in recipe.acknowledged],
    )
    path = workspace.outputs(recipe) / f"leakage_audit_{report.as_of}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path
