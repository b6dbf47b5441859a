"""A search for an estimator's parameters inside the development period, kept in a file so that it can go on.

A study is a list of trials. Trial 0 is the defaults; trial n is drawn by TPE (Bergstra et al. 2011; Optuna) from the
trials before it with a generator seeded by (seed, n), and enters the file whole once it is scored. So a study killed
at any moment and continued holds the very trials of one that was not, and its best parameters depend on the question,
the seed and the number of trials asked for alone, whatever was asked before.

Lives here: trials, tiers, the choice among them. Not here: ranges (estimators), folds and fitting (``score``, the
caller's), the test period, which no search may touch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.base import Range
from leadscore_dagster.core.modelling.estimators.registry import complexity, space_of
from leadscore_dagster.core.recipe.schema import Search

#: changes with the way trials are drawn: studies made in another way are not continued
FORMAT = 1
#: trials drawn evenly, the defaults among them, before TPE learns from them
STARTUP_TRIALS = 10
#: seconds to wait for the file while another process writes to it
PATIENCE_SECONDS = 60

Score = Callable[[Mapping[str, Any]], tuple[float, ...]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """Complete parameters and the folds' AUC-PR they gave."""

    number: int
    parameters: Mapping[str, Any]
    folds: tuple[float, ...]

    @property
    def value(self) -> float:
        return float(np.mean(self.folds))


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    parameters, value, folds : complete parameters that were chosen, their mean AUC-PR over the folds, and each fold's.
        The value is that of the luckiest of many: no estimate of how the model will do.
    trials : trials chosen among, those of earlier runs included; never more than were asked for.
    reused : nothing was tried in this run.
    seconds : wall clock of this run; not reproducible, so it belongs in no file whose bytes are compared.
    cut_short : the time ran out before the trials did; where depends on the machine.
    why : the choice in a sentence.
    """

    parameters: Mapping[str, Any]
    value: float
    folds: tuple[float, ...]
    trials: int
    reused: bool
    tier: str
    seconds: float
    cut_short: bool
    why: str


def best_parameters(
    estimator: str,
    score: Score,
    search: Search,
    *,
    storage: Path,
    question: str,
    defaults: Mapping[str, Any],
    seed: int,
    say: Say,
) -> SearchResult:
    """Search parameters of ``estimator`` that make ``score`` large.

    Parameters
    ----------
    score : complete parameters to the AUC-PR of each fold, always as many; deterministic.
    storage : SQLite file of the studies (Optuna's own format), made when it is not there. One process at a time
        searches in it; another waits.
    question : digest of everything the answer depends on (recipe, data, features, folds). Estimator, seed, defaults
        and ranges are added to it here. A study of another question is never looked at.
    defaults : complete parameters; trial 0.

    ``reuse`` and ``resume`` take the newest study as it is where it holds ``search.trials``, and continue it where it
    holds fewer; ``fresh`` begins another, and keeps the older. Chosen is among the first ``search.trials`` alone. With
    the same seed a fresh study draws the same trials: it checks the older one; to look elsewhere, change the seed.

    Raises
    ------
    InputError : the estimator has nothing to search, or a fold has no AUC-PR. What ``score`` raises passes through;
        trials already scored are kept.
    """
    started = perf_counter()
    space = space_of(estimator, defaults)
    storage.parent.mkdir(parents=True, exist_ok=True)
    with _alone(storage, say), _studies(storage) as studies:
        study = _study(studies, _name(estimator, question, defaults, space, seed), search.tier)
        # a study that an earlier run with more trials left behind must not choose otherwise than one of its own
        trials = _trials(study, defaults)[: search.trials]
        before, cut_short = len(trials), False
        while len(trials) < search.trials:
            if trials and search.seconds is not None and perf_counter() - started >= search.seconds:
                cut_short = True
                break
            _try_next(study, trials, score, defaults, space, seed)
            say(f"{estimator}: {_progress(trials, search.trials)}")
    chosen, why = choose(estimator, trials)
    if cut_short:
        why += f"; cut short after {len(trials)} of {search.trials} trials, so another run may choose otherwise"
    return SearchResult(
        parameters=chosen.parameters,
        value=chosen.value,
        folds=chosen.folds,
        trials=len(trials),
        reused=len(trials) == before,
        tier=search.tier,
        seconds=perf_counter() - started,
        cut_short=cut_short,
        why=why,
    )


def choose(estimator: str, trials: Sequence[Trial]) -> tuple[Trial, str]:
    """The simplest trial within one standard error of the best that is no worse than the defaults, and why.

    The standard error is that of the mean of the per-fold differences to the best (Breiman et al. 1984, paired). The
    best of many noisy trials is in part the luckiest, and luck comes easier to the complex.
    """
    best = max(trials, key=lambda trial: (trial.value, -trial.number))
    floor = trials[0].value
    near = [trial for trial in trials if trial.value >= floor and _within_one_error(trial, best)]
    chosen = min(near, key=lambda trial: (complexity(estimator, trial.parameters), -trial.value, trial.number))
    named = "the defaults" if chosen.number == 0 else f"trial {chosen.number}"
    if chosen is best:
        why = f"{named} of {len(trials)} has the best mean AUC-PR over the folds, {best.value:.4f}"
    else:
        why = (
            f"{named} of {len(trials)} is the simplest whose mean AUC-PR over the folds, {chosen.value:.4f}, is within "
            f"one standard error of the best, {best.value:.4f}"
        )
    return chosen, why + ("" if chosen.number == 0 else f" (defaults {floor:.4f})")


def _within_one_error(trial: Trial, best: Trial) -> bool:
    difference = np.subtract(best.folds, trial.folds)
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return trial is best or bool(difference.mean() <= error)


def _try_next(
    study: Any, trials: list[Trial], score: Score, defaults: Mapping[str, Any], space: Mapping[str, Range], seed: int
) -> None:
    """Draw, score and store one more trial."""
    from optuna.trial import create_trial

    number = len(trials)
    searched = _draw(study, space, seed, number) if number else {name: defaults[name] for name in space}
    parameters = {**defaults, **searched}
    folds = tuple(float(value) for value in score(parameters))
    if not folds or not np.isfinite(folds).all() or (trials and len(folds) != len(trials[0].folds)):
        raise InputError(f"trial {number} has no AUC-PR in every fold: {folds}", where="model.search")
    distributions = _distributions(space)
    study.add_trial(
        create_trial(
            params=searched, distributions=distributions, value=float(np.mean(folds)), user_attrs={"folds": folds}
        )
    )
    trials.append(Trial(number, parameters, folds))


def _draw(study: Any, space: Mapping[str, Range], seed: int, number: int) -> dict[str, Any]:
    """The searched parameters of trial ``number``, from a copy of the study: nothing half-done reaches the file."""
    import optuna

    generated = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(
        seed=generated, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=False
    )
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(study.get_trials(deepcopy=False))
    drawn: dict[str, Any] = copy.ask(_distributions(space)).params
    return drawn


def _distributions(space: Mapping[str, Range]) -> dict[str, Any]:
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(int(found.low), int(found.high), log=found.log)
        if isinstance(found.low, int)
        else FloatDistribution(found.low, found.high, log=found.log)
        for name, found in space.items()
    }


def _trials(study: Any, defaults: Mapping[str, Any]) -> list[Trial]:
    stored = study.get_trials(deepcopy=False)
    return [Trial(at, {**defaults, **t.params}, tuple(t.user_attrs["folds"])) for at, t in enumerate(stored)]


def _progress(trials: Sequence[Trial], wanted: int) -> str:
    best = max(trial.value for trial in trials)
    return f"trial {len(trials)} of {wanted}: mean AUC-PR {trials[-1].value:.4f}, best {best:.4f}"


def _name(estimator: str, question: str, defaults: Mapping[str, Any], space: Mapping[str, Range], seed: int) -> str:
    """Name of the studies of one question, without their number."""
    ranges = {name: asdict(found) for name, found in space.items()}
    asked = json.dumps([FORMAT, STARTUP_TRIALS, question, estimator, dict(defaults), ranges, seed], sort_keys=True)
    return f"{estimator} {hashlib.sha256(asked.encode()).hexdigest()[:32]}"


def _study(studies: Any, name: str, tier: str) -> Any:
    """The newest study of this name, or another one."""
    import optuna

    numbers = [
        int(found.rsplit(" ", 1)[1]) for found in optuna.get_all_study_names(studies) if found.rsplit(" ", 1)[0] == name
    ]
    newest = max(numbers, default=0)
    if newest and tier != "fresh":
        return optuna.load_study(study_name=f"{name} {newest}", storage=studies)
    return optuna.create_study(study_name=f"{name} {newest + 1}", storage=studies, direction="maximize")


@contextmanager
def _alone(storage: Path, say: Say) -> Iterator[None]:
    """No other process searches in this file; the lock goes with the process that holds it, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(f"{storage}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("waiting: another run is searching in the same file")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _studies(storage: Path) -> Iterator[Any]:
    """Optuna's storage in an SQLite file: a transaction is there or not, whenever the process dies."""
    import optuna
    from sqlalchemy import URL

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = URL.create("sqlite", database=str(storage)).render_as_string()
    found = optuna.storages.RDBStorage(address, engine_kwargs={"connect_args": {"timeout": PATIENCE_SECONDS}})
    try:
        yield found
    finally:
        found.remove_session()
        found.engine.dispose()
