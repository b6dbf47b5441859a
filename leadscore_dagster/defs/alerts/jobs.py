"""The jobs that deliver: alerts as they come, and the digest once a day.

Not here: watching (sensor), the order of attempts (core/alerts/delivery).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.delivery import Delivery, deliver
from leadscore_dagster.core.alerts.digest import digest, digest_entry, read_open, watcher_line
from leadscore_dagster.core.alerts.routing import AlertSettings, targets_of, unheard_places
from leadscore_dagster.defs.alerts import instigators
from leadscore_dagster.defs.alerts.facts import DELIVERS_TAG
from leadscore_dagster.defs.alerts.settings import alerts_folder, environment_settings
from leadscore_dagster.defs.resources import Workspace

OWN_JOBS = frozenset({"notify", "alerts_digest"})
#: how long a delivered message is remembered
KEPT = timedelta(days=90)


class Messages(dg.Config):
    """Which messages of the outbox to deliver; none named: all that are due."""

    messages: list[str] = []  # noqa: RUF012  (a Dagster config is not a class attribute)


@dg.op(description="Sends the outbox's messages to every address that has not accepted them yet.")
def send_messages(context: dg.OpExecutionContext, config: Messages, workspace: Workspace) -> None:
    home = Path(workspace.home)
    settings = environment_settings(home)
    _report(context, settings, deliver(alerts_folder(home), settings, config.messages or None, workspace.now()))


@dg.job(description="Delivers alerts. A delivery that is given up fails the run and stays in alerts/dead.")
def notify() -> None:
    send_messages()


@dg.op(description="Writes the digest of the last day and sends it.")
def send_digest(context: dg.OpExecutionContext, workspace: Workspace) -> None:
    home, now = Path(workspace.home), workspace.now()
    folder, settings = alerts_folder(home), environment_settings(home)
    message = digest(folder, settings, read_open(folder), _watcher(context.instance, now), now, now - timedelta(days=1))
    outbox.prune(folder, now - KEPT, unheard_places(settings))
    if not targets_of(settings, "DIGEST"):  # not kept: an old digest is of no use to anybody
        context.log.warning("No address for the digest is set.")
        return
    outbox.add(folder, digest_entry(message, now))
    _report(context, settings, deliver(folder, settings, [message.id], now))


@dg.job(
    description="Reports once a day what failed, what is still open and what was delivered.",
    tags={DELIVERS_TAG: "digest"},
)
def alerts_digest() -> None:
    send_digest()


def build_schedule(at: tuple[int, int, str], on: bool) -> dg.ScheduleDefinition:
    """The schedule of the digest: hour, minute and time zone, and whether it is on without being turned on."""
    hour, minute, zone = at
    return dg.ScheduleDefinition(
        name="alerts_digest_schedule",
        job=alerts_digest,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
        description="The daily digest of alerts, also on good days.",
    )


def _report(context: dg.OpExecutionContext, settings: AlertSettings, done: Delivery) -> None:
    context.log.info(f"{len(done.sent)} delivered, {len(done.waiting)} to be tried again, {len(done.dead)} given up.")
    if done.unaddressed:
        context.log.warning(f"{len(done.unaddressed)} kept: no address is set for them.")
    for problem in (*settings.unusable.values(), *done.problems):
        context.log.warning(problem)
    if done.dead:
        raise dg.Failure(
            description=f"{len(done.dead)} messages could not be delivered and are in alerts/dead: "
            + "; ".join(done.problems),
            allow_retries=False,
        )


def _watcher(instance: dg.DagsterInstance, now: datetime) -> str:
    states = [state for state in instigators.instigators(instance) if state.name == "alerts" and state.is_running]
    if not states:
        return watcher_line(None, failed=False, running=False, now=now)
    tick = instigators.newest_tick(instance, states[0])
    at = datetime.fromtimestamp(tick.timestamp, UTC) if tick is not None else None
    return watcher_line(at, tick is not None and tick.status is TickStatus.FAILURE, running=True, now=now)
