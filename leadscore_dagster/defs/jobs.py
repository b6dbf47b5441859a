"""The jobs of a recipe: ingest a period's drops, refresh a period from drop to champion, score a day, watch a day.

A job cannot mix the partitions of periods and days, hence the split; and what a blocking check stops, it stops only
inside one run, hence one run per period for the whole chain.

Not here: when they run (defs/automation).
"""

from __future__ import annotations

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.defs.assets.shell import key

OF_A_PERIOD = ("labels", "training_table", "track_record", "candidate_model", "champion_model")


def vintage_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """The assets made of vendor drops."""
    return [key(recipe, source.table) for source in recipe.sources.values() if isinstance(source, VintageSource)]


def period_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Every asset of a period, from drop to champion."""
    sources = [key(recipe, source.table) for source in recipe.sources.values()]
    return sources + [key(recipe, name) for name in OF_A_PERIOD]


def daily_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Every asset of a day."""
    names = ["decisions_of_day", "lead_scores_daily", "ranked_leads"]
    return [key(recipe, name) for name in names + (["prospect_scores"] if recipe.scoring.prospects else [])]


def watching_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Every asset that looks at a day once it has been scored: the shadow, and monitoring."""
    names = ["shadow_scores_daily", "shadow_verdict", "scoring_health", "class_balance", "feature_drift"]
    return [key(recipe, name) for name in [*names, "matured_performance", "monitoring_page"]]


def jobs(recipe: Recipe) -> list[dg.UnresolvedAssetJobDefinition]:
    """The jobs of a recipe."""
    period = recipe.cadence.value
    defined = [
        dg.define_asset_job(
            f"{recipe.name}_refresh",
            selection=dg.AssetSelection.assets(*period_keys(recipe)),
            description=f"One {period} from drop to champion: ingest, label, train, audit, gate, promote.",
        ),
        dg.define_asset_job(
            f"{recipe.name}_daily_scores",
            selection=dg.AssetSelection.assets(*daily_keys(recipe)),
            description="Score one day with the champion of that day.",
        ),
        dg.define_asset_job(
            f"{recipe.name}_monitoring",
            selection=dg.AssetSelection.assets(*watching_keys(recipe)),
            description="Watch one day after it was scored: health, balance, drift, performance, and the shadow.",
        ),
    ]
    if vintage_keys(recipe):
        defined.append(
            dg.define_asset_job(
                f"{recipe.name}_ingest",
                selection=dg.AssetSelection.assets(*vintage_keys(recipe)),
                description=f"Take in one {period}'s drops, without training.",
            )
        )
    return defined
