"""One alert: what it says, what makes it the same alert as before, what to do about it.

Not here: deciding that something is wrong (rules, watching), wording a message (message).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

Severity = Literal["ERROR", "WARN"]
Kind = Literal[
    "check_failed", "check_broken", "run_failed", "run_canceled", "schedule_missed", "tick_failed", "delivery_failed"
]

#: What a person should do, by kind. The runbook has a chapter of the same name.
WHAT_TO_DO: Mapping[Kind, str] = {
    "check_failed": "Read the evidence in Dagit, fix the data or the model, and run the partition again. "
    "What a blocking check refuses is not published.",
    "check_broken": "The check itself crashed, so nothing is known about the data: fix the check or what it reads, "
    "run the partition again.",
    "run_failed": "Open the run and read its first failed step; once the cause is fixed, re-execute from failure.",
    "run_canceled": "Somebody canceled it on purpose; launch it again if its partition is still needed.",
    "schedule_missed": "Check that the daemon is running and the schedule is on, then launch the missing partition.",
    "tick_failed": "Open its ticks in Dagit and fix the error; it tries again by itself.",
    "delivery_failed": "Run `leadscore alert-test`, fix the address, then run `leadscore alert-redeliver`. "
    "Messages that were not given up are tried again automatically.",
}


@dataclass(frozen=True)
class Alert:
    """One failure, told once.

    Parameters
    ----------
    key : identity of the failure; the same key is never told twice.
    occasion : what it happened in (a run, a tick). Alerts of one occasion and severity make one message.
    subject : what stays open until it goes well again: a check of a partition, an asset's partition, a sensor.
    what : the failure in a few words.
    at : when it happened.
    evidence : what was seen, already free of secrets and markup.
    path : the page in Dagit, relative to its address.
    """

    key: str
    occasion: str
    subject: str
    kind: Kind
    severity: Severity
    what: str
    at: datetime
    path: str
    evidence: str = ""
    value: float | None = None
    threshold: float | None = None
    recipe: str | None = None
    asset: str | None = None
    check: str | None = None
    partition: str | None = None
    job: str | None = None
    owner: str | None = None

    @property
    def anchor(self) -> str:
        """Chapter of the runbook."""
        return self.kind.replace("_", "-")

    def as_record(self) -> dict[str, Any]:
        """Plain JSON values, without what is not known."""
        record = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return record | {"at": self.at.isoformat()}


def alert_of(record: Mapping[str, Any]) -> Alert:
    """The alert of a record that ``as_record`` made."""
    return Alert(**{**record, "at": datetime.fromisoformat(record["at"])})


def recipe_of(asset: str | None) -> str | None:
    """Assets are named recipe/table."""
    return asset.split("/")[0] if asset and "/" in asset else None
