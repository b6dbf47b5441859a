"""What is an alert: ticks of sensors and schedules that fail, and schedules that should have run and did not.

Lives here: facts of ticks and schedules and the judgement on them. Not here: reading them off Dagster, runs (rules).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from leadscore_dagster.core.alerts.alert import Alert, recipe_of
from leadscore_dagster.core.alerts.rules import asset_path, asset_subject
from leadscore_dagster.core.alerts.text import Crash, crash_evidence, evidence_of, plain

#: Failures of one sensor that lie closer together are one failure: it is told at the first, the digest keeps it open.
CALM = timedelta(hours=1)
#: After a pause in which nobody watched, the daemon is given so long to catch up before anything counts as missed.
SETTLE = timedelta(minutes=15)


@dataclass(frozen=True)
class FailedTick:
    """An evaluation of a sensor or schedule that raised. ``location`` is the code location it belongs to."""

    name: str
    instigator: Literal["sensor", "schedule"]
    location: str
    at: datetime
    crash: Crash


@dataclass(frozen=True)
class Watch:
    """The watcher itself: the time, when it began, when it last resumed after a pause, how patient it is."""

    now: datetime
    since: datetime
    resumed_at: datetime
    grace: timedelta


@dataclass(frozen=True)
class Expected:
    """The newest evaluation of a schedule that ought to be over: what came of it.

    ``tick`` : how it ended, ``none`` when it never began. ``missing`` : assets that lack the ``partition`` this
    evaluation stands for; ``partition`` is None where a schedule does not stand for a day's partition. ``runs`` :
    how the job's runs for that partition stand.
    """

    schedule: str
    job: str
    location: str
    at: datetime
    running_since: datetime
    tick: Literal["none", "started", "success", "skipped", "failure"]
    reason: str = ""
    partition: str | None = None
    missing: tuple[str, ...] = ()
    runs: frozenset[Literal["going", "failed", "succeeded", "canceled"]] = frozenset()
    owner: str | None = None


def alerts_of_ticks(
    ticks: Sequence[FailedTick],
    last: datetime | None,
    hidden: Collection[str] = (),
    every: timedelta = timedelta(),
) -> tuple[list[Alert], datetime | None]:
    """Alerts of one instigator's failed ticks, and when it last failed.

    Parameters
    ----------
    ticks : its failed ticks, in any order.
    last : its last failed tick that has been looked at, None when it never failed.
    every : the time from one of its ticks to the next; two that fail in a row are one failure.
    """
    calm = max(CALM, 2 * every)
    alerts: list[Alert] = []
    for tick in sorted(ticks, key=lambda one: one.at):
        if last is not None and tick.at <= last:
            continue
        if last is None or tick.at - last > calm:
            alerts.append(_failed_tick(tick, hidden))
        last = tick.at
    return alerts, last


def judge_expected(expected: Expected, watch: Watch, hidden: Collection[str] = ()) -> tuple[bool, Alert | None]:
    """Whether the matter is settled, and the alert when what was expected did not come.

    What was late before the watching began is not told. A failed tick or a failed run is an alert of its own and is
    not told a second time as a missing partition.
    """
    late = expected.at + watch.grace
    if expected.at <= expected.running_since or late <= watch.since:
        return True, None
    if watch.now < max(late, watch.resumed_at + SETTLE):
        return False, None
    if expected.tick == "failure":
        return True, None
    if expected.partition is None:
        return True, (_missed(expected, hidden) if expected.tick == "none" else None)
    if expected.missing and "going" in expected.runs:
        return False, None
    if not expected.missing or "failed" in expected.runs:
        return True, None
    return True, _missed(expected, hidden)


def instigator_subject(name: str) -> str:
    return f"tick {name}"


def schedule_subject(name: str) -> str:
    return f"schedule {name}"


def _failed_tick(tick: FailedTick, hidden: Collection[str]) -> Alert:
    return Alert(
        key=f"tick/{tick.name}/{tick.at.isoformat()}",
        occasion=f"tick/{tick.name}/{tick.at.isoformat()}",
        subject=instigator_subject(tick.name),
        kind="tick_failed",
        severity="ERROR",
        what=plain(f"{tick.instigator} {tick.name} raised an error"),
        at=tick.at,
        path=_instigator_path(tick.location, tick.instigator, tick.name),
        evidence=crash_evidence(tick.crash, hidden),
        job=tick.name,
    )


def _missed(expected: Expected, hidden: Collection[str]) -> Alert:
    asset = expected.missing[0] if expected.missing else None
    thing = f"{expected.schedule} {expected.partition}" if expected.partition else expected.schedule
    return Alert(
        key=f"missed/{expected.schedule}/{expected.at.isoformat()}",
        occasion=f"missed/{expected.schedule}/{expected.at.isoformat()}",
        subject=asset_subject(asset, expected.partition) if asset else schedule_subject(expected.schedule),
        kind="schedule_missed",
        severity="ERROR",
        what=plain(f"schedule {thing} was missed"),
        at=expected.at,
        path=asset_path(asset) if asset else _instigator_path(expected.location, "schedule", expected.schedule),
        evidence=evidence_of(_why_missed(expected), hidden),
        recipe=recipe_of(asset),
        asset=asset,
        partition=expected.partition,
        job=expected.job,
        owner=expected.owner,
    )


def _why_missed(expected: Expected) -> str:
    due = f"{expected.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    came = {
        "none": f"It was due at {due} and never began",
        "started": f"It began at {due} and did not end",
        "success": f"It ran at {due}",
        "skipped": f"It was skipped at {due}: {expected.reason or 'no reason given'}",
    }.get(expected.tick, f"It was due at {due}")
    if not expected.missing:
        return f"{came}."
    runs = ", and its run was canceled" if "canceled" in expected.runs else ""
    return f"{came}{runs}. Not there: {', '.join(expected.missing)} of {expected.partition}."


def _instigator_path(location: str, instigator: str, name: str) -> str:
    return f"/locations/{quote(location)}/{instigator}s/{quote(name)}"
