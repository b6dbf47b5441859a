"""The only assembler: recipes in, Dagster definitions out. Not here: any asset, check or schedule (defs)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

# Checks per partition are marked preview in this version; the project's tests pin the behaviour it relies on.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from leadscore_dagster.core.modelling.recipe_check import load_checked  # noqa: E402
from leadscore_dagster.core.recipe.loading import shipped_recipes  # noqa: E402
from leadscore_dagster.core.recipe.schema import Recipe  # noqa: E402
from leadscore_dagster.defs.alerts.definitions import ALERT_JOBS, alert_schedule, alert_sensor  # noqa: E402
from leadscore_dagster.defs.assets import model, monitoring, scores, shadow, track_record, training, vintages  # noqa: E402
from leadscore_dagster.defs.automation.launcher import locked_executor  # noqa: E402
from leadscore_dagster.defs.automation.schedules import schedules_of  # noqa: E402
from leadscore_dagster.defs.automation.sensors import sensors_of  # noqa: E402
from leadscore_dagster.defs.checks import gates as gate_checks  # noqa: E402
from leadscore_dagster.defs.checks import leakage as leakage_checks  # noqa: E402
from leadscore_dagster.defs.checks import monitoring as monitoring_checks  # noqa: E402
from leadscore_dagster.defs.checks import scores as score_checks  # noqa: E402
from leadscore_dagster.defs.checks import shadow as shadow_checks  # noqa: E402
from leadscore_dagster.defs.checks import vintages as vintage_checks  # noqa: E402
from leadscore_dagster.defs.jobs import jobs  # noqa: E402
from leadscore_dagster.defs.pruning.pruning import prune_job, prune_schedule  # noqa: E402
from leadscore_dagster.defs.resources import Workspace, default_home  # noqa: E402


def build_defs(recipes: Sequence[Recipe] | None = None, workspace: Workspace | None = None) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of every recipe. Tests and the command line override the arguments.

    Parameters
    ----------
    recipes : default: the shipped ones, and those that ``LEADSCORE_RECIPES`` names (paths, separated like PATH).
    workspace : default: the home that ``LEADSCORE_HOME`` names, with the machine's clock.
    """
    chosen = list(recipes) if recipes is not None else [load_checked(name) for name in recipe_names()]
    assets: list[dg.AssetsDefinition] = []
    checks: list[dg.AssetChecksDefinition] = []
    defined, schedules, sensors = [], [], []
    for recipe in chosen:
        for room in (vintages, training, track_record, model, scores, shadow, monitoring):
            assets += room.build_assets(recipe)
        early = (vintage_checks, leakage_checks, gate_checks, score_checks)
        for room_checks in (*early, shadow_checks, monitoring_checks):
            checks += room_checks.build_checks(recipe)
        own = jobs(recipe)
        defined += own
        schedules += schedules_of(recipe, own)
        pruning = prune_job(recipe)
        defined.append(pruning)
        schedules.append(prune_schedule(recipe, pruning))
        sensors += sensors_of(recipe, own)
    workspace = workspace or Workspace(home=str(default_home()))
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[*defined, *ALERT_JOBS],
        schedules=[*schedules, alert_schedule(Path(workspace.home))],
        sensors=[*sensors, alert_sensor(Path(workspace.home))],
        resources={"workspace": workspace},
        executor=locked_executor,
    )


def recipe_names() -> list[str]:
    """What `load_recipe` takes: the shipped recipes, then those of ``LEADSCORE_RECIPES``."""
    return [*shipped_recipes(), *filter(None, os.environ.get("LEADSCORE_RECIPES", "").split(os.pathsep))]


@dg.definitions
def defs() -> dg.Definitions:
    """What ``workspace.yaml`` loads."""
    return build_defs()
