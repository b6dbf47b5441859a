"""How a pure result becomes a row of an asset check. Not here: any judgement."""

from collections.abc import Callable, Sequence

import dagster as dg

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shell import metadata, partition_day, plain_failures
from leadscore_dagster.defs.resources import Workspace

#: key of the metadata that says what a verdict is about (core/verdict)
ABOUT = "about"
#: what a check shows of a verdict besides its sentence; plain numbers, so that they plot over time
SHOWN = ("value", "low", "high", "threshold", "n", "evidence")


def checks_of(
    asset: dg.AssetKey,
    partitions: dg.PartitionsDefinition,
    described: dict[str, str],
    recipe: Recipe,
    judge: Callable[[Warehouse, object, Workspace], Sequence[Verdict]],
    blocking: bool = True,
) -> dg.AssetChecksDefinition:
    """Checks of one asset, all computed by one call.

    Parameters
    ----------
    described : check name → what a Dagit reader should know about it.
    judge : (warehouse, the partition's day, workspace) → one verdict per name.
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
            verdicts = judge(workspace.warehouse(recipe), partition_day(context), workspace)
        for verdict in verdicts:
            yield _shown(asset, verdict)

    return run_checks


def _shown(asset: dg.AssetKey, verdict: Verdict) -> dg.AssetCheckResult:
    told = {name: getattr(verdict, name) for name in SHOWN}
    told |= {"reason": verdict.reason.value, ABOUT: list(verdict.about)}
    return dg.AssetCheckResult(
        check_name=verdict.name,
        asset_key=asset,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN if verdict.severity == "warn" else dg.AssetCheckSeverity.ERROR,
        description=verdict.why,
        metadata=metadata({name: value for name, value in told.items() if value not in (None, "", [])}),
    )
