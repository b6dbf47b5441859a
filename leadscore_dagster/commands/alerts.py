"""Commands about alerts: a test alert to every address, and sending what was given up.

Not here: automatic watching and delivering (defs/alerts).
"""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.commands.outcome import DONE, ERROR, TextOutcome, columns
from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.delivery import deliver
from leadscore_dagster.core.alerts.message import Message, identity
from leadscore_dagster.core.alerts.routing import all_targets
from leadscore_dagster.core.alerts.sending import send
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.defs.alerts.settings import alerts_folder, environment_settings
from leadscore_dagster.defs.resources import Workspace


def send_test_alert(home: Path) -> TextOutcome:
    """Send one test message to every configured address, whatever its place and the hour; say which took it.

    Exit code 1 when one did not, or when an address refers to a secret that is not set. Raises InputError when no
    address is configured.
    """
    settings, now = environment_settings(home), Workspace(home=str(home)).now()
    targets = all_targets(settings)
    if not targets and not settings.unusable:
        raise InputError(
            "No address for alerts is set",
            remedy="set LEADSCORE_ALERTS_ERROR and LEADSCORE_ALERTS_WARN to Apprise URLs, or write alerts.yaml "
            f"in {home}",
        )
    answers: dict[str, str | None] = dict(settings.unusable)
    for target in targets:
        message = Message(
            id=identity(target.name, f"test/{now.isoformat()}"),
            place="ERROR" if target.name.startswith("error") else "WARN",
            group="test",
            title=f"leadscore: test alert for {target.name}",
            body=f"This is a test. Alerts of this home reach you here.\nDagit: {settings.ui}",
        )
        answers[target.name] = send(target.url, message)
    rows = [(name, "answered" if problem is None else f"FAILED: {problem}") for name, problem in answers.items()]
    failed = any(problem is not None for problem in answers.values())
    record = {
        "targets": [{"name": name, "ok": problem is None, "problem": problem} for name, problem in answers.items()]
    }
    return TextOutcome(columns(rows, ("target", "answer")), record, ERROR if failed else DONE)


def redeliver(home: Path) -> TextOutcome:
    """Try the dead letters again, now, each once more from its first attempt; what fails again is tried again later.

    Addresses that took a message before it was given up do not get it a second time. Exit code 1 when one failed.
    """
    folder, now = alerts_folder(home), Workspace(home=str(home)).now()
    settings = environment_settings(home)
    with outbox.delivering(folder):
        revived = outbox.revive(folder, now)
    if not revived:
        return TextOutcome("There are no dead letters.", {"sent": [], "waiting": [], "dead": []})
    done = deliver(folder, settings, revived, now, at_once=True)
    lines = [f"{len(done.sent)} delivered, {len(done.waiting)} to be tried again, {len(done.dead)} given up."]
    if done.unaddressed:
        lines.append(f"{len(done.unaddressed)} kept: no address is set for them.")
    waiting = [*done.waiting, *done.unaddressed]
    record = {"sent": list(done.sent), "waiting": waiting, "dead": list(done.dead)}
    failed = bool(waiting or done.dead)
    return TextOutcome(
        "\n".join([*lines, *settings.unusable.values(), *done.problems]), record, ERROR if failed else DONE
    )
