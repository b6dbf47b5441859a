"""Checks of what is watched. They do not block: what they judge has been delivered already; the alerts tell of them.

Not here: the measures (core/monitoring).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import dagster as dg

from leadscore_dagster.core.monitoring import balance, drift, health, overview, performance
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import days

Judgement = Callable[[Warehouse, Recipe, date], list[Verdict]]
_JUDGED: dict[str, tuple[dict[str, str], Judgement]] = {
    health.TABLE: (overview.HEALTH_CHECKS, overview.health_of),
    balance.TABLE: (overview.BALANCE_CHECKS, overview.balance_of),
    drift.TABLE: (overview.DRIFT_CHECKS, overview.drift_of),
    performance.TABLE: (overview.PERFORMANCE_CHECKS, overview.performance_of),
}


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """The checks of a recipe's monitoring."""
    return [_checks(recipe, name, described, judge) for name, (described, judge) in _JUDGED.items()]


def _checks(recipe: Recipe, name: str, described: dict[str, str], judge: Judgement) -> dg.AssetChecksDefinition:
    return checks_of(
        key(recipe, name),
        days(recipe),
        described,
        recipe,
        lambda warehouse, day, _: judge(warehouse, recipe, day),  # type: ignore[arg-type]
        blocking=False,
    )
