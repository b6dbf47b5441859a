"""A search for parameters beside plain Optuna: 50 trials of five folds each, on the market of benchmarks/training.

Ours draws every trial with a generator of its own and keeps the study in a file, so that a search that was killed goes
on as if it had not been; Optuna runs with the same sampler in memory. Fits are the same code on both sides. What
differs is the time around them, given per trial (the first trial of ours also makes the file). Seconds are those of the
processor. Run: ``python -m benchmarks.parameter_search [--rows N] [--trials N] [--estimators NAME …]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training import SEED, market
from leadscore_dagster.core.measures.metrics import auc_pr
from leadscore_dagster.core.modelling.choice.search import best_parameters
from leadscore_dagster.core.modelling.estimators.registry import ESTIMATORS, complete_parameters, fit, space_of
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Search
from leadscore_dagster.core.table.periods import Fold


def searched(
    estimator: str, trials: int, matrix: np.ndarray, label: np.ndarray, columns: Columns, folds: list[Fold]
) -> str:
    """A row of the table: processor seconds of a search, of its fits, and of what is around them; ours and Optuna's."""
    import optuna

    spent = [0.0]

    def score(parameters: Mapping[str, Any]) -> tuple[float, ...]:
        started, areas = time.process_time(), []
        for fold in folds:
            model = fit(estimator, matrix[fold.training], label[fold.training], columns=columns,
                        parameters=parameters, seed=SEED)  # fmt: skip
            areas.append(auc_pr(label[fold.validation], model.margin(matrix[fold.validation])))
        spent[0] += time.process_time() - started
        return tuple(areas)

    defaults = complete_parameters(estimator, {})
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "studies.db"
        found = best_parameters(
            estimator,
            score,
            Search(trials=trials),
            storage=storage,
            question="benchmark",
            defaults=defaults,
            seed=SEED,
            say=lambda said: None,
        )
    ours, in_score, spent[0] = time.process_time() - started, spent[0], 0.0
    ranges = space_of(estimator, defaults)

    def objective(trial: optuna.Trial) -> float:
        suggested = {
            name: trial.suggest_int(name, r.low, int(r.high), log=r.log)
            if isinstance(r.low, int)
            else trial.suggest_float(name, r.low, r.high, log=r.log)
            for name, r in ranges.items()
        }
        return float(np.mean(score({**defaults, **suggested})))

    started = time.process_time()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=SEED, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    theirs = time.process_time() - started
    around, their_around = (ours - in_score) / trials, (theirs - spent[0]) / trials
    return (
        f"| {estimator} | {ours:.1f} | {around:.3f} | {theirs:.1f} | {their_around:.3f} "
        f"| {np.mean(score(defaults)):.4f} | {found.value:.4f} | {study.best_value:.4f} |"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=45_000)
    arguments.add_argument("--trials", type=int, default=50)
    arguments.add_argument("--estimators", nargs="+", choices=tuple(ESTIMATORS), default=["lightgbm"])
    given = arguments.parse_args()
    matrix, label, columns, folds = market(given.rows)
    print(f"{given.trials} trials, {given.rows:,} rows x {matrix.shape[1]} features, {len(folds)} folds\n")
    print("| estimator | ours, s | a trial outside its fits | Optuna, s | a trial outside its fits ", end="")
    print("| AUC-PR of the defaults | ours | Optuna |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    for estimator in given.estimators:
        print(searched(estimator, given.trials, matrix, label, columns, folds), flush=True)


if __name__ == "__main__":
    main()
