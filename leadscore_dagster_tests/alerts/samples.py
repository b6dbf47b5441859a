"""Sample alerts and messages of the pure tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from leadscore_dagster.core.alerts.alert import Alert
from leadscore_dagster.core.alerts.message import Message, identity
from leadscore_dagster.core.alerts.outbox import Entry

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ALERT = Alert(
    key="check/r1/toy/table/rows/p",
    occasion="run/r1",
    subject="check toy/table rows p",
    kind="check_failed",
    severity="ERROR",
    what="check rows failed on toy/table p",
    at=NOON,
    path="/assets/toy/table?view=checks&checkDetail=rows",
    evidence="3 rows are missing",
    recipe="toy",
    asset="toy/table",
    check="rows",
    partition="p",
)


def alert(**changes: Any) -> Alert:
    return replace(ALERT, **changes)


def entry(name: str = "one", place: Any = "ERROR", group: str = "toy", at: datetime = NOON, **changes: Any) -> Entry:
    message = Message(identity(place, name), place, group, f"title {name}", f"body {name}", (alert(occasion=name),))
    return replace(Entry(message, made_at=at, not_before=at), **changes)
