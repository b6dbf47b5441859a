"""What may be deleted from a home, and why each thing that is kept is kept. Pure: facts in, verdicts out.

Lives here: the rules over days, model versions and runs. Not here: reading the facts, deleting (leadscore_dagster/
pruning). Vintages, ledgers, evidence and the rows of model_versions are in no list that comes in here: nothing in this
module can name them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from leadscore_dagster.core.recipe.schema import Cadence, Retention
from leadscore_dagster.core.versions.registry import trained_as_of

Kind = Literal["day", "version", "run", "copy"]
#: a copy of a remote drop that no ingest has asked for in so many days; no run lasts as long
COPY_DAYS = 7
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Verdict:
    """One day (ISO date), model version, run (its id) or copy of a drop: whether it goes, and why or why not."""

    kind: Kind
    name: str
    goes: bool
    why: str


@dataclass(frozen=True)
class RunFact:
    """What matters of one run. ``subject``: job, partition and selection, equal for two runs of the same thing;
    ``ended_at`` None while it is in progress; ``newest_of``: partitions of assets whose newest materialization it is.
    """

    run_id: str
    subject: Hashable
    created_at: datetime
    ended_at: datetime | None
    newest_of: tuple[str, ...] = ()


def versions_named(texts: Iterable[str]) -> set[str]:
    """Every model version that any of the texts names."""
    return {found for text in texts for found in VERSION.findall(text)}


def report_files(version: str) -> tuple[str, str]:
    """Names of a version's own files among a recipe's outputs: its report and its importances. They go with it."""
    return f"model_report_{version}.html", f"importance_{version}.csv"


def judge_days(
    days: Mapping[str, Collection[date]],
    today: date,
    retention: Retention,
    *,
    label_days: int,
    catch_up_days: int,
    counted: Collection[date] = (),
) -> list[Verdict]:
    """Days, oldest first. A day goes whole: from every table, with its list.

    Parameters
    ----------
    days : by table (or the lists), every day that is there.
    label_days : days after which the outcome of a day's decision is known; until then its scores cannot be judged.
    catch_up_days : so far back the schedules look; a day deleted inside would be scored, or watched, again.
    counted : days that count for the version in the shadow.
    """
    newest = {max(found): name for name, found in days.items() if found}
    verdicts = []
    for day in sorted(set().union(*days.values())):
        age = (today - day).days
        if age <= retention.scores_days:
            why, goes = f"not older than {retention.scores_days} days", False
        elif day in newest:
            why, goes = f"the newest day of {newest[day]}", False
        elif age <= label_days:
            why, goes = "its outcomes are not all known yet", False
        elif age <= catch_up_days:
            why, goes = "the daily schedule would score it again", False
        elif day in counted:
            why, goes = "it counts for the version in the shadow", False
        else:
            why, goes = f"{age} days old, {retention.scores_days} are kept", True
        verdicts.append(Verdict("day", day.isoformat(), goes, why))
    return verdicts


def judge_versions(
    stored: Collection[str],
    references: Mapping[str, str],
    reports: Mapping[str, Collection[str]],
    *,
    today: date,
    retention: Retention,
    cadence: Cadence,
    training: bool,
) -> list[Verdict]:
    """Model versions whose files are there, oldest first.

    Parameters
    ----------
    stored : names of versions, which begin with the period they were trained for.
    references : version to what refers to it: the ledger, a table or a list that is kept.
    reports : version to the versions that its own report names. A report counts for as long as its version stays, so
        neither a version's own report keeps it, nor that of one that goes.
    training : whether a run is in progress, which may be about to refer to any of them.
    """
    oldest = oldest_kept(today, retention, cadence)
    named = dict(references)
    kept = {name for name in stored if training or name in named or trained_as_of(name) >= oldest}
    reading = sorted({*kept, *(name for name in reports if name not in stored)})
    while reading:
        version = reading.pop()
        for other in sorted(set(reports.get(version, ())) - {version}):
            named.setdefault(other, f"the report of {version}")
            if other in stored and other not in kept:
                kept.add(other)
                reading.append(other)
    verdicts = []
    for version in sorted(stored):
        trained = trained_as_of(version)
        if version in named:
            why, goes = f"named by {named[version]}", False
        elif trained >= oldest:
            why, goes = f"not older than {retention.versions_periods} {cadence.value}s", False
        elif training:
            why, goes = "a run is in progress", False
        else:
            why, goes = f"trained for {trained}, trained again since, and nothing that is kept names it", True
        verdicts.append(Verdict("version", version, goes, why))
    return verdicts


def judge_runs(runs: Collection[RunFact], now: datetime, retention: Retention) -> list[Verdict]:
    """Runs that Dagster remembers, oldest first."""
    newest: dict[Hashable, RunFact] = {}
    for run in runs:
        known = newest.get(run.subject)
        if known is None or (run.created_at, run.run_id) > (known.created_at, known.run_id):
            newest[run.subject] = run
    limit = now - timedelta(days=retention.runs_days)
    verdicts = []
    for run in sorted(runs, key=lambda run: (run.created_at, run.run_id)):
        if run.ended_at is None:
            why, goes = "in progress", False
        elif run.ended_at >= limit:
            why, goes = f"not older than {retention.runs_days} days", False
        elif run.newest_of:
            why, goes = f"made the current content of {run.newest_of[0]}", False
        elif newest[run.subject] is run:
            why, goes = "the newest run of its job and partition", False
        else:
            why, goes = f"ended {run.ended_at:%Y-%m-%d}, {retention.runs_days} days are kept", True
        verdicts.append(Verdict("run", run.run_id, goes, why))
    return verdicts


def judge_copies(there: Mapping[str, datetime], now: datetime) -> list[Verdict]:
    """Copies of drops that lie behind a URL, by when an ingest last asked for them: they are copied again at need."""
    kept = timedelta(days=COPY_DAYS)
    return [
        Verdict("copy", name, now - used > kept, f"last used on {used:%Y-%m-%d}, {COPY_DAYS} days are kept")
        for name, used in sorted(there.items())
    ]


def oldest_kept(today: date, retention: Retention, cadence: Cadence) -> date:
    """First day of the oldest period whose versions are kept whatever became of them."""
    return cadence.back(today, retention.versions_periods)
