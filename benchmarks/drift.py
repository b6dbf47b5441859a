"""How often the drift rule cries wolf in stable months, and how often it names a feature that has moved.

    python -m benchmarks.drift [--months 100] [--rows 400] [--seed 1]
    python -m benchmarks.drift --home .leadscore [--recipe advisor_mql] [--day 2026-01-26]

The first: a simulated recipe of 100 features (correlated numbers, numbers with gaps, heavy tails, flags, categories of
up to 25 levels) is trained on two years of independent rows and watched by the month. Prints, with 95% Wilson
intervals, how many stable months raise any alarm, how many a fixed limit on the plain index would raise, and how many
months with one moved feature name it.

The second: the same questions to the months of a home's own training rows (``make demo`` makes one), each held against
all the others, and, from the thirteenth on, against those before it. There rows share firms and vintages. Numbers with
more than 20 values are moved by half a standard deviation, up or down at random; of categories and flags a level with a
share of 5% to 40% is doubled. Ten of each are drawn for a month and moved at once: every column is judged by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.population_stability import numbers
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.monitoring.drift import SCORE, compare, drifted
from leadscore_dagster.core.monitoring.reference import Reference, reference_of
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Monitoring, VintageSource
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.defs.resources import Workspace

TRAINED_MONTHS, FEATURES = 24, 100
LIMITS = Monitoring()
#: features moved in each month of a home, and the months that must lie before one
MOVED_EACH, EARLIER = 10, 12
#: values that make a number continuous, and shares of a level that can be doubled
VALUES, SHARES = 20, (0.05, 0.4)
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
    """Features as Arrow, categories as text, decided on evenly over `TRAINED_MONTHS` months."""
    rows = len(next(iter(values.values())))
    months = np.datetime64("2022-01", "M") + np.arange(rows) * TRAINED_MONTHS // rows
    columns = {
        name: pa.array(
            [f"level {value:.0f}" for value in column] if name.startswith("level") else column, from_pandas=True
        )
        for name, column in values.items()
    }
    return pa.table({"decision_at": months.astype("datetime64[us]"), **columns})


def simulated_month(
    training: pa.Table, values: dict[str, np.ndarray], rng: np.random.Generator
) -> list[dict[str, object]]:
    """The drift rows of a month of decisions whose scores have not moved."""
    test, scored = (pa.table({"margin": rng.normal(size=n)}) for n in (2_000, len(values["number_0"])))
    rows = compare(training, test, as_table(values), scored=scored, features=features())
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


def level_doubled(values: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """The share of a level with about a tenth of the rows doubles."""
    column = values["level_34"]
    share = _zipf(4 + 34 // 5)[2]
    values["level_34"] = np.where((column != 2) & (rng.random(len(column)) < share / (1 - share)), 2.0, column)
    return "level_34"


MOVES: dict[str, Move] = {
    "a number moved by 0.5 sd": moved_by_half,
    "30% newly missing": newly_missing,
    "a level's share tripled": level_tripled,
    "a level's share doubled": level_doubled,
}


def stable(months: int, rows: int, seed: int) -> tuple[int, int]:
    """Stable months with any alarm by the rule, and by a limit of psi_warn on the plain index."""
    rng = np.random.default_rng(seed)
    training = as_table(draw(TRAINED_MONTHS * rows, rng))
    alarms = naive = 0
    for _ in range(months):
        found = simulated_month(training, draw(rows, rng), rng)
        alarms += bool(drifted(found, LIMITS))
        naive += any(float(str(row["psi_raw"])) >= LIMITS.psi_warn for row in found)
    return alarms, naive


def moved(move: Move, months: int, rows: int, seed: int) -> tuple[int, int]:
    """Months in which the moved feature was named, and in which any other was."""
    rng = np.random.default_rng(seed)
    training = as_table(draw(TRAINED_MONTHS * rows, rng))
    named = others = 0
    for _ in range(months):
        values = draw(rows, rng)
        name = move(values, rng)
        found = set(drifted(simulated_month(training, values, rng), LIMITS))
        named += name in found
        others += bool(found - {name, SCORE})
    return named, others


def months_of_home(reference: Reference, lasting: int, seed: int) -> dict[str, tuple[int, int]]:
    """What is asked of the months of a champion's own training rows → hits and number."""
    trained = reference.training
    margin = pa.array(reference.model.score(trained, False).margin, pa.float64())
    trained = trained.append_column("margin", margin)
    catalogue = list(reference.model.catalogue.values())
    of_row = trained["decision_at"].to_numpy().astype("datetime64[M]")
    months, sizes = np.unique(of_row, return_counts=True)
    months = months[sizes >= np.median(sizes) / 2]
    rng = np.random.default_rng(seed)
    found: dict[str, list[bool]] = {}

    def alarms(before: np.ndarray, now: pa.Table) -> set[str]:
        rest = trained.filter(pa.array(before))
        rows = compare(rest, rest, now, scored=now, features=catalogue, lasting=lasting)
        return set(drifted([{"complete": True} | row for row in rows], LIMITS))

    for place, one in enumerate(months):
        others, now = of_row != one, trained.filter(pa.array(of_row == one))
        alarm = alarms(others, now)
        found.setdefault("a month against all others: any alarm", []).append(bool(alarm))
        if place >= EARLIER:
            found.setdefault("a month against those before it: any alarm", []).append(bool(alarms(of_row < one, now)))
        moved_now, halves, doubles = moved_in(now, trained, catalogue, rng)
        named = alarms(others, moved_now)
        found.setdefault("a number moved by 0.5 sd: named within the month", []).extend(x in named for x in halves)
        found.setdefault("a level's share doubled: named within the month", []).extend(x in named for x in doubles)
        print(f"{one}  {len(now):>5,} rows  {', '.join(sorted(alarm)) or 'no alarm'}", flush=True)
    return {what: (sum(hits), len(hits)) for what, hits in found.items()}


