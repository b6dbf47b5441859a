"""Asset of the track-record room. Not here: any measuring (core/versions/track_record)."""

import dagster as dg

from leadscore_dagster.core.audit.admission import require_audit
from leadscore_dagster.core.pages.model import markdown
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.versions.track_record import TABLE, track_record, write_track_record
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import periods
from leadscore_dagster.defs.resources import Workspace


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The track record of a recipe."""

    @dg.asset(
        key=key(recipe, TABLE),
        deps=[key(recipe, "training_table")],
        partitions_def=periods(recipe),
        group_name=group(recipe, "model"),
        owners=owners(recipe),
        kinds={"ledger"},
        description=(
            f"What every earlier {recipe.cadence.value}'s model would have delivered: its scores of the decisions "
            f"taken in the {recipe.cadence.value} after it, compared with the outcomes known now and with what "
            "the model claimed on its test period."
        ),
    )
    def track_record_of_period(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, as_of = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            require_audit(warehouse, recipe, as_of)
            records = track_record(
                warehouse,
                workspace.state(recipe),
                workspace.models(recipe),
                recipe=recipe,
                as_of=as_of,
                fold_features=fold_features_of(recipe),
            )
            write_track_record(warehouse, as_of, records)
        newest = records[-1].metrics if records else {}
        return dg.MaterializeResult(
            metadata=metadata(
                {
                    "dagster/row_count": len(records),
                    "record": markdown.track_record_markdown(
                        [record.to_dict() for record in records], recipe.cadence.value
                    ),
                    **{name: interval.value for name, interval in newest.items() if interval.value == interval.value},
                }
            ),
            data_version=dg.DataVersion(warehouse.digest(TABLE, as_of.isoformat())),
        )

    return [track_record_of_period]
