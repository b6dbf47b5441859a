"""Facts read off a Dagster instance: what a finished run left behind. Not here: any judgement (core/alerts).

``get_event_records`` with a cursor is refused by the default storage, and rows of check executions are numbered
when a check is planned; so checks are read run by run, once the run is over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterEventType as Type
from dagster_shared.error import SerializableErrorInfo

from leadscore_dagster.core.alerts.rules import CheckEvaluation, FailedStep, RunFacts
from leadscore_dagster.core.alerts.text import Crash
from leadscore_dagster.defs.checks.shell import ABOUT

PARTITION_TAG = "dagster/partition"
RETRY_TAG = "dagster/will_retry"
#: on the runs of the project's own alert jobs: what they deliver
DELIVERS_TAG = "leadscore/alerts"
_READ = {
    Type.ASSET_CHECK_EVALUATION,
    Type.ASSET_CHECK_EVALUATION_PLANNED,
    Type.ASSET_MATERIALIZATION_PLANNED,
    Type.STEP_FAILURE,
    Type.RUN_FAILURE,
}
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
#: errors whose message was written for the reader (core/errors)
_TOLD = {"InputError", "GateRefused"}


def run_facts(
    instance: dg.DagsterInstance, record: dg.EventLogRecord, own_jobs: frozenset[str], owners: Mapping[str, str]
) -> RunFacts | None:
    """Facts of the run that a status change tells of; None when it is gone or will be tried again by itself, or was
    canceled because it had failed (it took too long): then the failure tells of it.

    ``owners`` : asset → whom it belongs to.
    """
    entry = record.event_log_entry
    run = instance.get_run_by_id(entry.run_id)
    if run is None or run.tags.get(RETRY_TAG) == "true":
        return None
    partition = run.tags.get(PARTITION_TAG)
    events = [
        one.event_log_entry.dagster_event
        for one in instance.get_records_for_run(run.run_id, of_type=_READ).records
        if one.event_log_entry.dagster_event is not None
    ]
    ended = entry.dagster_event
    canceled = ended is not None and ended.event_type is Type.RUN_CANCELED
    if canceled and any(event.event_type is Type.RUN_FAILURE for event in events):
        return None
    made = {
        event.step_key: event.event_specific_data.asset_key.to_user_string()  # type: ignore[union-attr]
        for event in events
        if event.event_type is Type.ASSET_MATERIALIZATION_PLANNED
    }
    results = [
        _result(event.event_specific_data, partition)  # type: ignore[arg-type]
        for event in events
        if event.event_type is Type.ASSET_CHECK_EVALUATION
    ]
    known = {(result.asset, result.check) for result in results}
    left: dict[str | None, list[tuple[str, str]]] = {}
    for event in events:
        if event.event_type is Type.ASSET_CHECK_EVALUATION_PLANNED:
            planned = event.event_specific_data
            name = (planned.asset_key.to_user_string(), planned.check_name)  # type: ignore[union-attr]
            # a check inside an asset's own step did not crash: the asset did
            if name not in known and event.step_key not in made:
                left.setdefault(event.step_key, []).append(name)
    failed = [
        _failed_step(event, made, left)
        for event in events
        if event.event_type is Type.STEP_FAILURE and not (canceled and _is_interrupted(event))
    ]
    return RunFacts(
        run_id=run.run_id,
        job=run.job_name,
        succeeded=ended is not None and ended.event_type is Type.RUN_SUCCESS,
        ended_at=datetime.fromtimestamp(entry.timestamp, UTC),
        partition=partition,
        assets=tuple(dict.fromkeys(made.values())),
        results=tuple(results),
        failed_steps=tuple(failed),
        message=(ended.message if ended is not None else None) or entry.user_message,
        canceled=canceled,
        delivers=run.tags.get(DELIVERS_TAG, "") if run.job_name in own_jobs else None,
        owners=owners,
    )


def crash_of(error: SerializableErrorInfo | None) -> Crash:
    """An error as Dagster keeps it: the exception that user code raised, and the line it was raised on."""
    if error is None:
        return Crash("Error", "no reason was kept", told=True)
    while error.cause is not None and (error.cls_name or "").startswith(("Dagster", "Sensor", "Schedule")):
        error = error.cause
    name = error.cls_name or "Error"
    message = error.message.strip()
    message = re.sub(rf"^[\w.]*{re.escape(name)}:?\s*", "", message)
    frames = [match for line in error.stack if (match := _FRAME.search(line))]
    where = ""
    if frames:
        path, line, function = frames[-1].groups()
        where = f"{'/'.join(path.replace(chr(92), '/').split('/')[-2:])}:{line} in {function}"
    return Crash(name, message, where, told=name in _TOLD)


def _is_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether the step only stopped because its run was canceled."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionInterruptedError"


def _result(evaluation: dg.AssetCheckEvaluation, partition: str | None) -> CheckEvaluation:
    return CheckEvaluation(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition or partition,
        passed=evaluation.passed,
        severity="WARN" if evaluation.severity is dg.AssetCheckSeverity.WARN else "ERROR",
        description=evaluation.description or "",
        value=_number(evaluation, "value"),
        threshold=_number(evaluation, "threshold"),
        about=tuple(getattr(evaluation.metadata.get(ABOUT), "value", ())),
    )


def _number(evaluation: dg.AssetCheckEvaluation, name: str) -> float | None:
    value = getattr(evaluation.metadata.get(name), "value", None)
    return float(value) if isinstance(value, int | float) else None


def _failed_step(
    event: dg.DagsterEvent, made: Mapping[str | None, str], left: Mapping[str | None, list[tuple[str, str]]]
) -> FailedStep:
    failure = event.step_failure_data
    said = failure.user_failure_data
    told = Crash("Failure", said.description or "", told=True) if said is not None else None
    return FailedStep(
        step=str(event.step_key),
        crash=told or crash_of(failure.error),
        asset=made.get(event.step_key),
        checks=tuple(left.get(event.step_key, ())),
        refused=failure.error is not None and failure.error.cls_name == "DagsterAssetCheckFailedError",
    )
