"""Checks of the daily scores: everyone exactly once, and ranks that mean something.

Not here: the rules (core/scoring/checks).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.checks import BASE_RATE_CHECK, SCORE_CHECKS, score_checks
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, PROSPECT_SCORES, PROSPECTS
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.checks.shell import checks_of
from leadscore_dagster.defs.partitions import days


def build_checks(recipe: Recipe) -> list[dg.AssetChecksDefinition]:
    """Row count, uniqueness, range and spread of every score table, and what matured outcomes say where asked."""
    tables = [(LEAD_SCORES, DECISIONS)] + ([(PROSPECT_SCORES, PROSPECTS)] if recipe.scoring.prospects else [])
    return [_checks(recipe, scores, decisions) for scores, decisions in tables]


def _checks(recipe: Recipe, scores: str, decisions: str) -> dg.AssetChecksDefinition:
    watched = recipe.model.base_rate is not None
    return checks_of(
        key(recipe, scores),
        days(recipe),
        SCORE_CHECKS | BASE_RATE_CHECK if watched else SCORE_CHECKS,
        recipe,
        lambda warehouse, day, _: score_checks(warehouse, scores, decisions, day=day, base_rate=watched),  # type: ignore[arg-type]
    )
