"""What a world is: a warehouse, a recipe, and the truth about its features that no part of the audit may read.

Lives here: the vocabulary. Not here: any world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.warehouse import Lake


@dataclass(frozen=True)
class Planted:
    """One leak. ``features``: caught when any of them is called leak or suspect. Empty for a leak of the whole table,
    which is caught when a finding of one of ``parts`` does not pass."""

    kind: str
    name: str
    features: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Folds somebody brings instead of the product's own: (training, judged) positions into ``times``."""

    times: np.ndarray
    entity: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    window_days: float
    gap_days: float


@dataclass(frozen=True)
class World:
    """A warehouse whose training table of ``as_of`` has been built, and what is true of its features.

    ``clean``: features that may not be called leak or suspect. ``clocks``: clean ones that tell nothing but the time.
    ``expected``: feature to the overall verdicts it may get.
    """

    lake: Lake
    recipe: Recipe
    as_of: date
    planted: tuple[Planted, ...] = ()
    clean: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    expected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None


@dataclass(frozen=True)
class Entry:
    """A world by name. ``build`` writes it into a folder of its own; ``market``: that seed's (market.py)."""

    name: str
    build: Callable[[Path, Path, int], World]  # folder, market, seed
    is_clean: bool = False
    needs_market: bool = False
    quick: bool = False  # part of the short run
