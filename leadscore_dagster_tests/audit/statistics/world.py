"""Worlds for the statistical parts: decisions in time with honest columns, to which a test adds what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.statistics import statistics_verdicts
from leadscore_dagster.core.audit.statistics.prepared import Prepared, prepare
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.table.features.catalogue import Feature

START = np.datetime64("2023-01-02T08:00:00", "us")
DAY = 86_400 * 10**6


@dataclass
class World:
    """``label`` int [n], ``moment`` datetime64 [n] ascending, columns by name; text and objects are categories."""

    label: np.ndarray
    moment: np.ndarray
    random: np.random.Generator
    columns: dict[str, np.ndarray]

    @property
    def n(self) -> int:
        return len(self.label)

    @property
    def month(self) -> np.ndarray:
        months = self.moment.astype("datetime64[M]").astype(np.int64)
        return months - months.min()

    @property
    def features(self) -> list[Feature]:
        return [Feature(name, name, _kind(values)) for name, values in self.columns.items()]

    @property
    def rows(self) -> pa.Table:
        return pa.table(
            {
                "decision_id": [f"D{place:07d}" for place in range(self.n)],
                "decision_at": pa.array(self.moment, pa.timestamp("us", tz="UTC")),
                "label": self.label,
                **{name: pa.array(values, from_pandas=True) for name, values in self.columns.items()},
            }
        )

    def add(self, **columns: np.ndarray) -> World:
        self.columns.update(columns)
        return self

    def normal(self, strength: float = 0.0) -> np.ndarray:
        """A binormal column of this IV."""
        return self.random.normal(size=self.n) + np.sqrt(strength) * self.label

    def prepared(self, proven: tuple[str, ...] = ()) -> Prepared:
        return prepare(self.rows, self.features, proven, seed=1)

    def judged(self, proven: tuple[str, ...] = ()) -> dict[tuple[str, str], FeatureVerdict]:
        """(feature, part) -> verdict."""
        found = statistics_verdicts(self.rows, self.features, proven=proven, seed=1)
        return {(verdict.feature, verdict.part): verdict for verdict in found}

    def suspects(self, proven: tuple[str, ...] = ()) -> set[tuple[str, str]]:
        return {place for place, verdict in self.judged(proven).items() if verdict.verdict == "suspect"}


def world(n: int = 6000, rate: float = 0.06, seed: int = 0, days: int = 365, drift: float = 0.0) -> World:
    """Decisions over ``days``, positives at ``rate``, which grows over time by ``drift`` times itself."""
    random = np.random.default_rng(seed)
    share = np.sort(random.random(n))
    label = (random.random(n) < rate * (1 + drift * share)).astype(np.int64)
    return World(label, START + (share * days * DAY).astype("timedelta64[us]"), random, {})


def honest(made: World) -> World:
    """Columns of every honest kind: strong, weak, skewed, sparse, missing, few and many levels, a date's difference."""
    random, label, n = made.random, made.label, made.n
    strong = made.normal(0.4375)  # AUC .68
    weak = made.normal(0.05)
    weak[random.random(n) < 0.2] = np.nan
    sparse = np.where(random.random(n) < 0.8, 0.0, np.exp(random.normal(size=n)))
    levels = np.array([f"level {place}" for place in range(300)], dtype=object)
    likelier = np.where(random.random(n) < 0.15 * label, 3, random.integers(0, 12, n))
    started = random.integers(0, 4000, n).astype(float)
    return made.add(
        strong=strong,
        weak=weak,
        amount=np.exp(2 * made.normal(0.1)),
        sparse=sparse,
        flag=(random.random(n) < 0.2 + 0.1 * label).astype(np.int64),
        team=levels[likelier],
        many=levels[random.integers(0, 300, n)],
        started=started,
        ended=started + random.integers(0, 900, n),
        identifier=random.permutation(n),
    )


def _kind(values: np.ndarray) -> Literal["number", "integer", "category"]:
    if values.dtype == object or values.dtype.kind == "U":
        return "category"
    return "integer" if values.dtype.kind == "i" else "number"


def of_part(found: Mapping[tuple[str, str], FeatureVerdict], part: str) -> dict[str, FeatureVerdict]:
    return {feature: verdict for (feature, of), verdict in found.items() if of == part}
