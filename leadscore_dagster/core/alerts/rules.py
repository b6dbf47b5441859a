"""What is an alert: the failures of one finished run.

Lives here: facts of a run and the judgement on them. Not here: reading them off Dagster; ticks, schedules (watching).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote, urlencode

from leadscore_dagster.core.alerts.alert import Alert, Severity, recipe_of
from leadscore_dagster.core.alerts.message import identity
from leadscore_dagster.core.alerts.text import Crash, crash_evidence, evidence_of, plain

#: how the occasion of an alert begins that stands for a week, a month or a version
STANDING = "standing/"


@dataclass(frozen=True)
class CheckEvaluation:
    """One evaluation of an asset check. ``threshold`` and ``value`` are None where the check has none.

    ``about``: the month, week or version the check was about, where it is about more than its partition, and the names
    of what fails: every day's partition then fails of the same cause, which is one failure as long as the names stay.
    """

    asset: str
    check: str
    partition: str | None
    passed: bool
    severity: Severity
    description: str = ""
    value: float | None = None
    threshold: float | None = None
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedStep:
    """A step that failed: the checks it left without a result, or the asset it was to make.

    ``refused`` : it failed because a blocking check did; the check's own result tells of it.
    """

    step: str
    crash: Crash
    asset: str | None = None
    checks: tuple[tuple[str, str], ...] = ()
    refused: bool = False


@dataclass(frozen=True)
class RunFacts:
    """A finished run. ``delivers`` : what the project's own notify jobs were sending, None for any other job.

    ``canceled`` : it did not fail of itself; somebody ended it.
    """

    run_id: str
    job: str
    succeeded: bool
    ended_at: datetime
    partition: str | None = None
    assets: tuple[str, ...] = ()
    results: tuple[CheckEvaluation, ...] = ()
    failed_steps: tuple[FailedStep, ...] = ()
    message: str = ""
    delivers: str | None = None
    canceled: bool = False
    owners: Mapping[str, str] = field(default_factory=dict)


def alerts_of_run(run: RunFacts, hidden: Collection[str] = ()) -> list[Alert]:
    """Every failure of a run, each once: failed checks, crashed checks, failed steps, or the run as a whole.

    A canceled run is a warning: somebody has ended it, and nobody else knows.
    """
    if run.delivers is not None:
        return _delivery(run, hidden)
    alerts = [_failed_check(run, result, hidden) for result in run.results if not result.passed]
    for step in run.failed_steps:
        if step.checks:
            alerts += [_broken_check(run, step, asset, check, hidden) for asset, check in step.checks]
        elif not step.refused:
            alerts.append(_failed_step(run, step, hidden))
    if run.canceled:
        alerts.append(
            replace(_failed_run(run, hidden), kind="run_canceled", severity="WARN", what=_what(run, "was canceled"))
        )
    elif not run.succeeded and not run.failed_steps:
        alerts.append(_failed_run(run, hidden))
    return alerts


def closed_by_run(run: RunFacts) -> Iterator[str]:
    """Subjects that are well again after this run."""
    yield from (_subject(one) for one in run.results if one.passed)
    if run.succeeded:
        yield job_subject(run.job, run.partition)
        yield from (asset_subject(asset, run.partition) for asset in run.assets)
        if run.delivers is not None:
            yield "delivery"


def check_subject(asset: str, check: str, partition: str | None) -> str:
    return f"check {asset} {check} {partition or ''}".rstrip()


def asset_subject(asset: str, partition: str | None) -> str:
    return f"asset {asset} {partition or ''}".rstrip()


def job_subject(job: str, partition: str | None) -> str:
    return f"job {job} {partition or ''}".rstrip()


def asset_path(asset: str) -> str:
    """Page of an asset in Dagit."""
    return f"/assets/{quote(asset)}"


def check_path(asset: str, check: str) -> str:
    """Page of a check in Dagit."""
    return f"{asset_path(asset)}?{urlencode({'view': 'checks', 'checkDetail': check})}"


def _failed_check(run: RunFacts, result: CheckEvaluation, hidden: Collection[str]) -> Alert:
    key, occasion = f"check/{run.run_id}/{result.asset}/{result.check}/{result.partition or ''}", f"run/{run.run_id}"
    if result.about:
        period, *names = result.about
        fails = identity(result.check, "\n".join(sorted(names)))
        key = occasion = f"{STANDING}{result.asset}/{result.check}/{period}/{fails}"
    return Alert(
        key=key,
        occasion=occasion,
        subject=_subject(result),
        kind="check_failed",
        severity=result.severity,
        what=plain(f"check {result.check} failed on {_thing(result.asset, result.partition)}"),
        at=run.ended_at,
        path=check_path(result.asset, result.check),
        evidence=evidence_of(result.description, hidden),
        value=result.value,
        threshold=result.threshold,
        recipe=recipe_of(result.asset),
        asset=result.asset,
        check=result.check,
        partition=result.partition,
        job=run.job,
        owner=run.owners.get(result.asset),
    )


def _subject(result: CheckEvaluation) -> str:
    """What stands stays open until a later day's check of the same passes."""
    return check_subject(result.asset, result.check, None if result.about else result.partition)


