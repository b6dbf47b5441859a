"""Assets of the vintages room: one table per source, one partition per period.

Lives here: wiring. Not here: finding, cleaning and writing a drop (core/sources), judging it (defs/checks/vintages).
"""

import dagster as dg

from leadscore_dagster.core.audit.admission import source_checks
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.sources import ingest_log, ingest_vintage
from leadscore_dagster.core.sources.connectors import copies_of
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import periods
from leadscore_dagster.defs.resources import Workspace


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The vintage and log tables of a recipe."""
    return [
        _vintage(recipe, name, source) if isinstance(source, VintageSource) else _log(recipe, name, source)
        for name, source in recipe.sources.items()
    ]


def _vintage(recipe: Recipe, name: str, source: VintageSource) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, source.table),
        partitions_def=periods(recipe),
        group_name=group(recipe, "vintages"),
        owners=owners(recipe),
        kinds={"parquet"},
        description=(
            f"{source.contract.description} One partition per {recipe.cadence.value}, as the vendor delivered it: the "
            "key is the as_of instant, and every row carries available_at, the instant it could have been known. A "
            "correction is kept beside what it corrects. A drop that its checks refuse is set aside and never read. "
            "Bad rows are in the quarantine table."
        ),
        metadata={"files": ", ".join(source.files), "source": name},
    )
    def vintage(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        as_of = partition_day(context)
        with plain_failures():
            warehouse = workspace.warehouse(recipe)
            report = ingest_vintage(
                warehouse,
                name,
                source,
                workspace.connector(recipe, name),
                as_of,
                cadence=recipe.cadence,
                seen_at=workspace.now(),
                cache=copies_of(workspace.home),
                judge=lambda: source_checks(warehouse, recipe, source, as_of),
            )
        return dg.MaterializeResult(
            metadata=metadata({recipe.cadence.value: recipe.cadence.label(as_of), **report.as_metadata()}),
            data_version=dg.DataVersion(report.digest),
        )

    return vintage


def _log(recipe: Recipe, name: str, source: LogSource) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, source.table),
        partitions_def=periods(recipe),
        group_name=group(recipe, "vintages"),
        owners=owners(recipe),
        kinds={"parquet"},
        description=(
            f"{source.contract.description} Read as it stood at the {recipe.cadence.value}'s as_of: rows that became "
            "known later are left out, and columns that were filled in later are empty."
        ),
        metadata={"files": ", ".join(source.files), "source": name},
    )
    def log(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        with plain_failures():
            connector = workspace.connector(recipe, name)
            report = ingest_log(workspace.warehouse(recipe), name, source, connector, partition_day(context))
        return dg.MaterializeResult(metadata=metadata(report.as_metadata()), data_version=dg.DataVersion(report.digest))

    return log
