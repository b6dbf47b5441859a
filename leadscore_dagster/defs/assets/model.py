"""Assets of the model room: the candidate of a period, and the champion.

Lives here: wiring, and the questions a consumer asks first. Not here: training (core/modelling), gates
(core/versions/gates), the ledger's rules (core/versions/ledger).
"""

import dagster as dg

from leadscore_dagster.core.audit.admission import require_audit, vintage_digests
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.pages.model import markdown
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.state.code import MODELS
from leadscore_dagster.core.state.evidence import fingerprint
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.features.statements import code_version_of
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import promotion
from leadscore_dagster.core.versions.mlflow import log_version
from leadscore_dagster.core.versions.version_audit import keep_audit
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import periods
from leadscore_dagster.defs.resources import Workspace


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Candidate and champion of a recipe."""
    return [_candidate(recipe), _champion(recipe)]


def _candidate(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, "candidate_model"),
        deps=[key(recipe, "training_table")],
        partitions_def=periods(recipe),
        group_name=group(recipe, "model"),
        owners=owners(recipe),
        kinds={"xgboost", "scikitlearn"},
        code_version=fingerprint(recipe.model.model_dump_json(), code=MODELS)[:16],
        description=(
            f"A model trained on the {recipe.cadence.value}'s training table: chosen on the development period by "
            "time-ordered folds, calibrated on a later period, judged once on the last one. The gates decide whether "
            "it can be promoted."
        ),
    )
    def candidate_model(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, state, as_of = workspace.warehouse(recipe), workspace.state(recipe), partition_day(context)
        with plain_failures():
            audit = require_audit(warehouse, recipe, as_of)
            candidate = train_candidate(
                training_rows(warehouse, as_of),
                features_of(recipe),
                recipe.model,
                window_days=recipe.label_window_days,
                entity=recipe.decisions.entity,
                fold_features=fold_features_of(recipe),
                progress=context.log.info,
                searches=workspace.searches(recipe),
                known=promotion.known_before(state, workspace.models(recipe), recipe, as_of=as_of),
            )
            version = promotion.register_candidate(
                state,
                workspace.models(recipe),
                recipe,
                as_of=as_of,
                candidate=candidate,
                vintages=vintage_digests(warehouse, recipe, as_of),
                code_version=code_version_of(recipe),
                recorded_at=workspace.now(),
            )
            keep_audit(state, version, audit)
            _track(context, workspace, recipe, version)
        numbers = {name: interval.value for name, interval in candidate.metrics.items()}
        return dg.MaterializeResult(
            metadata=metadata(
                {
                    "version": version,
                    "estimator": candidate.estimator,
                    "report": markdown.candidate_markdown(candidate, candidate.judgement.evidence),
                    "conversion_by_decile": markdown.gains_plot(candidate),
                    "strongest_features": markdown.importance_plot(candidate),
                    "contributions_by_value": markdown.summary_plot(candidate.judgement.evidence),
                    **{name: value for name, value in numbers.items() if value == value},
                }
            ),
            data_version=dg.DataVersion(version),
        )

    return candidate_model


def _track(context: dg.AssetExecutionContext, workspace: Workspace, recipe: Recipe, version: str) -> None:
    """Copy the version to MLflow where that is wanted; a tracker that is down is no reason to lose a candidate."""
    try:
        log_version(workspace.models(recipe), recipe.name, version)
    except InputError:
        raise
    except Exception as error:
        context.log.warning(f"version {version} was not logged to MLflow: {type(error).__name__}")


def _champion(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, "champion_model"),
        deps=[key(recipe, "candidate_model")],
        partitions_def=periods(recipe),
        group_name=group(recipe, "model"),
        owners=owners(recipe),
        kinds={"ledger"},
        description=(
            "One entry of the append-only ledger: the candidate became champion, or yesterday's champion stays. "
            "The gates are evaluated again here, so no backfill and no downstream-only run can get past it."
        ),
    )
    def champion_model(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, as_of = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            require_audit(warehouse, recipe, as_of)
            ruling = promotion.rule(
                workspace.state(recipe),
                workspace.models(recipe),
                recipe,
                as_of=as_of,
                training=training_rows(warehouse, as_of),
                fold_features=fold_features_of(recipe),
                recorded_at=workspace.now(),
            )
        return dg.MaterializeResult(
            metadata=metadata(
                {
                    "action": ruling.action,
                    "candidate": ruling.candidate,
                    "champion": ruling.champion,
                    "reason": ruling.reason.value,
                    "why": ruling.why,
                    "gates": markdown.gates_markdown(ruling.results),
                }
            ),
            data_version=dg.DataVersion(ruling.champion),
        )

    return champion_model
