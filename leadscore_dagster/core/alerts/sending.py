"""Sending one message to one address, through Apprise. Not here: which address, when, how often."""

from __future__ import annotations

from typing import Any

from leadscore_dagster.core.alerts.message import Message
from leadscore_dagster.core.alerts.text import plain, redact

LONGEST_PROBLEM = 200


def send(url: str, message: Message) -> str | None:
    """Send a message to an Apprise URL.

    The receiver is given the message's id as idempotency key (a header and a field for webhooks, the deduplication
    key for PagerDuty), so that it can tell a repetition after a crash between sending and noting that it was sent.

    Returns
    -------
    None when the receiver took it, otherwise what went wrong, without the address.
    """
    import apprise

    types = {"ERROR": apprise.NotifyType.FAILURE, "WARN": apprise.NotifyType.WARNING}
    asset = apprise.AppriseAsset(app_id="leadscore", app_desc="leadscore alerts", secure_logging=True)
    service: Any = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        return "not an address that Apprise understands"
    _add_identity(service, message)
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:
        taken = sender.notify(
            title=message.title,
            body=message.body,
            notify_type=types.get(message.place, apprise.NotifyType.INFO),
            body_format=apprise.NotifyFormat.TEXT,
        )
        said = log.getvalue()
    return None if taken else plain(redact(said.strip(), {url}) or "it did not accept the message", LONGEST_PROBLEM)


def _add_identity(service: Any, message: Message) -> None:
    """Only services that have such a place; what the user put there in the address stays."""
    if isinstance(getattr(service, "headers", None), dict):
        service.headers.setdefault("Idempotency-Key", message.id)
    if getattr(service, "dedup", "") is None:
        service.dedup = message.id
    if service.__class__.__name__ == "NotifyJSON":
        service.payload_extras.setdefault("id", message.id)
        service.payload_extras.setdefault("severity", message.place)
        service.payload_extras.setdefault("alerts", [alert.as_record() for alert in message.alerts])
