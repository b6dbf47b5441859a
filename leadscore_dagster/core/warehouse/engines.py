"""The engines a home can work on, one row each: how a recipe's warehouse is opened.

Not here: the engines themselves (lake/), and who chooses one (leadscore_dagster.defs.resources). What every engine
keeps to is protocol.py; leadscore_dagster_tests/warehouse runs one suite over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.text import nearest_or
from leadscore_dagster.core.warehouse.lake.engine import Lake
from leadscore_dagster.core.warehouse.protocol import Warehouse

Engine: TypeAlias = Callable[[Path, str], Warehouse]
"""Opens the warehouse of one dataset (a recipe's tables) for a home."""

ENGINES: dict[str, Engine] = {
    "lake": lambda home, dataset: Lake(home / "warehouse", dataset),
}


def open_warehouse(engine: str, home: Path, dataset: str) -> Warehouse:
    """The warehouse of one dataset. Raises InputError for an engine that is not there."""
    if engine not in ENGINES:
        remedy = nearest_or(engine, ENGINES, f"use one of {', '.join(sorted(ENGINES))}")
        raise InputError(f"no warehouse engine is named {engine!r}", remedy=remedy)
    return ENGINES[engine](home, dataset)
