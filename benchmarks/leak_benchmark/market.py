"""Worlds over one small market: generated once and taken in once per seed, then every world is another recipe.

The vintages of a world are those of the market, linked into a warehouse of its own, so that no world sees the labels,
training rows or remembered answers of another. Feature sets that no shipped recipe may have are SQL of the world's own
recipe folder.

Lives here: the market, the recipe folder, the world. Not here: which worlds there are (market_leaks, market_clean).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from benchmarks.leak_benchmark.world import Planted, World
from leadscore_dagster.core.recipe.loading import load_recipe, shipped_document
from leadscore_dagster.core.recipe.schema import VintageSource
from leadscore_dagster.core.simulation.market import MarketSize, generate_market
from leadscore_dagster.core.simulation.market.size import QUARTERS
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.ingest import ingest_log, ingest_vintage
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.training import build_training_table
from leadscore_dagster.core.warehouse import Lake

SIZE = MarketSize(reps=6_000, firms=480, leads=5_500)
AS_OF = date(2026, 1, 1)
MARKET = "market"
SQL = Path(__file__).parent / "sql"
HONEST = "honest"


@dataclass(frozen=True)
class FeatureSql:
    """A feature set of one feature: its SELECT, and the kind of leak it is (empty: it is honest)."""

    name: str
    type: str
    sql: str
    kind: str = ""


def prepare_market(folder: Path, seed: int, size: MarketSize = SIZE) -> Path:
    """Generate a market and take in every drop and the leads; returns the folder of its stored tables."""
    generate_market(folder / "files", size, seed, file_format="parquet")
    recipe = load_recipe("advisor_mql")
    lake = Lake(folder / "warehouse", MARKET, threads=1)
    for name, source in recipe.sources.items():
        if isinstance(source, VintageSource):
            for quarter in QUARTERS:
                ingest_vintage(lake, name, source, connector_of(folder / "files" / "drops"), quarter.as_of, threads=1)
        else:
            ingest_log(lake, name, source, connector_of(folder / "files" / "crm"), AS_OF, threads=1)
    shutil.rmtree(folder / "files")
    return folder / "warehouse" / MARKET


def read_features(kind: str) -> list[FeatureSql]:
    """The feature sets in ``sql/<kind>``; a leading comment gives the type."""
    found = []
    for path in sorted((SQL / kind).glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        feature_type = sql.splitlines()[0].removeprefix("-- type: ")
        found.append(FeatureSql(path.stem, feature_type, sql, "" if kind == HONEST else kind))
    return found


def write_sql(folder: Path, sets: Sequence[FeatureSql]) -> None:
    """The SQL of a recipe: feature sets with their catalogues, and the views of the benchmark."""
    (folder / "features").mkdir(parents=True)
    for entry in sets:
        feature = {"name": entry.name, "definition": f"{entry.name} of the benchmark", "type": entry.type}
        (folder / "features" / f"set_{entry.name}.yaml").write_text(yaml.safe_dump([feature]), encoding="utf-8")
        (folder / "features" / f"set_{entry.name}.sql").write_text(entry.sql, encoding="utf-8")
    shutil.copytree(SQL / "relations", folder / "vintages")


def market_world(
    folder: Path,
    market: Path,
    feature_sets: Sequence[str],
    more: Sequence[FeatureSql] = (),
    **changes: Any,
) -> World:
    """A recipe over the market's vintages: shipped sets, and sets of the benchmark. ``changes``: other sections."""
    document = shipped_document("advisor_mql")
    features = {"sets": [*feature_sets, *(f"set_{entry.name}" for entry in more)]} | changes.pop("features", {})
    document |= {"features": features, "audits": []}
    document["model"]["minimum_positives"] = 10
    document |= changes
    write_sql(folder / "sql", more)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    recipe = load_recipe(folder)
    dataset = folder / "warehouse" / recipe.name
    dataset.mkdir(parents=True)
    for source in recipe.sources.values():
        (dataset / source.table).symlink_to((market / source.table).absolute(), target_is_directory=True)
    lake = Lake(folder / "warehouse", recipe.name, threads=1)
    build_labels(lake, recipe, AS_OF)
    build_training_table(lake, recipe, AS_OF)
    planted = tuple(Planted(entry.kind, entry.name, (entry.name,)) for entry in more if entry.kind)
    leaking = {entry.name for entry in more if entry.kind}
    clean = tuple(feature.name for feature in features_of(recipe) if feature.name not in leaking)
    return World(lake, recipe, AS_OF, planted, clean)
