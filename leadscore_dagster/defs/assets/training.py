"""Assets of the training room: labels, and the point-in-time training table.

Lives here: wiring, and the question every consumer asks first: did the vintages it reads pass their gates?
Not here: SQL (sql/, or the recipe's own), label rules (core/table/labels), the audit (defs/checks/leakage).
"""

import dagster as dg

from leadscore_dagster.core.audit.admission import column_lineage, require_sources
from leadscore_dagster.core.modelling.recipe_check import check_recipe
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.state.code import TABLES
from leadscore_dagster.core.state.evidence import fingerprint
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.sql_check import check_sql
from leadscore_dagster.core.table.training import build_training_table
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import periods, up_to_own_period
from leadscore_dagster.defs.resources import Workspace


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Labels and training table of a recipe."""
    return [_labels(recipe), _training_table(recipe)]


def _labels(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, "labels"),
        deps=[key(recipe, recipe.decision_source.table)],
        partitions_def=periods(recipe),
        group_name=group(recipe, "training"),
        owners=owners(recipe),
        kinds={"sql"},
        description=(
            f"Every decision known at the {recipe.cadence.value}'s as_of, with its status: labelled, right-censored, "
            "negative lag, duplicate, recycled or excluded. Only decisions whose whole label window had been observed "
            "carry a label."
        ),
    )
    def labels(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        with plain_failures():
            check_sql(recipe)
            check_recipe(recipe)  # a period begins here; a slip is not to be found after training
            report = build_labels(workspace.warehouse(recipe), recipe, partition_day(context))
        return dg.MaterializeResult(metadata=metadata(report.as_metadata()))

    return labels


def _training_table(recipe: Recipe) -> dg.AssetsDefinition:
    vintages = [
        dg.AssetDep(key(recipe, source.table), partition_mapping=up_to_own_period())
        for source in recipe.sources.values()
        if isinstance(source, VintageSource)
    ]

    @dg.asset(
        key=key(recipe, "training_table"),
        deps=[key(recipe, "labels"), *vintages],
        partitions_def=periods(recipe),
        group_name=group(recipe, "training"),
        owners=owners(recipe),
        kinds={"sql"},
        code_version=fingerprint(feature_query(recipe).sql, code=TABLES)[:16],
        description=(
            "One row per labelled decision: the features as they were known at the decision, and the label. For each "
            "decision the newest vintage that had arrived is read; an entity absent from it stays absent."
        ),
    )
    def training_table(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, as_of = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            require_sources(warehouse, recipe, as_of)
            report = build_training_table(warehouse, recipe, as_of)
        return dg.MaterializeResult(
            metadata={**metadata(report.as_metadata()), "dagster/column_lineage": _lineage(recipe)},
            data_version=dg.DataVersion(warehouse.digest("training_table", as_of.isoformat())),
        )

    return training_table


def _lineage(recipe: Recipe) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            feature: [dg.TableColumnDep(key(recipe, table), column) for table, column in sources]
            for feature, sources in column_lineage(recipe).items()
        }
    )
