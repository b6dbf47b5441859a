"""How often the gates let noise past, promote an equal, and see a true improvement. Markdown on stdout.

noise: features that know nothing, through the real training and every gate of the shipped advisor recipe.
equal: candidate and champion are the same model plus their own errors of one size: the true difference is 0.
better: the champion is the candidate plus so much error that its true top-decile lift is .4 lower; test periods of
about 2,000 positives. Leads, truth and test periods as in benchmarks/coverage.py.

replicates: fewer are used here than the recipe's 1,000. An interval of 100 is on average as wide, its ends are less
exact: the same worlds are judged with both, and the verdicts held against each other.

Run: ``OMP_NUM_THREADS=1 python -m benchmarks.gate_worlds [noise] [equal] [better] [replicates] [--worlds N]``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.coverage import Scored, scored_population
from benchmarks.worlds import draw_entities, draw_outcomes, in_parallel
from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.catalogue import curve_metrics
from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.period import paired_differences
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Promotion, Recipe
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.versions.comparison import compare_with_champion
from leadscore_dagster.core.versions.gates import evaluate_gates, refused

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


def without_names(recipe: Recipe, replicates: int) -> Recipe:
    """The recipe without segments and rankings, whose features noise has not, nor the gates that ask about them, and
    with fewer replicates."""
    smaller = {"bootstrap_replicates": replicates, "segments": {}, "business_signals": (), "reference_ranking": ()}
    gates = {name: gate for name, gate in recipe.gates.items() if name not in ("segment_ece", "business_signals")}
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=smaller), "gates": gates})


def refusals_of_noise(recipe: Recipe, world: int) -> list[str]:
    """Names of the gates that refuse the candidate of one world of noise."""
    table, features = noise_table(world)
    candidate = train_candidate(table, features, recipe.model, window_days=30, entity="person")
    return [result.name for result in refused(evaluate_gates(candidate.metrics, recipe.gates))]


def noise(worlds: int, replicates: int, processes: int) -> list[str]:
    recipe = without_names(load_recipe("advisor_mql"), replicates)
    found = in_parallel(partial(refusals_of_noise, recipe), worlds, processes)
    passed, by_gate = found.count([]), Counter(name for names in found for name in names)
    stopped = ", ".join(f"{name} {count}" for name, count in by_gate.most_common())
    return [_row("noise gets past every gate", "", "at most 5%", passed, worlds), f"\nRefusals by gate: {stopped}.\n"]


def true_value(scored: Scored, margin: np.ndarray, metric: str) -> float:
    truth = scored.leads.truth
    weight = np.concatenate([truth, 1 - truth])
    return curve_metrics()[metric](
        metrics.curve(metrics.rank(np.repeat([1, 0], len(truth)), np.tile(margin, 2)), weight)
    )


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


def promoted_in_world(
    scored: Scored, ours: np.ndarray, theirs: np.ndarray, rows: int, replicates: int, world: int
) -> Counter[str]:
    """By which promotion metrics the first is promoted over the second, on one drawn test period.

    The low end of the paired difference must lie above 0: the rule of `compare_with_champion` for a champion that is
    not old, here for all metrics in one pass. World 0 asks `compare_with_champion` as well, and must agree.
    """
    random = np.random.default_rng([world, rows])
    drawn, people = draw_entities(scored.leads.entity, random, rows)
    label = draw_outcomes(scored.leads.truth[drawn], random)
    judged, bootstrap = Judged.ranked(label, ours[drawn], entity_codes(people)), Bootstrap(replicates, world)
    differences = paired_differences(judged, theirs[drawn], METRICS, bootstrap=bootstrap)
    promoted = Counter(metric for metric, difference in differences.items() if difference.low > 0)
    if world == 0:
        for metric in METRICS:
            ruling = compare_with_champion(
                judged, theirs[drawn], Promotion(metric=metric), champion_age=0, bootstrap=bootstrap
            )
            assert ruling.verdict.passed == bool(promoted[metric]), f"another rule than the product's: {ruling.found}"
    return promoted


def comparisons(kinds: list[str], worlds: int, replicates: int, processes: int) -> list[str]:
    scored = scored_population(200_000, 7)
    size, rows = error_that_costs(scored, IMPROVEMENT), []

    def compared(ours: np.ndarray, theirs: np.ndarray, n: int) -> Counter[str]:
        one_world = partial(promoted_in_world, scored, ours, theirs, n, replicates)
        return sum(in_parallel(one_world, worlds, processes), Counter[str]())

    if "equal" in kinds:
        pair = spoiled(scored, size, 2), spoiled(scored, size, 3)
        for n in (5_200, 51_500):
            found = compared(*pair, n)
            rows += [
                _row(f"an equal is promoted by {metric}, {n:,} decisions", _truths(scored, pair, metric), "at most 5%",
                     found[metric], worlds)
                for metric in METRICS
            ]  # fmt: skip
    if "better" in kinds:
        pair = scored.margin, spoiled(scored, size, 1)
        for n in (5_200, 51_500):
            found = compared(*pair, n)
            rows += [
                _row(f"a true improvement is promoted by {metric}, {n:,} decisions", _truths(scored, pair, metric),
                     "at least 80%" if n > 50_000 else "", found[metric], worlds)
                for metric in METRICS
            ]  # fmt: skip
    return rows


def replicates_matter(worlds: int, replicates: int, processes: int) -> list[str]:
    """The same worlds judged with few replicates and with the recipe's: promotions by either, and verdicts that differ;
    for noise, refusals. Worlds in which the verdict is open: 5,200 decisions, a true improvement."""
    scored, recipe = scored_population(200_000, 7), load_recipe("advisor_mql")
    theirs, full = spoiled(scored, error_that_costs(scored, IMPROVEMENT), 1), recipe.model.bootstrap_replicates
    few, many = (
        in_parallel(partial(promoted_in_world, scored, scored.margin, theirs, 5_200, each), worlds, processes)
        for each in (replicates, full)
    )
    noisy = max(1, worlds // 10)
    less, more = (
        in_parallel(partial(refusals_of_noise, without_names(recipe, each)), noisy, processes)
        for each in (replicates, full)
    )
    head = f"\n| verdict | worlds | yes with {replicates:,} replicates | yes with {full:,} | differ |"
    lines = [head, "|---|--:|--:|--:|--:|"]
    for metric in METRICS:
        pairs = [(one[metric] > 0, other[metric] > 0) for one, other in zip(few, many, strict=True)]
        lines.append(_paired_row(f"promoted by {metric}", pairs))
    for gate in recipe.gates:
        pairs = [(gate in one, gate in other) for one, other in zip(less, more, strict=True)]
        lines.append(_paired_row(f"noise refused by {gate}", pairs))
    return lines


def _paired_row(what: str, pairs: list[tuple[bool, bool]]) -> str:
    few, many = (sum(each) for each in zip(*pairs, strict=True))
    return f"| {what} | {len(pairs)} | {few} | {many} | {sum(one != other for one, other in pairs)} |"


def _truths(scored: Scored, pair: tuple[np.ndarray, np.ndarray], metric: str) -> str:
    return " against ".join(f"{true_value(scored, margin, metric):.4f}" for margin in pair)


def _row(what: str, truth: str, wanted: str, count: int, worlds: int) -> str:
    low, high = wilson(count, worlds)
    return f"| {what} | {truth} | {wanted} | {count / worlds:.1%} | {low:.1%} to {high:.1%} | {worlds} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("kinds", nargs="*", default=["noise", "equal", "better", "replicates"])
    arguments.add_argument("--worlds", type=int, default=200)
    arguments.add_argument("--replicates", type=int, default=100)
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    print("| question | truth | wanted | found | 95% interval | worlds |\n|---|---|--:|--:|--:|--:|", flush=True)
    if {"equal", "better"} & set(given.kinds):
        print("\n".join(comparisons(given.kinds, given.worlds, given.replicates, given.processes)), flush=True)
    if "noise" in given.kinds:
        print("\n".join(noise(given.worlds, given.replicates, given.processes)), flush=True)
    if "replicates" in given.kinds:
        print("\n".join(replicates_matter(given.worlds, given.replicates, given.processes)), flush=True)


if __name__ == "__main__":
    main()
