"""One flat table, as a user without vendor snapshots brings it: made with NumPy, taken in as a log source.

Lives here: an honest table whose outcome depends on what it shows, its recipe, its warehouse. Not here: leaks
(flat_leaks, log_leaks), which tables there are (flat_clean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.leak_benchmark.world import Planted, World
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.ingest import ingest_log
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.training import build_training_table
from leadscore_dagster.core.warehouse import Lake

SOURCE = "contacts"
START = np.datetime64("2023-01-01T00:00:00", "s")
DAY = np.timedelta64(86_400, "s")


@dataclass
class Flat:
    """A table under construction: columns by name, their contract types, the outcome, and who is scored when.

    ``decided`` datetime64[s] [n], ascending; ``latent`` float [n], the logit of the outcome without its intercept.
    """

    rng: np.random.Generator
    decided: np.ndarray
    entity: np.ndarray
    latent: np.ndarray
    outcome: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))
    columns: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    clocks: list[str] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.decided)

    @property
    def days(self) -> np.ndarray:
        """Days since the first of January, as a float."""
        return np.asarray((self.decided - START) / DAY)

    @property
    def month(self) -> np.ndarray:
        """Months since the year 1970, as integers."""
        return np.asarray(self.decided.astype("datetime64[M]").astype(np.int64))

    def add(self, name: str, values: Any, kind: str, *, effect: Any = 0.0) -> None:
        """A column, and what it adds to the logit. Only before ``decide``."""
        self.columns[name], self.types[name] = values, kind
        self.latent = self.latent + effect

    def decide(self, rate: float) -> None:
        """Draw the outcome at that base rate."""
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if _sigmoid(self.latent + middle).mean() < rate else (low, middle)
        self.outcome = (self.rng.random(self.n) < _sigmoid(self.latent + low)).astype(np.int8)

    def plant(self, kind: str, name: str, columns: dict[str, tuple[Any, str]]) -> None:
        """Columns (values, contract type) that leak together, or one that leaks alone."""
        for column, (values, contract_type) in columns.items():
            self.columns[column], self.types[column] = values, contract_type
        self.planted.append(Planted(kind, name, tuple(columns)))


def empty(rng: np.random.Generator, n: int, months: int = 18, growth: float = 0.3, entity: Any = None) -> Flat:
    """``n`` decisions over ``months``, in office hours, more of them towards the end by ``growth``."""
    place = np.sort(rng.random(n))
    share = (np.sqrt(1 + growth * (2 + growth) * place) - 1) / growth if growth else place
    day = np.floor(share * months * 30.4375)
    seconds = rng.integers(9 * 3600, 18 * 3600, n)
    decided = np.sort(START + (day * 86_400).astype("timedelta64[s]") + seconds.astype("timedelta64[s]"))
    return Flat(rng, decided, rng.permutation(n) + 10_001 if entity is None else entity, np.zeros(n))


def standard(rng: np.random.Generator, n: int, rate: float, *, months: int = 18, strength: float = 1.0) -> Flat:
    """The usual honest table: eleven features of every type, a model of them reaches AUC .70 to .75 at strength 1."""
    flat = empty(rng, n, months)
    numbers(flat, [0.55 * strength, -0.4 * strength, 0.25 * strength, 0.0])
    flags(flat, [0.4 * strength, 0.0])
    category(flat, "channel", 5, 0.3 * strength)
    category(flat, "region", 26, 0.15 * strength)
    counts(flat, [0.2 * strength, 0.0])
    partly_missing(flat, "income", 0.3, 0.35 * strength)
    flat.decide(rate)
    return flat


def numbers(flat: Flat, effects: Sequence[float], prefix: str = "measure") -> None:
    """Numbers of different shape; ``effects`` are logits per standard deviation (.66 alone is an AUC of .68)."""
    shapes = [lambda z: z, lambda z: np.exp(z), lambda z: 50 + 12 * z, lambda z: np.round(z * 4) / 4, np.tanh]
    for place, effect in enumerate(effects):
        z = flat.rng.standard_normal(flat.n)
        flat.add(f"{prefix}_{place}", shapes[place % len(shapes)](z), "number", effect=effect * z)


def flags(flat: Flat, effects: Sequence[float], prefix: str = "has") -> None:
    """Flags of 5% to 50% ones."""
    for place, effect in enumerate(effects):
        values = (flat.rng.random(flat.n) < flat.rng.uniform(0.05, 0.5)).astype(np.int64)
        flat.add(f"{prefix}_{place}", values, "flag", effect=effect * values)


def counts(flat: Flat, effects: Sequence[float], prefix: str = "number") -> None:
    """Counts with a long tail."""
    for place, effect in enumerate(effects):
        z = flat.rng.standard_normal(flat.n)
        flat.add(f"{prefix}_{place}", flat.rng.poisson(np.exp(0.5 + 0.6 * z)), "integer", effect=effect * z)


def category(flat: Flat, name: str, levels: int, spread: float, *, skew: float = 1.0) -> np.ndarray:
    """A category of so many levels, of which few are frequent; ``spread`` is the standard deviation of their logits.
    Returns the level of each row."""
    weight = 1 / np.arange(1, levels + 1) ** skew
    level = flat.rng.choice(levels, flat.n, p=weight / weight.sum())
    effect = flat.rng.standard_normal(levels) * spread
    names = np.array([f"{name[:3].upper()}{place:04d}" for place in flat.rng.permutation(levels)])
    flat.add(name, names[level], "text", effect=effect[level])
    return np.asarray(level)


def partly_missing(flat: Flat, name: str, share: float, effect: float, shift: float = 0.68) -> None:
    """A number missing in ``share`` of the rows; missing ones convert more often by ``shift`` (a logit of .68 is the
    6.46% against 3.38% in the original systems' data)."""
    z = flat.rng.standard_normal(flat.n)
    gone = flat.rng.random(flat.n) < share
    values = np.where(gone, np.nan, 40 + 9 * z)
    flat.add(name, values, "number", effect=np.where(gone, shift, effect * z))


def written(
    folder: Path,
    flat: Flat,
    extracts: dict[date, dict[str, Any]] | None = None,
    as_of: date | None = None,
    kept: dict[date, np.ndarray] | None = None,
    **changes: Any,
) -> World:
    """The table as a warehouse with labels and training rows, asked at ``as_of``.

    Parameters
    ----------
    extracts : day of an extract → columns that stood differently in it than in ``flat``; without, one extract at the
        first quarter after the last decision. Labels and training rows are built at each, as every quarter does.
    kept : day of an extract → the rows that were still there (bool [n]).
    changes : sections of the recipe to replace.
    """
    last = as_of or quarter_after(flat.decided[-1] + 2 * DAY)
    document = recipe_document(flat, last, **changes)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    recipe = load_recipe(path)
    lake = Lake(folder / "warehouse", recipe.name, threads=1)
    for day, differing in sorted((extracts or {last: {}}).items()):
        extract = folder / f"extract_{day}.parquet"
        pq.write_table(_table(flat, differing, (kept or {}).get(day)), extract)
        ingest_log(lake, SOURCE, recipe.decision_source, connector_of(extract), day, threads=1)
        build_labels(lake, recipe, day)
        build_training_table(lake, recipe, day)
    leaking = {name for planted in flat.planted for name in planted.features}
    clean = tuple(name for name in flat.columns if name not in leaking)
    return World(lake, recipe, last, tuple(flat.planted), clean, tuple(flat.clocks))


def quarter_after(moment: np.datetime64) -> date:
    """First day of the quarter after an instant."""
    months = int(moment.astype("datetime64[M]").astype(np.int64))
    first = np.datetime64((months // 3 + 1) * 3, "M").astype("datetime64[D]")
    return date.fromisoformat(str(first))


def recipe_document(flat: Flat, as_of: date, **changes: Any) -> dict[str, Any]:
    """A recipe with nothing declared about its columns but their types."""
    columns = [
        {"name": "record_id", "type": "text", "nullable": False},
        {"name": "customer_id", "type": "key", "nullable": False},
        {"name": "contacted_at", "type": "timestamp", "nullable": False},
        *({"name": name, "type": kind} for name, kind in flat.types.items()),
        {"name": "outcome", "type": "flag", "known": "after_outcome"},
    ]
    document: dict[str, Any] = {
        "name": "flat_world",
        "title": "One flat table of contacts",
        "first_as_of": date(2023, 1, 1),
        "as_of": as_of,
        "sources": {
            SOURCE: {
                "kind": "log",
                "table": SOURCE,
                "contract": {"name": SOURCE, "key": ["record_id"], "columns": columns, "maximum_quarantined": 0.2},
                "files": ["*.parquet"],
                "known_at": "contacted_at",
            }
        },
        "decisions": {"source": SOURCE, "id": "record_id", "entity": "customer_id", "at": "contacted_at"},
        "label": {"kind": "column", "column": "outcome", "positive": 1, "known_after_days": 0},
        "features": {"columns": list(flat.columns)},
        "model": {"gap_days": 0, "minimum_positives": 10},
        "gates": {"auc_roc": {"at_least": 0.5}},
        "scoring": {
            "decisions": "scoring/decisions_of_day",
            "buckets": [{"name": "All", "from_percentile": 0, "action": "Call"}],
        },
    }
    return document | changes


def _table(flat: Flat, differing: dict[str, Any], kept: np.ndarray | None) -> pa.Table:
    """One extract. The order of its rows tells nothing: exports are sorted by a random identifier."""
    order = np.random.default_rng(flat.n).permutation(flat.n)
    identity = np.char.add("R", np.char.zfill(order.argsort().astype(str), 7))
    columns: dict[str, Any] = {"record_id": identity, "customer_id": flat.entity, "contacted_at": _utc(flat.decided)}
    columns |= {name: _array(differing.get(name, values)) for name, values in flat.columns.items()}
    columns["outcome"] = differing.get("outcome", flat.outcome)
    return pa.table(columns).take(pa.array(order if kept is None else order[kept[order]]))


def _utc(moments: np.ndarray) -> pa.Array:
    return pa.array(moments.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def _array(values: Any) -> pa.Array:
    """Not a number is missing."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values)


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logit)))
