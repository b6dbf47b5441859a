"""The daily digest: what failed, what is still open, what was delivered. It is sent on good days, too: a day
without a digest is a day on which nobody watched.

Lives here: what stays open, the digest's words. Not here: the schedule (defs/alerts).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.alert import Alert
from leadscore_dagster.core.alerts.message import KINDS, LONGEST_BODY, Message, identity
from leadscore_dagster.core.alerts.outbox import Entry
from leadscore_dagster.core.alerts.routing import AlertSettings, unheard_places
from leadscore_dagster.core.alerts.rules import STANDING

LISTED = 15
Open = Mapping[str, Mapping[str, Any]]


def open_after(before: Open, alerts: Sequence[Alert], closed: Collection[str]) -> dict[str, Any]:
    """Subjects that are open after one occasion: what went well again is closed, what failed is open since then.

    A subject that fails again stays open since its first failure.
    """
    after = {subject: known for subject, known in before.items() if subject not in closed}
    for alert in alerts:
        after.setdefault(alert.subject, {"since": alert.at.isoformat(), "severity": alert.severity, "what": alert.what})
    return after


def in_episode(alert: Alert, before: Open) -> Alert:
    """An alert of something that stands, told once since its subject was last well: after a recovery it is news."""
    if not alert.occasion.startswith(STANDING):
        return alert
    known = before.get(alert.subject)
    # a failure that is found again after a crash is older than what has been noted as open since
    began = min(datetime.fromisoformat(known["since"]), alert.at) if known else alert.at
    return replace(alert, key=f"{alert.key}/{began.isoformat()}", occasion=f"{alert.occasion}/{began.isoformat()}")


def read_open(folder: Path) -> dict[str, Any]:
    """What was open when the sensor last looked."""
    path = folder / "open.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_open(folder: Path, open_subjects: Open) -> None:
    """Note what is open."""
    outbox.write_json(folder / "open.json", open_subjects)


def digest(
    folder: Path, settings: AlertSettings, open_subjects: Open, watcher: str, now: datetime, since: datetime
) -> Message:
    """The digest of the time from ``since`` to ``now``. ``watcher`` says how the alert sensor is."""
    unheard = unheard_places(settings)
    states = {state: outbox.entries(folder, state) for state in outbox.STATES}
    recent = [entry for found in states.values() for entry in found if since <= entry.made_at < now]
    alerts = [alert for entry in recent for alert in entry.message.alerts]
    waiting = [entry for entry in states["pending"] if entry.message.place not in unheard]
    kept = len(states["pending"]) - len(waiting)
    severities = Counter(alert.severity for alert in alerts)
    counted = f"{severities['ERROR']} errors, {severities['WARN']} warnings, {len(open_subjects)} open"
    lines = [
        f"From {_at(since)} to {_at(now)} UTC: {counted}.",
        "",
        *_section("Failed", [f"{_at(alert.at)} {alert.severity} {alert.what}" for alert in alerts], _kinds(alerts)),
        *_section("Still open", _open_lines(open_subjects), ""),
        "Delivery:",
        f"- {len([entry for entry in states['sent'] if since <= entry.made_at])} messages delivered",
        f"- {len(waiting)} waiting (quiet hours, or an address that does not answer)",
        *([f"- {kept} kept, because no address is set for {', '.join(unheard).lower()}"] if kept else []),
        f"- {len(states['dead'])} given up{_remedy(states['dead'])}",
        *([f"- {aside} files of the outbox cannot be read" for aside in [outbox.unreadable(folder)] if aside]),
        f"- {watcher}",
        "",
        f"Dagit: {settings.ui.rstrip('/')}/overview",
    ]
    day = now.astimezone(UTC).date().isoformat()
    name = identity("DIGEST", f"digest/{day}")
    title = f"leadscore digest {day}: {counted}"
    return Message(name, "DIGEST", f"digest {day}", title, "\n".join(lines)[:LONGEST_BODY])


def digest_entry(message: Message, now: datetime) -> Entry:
    """A digest is due at once: its hour is chosen by whoever wants it."""
    return Entry(message, made_at=now, not_before=now)


def watcher_line(last_tick: datetime | None, failed: bool, running: bool, now: datetime) -> str:
    """How the alert sensor is: nobody else watches the watcher."""
    if not running:
        return "The alert sensor is OFF: nothing is reported between digests"
    if last_tick is None:
        return "The alert sensor has not looked yet"
    if failed:
        return f"The alert sensor FAILS, last at {_at(last_tick)} UTC: see its ticks in Dagit"
    late = now - last_tick > timedelta(minutes=10)
    return f"The alert sensor last looked at {_at(last_tick)} UTC{': too long ago' if late else ''}"


def _section(title: str, lines: Sequence[str], total: str) -> list[str]:
    if not lines:
        return [f"{title}: nothing.", ""]
    rest = [f"- … and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return [f"{title}{f' ({total})' if total else ''}:", *(f"- {line}" for line in lines[:LISTED]), *rest, ""]


def _kinds(alerts: Sequence[Alert]) -> str:
    return ", ".join(f"{KINDS[kind]} {count}" for kind, count in Counter(alert.kind for alert in alerts).items())


def _open_lines(open_subjects: Open) -> list[str]:
    known = sorted(open_subjects.values(), key=lambda one: (one["severity"], one["since"]))
    return [f"{one['severity']} since {_at(datetime.fromisoformat(one['since']))}: {one['what']}" for one in known]


def _remedy(dead: Sequence[Entry]) -> str:
    names = sorted({name for entry in dead for name in entry.problems})
    return f" ({', '.join(names)}); run `leadscore alert-redeliver`" if dead else ""


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"
