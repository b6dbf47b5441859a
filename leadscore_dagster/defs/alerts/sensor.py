"""The sensor that watches. It sends nothing itself: what it finds goes into the outbox, what is due into a run.

Lives here: the cursor, one look at the instance, the runs it asks for. Not here: judgement and wording (core/alerts),
sending (jobs).

Order makes it lose nothing: messages are in the outbox before the cursor is kept, and a message that is found again
after a crash is known by its id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.alert import Alert
from leadscore_dagster.core.alerts.delivery import attempt_key, due_together
from leadscore_dagster.core.alerts.digest import in_episode, open_after, read_open, write_open
from leadscore_dagster.core.alerts.message import messages_of
from leadscore_dagster.core.alerts.outbox import Entry
from leadscore_dagster.core.alerts.routing import AlertSettings, not_before, targets_of, unheard_places
from leadscore_dagster.core.alerts.rules import RunFacts, alerts_of_run, closed_by_run
from leadscore_dagster.core.alerts.watching import (
    Watch,
    alerts_of_ticks,
    instigator_subject,
    judge_expected,
    schedule_subject,
)
from leadscore_dagster.defs.alerts import instigators
from leadscore_dagster.defs.alerts.facts import DELIVERS_TAG, run_facts
from leadscore_dagster.defs.alerts.jobs import OWN_JOBS, notify
from leadscore_dagster.defs.alerts.settings import alerts_folder, environment_settings
from leadscore_dagster.defs.resources import Workspace

#: status changes of one kind read in one look; more are read in the next
MOST_RUNS = 50
#: a longer time between two looks is a pause: the daemon was down
PAUSE = timedelta(minutes=10)
_ENDINGS: tuple[dg.DagsterEventType, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


@dataclass(frozen=True)
class Cursor:
    """How far the watching has come.

    ``since`` : when it began; nothing older is told. ``resumed_at`` : end of the last pause. ``runs`` : status →
    Dagster's own cursor. ``ticks`` : instigator → its last failure that was looked at. ``settled`` : schedule → the
    evaluation that needs no further look.
    """

    since: datetime
    looked_at: datetime
    resumed_at: datetime
    runs: Mapping[str, str]
    ticks: Mapping[str, datetime] = field(default_factory=dict)
    settled: Mapping[str, datetime] = field(default_factory=dict)

    def dump(self) -> str:
        return json.dumps(
            {
                "since": self.since.isoformat(),
                "looked_at": self.looked_at.isoformat(),
                "resumed_at": self.resumed_at.isoformat(),
                "runs": dict(self.runs),
                "ticks": {name: at.isoformat() for name, at in self.ticks.items()},
                "settled": {name: at.isoformat() for name, at in self.settled.items()},
            }
        )


def load_cursor(text: str) -> Cursor:
    """The cursor that ``dump`` wrote."""
    raw = json.loads(text)
    read = datetime.fromisoformat
    return Cursor(
        since=read(raw["since"]),
        looked_at=read(raw["looked_at"]),
        resumed_at=read(raw["resumed_at"]),
        runs=raw["runs"],
        ticks={name: read(at) for name, at in raw["ticks"].items()},
        settled={name: read(at) for name, at in raw["settled"].items()},
    )


def first_cursor(instance: dg.DagsterInstance, now: datetime) -> Cursor:
    """Where watching begins: what has happened before is not told."""
    newest = {ending.value: _newest(instance, ending) for ending in _ENDINGS}
    return Cursor(since=now, looked_at=now, resumed_at=now, runs=newest)


@dataclass(frozen=True)
class Look:
    """What one look has found: alerts and closed subjects, in the order they happened, and the cursor after it."""

    found: Sequence[tuple[Sequence[Alert], Sequence[str]]]
    cursor: Cursor

    @property
    def alerts(self) -> list[Alert]:
        return [alert for alerts, _ in self.found for alert in alerts]


def look(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    cursor: Cursor,
    now: datetime,
    settings: AlertSettings,
) -> Look:
    """Everything that has happened since the cursor."""
    hidden, owners = settings.hidden, owners_of(repository)
    runs, run_cursors = _ended_runs(instance, cursor, owners)
    found: list[tuple[Sequence[Alert], Sequence[str]]] = [
        (alerts_of_run(run, hidden), list(closed_by_run(run))) for run in runs
    ]
    ticks, settled = dict(cursor.ticks), dict(cursor.settled)
    resumed_at = now if now - cursor.looked_at > PAUSE else cursor.resumed_at
    watch = Watch(now, cursor.since, resumed_at, settings.grace)
    states = instigators.instigators(instance)
    for state in states:
        name = f"{instigators.location_of(state)}/{state.name}"
        failed = instigators.failed_ticks(instance, state, ticks.get(name, cursor.since))
        alerts, last = alerts_of_ticks(failed, ticks.get(name), hidden, instigators.interval_of(state))
        if last is not None:
            ticks[name] = last
        closed = [instigator_subject(state.name)] if instigators.is_well(instance, state) else []
        found.append((alerts, closed))
    for expected in instigators.expected_ticks(instance, repository, states, now, settings.grace, settled, owners):
        over, alert = judge_expected(expected, watch, hidden)
        if over:
            settled[expected.schedule] = expected.at
        well = over and alert is None
        found.append(([alert] if alert else [], [schedule_subject(expected.schedule)] if well else []))
    after = replace(cursor, looked_at=now, resumed_at=resumed_at, runs=run_cursors, ticks=ticks, settled=settled)
    return Look(found, after)


def owners_of(repository: dg.RepositoryDefinition) -> dict[str, str]:
    """Asset → whom it belongs to."""
    graph = repository.asset_graph
    owned = {key.to_user_string(): ", ".join(graph.get(key).owners) for key in graph.get_all_asset_keys()}
    return {name: owners for name, owners in owned.items() if owners}


def keep(home: Path, found: Look, settings: AlertSettings, now: datetime) -> None:
    """Put what has been found into the outbox, and note what is open."""
    folder, told = alerts_folder(home), list[Alert]()
    before = after = read_open(folder)
    for alerts, closed in found.found:
        told += [in_episode(alert, after) for alert in alerts]
        after = open_after(after, alerts, closed)
    for message in messages_of(told, settings):
        due = not_before(message.place, now, settings.quiet)
        outbox.add(folder, Entry(message, made_at=now, not_before=due))
    if after != before:
        write_open(folder, after)


def requests(home: Path, settings: AlertSettings, now: datetime) -> tuple[list[dg.RunRequest], list[str]]:
    """One run for each group of messages that is due and has an address, and what is wrong with the others'.

    A run's key keeps the same attempt from being asked for twice.
    """
    pending = outbox.entries(alerts_folder(home), "pending")
    said = list(settings.unusable.values())
    for place in unheard_places(settings):
        if kept := sum(entry.message.place == place for entry in pending):
            said.append(f"{kept} messages are kept, because no address is set for {place.lower()}")
    heard = [entry for entry in pending if targets_of(settings, entry.message.place)]
    return [_request(group, now) for group in due_together(heard, now)], said


def build_sensor(on: bool, seconds: int) -> dg.SensorDefinition:
    """The sensor. ``on`` : whether it runs without being turned on in Dagit; ``seconds`` : between two looks."""

    @dg.sensor(
        name="alerts",
        job=notify,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Reports each failed or crashed check, failed run, missed schedule and failing sensor once.",
    )
    def alerts(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult | dg.SkipReason:
        home, now = Path(workspace.home), workspace.now()
        settings = environment_settings(home)
        assert context.repository_def is not None
        if context.cursor:
            found = look(context.instance, context.repository_def, load_cursor(context.cursor), now, settings)
            keep(home, found, settings, now)
            cursor = found.cursor
        else:
            cursor = first_cursor(context.instance, now)
        due, said = requests(home, settings, now)
        if due:
            return dg.SensorResult(run_requests=due, cursor=cursor.dump())
        return dg.SensorResult(skip_reason="; ".join(said) or "Nothing is due.", cursor=cursor.dump())

    return alerts


def _ended_runs(
    instance: dg.DagsterInstance, cursor: Cursor, owners: Mapping[str, str]
) -> tuple[list[RunFacts], dict[str, str]]:
    records, cursors = [], {}
    for ending in _ENDINGS:
        if ending.value not in cursor.runs:  # an older release did not look at it: what has been before is not told
            cursors[ending.value] = _newest(instance, ending)
            continue
        page = instance.fetch_run_status_changes(
            ending, limit=MOST_RUNS, cursor=cursor.runs[ending.value], ascending=True
        )
        records += list(page.records)
        cursors[ending.value] = page.cursor
    records.sort(key=lambda record: record.event_log_entry.timestamp)
    facts = [run_facts(instance, record, OWN_JOBS, owners) for record in records]
    return [one for one in facts if one is not None], cursors


def _newest(instance: dg.DagsterInstance, ending: dg.DagsterEventType) -> str:
    return instance.fetch_run_status_changes(ending, limit=1).cursor


def _request(group: Sequence[Entry], now: datetime) -> dg.RunRequest:
    alerts = [alert for entry in group for alert in entry.message.alerts]
    first = alerts[0] if alerts else None
    about = {
        # not leadscore/recipe: that tag's runs wait for each other (dagster.yaml), and a delivery must not wait
        "about_recipe": first.recipe if first else None,
        "asset": first.asset if first else None,
        "check": first.check if first else None,
        "partition": first.partition if first else None,
        "severity": group[0].message.place,
    }
    # not dagster/partition: a delivery is no run of that partition, and must not count as one
    tags = {f"leadscore/{name}": value for name, value in about.items() if value}
    kinds = sorted({str(alert.kind) for alert in alerts}) or ["digest"]
    return dg.RunRequest(
        run_key=attempt_key(group, now),
        run_config={"ops": {"send_messages": {"config": {"messages": [entry.id for entry in group]}}}},
        tags={**tags, DELIVERS_TAG: " ".join(kinds), "dagster/priority": "10"},
    )
