"""What every asset of every room shares: names, plain failures, metadata. Not here: any computation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.defs.resources import Workspace

REFUSED, BAD_INPUT = "refused by a gate", "bad input"


def key(recipe: Recipe, name: str) -> dg.AssetKey:
    """Asset key of a table of a recipe: the recipe's name is the prefix."""
    return dg.AssetKey([recipe.name, name])


def group(recipe: Recipe, room: str) -> str:
    """Asset group of a room of a recipe."""
    return f"{recipe.name}_{room}"


def owners(recipe: Recipe) -> list[str] | None:
    return [recipe.owner] if recipe.owner else None


def partition_day(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The partition's key as a date: the ``as_of`` of a period, or the day that is scored."""
    return date.fromisoformat(context.partition_key)


def begun_at(context: dg.AssetExecutionContext, workspace: Workspace) -> datetime | None:
    """When the run began by the machine's clock; None where the workspace's clock stands still."""
    if workspace.clock:
        return None
    record = context.instance.get_run_record_by_id(context.run_id)
    assert record is not None
    started = record.start_time
    return datetime.fromtimestamp(started, UTC) if started else record.create_timestamp.replace(tzinfo=UTC)


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn the two errors a user is meant to read into failures that are never retried."""
    try:
        yield
    except InputError as error:
        raise dg.Failure(description=str(error), metadata={"kind": BAD_INPUT}, allow_retries=False) from error
    except GateRefused as error:
        raise dg.Failure(description=str(error), metadata={"kind": REFUSED}, allow_retries=False) from error


def metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as Dagster metadata: numbers stay numbers (they plot), texts of several lines are Markdown."""
    return {
        name: dg.MetadataValue.md(value) if isinstance(value, str) and "\n" in value else value
        for name, value in values.items()
        if value is not None
    }
