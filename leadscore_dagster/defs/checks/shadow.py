"""Check of the shadow: has the version that is tried scored enough, on enough days in a row? It does not block.

Not here: the rules (core/versions/shadow).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.state import State
from leadscore_dagster.core.verdict import Reason, Verdict
from leadscore_dagster.core.versions.shadow import VERDICT as NAME
from leadscore_dagster.core.versions.shadow import is_final
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shadow import VERDICT, trial_of, verdict_of
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import days


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """The check of the shadow's verdict."""
    described = {NAME: "The version in the shadow scores nearly every decision (shadow.minimum_success)."}
    return [
        checks_of(
            key(recipe, VERDICT),
            days(recipe),
            described,
            recipe,
            lambda warehouse, day, workspace: [shadow_check(warehouse, workspace.state(recipe), recipe, day)],  # type: ignore[arg-type]
            blocking=False,
        )
    ]


def shadow_check(warehouse: Warehouse, state: State, recipe: Recipe, day: date) -> Verdict:
    """What the verdict of ``day`` says; passed while nobody is in the shadow or its days are not over."""
    trial = trial_of(warehouse, state, day)
    if trial is None:
        return Verdict(NAME, True, Reason.NOT_JUDGED, severity="warn", why="No version is in the shadow.")
    verdict = verdict_of(warehouse, recipe, trial, day)
    return verdict if is_final(verdict) else replace(verdict, passed=True)
