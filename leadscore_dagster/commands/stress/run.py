"""One stress test: a copy of the home, one scenario after the other in a copy of its own, a table of what happened.

Not here: the scenarios themselves.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from leadscore_dagster.commands.instance import Progress
from leadscore_dagster.commands.outcome import DONE, REFUSED, TextOutcome, columns
from leadscore_dagster.commands.stress.bench import Bench, Result, in_copies
from leadscore_dagster.commands.stress.copies import copy_home, digests, state_of
from leadscore_dagster.commands.stress.processes import leadscore, run
from leadscore_dagster.commands.stress.scenarios import Scenario, scenarios
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe, parse_day
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.defs.resources import Workspace

_VERDICTS = {True: "ok", False: "FAILED", None: "not tried"}


def stress_recipe(home: Path, name: str, wanted: Sequence[str], keep: bool, progress: Progress) -> TextOutcome:
    """Run scenarios, all or those named, against copies of a home; exit code 2 when one did not behave as it must.

    The copies lie in the home, where its files can be linked, and are removed at the end unless ``keep``.
    Raises InputError: an unknown scenario, a home in which no day was scored or nothing was trained.
    """
    recipe, path = load_recipe(name), Path(name)
    shown = str(path.absolute()) if path.is_file() else name
    chosen = _chosen(scenarios(recipe), wanted)
    folder = _folder(home)
    try:
        bench = _undisturbed(home, folder / "plain", shown, recipe, progress)
        results: dict[str, Result] = {}
        for scenario, own in in_copies(bench, chosen, folder, keep):
            progress(f"{len(results) + 1} of {len(chosen)}: {scenario}")
            results[scenario] = _timed(chosen[scenario], own)
            progress(f"  {_VERDICTS[results[scenario].passed]}: {results[scenario].saw}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return _outcome(results, folder if keep else None)


def _folder(home: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=".stress-", dir=home))
    except OSError as error:
        remedy = "run it as the user the home belongs to; the copies need some disk space there"
        raise InputError(f"no copy of the home can be made: {error.strerror}", where=home, remedy=remedy) from error


def _chosen(there: dict[str, Scenario], wanted: Sequence[str]) -> dict[str, Scenario]:
    for name in wanted:
        if name not in there:
            raise InputError(f"There is no scenario {name!r}", remedy=f"use one of {', '.join(there)}")
    return {name: scenario for name, scenario in there.items() if not wanted or name in wanted}


def _undisturbed(home: Path, copy: Path, name: str, recipe: Recipe, progress: Progress) -> Bench:
    """The newest scored day, scored once more in a copy: what every scenario starts from and is compared with."""
    workspace = Workspace(home=str(home))
    days = workspace.warehouse(recipe).partitions(LEAD_SCORES)
    periods = [row["as_of"] for row in workspace.state(recipe).rows(CANDIDATES)]
    if not days or not periods:
        raise InputError(
            f"There is nothing to stress: no day of {recipe.name!r} was scored here",
            where=home,
            remedy=f"run `leadscore run {recipe.name}` and `leadscore score {recipe.name}` first",
        )
    day, period = parse_day(days[-1]), periods[-1]
    copy_home(home, copy, workspace.state(recipe))
    progress(f"a copy of the home, in which {day} is scored without disturbance")
    scored = run(leadscore(copy, "score", name, "--day", day))
    if scored.exit_code:
        raise InputError(f"The day cannot be scored even without disturbance: {scored.said}", where=home)
    entries = history(state_of(copy, recipe.name))
    return Bench(name, recipe, copy, day, period, digests(copy), entries, scored)


def _timed(scenario: Scenario, bench: Bench) -> Result:
    begun = time.monotonic()
    try:
        result = scenario(bench)
    except InputError as error:  # of the preparation: a source that lies in a database cannot be spoilt
        result = Result("could not be prepared", str(error), None)
    return replace(result, seconds=time.monotonic() - begun)


def _outcome(results: dict[str, Result], kept: Path | None) -> TextOutcome:
    failed = [name for name, result in results.items() if result.passed is False]
    rows = [(_VERDICTS[r.passed], name, round(r.seconds, 1), r.did) for name, r in results.items()]
    lines = [columns(rows, ("verdict", "scenario", "seconds", "what was done")), ""]
    lines += [f"  {name}: {result.saw}" for name, result in results.items()]
    lines += ["", f"{len(failed)} of {len(results)} scenarios failed."]
    lines += [f"The copies: {kept}"] if kept else []
    record = {"passed": not failed, "scenarios": {name: asdict(result) for name, result in results.items()}}
    return TextOutcome("\n".join(lines), record, REFUSED if failed else DONE)
