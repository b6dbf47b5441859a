"""What the Dagster instance knows of a recipe: arrivals that were ingested, champions that were ruled on, runs that
were requested. And where the recipe's drops lie.

Lives here: reading it off the instance, whose storage sensors and schedules may ask; the warehouse is not touched.
Not here: what follows from it (core/sources/arrivals, core/versions/retraining).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime

import dagster as dg

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.arrivals import Arrival, Asked, Known, Request, vintage_sources
from leadscore_dagster.core.sources.connectors import Connector, Place
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.resources import Workspace

RECIPE_TAG, KIND_TAG, DROP_TAG, CONTENT_TAG = (
    "leadscore/recipe",
    "leadscore/kind",
    "leadscore/drop",
    "leadscore/content",
)
_RUN_KEY, _PARTITION, _DATA_VERSION = "dagster/run_key", "dagster/partition", "dagster/data_version"
#: no further file is opened after so many seconds: a sensor that takes a minute is stopped, and starts all over
SECONDS_PER_LOOK = 20
_NEWEST = 1000  # records of one kind that are read: more than ten years of periods


def not_set_up(recipe: Recipe, workspace: Workspace) -> str:
    """Why the recipe is not at work in this home: nobody has said where a source lies. "" if it is."""
    try:
        for name in recipe.sources:
            workspace.location(recipe, name)
    except InputError as error:
        return str(error)
    return ""


def places_of(recipe: Recipe, workspace: Workspace, today: date) -> list[Place]:
    """The locations of the recipe's vintage sources as they are now. Raises InputError: one is unknown or silent."""
    as_ofs, sources = list(recipe.as_ofs(today)), vintage_sources(recipe)
    at: dict[Connector, list[str]] = {}
    for name in sources:
        at.setdefault(workspace.connector(recipe, name), []).append(name)
    return [
        place
        for connector, names in at.items()
        for place in connector.places({name: sources[name] for name in names}, as_ofs, recipe.cadence)
    ]


def known_of(instance: dg.DagsterInstance, recipe: Recipe) -> Known:
    """What has been done for a recipe, by whomever."""
    arrivals = {name: _arrivals(instance, recipe, name) for name in vintage_sources(recipe)}
    newest = {(name, as_of): found[0] for name, of_source in arrivals.items() for as_of, found in of_source.items()}
    held = {
        (name, as_of): good
        for name, of_source in arrivals.items()
        for as_of, found in of_source.items()
        if found[0].refused and (good := next((arrival for arrival in found if not arrival.refused), None))
    }
    ruled = _newest_by_period(instance, key(recipe, "champion_model"))
    rulings = {as_of: record.timestamp for as_of, record in ruled.items()}
    return Known(newest, rulings, _asked(instance, recipe), held)


def run_request(recipe: Recipe, request: Request) -> dg.RunRequest:
    """The request as Dagster has it."""
    tags = {KIND_TAG: request.kind, DROP_TAG: request.drop, CONTENT_TAG: request.content}
    return dg.RunRequest(
        run_key=request.run_key(recipe.name),
        job_name=f"{recipe.name}_{request.kind}",
        partition_key=request.as_of.isoformat(),
        tags={**common_tags(recipe), **tags},
    )


def common_tags(recipe: Recipe) -> dict[str, str]:
    """Tags of every run that starts by itself: one whose process died (launching) or that takes too long is started
    once more, from the beginning. A step that failed is not (dagster.yaml): a refusal is a result."""
    return {
        RECIPE_TAG: recipe.name,
        "dagster/max_runtime": str(recipe.automation.run_hours * 3600),
        "dagster/max_retries": "1",
        "dagster/retry_strategy": "ALL_STEPS",
    }


def asked_for(instance: dg.DagsterInstance, run_keys: Collection[str]) -> set[str]:
    """Those of the run keys for which there is a run. A schedule has to ask: the daemon compares run keys only
    between requests of one and the same tick."""
    records = instance.get_run_records(dg.RunsFilter(tags={_RUN_KEY: sorted(run_keys)})) if run_keys else []
    return {record.dagster_run.tags[_RUN_KEY] for record in records}


def _arrivals(instance: dg.DagsterInstance, recipe: Recipe, source: str) -> dict[date, list[Arrival]]:
    """Arrivals of a source by period, the newest first."""
    asset = key(recipe, recipe.sources[source].table)
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=asset), limit=_NEWEST).records
    found: dict[date, list[Arrival]] = {}
    for record in records:
        made = record.asset_materialization
        if record.partition_key is not None and made is not None:
            refused = made.metadata.get("refused")
            arrival = Arrival(
                digest=(made.tags or {}).get(_DATA_VERSION, ""),
                available_at=_available_at(made),
                at=record.timestamp,
                refused=bool(refused is not None and refused.value),
            )
            found.setdefault(date.fromisoformat(record.partition_key), []).append(arrival)
    return found


def _newest_by_period(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[date, dg.EventLogRecord]:
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=asset), limit=_NEWEST).records
    newest: dict[date, dg.EventLogRecord] = {}
    for record in records:  # the newest comes first
        if record.partition_key is not None:
            newest.setdefault(date.fromisoformat(record.partition_key), record)
    return newest


def _available_at(materialization: dg.AssetMaterialization) -> datetime | None:
    stated = materialization.metadata.get("available_at")
    return datetime.fromisoformat(str(stated.value)) if stated is not None and stated.value else None


def _asked(instance: dg.DagsterInstance, recipe: Recipe) -> dict[tuple[str, date], list[Asked]]:
    wanted = dg.RunsFilter(tags={RECIPE_TAG: recipe.name, KIND_TAG: ["ingest", "refresh"]})
    newest_first = instance.get_run_records(wanted, limit=_NEWEST)
    found: dict[tuple[str, date], list[Asked]] = {}
    for kind, as_of, asked in _runs(newest_first[::-1]):
        found.setdefault((kind, as_of), []).append(asked)
    return found


def _runs(records: Collection[dg.RunRecord]) -> Iterator[tuple[str, date, Asked]]:
    for record in records:
        run, tags = record.dagster_run, record.dagster_run.tags
        created = record.create_timestamp
        at = (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
        # between a dead worker's failure and its second run there is nothing else to see than that there will be one
        pending = tags.get("dagster/will_retry") == "true" and "dagster/auto_retry_run_id" not in tags
        over = run.is_finished and not pending
        state = "done" if run.is_success else ("failed" if over else "unfinished")
        asked = Asked(tags.get(DROP_TAG, ""), tags.get(CONTENT_TAG, ""), state, run.run_id[:8], at)  # type: ignore[arg-type]
        yield tags[KIND_TAG], date.fromisoformat(tags[_PARTITION]), asked