def _broken_check(run: RunFacts, step: FailedStep, asset: str, check: str, hidden: Collection[str]) -> Alert:
    return Alert(
        key=f"check/{run.run_id}/{asset}/{check}/{run.partition or ''}",
        occasion=f"run/{run.run_id}",
        subject=check_subject(asset, check, run.partition),
        kind="check_broken",
        severity="ERROR",
        what=plain(f"check {check} crashed on {_thing(asset, run.partition)}"),
        at=run.ended_at,
        path=check_path(asset, check),
        evidence=crash_evidence(step.crash, hidden),
        recipe=recipe_of(asset),
        asset=asset,
        check=check,
        partition=run.partition,
        job=run.job,
        owner=run.owners.get(asset),
    )


def _failed_step(run: RunFacts, step: FailedStep, hidden: Collection[str]) -> Alert:
    what = _thing(step.asset, run.partition) if step.asset else f"step {step.step} of {_thing(run.job, run.partition)}"
    return Alert(
        key=f"step/{run.run_id}/{step.step}",
        occasion=f"run/{run.run_id}",
        subject=asset_subject(step.asset, run.partition) if step.asset else job_subject(run.job, run.partition),
        kind="run_failed",
        severity="ERROR",
        what=plain(f"{what} failed"),
        at=run.ended_at,
        path=f"/runs/{run.run_id}",
        evidence=crash_evidence(step.crash, hidden),
        recipe=recipe_of(step.asset),
        asset=step.asset,
        partition=run.partition,
        job=run.job,
        owner=run.owners.get(step.asset or ""),
    )


def _failed_run(run: RunFacts, hidden: Collection[str]) -> Alert:
    """Nothing of it failed, and yet it did: it never started, or its process died."""
    asset = run.assets[0] if run.assets else None
    return Alert(
        key=f"run/{run.run_id}",
        occasion=f"run/{run.run_id}",
        subject=job_subject(run.job, run.partition),
        kind="run_failed",
        severity="ERROR",
        what=_what(run, "failed"),
        at=run.ended_at,
        path=f"/runs/{run.run_id}",
        evidence=evidence_of(run.message, hidden),
        recipe=recipe_of(asset),
        partition=run.partition,
        job=run.job,
        owner=run.owners.get(asset or ""),
    )


def _delivery(run: RunFacts, hidden: Collection[str]) -> list[Alert]:
    """Failed deliveries are told once a day, and never that this very telling failed: no alert begets itself.

    A delivery that was killed or canceled has not failed: its messages lie in the outbox and are asked for again. A
    digest that was is lost.
    """
    steps = run.failed_steps
    again = run.delivers != "digest" and not steps
    if run.succeeded or run.canceled or again or run.delivers == "delivery_failed":
        return []
    day = run.ended_at.date().isoformat()
    why = crash_evidence(steps[0].crash, hidden) if steps else evidence_of(run.message, hidden)
    alert = Alert(
        key=f"delivery/{day}",
        occasion=f"delivery/{day}",
        subject="delivery",
        kind="delivery_failed",
        severity="ERROR",
        what=f"alerts could not be delivered on {day}",
        at=run.ended_at,
        path=f"/runs/{run.run_id}",
        evidence=why,
        job=run.job,
    )
    return [alert]


def _what(run: RunFacts, became: str) -> str:
    return plain(f"run of {_thing(run.job, run.partition)} {became}")


def _thing(name: str, partition: str | None) -> str:
    return f"{name} {partition}" if partition else name
