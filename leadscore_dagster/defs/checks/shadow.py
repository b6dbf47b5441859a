"""Check of the shadow: has the version that is tried scored enough, on enough days in a row? It does not block."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.versions.shadow import VERDICT as NAME
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shadow import VERDICT, trial_of, verdict_of
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import days


@dataclass(frozen=True)
class ShadowCheck:
    """The verdict so far; only a final one can fail."""

    name: str
    passed: bool
    why: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    severity: Literal["warn"] = "warn"  # the champion goes on scoring


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """The check of the shadow's verdict."""
    described = {NAME: "The version in the shadow scores nearly every decision (shadow.minimum_success)."}
    return [
        checks_of(
            key(recipe, VERDICT),
            days(recipe),
            described,
            recipe,
            lambda warehouse, day, _: [shadow_check(warehouse, recipe, day)],  # type: ignore[arg-type]
            blocking=False,
        )
    ]


def shadow_check(warehouse: Warehouse, recipe: Recipe, day: date) -> ShadowCheck:
    """What the verdict of ``day`` says; passed while nobody is in the shadow or its days are not over."""
    trial = trial_of(warehouse, day)
    if trial is None:
        return ShadowCheck(NAME, True, "Nobody is in the shadow.")
    verdict = verdict_of(warehouse, recipe, trial, day)
    result = verdict.result
    passed = result.passed or not verdict.final
    return ShadowCheck(NAME, passed, result.why, result.value, result.low, result.high, result.threshold)
