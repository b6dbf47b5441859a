"""What a day is compared with: the rows its champion was trained on, and its scores of the test period.

Lives here: loading them. Not here: comparing (drift, balance, performance, health).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import GateRefused
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.loaded import LoadedVersion, load_to_score
from leadscore_dagster.core.state import State
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.statements import statements_of
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.versions.registry import trained_as_of
from leadscore_dagster.core.warehouse import Warehouse


@dataclass(frozen=True)
class Reference:
    """The champion of a day: its model, the training table of its period with all features, its test scores."""

    model: LoadedVersion
    training: pa.Table
    test: pa.Table

    @property
    def version(self) -> str:
        return self.model.version

    @property
    def rate(self) -> float:
        """Share of positives among the training rows."""
        return float(pc.mean(self.training["label"]).as_py() or 0.0)


def reference_of(warehouse: Warehouse, state: State, models: Path, *, recipe: Recipe, day: date) -> Reference:
    """What ``day`` is compared with.

    Raises
    ------
    GateRefused : nobody was champion when the day began.
    InputError : the version's files are not what its digests say, or its training table is gone.
    """
    entry = champion_at(state, datetime.combine(day, time.min, UTC))
    if entry is None:
        raise GateRefused(f"No champion of {recipe.name!r} on {day}: there is nothing to watch yet.")
    model = load_to_score(models, entry.version, fold_features_of(recipe), statements=statements_of(recipe))
    training = model.prepare(training_rows(warehouse, trained_as_of(entry.version)))
    return Reference(model, training, registry.load_test_scores(models, entry.version))
