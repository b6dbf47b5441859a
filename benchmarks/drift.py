"""How often the drift rule cries wolf in stable months, and how often it names a feature that has moved.

    python -m benchmarks.drift [--months 100] [--rows 400] [--seed 1]

A recipe of 100 features (correlated numbers, numbers with gaps, heavy tails, flags, categories of up to 25 levels) is
trained on 5,000 decisions and watched by the month. Prints, with 95% Wilson intervals, how many stable months raise any
alarm, how many a fixed limit on the plain index would raise, and how many months with one moved feature name it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.features.catalogue import Feature
from leadscore_dagster.core.monitoring.drift import SCORE, compare, drifted
from leadscore_dagster.core.rates import wilson
from leadscore_dagster.recipes.schema import Monitoring

TRAINED_ON, FEATURES = 5_000, 100
LIMITS = Monitoring()
Move = Callable[[dict[str, np.ndarray], np.random.Generator], str]


def draw(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Values of `FEATURES` features, name → [rows]; names tell the kind."""
    common = rng.normal(size=(rows, 5))
    values: dict[str, np.ndarray] = {}
    for number in range(FEATURES):
        kind = ("number", "tail", "gaps", "flag", "level")[number % 5]
        latent = 0.6 * common[:, number % 5] + 0.8 * rng.normal(size=rows)
        if kind == "number":
            column = latent
        elif kind == "tail":
            column = np.exp(2 * latent)
        elif kind == "gaps":
            column = np.where(rng.random(rows) < 0.2, np.nan, latent)
        elif kind == "flag":
            column = (latent > 0.5 + number / 100).astype(np.float64)
        else:
            levels = 4 + number // 5
            column = rng.choice(levels, rows, p=_zipf(levels)).astype(np.float64)
        values[f"{kind}_{number}"] = column
    return values


def features() -> list[Feature]:
    """The catalogue of `draw`."""
    names = draw(1, np.random.default_rng(0))
    return [Feature(name, "simulated", "category" if name.startswith("level") else "number") for name in names]


def as_table(values: dict[str, np.ndarray]) -> pa.Table:
    """Features as Arrow, categories as text, with decision times of one instant."""
    rows = len(next(iter(values.values())))
    columns = {
        name: pa.array(
            [f"level {value:.0f}" for value in column] if name.startswith("level") else column, from_pandas=True
        )
        for name, column in values.items()
    }
    return pa.table({"decision_at": np.zeros(rows, "datetime64[us]"), **columns})


def month(training: pa.Table, values: dict[str, np.ndarray], rng: np.random.Generator) -> list[dict[str, object]]:
    """The drift rows of a month of decisions whose scores have not moved."""
    test, scored = (pa.table({"margin": rng.normal(size=n)}) for n in (2_000, len(values["number_0"])))
    rows = compare(training, test, as_table(values), scored, features())
    return [{"month": "2024-01", "complete": True} | row for row in rows]


def moved_by_half(values: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """A number moves by half its standard deviation."""
    values["number_10"] = values["number_10"] + 0.5
    return "number_10"


def newly_missing(values: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """30% of a number are missing that were not."""
    values["number_20"] = np.where(rng.random(len(values["number_20"])) < 0.3, np.nan, values["number_20"])
    return "number_20"


def level_tripled(values: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """A level's share triples, at the others' expense."""
    column = values["level_34"]
    share = _zipf(4 + 34 // 5)[5]
    values["level_34"] = np.where((column != 5) & (rng.random(len(column)) < 2 * share / (1 - share)), 5.0, column)
    return "level_34"


MOVES: dict[str, Move] = {
    "a number moved by 0.5 sd": moved_by_half,
    "30% newly missing": newly_missing,
    "a level's share tripled": level_tripled,
}


def stable(months: int, rows: int, seed: int) -> tuple[int, int]:
    """Stable months with any alarm by the rule, and by a limit of psi_warn on the plain index."""
    rng = np.random.default_rng(seed)
    training = as_table(draw(TRAINED_ON, rng))
    alarms = naive = 0
    for _ in range(months):
        found = month(training, draw(rows, rng), rng)
        alarms += bool(drifted(found, LIMITS))
        naive += any(float(str(row["psi_raw"])) >= LIMITS.psi_warn for row in found)
    return alarms, naive


def moved(move: Move, months: int, rows: int, seed: int) -> tuple[int, int]:
    """Months in which the moved feature was named, and in which any other was."""
    rng = np.random.default_rng(seed)
    training = as_table(draw(TRAINED_ON, rng))
    named = others = 0
    for _ in range(months):
        values = draw(rows, rng)
        name = move(values, rng)
        found = set(drifted(month(training, values, rng), LIMITS))
        named += name in found
        others += bool(found - {name, SCORE})
    return named, others


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--months", type=int, default=100)
    arguments.add_argument("--rows", type=int, default=400, help="decisions a month")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    alarms, naive = stable(given.months, given.rows, given.seed)
    print(f"{FEATURES} features, {given.rows:,} decisions a month against {TRAINED_ON:,} training rows")
    print(_line("stable months with any alarm", alarms, given.months))
    print(_line(f"the same with a plain index of {LIMITS.psi_warn:g}", naive, given.months))
    for what, move in MOVES.items():
        named, others = moved(move, given.months, given.rows, given.seed + 1)
        print(_line(f"{what}: named within the month", named, given.months))
        print(_line(f"{what}: another named as well", others, given.months))


def _line(what: str, hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{what:<52} {hits:>4} of {n}  ({low:.1%} to {high:.1%})"


def _zipf(levels: int) -> np.ndarray:
    weight = 1 / np.arange(1, levels + 1)
    return np.asarray(weight / weight.sum())


if __name__ == "__main__":
    main()
