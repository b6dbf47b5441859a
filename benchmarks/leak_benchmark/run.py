"""The command: builds the worlds, asks the audit about each, prints Markdown.

    python -m benchmarks.leak_benchmark [--seeds 101,102,103] [--quick] [--only TEXT] [--json FILE] [--workers 2]

Thresholds of the audit were developed on seeds 1 to 3; the default seeds had not been used then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.leak_benchmark.asking import FLAGGED, Answer, ask
from benchmarks.leak_benchmark.catalogue import catalogue
from benchmarks.leak_benchmark.market import MARKET, prepare_market
from benchmarks.leak_benchmark.screens import predictive_power, rank_auc
from benchmarks.leak_benchmark.tally import Honest, Leak, Result, as_json, as_markdown, tally
from benchmarks.leak_benchmark.world import Planted, World
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.training import training_rows

JUDGED_SEEDS = "101,102,103"


def judge(root: Path, name: str, seed: int) -> Result:
    """Build one world, ask the audit and the screens, and hold the answers against the truth."""
    entry = catalogue()[name]
    folder = root / f"{seed}" / name.replace("/", "_")
    folder.mkdir(parents=True)
    started = time.perf_counter()
    try:
        world = entry.build(folder, root / f"market_{seed}" / "warehouse" / MARKET, seed)
        building = time.perf_counter() - started
        try:
            answer = ask(world)
        except InputError as error:  # an audit that gives no answer has caught nothing
            missed = tuple(Leak(entry.kind, entry.name, seed, "", (), 0.0, 0.0) for entry in world.planted)
            return Result(name, seed, missed, error=str(error)[:300], building=building)
        return _held_against_truth(world, answer, name, seed, building)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _held_against_truth(world: World, answer: Answer, name: str, seed: int, building: float) -> Result:
    rows = training_rows(world.lake, world.as_of)
    outcome = rows["label"].to_numpy().astype(int)
    stored = [feature for feature in rows.column_names if feature in answer.verdicts]
    auc = {feature: rank_auc(rows[feature], outcome) for feature in stored}
    power = {feature: predictive_power(rows[feature], outcome) for feature in stored}
    leaks = tuple(_leak(planted, answer, seed, auc, power) for planted in world.planted)
    honest = tuple(
        Honest(
            name,
            feature,
            seed,
            answer.verdicts[feature].verdict,
            answer.verdicts[feature].part,
            feature in world.clocks,
            feature in answer.clocks,
            auc.get(feature, 0.5),
            power.get(feature, 0.0),
            bool(world.planted),
        )
        for feature in world.clean
        if feature in answer.verdicts
    )
    unexpected = tuple(
        f"{feature} is {answer.verdicts[feature].verdict}, not {' or '.join(admissible)}"
        for feature, admissible in world.expected.items()
        if answer.verdicts[feature].verdict not in admissible
    )
    false = () if world.planted else tuple(f"{severity}: {part}/{name}" for part, name, severity in answer.failed)
    return Result(name, seed, leaks, honest, false, unexpected, "", answer.seconds, building)


def _leak(planted: Planted, answer: Answer, seed: int, auc: dict[str, float], power: dict[str, float]) -> Leak:
    """A leak of features is caught by a verdict on one of them; a leak of the table by a finding about it."""
    if not planted.features:
        by = {f"{part} ({severity})" for part, _, severity in answer.failed if part in planted.parts}
        return Leak(planted.kind, planted.name, seed, "finding" if by else "", tuple(sorted(by)), 0.0, 0.0)
    verdicts = [answer.verdicts[feature].verdict for feature in planted.features]
    caught = next((flag for flag in FLAGGED if flag in verdicts), "")
    by = {part for (feature, part), said in answer.by_part.items() if feature in planted.features and said in FLAGGED}
    return Leak(
        planted.kind,
        planted.name,
        seed,
        caught,
        tuple(sorted(by)),
        max(auc[feature] for feature in planted.features),
        max(power[feature] for feature in planted.features),
    )


def run(seeds: Iterable[int], quick: bool, only: str, workers: int) -> list[Result]:
    """Every world of every seed, in a fixed order."""
    entries = catalogue(quick, only)
    seeds = list(seeds)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            if any(entry.needs_market for entry in entries.values()):
                list(pool.map(prepare_market, [root / f"market_{seed}" for seed in seeds], seeds))
            jobs = [(name, seed) for seed in seeds for name in entries]
            found = []
            for result in pool.map(judge, *zip(*[(root, name, seed) for name, seed in jobs], strict=True)):
                found.append(result)
                print(f"{len(found)} of {len(jobs)}: {result.world}, seed {result.seed}", file=sys.stderr, flush=True)
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default=JUDGED_SEEDS)
    parser.add_argument("--quick", action="store_true", help="one seed, one world of most kinds")
    parser.add_argument("--only", default="", help="worlds whose name holds this text")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")][: 1 if given.quick else None]
    started = time.perf_counter()
    found = tally(run(seeds, given.quick, given.only, given.workers))
    print(as_markdown(found))
    seconds, processor = time.perf_counter() - started, os.times()
    used = processor.children_user + processor.children_system + processor.user + processor.system
    named = ", ".join(map(str, seeds))
    print(f"Seeds {named}; {seconds:.0f} s with {given.workers} processes, {used:.0f} s of processor.")
    if given.json:
        given.json.write_text(json.dumps(as_json(found), indent=2), encoding="utf-8")