def moved_in(
    now: pa.Table, trained: pa.Table, catalogue: Sequence[Any], rng: np.random.Generator
) -> tuple[pa.Table, list[str], list[str]]:
    """A month with numbers moved and levels doubled; their names."""
    names = [feature.name for feature in catalogue if feature.type in ("number", "integer")]
    many = [name for name in names if len(np.unique(_known(trained[name]))) > VALUES]
    halves = [str(name) for name in rng.choice(many, min(MOVED_EACH, len(many)), replace=False)]
    for name in halves:
        shifted = numbers(now[name]) + rng.choice([-0.5, 0.5]) * _known(trained[name]).std()
        now = _replaced(now, name, pa.array(shifted, from_pandas=True))
    levels = {
        feature.name: usable
        for feature in catalogue
        if feature.type in ("flag", "category") and (usable := _levels(trained[feature.name]))
    }
    doubles = [str(name) for name in rng.choice(list(levels), min(MOVED_EACH, len(levels)), replace=False)]
    for name in doubles:
        now = _replaced(now, name, _doubled(now[name], levels[name][rng.integers(len(levels[name]))], rng))
    return now, halves, doubles


def _levels(column: pa.ChunkedArray) -> list[Any]:
    counts = {row["values"]: row["counts"] / len(column) for row in column.value_counts().to_pylist()}
    return [
        value
        for value, share in counts.items()
        if value is not None and value == value and SHARES[0] <= share <= SHARES[1]
    ]


def _doubled(column: pa.ChunkedArray, level: Any, rng: np.random.Generator) -> pa.Array:
    """As many other rows as had the level get it, at random."""
    values = column.to_pylist()
    others = [place for place, value in enumerate(values) if value != level]
    for place in rng.choice(others, min(len(values) - len(others), len(others)), replace=False):
        values[place] = level
    return pa.array(values, column.type)


def _replaced(rows: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, column)


def _known(column: pa.ChunkedArray) -> np.ndarray:
    values = numbers(column)
    return values[~np.isnan(values)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--months", type=int, default=100)
    arguments.add_argument("--rows", type=int, default=400, help="decisions a month")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--home", help="a home whose champion's training rows are asked instead")
    arguments.add_argument("--recipe", default="advisor_mql")
    arguments.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date(), help="whose champion")
    given = arguments.parse_args()
    if given.home:
        recipe, workspace = load_recipe(given.recipe), Workspace(home=given.home)
        warehouse, state = workspace.warehouse(recipe), workspace.state(recipe)
        reference = reference_of(warehouse, state, workspace.models(recipe), recipe=recipe, day=given.day)
        vintages = any(isinstance(source, VintageSource) for source in recipe.sources.values())
        for what, (hits, n) in months_of_home(reference, recipe.cadence.months if vintages else 1, given.seed).items():
            print(_line(what, hits, n))
        return
    alarms, naive = stable(given.months, given.rows, given.seed)
    print(
        f"{FEATURES} features, {given.rows:,} decisions a month against {TRAINED_MONTHS} such months of training rows"
    )
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
