"""Wording: several alerts of one occasion as one message, several messages as one.

Plain text, because every service shows it as it is. Not here: deciding what is an alert (rules, watching).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from leadscore_dagster.core.alerts.alert import WHAT_TO_DO, Alert, alert_of
from leadscore_dagster.core.alerts.routing import AlertSettings, Place

LONGEST_BODY = 6000  # characters; Teams and PagerDuty refuse much longer ones
BLOCKS = 8  # alerts spelled out in one message; the rest is counted
KINDS = {
    "check_failed": "failed check",
    "check_broken": "crashed check",
    "run_failed": "failed run",
    "run_canceled": "canceled run",
    "schedule_missed": "missed schedule",
    "tick_failed": "failing sensor or schedule",
    "delivery_failed": "failed delivery",
}


@dataclass(frozen=True)
class Message:
    """What is sent to one place about one occasion.

    ``id`` follows from place and occasion, so that the same failure found again is the same message. Messages of one
    ``group`` that are due together are sent together.
    """

    id: str
    place: Place
    group: str
    title: str
    body: str
    alerts: tuple[Alert, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "place": self.place,
            "group": self.group,
            "title": self.title,
            "body": self.body,
            "alerts": [alert.as_record() for alert in self.alerts],
        }


def message_of(record: dict[str, Any]) -> Message:
    """The message of a record that ``as_record`` made."""
    return Message(**{**record, "alerts": tuple(alert_of(one) for one in record["alerts"])})


def identity(place: str, occasion: str) -> str:
    """Name of a message: the same for the same place and occasion, and safe as a file's name."""
    return sha256(f"{place}\n{occasion}".encode()).hexdigest()[:16]


def messages_of(alerts: Sequence[Alert], settings: AlertSettings) -> list[Message]:
    """One message per severity and occasion, in the order of the alerts."""
    grouped: dict[tuple[Place, str], list[Alert]] = {}
    for alert in alerts:
        grouped.setdefault((alert.severity, alert.occasion), []).append(alert)
    return [_message(place, occasion, tuple(group), settings) for (place, occasion), group in grouped.items()]


def together(messages: Sequence[Message]) -> Message:
    """Messages of one place as one. Its id names them all, so that a receiver can tell a repetition."""
    if len(messages) == 1:
        return messages[0]
    first = messages[0]
    ids = sorted(message.id for message in messages)
    return Message(
        id=identity(first.place, "\n".join(ids)),
        place=first.place,
        group=first.group,
        title=f"{first.place} {first.group}: {len(messages)} messages, {_counted(_alerts(messages))}",
        body=_cut([part for message in messages for part in (message.title, message.body, "")]),
        alerts=_alerts(messages),
    )


def with_notice(message: Message, sentences: Sequence[str]) -> Message:
    """The message, which also says what is wrong with the addresses: whoever reads it can still be reached."""
    if not sentences:
        return message
    notice = "\n\nAlerts: " + "; ".join(sentences)[: LONGEST_BODY // 4]
    return replace(message, body=message.body[: LONGEST_BODY - len(notice)] + notice)


def _alerts(messages: Sequence[Message]) -> tuple[Alert, ...]:
    return tuple(alert for message in messages for alert in message.alerts)


def _message(place: Place, occasion: str, alerts: tuple[Alert, ...], settings: AlertSettings) -> Message:
    first = alerts[0]
    group = first.recipe or first.job or "leadscore"
    name = identity(place, occasion)
    what = first.what if len(alerts) == 1 else f"{_counted(alerts)} ({first.what}, …)"
    parts = [line for alert in alerts[:BLOCKS] for line in [*_block(alert, settings), ""]]
    if len(alerts) > BLOCKS:
        parts += [f"… and {len(alerts) - BLOCKS} more: {', '.join(alert.what for alert in alerts[BLOCKS:])}", ""]
    if occasion.startswith("run/"):
        parts.append(f"Run: {settings.ui.rstrip('/')}/runs/{occasion.removeprefix('run/')}")
    parts.append(f"Message: {name}")
    return Message(name, place, group, f"{place} {group}: {what}", _cut(parts), alerts)


def _block(alert: Alert, settings: AlertSettings) -> list[str]:
    lines = [f"{alert.severity}: {alert.what}"]
    numbers = [
        f"{name} {value:g}"
        for name, value in (("value", alert.value), ("threshold", alert.threshold))
        if value is not None
    ]
    if alert.evidence or numbers:
        lines.append("Evidence: " + "; ".join([*([alert.evidence] if alert.evidence else []), *numbers]))
    for label, text in (
        ("Recipe", alert.recipe),
        ("Asset", alert.asset),
        ("Partition", alert.partition),
        ("Owner", alert.owner),
    ):
        if text:
            lines.append(f"{label}: {text}")
    lines.append(f"Dagit: {settings.ui.rstrip('/')}{alert.path}")
    lines.append(f"What to do: {WHAT_TO_DO[alert.kind]} Runbook: {settings.runbook}#{alert.anchor}")
    return lines


def _counted(alerts: Sequence[Alert]) -> str:
    kinds = Counter(alert.kind for alert in alerts)
    return ", ".join(f"{n} {KINDS[kind]}{'s' if n > 1 else ''}" for kind, n in kinds.items())


def _cut(lines: Sequence[str]) -> str:
    body = "\n".join(lines).strip()
    return body if len(body) <= LONGEST_BODY else body[: LONGEST_BODY - 30].rstrip() + "\n… cut; the rest is in Dagit."
