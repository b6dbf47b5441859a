"""How often the gates let noise past, promote an equal, and see a true improvement. Markdown on stdout.

noise: features that know nothing, through the real training and every gate of the shipped advisor recipe.
equal: candidate and champion are the same model plus their own errors of one size: the true difference is 0.
better: the champion is the candidate plus so much error that its true top-decile lift is .4 lower; test periods of
about 2,000 positives. Leads, truth and test periods as in benchmarks/coverage.py.

Fewer replicates than the recipe's are used (an interval of 100 is on average as wide as one of 1,000, its ends are
less exact), which moves no share measured here by more than its own interval; `--replicates 1000` is the recipe's.

Run: ``python -m benchmarks.gate_worlds [noise] [equal] [better] [--worlds N] [--replicates N]``.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
import pyarrow as pa

from benchmarks.coverage import Scored, scored_population
from benchmarks.worlds import draw_entities, draw_outcomes
from leadscore_dagster.core.features.catalogue import Feature
from leadscore_dagster.core.gates import compare_with_champion, evaluate_gates, refused
from leadscore_dagster.core.modelling import metrics
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.modelling.intervals import CURVE_METRICS
from leadscore_dagster.core.rates import wilson
from leadscore_dagster.recipes.loading import load_recipe
from leadscore_dagster.recipes.schema import Promotion

METRICS = ("auc_pr", "auc_roc", "top_decile_lift")
IMPROVEMENT = 0.4
NOISE_ROWS, NOISE_FEATURES, NOISE_RATE = 24_000, 10, 0.039


def noise_table(seed: int) -> tuple[pa.Table, tuple[Feature, ...]]:
    """Two years of decisions whose outcome depends on nothing."""
    random = np.random.default_rng(seed)
    names = [f"noise_{number}" for number in range(NOISE_FEATURES)]
    seconds = random.integers(0, 730 * 86_400, NOISE_ROWS)
    decided = np.datetime64("2024-02-01T00:00:00", "us") + seconds.astype("timedelta64[s]")
    columns = {name: random.normal(size=NOISE_ROWS) for name in names}
    kept = {
        "decision_id": [f"lead{number:06d}" for number in range(NOISE_ROWS)],
        "decision_at": pa.array(decided, pa.timestamp("us", "UTC")),
        "label": (random.random(NOISE_ROWS) < NOISE_RATE).astype(np.int64),
        "person": random.integers(0, int(NOISE_ROWS * 0.95), NOISE_ROWS),
    }
    return pa.table(kept | columns), tuple(Feature(name, name, "number") for name in names)


def noise(worlds: int, replicates: int) -> list[str]:
    recipe = load_recipe("advisor_mql")
    model = recipe.model.model_copy(update={"bootstrap_replicates": replicates, "segments": {}, "calibrate_by": None})
    passed, by_gate = 0, Counter[str]()
    for world in range(worlds):
        table, features = noise_table(world)
        candidate = train_candidate(table, features, model, 30, "person")
        results = evaluate_gates(candidate.metrics, recipe.gates)
        passed += not refused(results)
        by_gate.update(result.name for result in refused(results))
    stopped = ", ".join(f"{name} {count}" for name, count in by_gate.most_common())
    return [_row("noise gets past every gate", "", "at most 5%", passed, worlds), f"\nRefusals by gate: {stopped}.\n"]


def true_value(scored: Scored, margin: np.ndarray, metric: str) -> float:
    truth = scored.leads.truth
    weight = np.concatenate([truth, 1 - truth])
    return CURVE_METRICS[metric](metrics.curve(metrics.rank(np.repeat([1, 0], len(truth)), np.tile(margin, 2)), weight))


def spoiled(scored: Scored, size: float, seed: int) -> np.ndarray:
    return scored.margin + size * np.random.default_rng(seed).normal(size=len(scored.margin))


def error_that_costs(scored: Scored, lift: float) -> float:
    """Size of the error, in log-odds, that takes ``lift`` off the true top-decile lift; by bisection."""
    wanted, low, high = true_value(scored, scored.margin, "top_decile_lift") - lift, 0.0, 3.0
    for _ in range(12):
        middle = (low + high) / 2
        enough = true_value(scored, spoiled(scored, middle, 1), "top_decile_lift") < wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def compared(
    scored: Scored, ours: np.ndarray, theirs: np.ndarray, rows: int, worlds: int, replicates: int
) -> Counter[str]:
    """How often the first is promoted over the second, by promotion metric."""
    promoted: Counter[str] = Counter()
    for world in range(worlds):
        random = np.random.default_rng([world, rows])
        drawn, codes = draw_entities(scored.leads.entity, random, rows)
        label = draw_outcomes(scored.leads.truth[drawn], random)
        for metric in METRICS:
            result = compare_with_champion(
                label, ours[drawn], theirs[drawn], codes, Promotion(metric=metric), 0, replicates, world
            )
            promoted[metric] += result.passed
    return promoted


def comparisons(kinds: list[str], worlds: int, replicates: int) -> list[str]:
    scored = scored_population(200_000, 7)
    size, rows = error_that_costs(scored, IMPROVEMENT), []
    if "equal" in kinds:
        pair = spoiled(scored, size, 2), spoiled(scored, size, 3)
        for n in (5_200, 51_500):
            found = compared(scored, *pair, n, worlds, replicates)
            rows += [
                _row(f"an equal is promoted by {metric}, {n:,} decisions", _truths(scored, pair, metric), "at most 5%",
                     found[metric], worlds)
                for metric in METRICS
            ]  # fmt: skip
    if "better" in kinds:
        pair = scored.margin, spoiled(scored, size, 1)
        for n in (5_200, 51_500):
            found = compared(scored, *pair, n, worlds, replicates)
            rows += [
                _row(f"a true improvement is promoted by {metric}, {n:,} decisions", _truths(scored, pair, metric),
                     "at least 80%" if n > 50_000 else "", found[metric], worlds)
                for metric in METRICS
            ]  # fmt: skip
    return rows


def _truths(scored: Scored, pair: tuple[np.ndarray, np.ndarray], metric: str) -> str:
    return " against ".join(f"{true_value(scored, margin, metric):.4f}" for margin in pair)


def _row(what: str, truth: str, wanted: str, count: int, worlds: int) -> str:
    low, high = wilson(count, worlds)
    return f"| {what} | {truth} | {wanted} | {count / worlds:.1%} | {low:.1%} to {high:.1%} | {worlds} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("kinds", nargs="*", default=["noise", "equal", "better"])
    arguments.add_argument("--worlds", type=int, default=200)
    arguments.add_argument("--replicates", type=int, default=100)
    given = arguments.parse_args()
    print("| question | truth | wanted | found | 95% interval | worlds |\n|---|---|--:|--:|--:|--:|", flush=True)
    if {"equal", "better"} & set(given.kinds):
        print("\n".join(comparisons(given.kinds, given.worlds, given.replicates)), flush=True)
    if "noise" in given.kinds:
        print("\n".join(noise(given.worlds, given.replicates)), flush=True)


if __name__ == "__main__":
    main()
