"""What may be deleted from a home, and why each thing that is kept is kept. Pure: facts in, dispositions out.

Lives here: the rules over days, model versions and runs, and what is said of each. Not here: reading the facts,
deleting (defs/pruning). Vintages, ledgers, evidence and the rows of model_versions are in no list that comes in here:
nothing in this module can name them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from leadscore_dagster.core.recipe.schema import Cadence, Retention
from leadscore_dagster.core.versions.registry import trained_as_of

Kind = Literal["day", "version", "run", "copy"]
#: a copy of a remote drop that no ingest has asked for in so many days; no run lasts as long
COPY_DAYS = 7
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


class Because(StrEnum):
    """Why a thing goes, which is `OLD`, or stays."""

    OLD = "old"
    YOUNG = "young"
    NEWEST = "newest"
    OUTCOMES_OPEN = "outcomes_open"
    SCORED_AGAIN = "scored_again"
    SHADOW_COUNTS = "shadow_counts"
    NAMED = "named"
    RUN_IN_PROGRESS = "run_in_progress"
    MADE_WHAT_IS_THERE = "made_what_is_there"


@dataclass(frozen=True)
class Disposition:
    """What becomes of one day (ISO date), model version, run (its id) or copy of a drop. ``why`` tells a person."""

    kind: Kind
    name: str
    because: Because
    why: str

    @property
    def goes(self) -> bool:
        return self.because is Because.OLD

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: kind, name, goes, because, why."""
        return {"kind": self.kind, "name": self.name, "goes": self.goes, "because": self.because.value, "why": self.why}


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
) -> list[Disposition]:
    """Days, oldest first. A day goes whole: from every table, with its list.

    Parameters
    ----------
    days : by table (or the lists), every day that is there.
    label_days : days after which the outcome of a day's decision is known; until then its scores cannot be judged.
    catch_up_days : so far back the schedules look; a day deleted inside would be scored, or watched, again.
    counted : days that count for the version in the shadow.
    """
    newest = {max(there): name for name, there in days.items() if there}
    found = []
    for day in sorted(set().union(*days.values())):
        age = (today - day).days
        if age <= retention.scores_days:
            because, why = Because.YOUNG, f"not older than {retention.scores_days} days"
        elif day in newest:
            because, why = Because.NEWEST, f"the newest day of {newest[day]}"
        elif age <= label_days:
            because, why = Because.OUTCOMES_OPEN, "its outcomes are not all known yet"
        elif age <= catch_up_days:
            because, why = Because.SCORED_AGAIN, "the daily schedule would score it again"
        elif day in counted:
            because, why = Because.SHADOW_COUNTS, "it counts for the version in the shadow"
        else:
            because, why = Because.OLD, f"{age} days old, {retention.scores_days} are kept"
        found.append(Disposition("day", day.isoformat(), because, why))
    return found


def judge_versions(
    stored: Collection[str],
    references: Mapping[str, str],
    reports: Mapping[str, Collection[str]],
    *,
    today: date,
    retention: Retention,
    cadence: Cadence,
    training: bool,
) -> list[Disposition]:
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
    found = []
    for version in sorted(stored):
        trained = trained_as_of(version)
        if version in named:
            because, why = Because.NAMED, f"named by {named[version]}"
        elif trained >= oldest:
            because, why = Because.YOUNG, f"not older than {retention.versions_periods} {cadence.value}s"
        elif training:
            because, why = Because.RUN_IN_PROGRESS, "a run is in progress"
        else:
            because = Because.OLD
            why = f"trained for {trained}, trained again since, and nothing that is kept names it"
        found.append(Disposition("version", version, because, why))
    return found


def judge_runs(runs: Collection[RunFact], now: datetime, retention: Retention) -> list[Disposition]:
    """Runs that Dagster remembers, oldest first."""
    newest: dict[Hashable, RunFact] = {}
    for run in runs:
        known = newest.get(run.subject)
        if known is None or (run.created_at, run.run_id) > (known.created_at, known.run_id):
            newest[run.subject] = run
    limit = now - timedelta(days=retention.runs_days)
    found = []
    for run in sorted(runs, key=lambda run: (run.created_at, run.run_id)):
        if run.ended_at is None:
            because, why = Because.RUN_IN_PROGRESS, "in progress"
        elif run.ended_at >= limit:
            because, why = Because.YOUNG, f"not older than {retention.runs_days} days"
        elif run.newest_of:
            because, why = Because.MADE_WHAT_IS_THERE, f"made the current content of {run.newest_of[0]}"
        elif newest[run.subject] is run:
            because, why = Because.NEWEST, "the newest run of its job and partition"
        else:
            because, why = Because.OLD, f"ended {run.ended_at:%Y-%m-%d}, {retention.runs_days} days are kept"
        found.append(Disposition("run", run.run_id, because, why))
    return found


def judge_copies(there: Mapping[str, datetime], now: datetime) -> list[Disposition]:
    """Copies of drops that lie behind a URL, by when an ingest last asked for them: they are copied again at need."""
    kept = timedelta(days=COPY_DAYS)
    return [
        Disposition(
            "copy",
            name,
            Because.OLD if now - used > kept else Because.YOUNG,
            f"last used on {used:%Y-%m-%d}, {COPY_DAYS} days are kept",
        )
        for name, used in sorted(there.items())
    ]


def oldest_kept(today: date, retention: Retention, cadence: Cadence) -> date:
    """First day of the oldest period whose versions are kept whatever became of them."""
    return cadence.back(today, retention.versions_periods)
