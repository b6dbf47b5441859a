"""Checks of the training table: the first leakage gates. Training a candidate asks them again.

Not here: the audit (core/audit).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.audit.admission import audit_checks, described_parts
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import periods


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """Lineage, known time, replay, and the recipe's SQL audits."""
    return [
        checks_of(
            key(recipe, "training_table"),
            periods(recipe),
            described_parts(recipe),
            recipe,
            lambda warehouse, as_of, _: audit_checks(warehouse, recipe, as_of),  # type: ignore[arg-type]
        )
    ]
