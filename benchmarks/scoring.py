"""Daily scoring at the size of the whole market: 460,000 leads x 70 features, Parquet in, Parquet out.

Measures, each in its own process, the scores alone, the scores with reasons (exact TreeSHAP by XGBoost,
narrative), and the narrative's share. The booster is a real one: 200 trees of depth 4 on random data, a tenth
of every fifth column missing. Run: ``python benchmarks/scoring.py [--rows N] [--csv]``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.core.delivery.ranked_csv import write_ranked_csv
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.scoring import narrative, score
from leadscore_dagster.core.table.features.catalogue import Feature

FEATURES = [f"feature_{number:02d}" for number in range(70)]
KEYS = ("decision_id", "entity", "decision_at")
INSTANT = datetime(2024, 5, 6, 5, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    margin: np.ndarray
    probability: np.ndarray
    contributions: np.ndarray | None
    bias: float | None


def _decile(number: int) -> dict[str, float]:
    low, high = wilson(110 - 10 * number, 1000)
    return {"decile": number, "n": 1000, "positives": 110 - 10 * number, "low": low, "high": high}


@dataclass
class BoosterModel:
    """XGBoost with a logistic link; ``seconds`` adds up what the model itself takes."""

    booster: Any
    version: str = "benchmark"
    feature_names: tuple[str, ...] = tuple(FEATURES)
    gains: tuple[dict[str, float], ...] = tuple(_decile(d) for d in range(1, 11))
    seconds: dict[str, float] = field(default_factory=lambda: {"predict": 0.0, "contributions": 0.0})

    def prepare(self, table: pa.Table) -> pa.Table:
        return table

    def score(self, table: pa.Table, contributions: bool) -> Answer:
        import xgboost

        matrix = np.empty((table.num_rows, len(FEATURES)), dtype=np.float32)
        for position, name in enumerate(FEATURES):
            matrix[:, position] = table[name].to_numpy()
        started = time.perf_counter()
        margin = self.booster.inplace_predict(matrix, predict_type="margin")
        self.seconds["predict"] += time.perf_counter() - started
        parts, bias = None, None
        if contributions:
            started = time.perf_counter()
            values = self.booster.predict(xgboost.DMatrix(matrix), pred_contribs=True)
            self.seconds["contributions"] += time.perf_counter() - started
            parts, bias = values[:, :-1], float(values[0, -1])
        return Answer(margin, 1 / (1 + np.exp(-margin.astype(np.float64))), parts, bias)


def write_features(path: Path, rows: int) -> None:
    """Random features in row groups of 122,880, as the lake writes them."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "decision_id": [f"00Q{number:015d}" for number in range(rows)],
        "entity": np.arange(rows),
        "decision_at": pa.array(np.full(rows, np.datetime64("2024-05-06", "us")), pa.timestamp("us", tz="UTC")),
    }
    for position, name in enumerate(FEATURES):
        values = random.normal(size=rows) if position % 2 else random.integers(0, 200, rows).astype(float)
        columns[name] = pa.array(values, mask=random.random(rows) < (0.1 if position % 5 == 0 else 0))
    pq.write_table(pa.table(columns), path, row_group_size=122_880, compression="zstd")


def train_booster(features: Path, path: Path) -> None:
    import xgboost

    table = pq.read_table(features, columns=FEATURES).slice(0, 45_000)
    matrix = np.stack([table[name].to_numpy() for name in FEATURES], axis=1).astype(np.float32)
    signal = np.nan_to_num(matrix[:, 1]) + np.nan_to_num(matrix[:, 0]) / 100 - 4
    label = np.random.default_rng(1).random(len(matrix)) < 1 / (1 + np.exp(-signal))
    parameters = {
        "objective": "binary:logistic",
        "max_depth": 4,
        "eta": 0.1,
        "tree_method": "hist",
        "seed": 0,
    }
    xgboost.train(parameters, xgboost.DMatrix(matrix, label), num_boost_round=200).save_model(path)


def measure(folder: Path, with_drivers: bool, csv: bool) -> dict[str, float]:
    """One pass, Parquet to Parquet; seconds and peak memory in GB."""
    import xgboost

    booster = xgboost.Booster(model_file=folder / "model.ubj")
    model = BoosterModel(booster)
    recipe = load_recipe("bank_marketing").model_copy(
        update={"decisions": load_recipe("bank_marketing").decisions.model_copy(update={"entity": "entity"})}
    )
    catalogue = {
        name: Feature(name, "", "number", phrase=f"{{value:.1f}} of feature {name[-2:]}") for name in FEATURES[:60]
    }
    spent = {"narrative": 0.0}
    said = score.reasons

    def timed(*arguments: Any) -> pa.Array:
        started = time.perf_counter()
        result = said(*arguments)
        spent["narrative"] += time.perf_counter() - started
        return result

    score.reasons = timed  # type: ignore[assignment]
    file = pq.ParquetFile(folder / "features.parquet")
    start_memory = _peak()
    started, processor = time.perf_counter(), time.process_time()
    reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(65_536))
    table = score.score_decisions(
        reader,
        model,
        recipe,
        day=date(2024, 5, 6),
        vintage_as_of=date(2024, 4, 1),
        scored_at=INSTANT,
        catalogue=catalogue,
        with_drivers=with_drivers,
    )
    scored = time.perf_counter()
    pq.write_table(table, folder / "scores.parquet", compression="zstd")
    written = time.perf_counter()
    figures = {
        "rows": table.num_rows,
        "total": written - started,
        "cpu": time.process_time() - processor,
        "write": written - scored,
        **model.seconds,
        "narrative": spent["narrative"],
        "without_contributions": written - started - model.seconds["contributions"],
        "peak_memory_gb": _peak(),
        "of_it_before_gb": start_memory,
    }
    if with_drivers:
        ranking = score.rank_leads(table["margin"].to_numpy(), table["decision_id"])
        started = time.perf_counter()
        narrative.narrative(ranking, table["narrative"])
        figures["standing"] = time.perf_counter() - started
    if csv:
        started = time.perf_counter()
        write_ranked_csv(table, None, folder / "list.csv")
        figures["csv"] = time.perf_counter() - started
    return figures


def _peak() -> float:
    """Peak resident memory of this program in GB. getrusage would count the parent's from before the exec."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=460_000)
    arguments.add_argument("--csv", action="store_true", help="also write the list sales opens")
    arguments.add_argument("--measure", nargs=2, metavar=("FOLDER", "DRIVERS"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        folder, drivers = given.measure
        print(json.dumps(measure(Path(folder), drivers == "drivers", given.csv)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_features(folder / "features.parquet", given.rows)
        train_booster(folder / "features.parquet", folder / "model.ubj")
        for drivers in ("scores", "drivers"):
            command = [
                sys.executable,
                __file__,
                "--measure",
                name,
                drivers,
                *(["--csv"] if given.csv else []),
            ]
            figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(drivers, {key: round(value, 2) for key, value in figures.items()}, flush=True)


if __name__ == "__main__":
    main()
