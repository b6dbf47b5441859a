"""Small simulated training tables used by the tests of modelling, gates and registry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.recipe.schema import Model
from leadscore_dagster.core.table.features.catalogue import Feature

FEATURES = (
    Feature("tenure", "months at the firm", "number"),
    Feature("moves", "moves in three years", "integer"),
    Feature("owner", "owns the firm", "flag"),
    Feature("kind", "kind of firm", "category"),
    Feature("noise", "no signal", "number"),
)
FOLD_FEATURE = Feature("tenure_above_median", "tenure above the training median", "flag", stage="fold")
FAST = Model(folds=3, bootstrap_replicates=100, parameters={"xgboost": {"n_estimators": 40, "learning_rate": 0.1}})


class MedianTenure:
    """A fold feature: needs the median of the training rows. Returns its rows in another order, as SQL
    may."""

    def learn(self, table: pa.Table) -> dict[str, float]:
        assert "label" not in table.column_names
        return {"median": float(np.nanmedian(table["tenure"].to_numpy()))}

    def add(self, table: pa.Table, statistics: Mapping[str, float]) -> pa.Table:
        above = pc.greater(table["tenure"], statistics["median"])
        added = table.append_column("tenure_above_median", above)
        return added.take(np.arange(table.num_rows)[::-1])


def training_table(rows: int = 6000, signal: float = 1.0, seed: int = 0, rate: float = 0.06) -> pa.Table:
    """Decisions over 900 days with features of which three carry ``signal``; rows in no order."""
    rng = np.random.default_rng(seed)
    tenure = rng.exponential(60, rows)
    moves = rng.poisson(0.5, rows)
    owner = rng.random(rows) < 0.3
    kind = rng.choice(["bank", "broker", "independent", "insurer"], rows)
    score = signal * (0.8 * moves - 0.02 * tenure + 0.9 * (kind == "independent"))
    odds = np.exp(score - np.log(np.mean(np.exp(score))) + np.log(rate / (1 - rate)))
    label = (rng.random(rows) < odds / (1 + odds)).astype(np.int64)
    seconds = rng.integers(0, 900 * 86_400, rows)
    decision_at = np.datetime64("2021-01-01T00:00:00", "us") + seconds.astype("timedelta64[s]")
    tenure[rng.random(rows) < 0.1] = np.nan
    return pa.table(
        {
            "decision_id": [f"lead{number:06d}" for number in range(rows)],
            "decision_at": pa.array(decision_at, pa.timestamp("us", "UTC")),
            "label": label,
            "rep": rng.integers(0, rows * 4 // 5, rows),
            "tenure": pa.array(tenure, from_pandas=True),
            "moves": moves,
            "owner": owner,
            "kind": kind,
            "noise": rng.normal(size=rows),
        }
    )
