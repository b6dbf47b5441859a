"""Assets of the shadow: a version scores beside the champion, and the verdict once its days are over.

Lives here: wiring, and measuring how long scoring takes. Not here: who is in the shadow and what follows
(core/versions/shadow). Nothing of the day's list depends on either asset: what fails here is written down as the
shadow's failure.
"""

import time as clock
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time

import dagster as dg

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring import beside
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.scoring.loaded import load_to_score
from leadscore_dagster.core.state import State
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.versions import shadow
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.versions.promotion import judge
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import days
from leadscore_dagster.defs.resources import Workspace

VERDICT = "shadow_verdict"
NOBODY = {"shadow": "nobody"}


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The shadow's scores and verdict."""
    return [_scores(recipe), _verdict(recipe)]


def _scores(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, beside.SHADOW_SCORES),
        deps=[key(recipe, LEAD_SCORES)],
        partitions_def=days(recipe),
        group_name=group(recipe, "shadow"),
        owners=owners(recipe),
        kinds={"xgboost"},
        description=(
            "The day's decisions as the version in the shadow scores them (these scores are not delivered): how many "
            "it scored, how long it took, and how far it agrees with the champion."
        ),
    )
    def shadow_scores_daily(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            trial = trial_of(warehouse, workspace.state(recipe), day)
            if trial is None:
                return dg.MaterializeResult(metadata=NOBODY)
            seen = score_in_shadow(warehouse, workspace, recipe, trial, day)
            shadow.store_day(warehouse, seen)
        if seen.scored < seen.decisions:
            told = f"{seen.version} scored {seen.scored} of {seen.decisions} decisions of {day}"
            context.log.warning(f"{told}. {seen.why}".rstrip())
        shown = {name: getattr(seen, name) for name in [field.name for field in fields(seen)] if name != "day"}
        success = seen.scored / seen.decisions if seen.decisions else None
        return dg.MaterializeResult(metadata=metadata({**shown, "success": success}))

    return shadow_scores_daily


def _verdict(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, VERDICT),
        deps=[key(recipe, beside.SHADOW_SCORES)],
        partitions_def=days(recipe),
        group_name=group(recipe, "shadow"),
        owners=owners(recipe),
        kinds={"ledger"},
        description=(
            "Whether the version in the shadow has scored on enough days in a row. A candidate that waits there is "
            "then promoted from the next day on, after its gates are evaluated again, or refused: a ledger entry."
        ),
    )
    def shadow_verdict(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            trial = trial_of(warehouse, workspace.state(recipe), day)
            if trial is None:
                return dg.MaterializeResult(metadata=NOBODY)
            verdict = verdict_of(warehouse, recipe, trial, day)
            state, models = workspace.state(recipe), workspace.models(recipe)
            gates = judge(state, models, recipe, version=trial.version, on=day) if shadow.is_final(verdict) else []
            entry = shadow.follow(
                state, recipe, trial, verdict=verdict, gates=gates, day=day, recorded_at=workspace.now()
            )
        action = entry.action if entry else "waits" if trial.waits else "looked at"
        return dg.MaterializeResult(
            metadata=metadata(
                {"version": trial.version, "action": action, "success": verdict.value, "why": verdict.why}
            )
        )

    return shadow_verdict


def trial_of(warehouse: Warehouse, state: State, day: date) -> shadow.Trial | None:
    """Who is in the shadow when ``day`` begins, unless its days are over."""
    trial = shadow.trial_at(history(state), datetime.combine(day, time.min, UTC))
    if trial is not None and shadow.is_over(shadow.shadow_days(warehouse, day), trial, day):
        return None
    return trial


def verdict_of(warehouse: Warehouse, recipe: Recipe, trial: shadow.Trial, day: date) -> Verdict:
    """The verdict as seen from the end of ``day``."""
    return shadow.judge_shadow(shadow.shadow_days(warehouse, day), trial, day, limits=recipe.shadow)


def score_in_shadow(
    warehouse: Warehouse, workspace: Workspace, recipe: Recipe, trial: shadow.Trial, day: date
) -> shadow.ShadowDay:
    """Score a day with the version of ``trial``; input or a file it cannot take is its failure, not the day's."""
    delivered = beside.champions_scores(warehouse, day)
    champion = delivered["model_version"][0].as_py() if delivered.num_rows else ""
    decisions, began = beside.decisions_to_score(warehouse, day), clock.monotonic()
    try:
        models, fold_features = workspace.models(recipe), fold_features_of(recipe)
        model = load_to_score(models, trial.version, fold_features, statements=statements_of(recipe))
        scores = beside.score_beside(warehouse, recipe, model, day=day)
    except (InputError, ValueError) as error:
        seconds = clock.monotonic() - began
        return shadow.ShadowDay(day, trial.version, champion, decisions, 0, seconds, why=str(error))
    seconds = clock.monotonic() - began
    seen = shadow.ShadowDay(day, trial.version, champion, decisions, scores.num_rows, seconds)
    return replace(seen, **shadow.agreement(delivered, scores), **shadow.distribution(scores["score"].to_numpy()))
