"""How a pure result becomes a row of an asset check. Not here: any judgement."""

from collections.abc import Callable, Sequence
from typing import Protocol

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shell import metadata, partition_day, plain_failures
from leadscore_dagster.defs.resources import Workspace


class Judged(Protocol):
    """What a check shows of a gate. ``value`` and ``threshold`` are plain numbers, so that they plot over time."""

    @property
    def name(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def why(self) -> str: ...


def checks_of(
    asset: dg.AssetKey,
    partitions: dg.PartitionsDefinition,
    described: dict[str, str],
    recipe: Recipe,
    judge: Callable[[Warehouse, object, Workspace], Sequence[Judged]],
    blocking: bool = True,
) -> dg.AssetChecksDefinition:
    """Checks of one asset, all computed by one call.

    Parameters
    ----------
    described : check name → what a Dagit reader should know about it.
    judge : (warehouse, the partition's day, workspace) → one result per name.
    blocking : whether a failed one stops what follows in the run.
    """

    @dg.multi_asset_check(
        name="_".join([*asset.path, "checks"]),
        specs=[
            dg.AssetCheckSpec(name=name, asset=asset, description=text, blocking=blocking, partitions_def=partitions)
            for name, text in described.items()
        ],
    )
    def run_checks(context: dg.AssetCheckExecutionContext, workspace: Workspace):  # type: ignore[no-untyped-def]
        with plain_failures():
            results = judge(workspace.warehouse(recipe), partition_day(context), workspace)
        for result in results:
            yield dg.AssetCheckResult(
                check_name=result.name,
                asset_key=asset,
                passed=result.passed,
                severity=_severity(result),
                description=result.why,
                metadata=metadata(
                    {
                        name: getattr(result, name)
                        for name in ("value", "low", "high", "threshold", "rows", "evidence", "standing")
                        if getattr(result, name, None) is not None
                    }
                ),
            )

    return run_checks


def _severity(result: Judged) -> dg.AssetCheckSeverity:
    warns = str(getattr(result, "severity", "error")).lower() == "warn"
    return dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR
