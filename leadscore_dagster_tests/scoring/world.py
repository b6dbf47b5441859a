"""The small world of these tests: an additive model, leads with unicode names, a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.score import score_decisions
from leadscore_dagster.core.table.features.catalogue import Feature

DAY = date(2024, 5, 6)
SCORED_AT = datetime(2024, 5, 6, 5, 30, tzinfo=UTC)
VINTAGE = date(2024, 4, 1)
WEIGHTS = {"tenure_months": -0.02, "firm_assets": 1e-10, "holds_cfp": 0.7, "lead_source": 0.4}
CATALOGUE = {
    feature.name: feature
    for feature in (
        Feature("tenure_months", "…", "number", "months", phrase="{value:.0f} months at the current firm"),
        Feature("firm_assets", "…", "number", "USD", phrase="firm manages {value}"),
        Feature("holds_cfp", "…", "flag", phrase="holds a CFP"),
        Feature("lead_source", "…", "category", phrase="came through {value}"),
    )
}
#: a test period of 2,000 decisions in which every bucket converts more often than the next
_AT = np.arange(2000)
_ONE_IN = np.select([_AT >= 1900, _AT >= 1400, _AT >= 400], [5, 10, 25], 100)
OUTCOMES = Judged.ranked((_AT % _ONE_IN == 0).astype(np.int64), np.linspace(-5, 0, 2000))


@dataclass(frozen=True)
class Answer:
    margin: np.ndarray
    probability: np.ndarray
    contributions: np.ndarray | None
    bias: float | None


@dataclass(frozen=True)
class LinearModel:
    """Margin = bias + weighted values; a missing value contributes -0.1, a word its length."""

    version: str = "v1"
    feature_names: tuple[str, ...] = tuple(WEIGHTS)
    outcomes: Judged = OUTCOMES
    bias: float = -3.0

    def prepare(self, table: pa.Table) -> pa.Table:
        return table

    def score(self, table: pa.Table, contributions: bool) -> Answer:
        parts = np.stack([self._part(table[name], WEIGHTS[name]) for name in self.feature_names], axis=1)
        margin = (parts.sum(axis=1, dtype=np.float64) + self.bias).astype(np.float32)
        probability = 1 / (1 + np.exp(-margin.astype(np.float64)))
        return Answer(margin, probability, parts if contributions else None, self.bias if contributions else None)

    @staticmethod
    def _part(column: pa.ChunkedArray, weight: float) -> np.ndarray:
        if pa.types.is_string(column.type):
            values = np.array([np.nan if word is None else len(word) for word in column.to_pylist()])
        else:
            values = column.cast(pa.float64()).to_numpy()
        return np.where(np.isnan(values), -0.1, values * weight).astype(np.float32)


def recipe() -> Recipe:
    """A recipe with what scoring reads of one: the entity, the buckets, the number of drivers."""
    columns = [("Id", "text"), ("RepCRD", "key"), ("contacted", "timestamp"), ("called", "timestamp")]
    contract = {
        "name": "leads",
        "columns": [{"name": name, "type": kind} for name, kind in columns],
        "key": ["Id"],
    }
    leads = {
        "kind": "log",
        "table": "leads",
        "contract": contract,
        "files": ["leads.csv"],
        "known_at": "contacted",
    }
    return Recipe.model_validate(
        {
            "name": "small",
            "title": "Small",
            "first_as_of": date(2024, 1, 1),
            "sources": {"leads": leads},
            "decisions": {"source": "leads", "id": "Id", "entity": "RepCRD", "at": "contacted"},
            "label": {"kind": "window", "outcome_at": "called", "days": 30},
            "features": {"sets": ["small"]},
            "gates": {"auc_roc": {"at_least": 0.6}},
            "scoring": {
                "decisions": "scoring/open_leads",
                "buckets": [
                    {"name": "Very Hot", "from_percentile": 95.0, "action": "Call immediately"},
                    {"name": "Warm", "from_percentile": 70.0, "action": "Call this month"},
                    {"name": "Cool", "from_percentile": 20.0, "action": "Nurture campaign"},
                    {"name": "Cold", "from_percentile": 0.0, "action": "Do not call for now"},
                ],
            },
        }
    )


def leads(n: int, seed: int = 0) -> pa.Table:
    """n leads; one value in ten is missing."""
    random = np.random.default_rng(seed)

    def holes(values: np.ndarray) -> pa.Array:
        return pa.array(values, mask=random.random(n) < 0.1)

    return pa.table(
        {
            "decision_id": pa.array([f"00Q{number:015d}" for number in random.permutation(n)], pa.string()),
            "RepCRD": pa.array(random.integers(1, 10**7, n)),
            "decision_at": pa.array([SCORED_AT] * n, pa.timestamp("us", tz="UTC")),
            "tenure_months": holes(random.integers(0, 300, n).astype(float)),
            "firm_assets": holes(random.lognormal(20, 2, n)),
            "holds_cfp": holes(random.integers(0, 2, n)),
            "lead_source": holes(np.array(["Website", "Événement", "推荐", "=SUM(A1)"])[random.integers(0, 4, n)]),
        }
    )


def scored(features: pa.Table | pa.RecordBatchReader, model: object | None = None, **changes: object) -> pa.Table:
    arguments: dict = {"day": DAY, "vintage_as_of": VINTAGE, "scored_at": SCORED_AT, "catalogue": CATALOGUE}
    return score_decisions(features, model or LinearModel(), recipe(), **(arguments | changes))
