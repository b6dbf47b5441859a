"""Assets of the monitoring room: a day's health, class balance, drift, performance, and the page that shows them.

Lives here: wiring, and what Dagster remembers of the scoring runs. Not here: any measure (core/monitoring). Their
checks do not block: what they judge has been delivered, and the page is needed most when one of them fails.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.monitoring import balance, cohort, drift, health, performance
from leadscore_dagster.core.monitoring.overview import judgements
from leadscore_dagster.core.monitoring.reference import reference_of
from leadscore_dagster.core.monitoring.watched import store
from leadscore_dagster.core.pages.monitoring import trends
from leadscore_dagster.core.pages.monitoring.dashboard import write_dashboard
from leadscore_dagster.core.pages.monitoring.drawing import markdown_image
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.defs.assets.shell import group, key, metadata, owners, partition_day, plain_failures
from leadscore_dagster.defs.partitions import days
from leadscore_dagster.defs.resources import Workspace

#: the tables of facts, which the page reads
TABLES = (health.TABLE, balance.TABLE, drift.TABLE, performance.TABLE)
PAGE = "monitoring_page"
_PARTITION = "dagster/partition"

#: what is measured of a day, and the numbers Dagit shows of it
Measure = Callable[[Workspace, Warehouse, date], dict[str, Any]]


def build_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """What is watched of a recipe."""
    described: dict[str, tuple[Measure, pa.Schema, str]] = {
        balance.TABLE: (
            lambda workspace, warehouse, day: _balance(recipe, workspace, warehouse, day),
            balance.SCHEMA,
            "Rate of positives by ISO week, for weeks whose outcomes were all known when the day began.",
        ),
        drift.TABLE: (
            lambda workspace, warehouse, day: _drift(recipe, workspace, warehouse, day),
            drift.SCHEMA,
            "Population stability index of every feature and of the delivered scores: the decisions of the last "
            "complete month, and of the month so far, against the champion's training rows and test scores.",
        ),
        performance.TABLE: (
            lambda workspace, warehouse, day: _performance(recipe, workspace, warehouse, day),
            performance.SCHEMA,
            "How delivered scores turned out once outcomes were known: overall, by month and by segment, "
            "compared with the version's test period.",
        ),
    }
    measured = [_facts(recipe, name, *entry) for name, entry in described.items()]
    return [_health(recipe), *measured, _page(recipe)]


def _facts(recipe: Recipe, name: str, measure: Measure, schema: pa.Schema, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, name),
        deps=[key(recipe, LEAD_SCORES)],
        partitions_def=days(recipe),
        group_name=group(recipe, "monitoring"),
        owners=owners(recipe),
        kinds={"sql"},
        description=description,
    )
    def facts(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        with plain_failures():
            warehouse, day = workspace.warehouse(recipe), partition_day(context)
            if cohort.is_kept(warehouse, recipe, day):
                found = measure(workspace, warehouse, day)
            else:  # the health of a day nobody has scored says so; here there is nothing to measure
                store(warehouse, name, day, rows=[], schema=schema)
                found = {"not_measured": "the day was not scored"}
        return dg.MaterializeResult(metadata=metadata(found))

    return facts


def _health(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, health.TABLE),
        deps=[key(recipe, LEAD_SCORES)],
        partitions_def=days(recipe),
        group_name=group(recipe, "monitoring"),
        owners=owners(recipe),
        kinds={"sql"},
        description=(
            "Whether the day was scored as expected: share and number of decisions scored, duration, failed "
            "runs, age of the vintages, and which features were filled."
        ),
    )
    def scoring_health(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            champion = champion_at(workspace.state(recipe), datetime.combine(day, time.min, UTC))
            version = champion.version if champion else None
            row = health.measure_health(
                warehouse, recipe, day, version=version, runs=_runs(context.instance, recipe, day)
            )
            there: list[dict[str, Any]] = []
            if row["scored"]:
                reference = reference_of(
                    warehouse, workspace.state(recipe), workspace.models(recipe), recipe=recipe, day=day
                )
                there = health.measure_availability(warehouse, recipe, reference, day=day)
            store(warehouse, health.AVAILABILITY, day, rows=there, schema=health.AVAILABILITY_SCHEMA)
            store(warehouse, health.TABLE, day, rows=[row], schema=health.SCHEMA)
            trend = markdown_image(trends.health_trends(warehouse, recipe, day))
        least = min((one["present"] for one in there), default=None)
        return dg.MaterializeResult(metadata=metadata({**row, "least_available_feature": least, "trend": trend}))

    return scoring_health


def _balance(recipe: Recipe, workspace: Workspace, warehouse: Warehouse, day: date) -> dict[str, Any]:
    reference = reference_of(warehouse, workspace.state(recipe), workspace.models(recipe), recipe=recipe, day=day)
    matured = cohort.matured(cohort.decisions_known(warehouse, recipe, day))
    rows = balance.measure_balance(matured, reference.rate, day, window_days=recipe.label_window_days)
    store(warehouse, balance.TABLE, day, rows=rows, schema=balance.SCHEMA)
    last = {name: rows[-1][name] for name in ("week", "n", "positives", "rate", "low", "high")} if rows else {}
    trend = markdown_image(trends.balance_trends(warehouse, day))
    return {"matured_decisions": matured.num_rows, "training_rate": reference.rate, **last, "trend": trend}


def _drift(recipe: Recipe, workspace: Workspace, warehouse: Warehouse, day: date) -> dict[str, Any]:
    reference = reference_of(warehouse, workspace.state(recipe), workspace.models(recipe), recipe=recipe, day=day)
    known = cohort.decisions_known(warehouse, recipe, day)
    rows = drift.measure_drift(warehouse, recipe, reference, known=known, day=day)
    store(warehouse, drift.TABLE, day, rows=rows, schema=drift.SCHEMA)
    complete = sorted((row for row in rows if row["complete"]), key=lambda row: -row["psi"])
    scores = next((row["psi"] for row in complete if row["feature"] == drift.SCORE), None)
    told = "\n".join(
        f"| {row['feature']} | {row['psi']:.3f} | {row['low']:.3f} … {row['high']:.3f} | {row['p_value']:.2g} | "
        f"{row['moved']}: {row['share_before']:.1%} → {row['share_now']:.1%} |"
        for row in complete[:25]
    )
    return {
        "version": reference.version,
        "decisions": complete[0]["n"] if complete else 0,
        "largest_psi": complete[0]["psi"] if complete else None,
        "score_psi": scores,
        "furthest": f"| column | PSI | 95% interval | p | most moved |\n|---|--:|---|--:|---|\n{told}\n",
        "trend": markdown_image(trends.drift_trends(warehouse, recipe, day)),
    }


def _performance(recipe: Recipe, workspace: Workspace, warehouse: Warehouse, day: date) -> dict[str, Any]:
    known = cohort.matured(cohort.decisions_known(warehouse, recipe, day))
    delivered = cohort.delivered(warehouse, recipe, known, since=performance.first_day(day))
    version = performance.version_to_judge(delivered, recipe.monitoring)
    rows: list[dict[str, Any]] = []
    if version is not None:
        reference = reference_of(warehouse, workspace.state(recipe), workspace.models(recipe), recipe=recipe, day=day)
        own = delivered.filter(pc.equal(delivered["model_version"], version))
        segments = performance.segment_parts(warehouse, recipe, reference, delivered=own, day=day)
        test = registry.load_test_scores(workspace.models(recipe), version)
        rows = performance.measure_performance(own, test, recipe, segments=segments)
    store(warehouse, performance.TABLE, day, rows=rows, schema=performance.SCHEMA)
    whole = {row["metric"]: row["value"] for row in rows if row["scope"] == performance.ALL}
    trend = markdown_image(trends.performance_trends(warehouse, day))
    return {"matured_scores": delivered.num_rows, "version": version, **whole, "trend": trend}


def _page(recipe: Recipe) -> dg.AssetsDefinition:
    @dg.asset(
        key=key(recipe, PAGE),
        deps=[key(recipe, name) for name in TABLES],
        partitions_def=days(recipe),
        group_name=group(recipe, "monitoring"),
        owners=owners(recipe),
        kinds={"html"},
        description="One self-contained page with every verdict of the day and the trends behind it.",
    )
    def monitoring_page(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        warehouse, day = workspace.warehouse(recipe), partition_day(context)
        with plain_failures():
            path = write_dashboard(warehouse, workspace.state(recipe), recipe, day, workspace.outputs(recipe))
            failed = [watched.name for watched in judgements(warehouse, recipe, day) if not watched.passed]
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                "alarms": len(failed),
                "failed": ", ".join(failed) or "none",
            }
        )

    return monitoring_page


def _runs(instance: dg.DagsterInstance, recipe: Recipe, day: date) -> health.Runs:
    """How the scoring runs of a day went, by Dagster's own records."""
    filters = dg.RunsFilter(job_name=f"{recipe.name}_daily_scores", tags={_PARTITION: day.isoformat()})
    records = instance.get_run_records(filters)
    took = [
        record.end_time - record.start_time
        for record in records  # newest first
        if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS and record.end_time and record.start_time
    ]
    failed = sum(record.dagster_run.status is dg.DagsterRunStatus.FAILURE for record in records)
    return health.Runs(took[0] if took else None, failed)
