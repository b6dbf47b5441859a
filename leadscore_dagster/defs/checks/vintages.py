"""Checks of the vintages room. Each shows a gate of core/sources/checks; the training table asks the same gates.

Not here: the gates (core/sources/checks).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.audit.admission import described_checks, source_checks
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import periods


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """Contract, freshness, row count, match rate, completeness and uniqueness of every source."""
    return [_source_checks(recipe, source) for source in recipe.sources.values()]


def _source_checks(recipe: Recipe, source: VintageSource | LogSource) -> dg.AssetChecksDefinition:
    return checks_of(
        key(recipe, source.table),
        periods(recipe),
        described_checks(source),
        recipe,
        lambda warehouse, as_of, _: source_checks(warehouse, recipe, source, as_of),  # type: ignore[arg-type]
    )
