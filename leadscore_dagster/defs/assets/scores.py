"""Assets of the scores room: who is scored today, their scores, and the list sales opens.

Lives here: wiring. Not here: the steps of a day (core/scoring/day).
"""

from datetime import UTC, datetime, time

import dagster as dg

from leadscore_dagster.core.audit.admission import require_vintages
from leadscore_dagster.core.delivery import lead_list
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring import day as scoring
from leadscore_dagster.core.scoring.expected import as_markdown, heat
from leadscore_dagster.core.scoring.staleness import require_fresh
from leadscore_dagster.defs.assets.shell import begun_at, group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import days
from leadscore_dagster.defs.resources import Workspace


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The daily tables of a recipe."""
    scored = [_scores(recipe, scoring.DECISIONS, scoring.LEAD_SCORES, "The leads of the day")]
    if recipe.scoring.prospects:
        scored.append(_scores(recipe, scoring.PROSPECTS, scoring.PROSPECT_SCORES, "People who are not in the CRM"))
    return [_decisions(recipe), *scored, _ranked_leads(recipe)]


def _decisions(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, scoring.DECISIONS),
        partitions_def=days(recipe),
        group_name=group(recipe, "scores"),
        owners=owners(recipe),
        kinds={"sql"},
        description="Who is to be scored on the day, from the decision source as it stood then; prospects too.",
    )
    def decisions_of_day(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        source = recipe.decisions.source
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            require_vintages(warehouse, recipe, day)  # who is a prospect, and who is never listed, is read off them
            taken = scoring.take_decisions(
                warehouse,
                recipe,
                day,
                connector=workspace.connector(recipe, source),
            )
        never = {f"never listed: {reason}": count for reason, count in taken.never.items()}
        counts = {"decisions": taken.decisions, "prospects": taken.prospects, **never}
        return dg.MaterializeResult(metadata=metadata({**counts, **taken.report.as_metadata()}))

    return decisions_of_day


def _scores(recipe: Recipe, decisions: str, target: str, who: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, target),
        deps=[key(recipe, scoring.DECISIONS), key(recipe, "champion_model")],
        partitions_def=days(recipe),
        group_name=group(recipe, "scores"),
        owners=owners(recipe),
        kinds={"xgboost"},
        description=(
            f"{who}, scored by the champion of the day: score, percentile, decile, bucket, action, the strongest "
            "drivers, a sentence for the salesperson, model version and vintage. Running a day again replaces it."
        ),
    )
    def scores(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            require_vintages(warehouse, recipe, day)
            champion = scoring.champion_of_day(
                workspace.state(recipe),
                workspace.models(recipe),
                recipe,
                day=day,
                recorded_until=begun_at(context, workspace),
            )
            require_fresh(warehouse, recipe, day)
            scored_at = datetime.combine(day, time.min, tzinfo=UTC)
            table = scoring.score_day(
                warehouse, recipe, champion, day=day, decisions=decisions, target=target, scored_at=scored_at
            )
        return dg.MaterializeResult(
            metadata=metadata(
                {
                    "dagster/row_count": table.num_rows,
                    "model_version": champion.version,
                    "buckets": as_markdown(heat(champion.outcomes, recipe.scoring.buckets), recipe.scoring.buckets),
                    "distribution": scoring.score_histogram(table["score"].to_numpy()),
                    **scoring.base_rate_of(table),
                }
            ),
            data_version=dg.DataVersion(warehouse.digest(target, day.isoformat())),
        )

    return scores


def _ranked_leads(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, "ranked_leads"),
        deps=[key(recipe, scoring.LEAD_SCORES)],
        partitions_def=days(recipe),
        group_name=group(recipe, "scores"),
        owners=owners(recipe),
        kinds={"csv"},
        description="The list that sales opens in a spreadsheet: best lead first, with the CRM's own columns.",
    )
    def ranked_leads(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        day = partition_day(context)
        path = workspace.outputs(recipe) / lead_list.list_name(day)
        with plain_failures():
            rows = lead_list.write_list(workspace.warehouse(recipe), recipe, day, path)
        return dg.MaterializeResult(metadata={"dagster/row_count": rows, "path": dg.MetadataValue.path(str(path))})

    return ranked_leads
