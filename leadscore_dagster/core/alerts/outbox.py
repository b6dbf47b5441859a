"""The outbox: a folder in which every message lies until it has been delivered. This is what makes an alert come once.

``pending/`` waits or is tried again, ``sent/`` is delivered, ``dead/`` was given up. A message's id is its file's
name, so a failure that is found again (the sensor died before its cursor was kept) is not sent again. A file is
written beside and renamed into place; a move between folders is one rename.

Why not Dagster's run_key alone: a run_key is used up by a run that dies before it has sent anything, and it can
neither hold a message until the morning nor keep one that nobody took.

Not here: sending (sending), the order of attempts (delivery).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from leadscore_dagster.core.alerts.message import Message, message_of
from leadscore_dagster.core.alerts.routing import Place
from leadscore_dagster.core.files import write_text

State = Literal["pending", "sent", "dead"]
STATES: tuple[State, ...] = ("pending", "sent", "dead")


@dataclass(frozen=True)
class Entry:
    """A message and what became of it so far. ``problems`` : address → what it last answered."""

    message: Message
    made_at: datetime
    not_before: datetime
    attempts: int = 0
    delivered: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.message.id


def add(folder: Path, entry: Entry) -> bool:
    """Put a new message in; False when it has been there before, whatever became of it."""
    # pending twice: a dead letter that is being sent again moves back while we look
    if any((folder / state / f"{entry.id}.json").is_file() for state in ("pending", "dead", "pending", "sent")):
        return False
    save(folder, entry)
    return True


def save(folder: Path, entry: Entry) -> None:
    """Write a pending message, whole or not at all."""
    write_json(folder / "pending" / f"{entry.id}.json", _record(entry))


def move(folder: Path, entry: Entry, origin: State, destination: State) -> None:
    """Move a message to another state in one step."""
    (folder / destination).mkdir(parents=True, exist_ok=True)
    os.replace(folder / origin / f"{entry.id}.json", folder / destination / f"{entry.id}.json")


def entries(folder: Path, state: State) -> list[Entry]:
    """Messages of a state, oldest first. A file that cannot be read is put aside, so that it holds up no other."""
    found = [_read(path) for path in sorted((folder / state).glob("*.json"))]
    return sorted((entry for entry in found if entry is not None), key=_order)


def revive(folder: Path, now: datetime) -> list[str]:
    """Make every dead letter pending again, as if it had never been tried; returns their ids."""
    ids = []
    for entry in entries(folder, "dead"):
        write_json(folder / "dead" / f"{entry.id}.json", _record(replace(entry, attempts=0, not_before=now)))
        move(folder, entry, "dead", "pending")
        ids.append(entry.id)
    return ids


def prune(folder: Path, before: datetime, unheard: Collection[Place] = ()) -> int:
    """Forget what was delivered long ago, and what was kept so long for the places that nobody listens to. Dead
    letters are never forgotten."""
    sent = [("sent", entry) for entry in entries(folder, "sent")]
    kept = [("pending", entry) for entry in entries(folder, "pending") if entry.message.place in unheard]
    old = [(state, entry) for state, entry in [*sent, *kept] if entry.made_at < before]
    for state, entry in old:
        (folder / state / f"{entry.id}.json").unlink(missing_ok=True)
    return len(old)


def unreadable(folder: Path) -> int:
    """How many files have been put aside."""
    return len(list(folder.glob("*/*.unreadable")))


@contextmanager
def delivering(folder: Path) -> Iterator[None]:
    """Let one process deliver at a time: two would send the same message twice. A killed process lets go of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder / "lock")):
        yield


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file beside and rename it into place."""
    write_text(path, json.dumps(record, ensure_ascii=False, indent=1))


def _order(entry: Entry) -> tuple[datetime, datetime, str]:
    """When it was found, then when it happened: what one look finds is told in the order in which it went wrong."""
    happened = min((alert.at for alert in entry.message.alerts), default=entry.made_at)
    return entry.made_at, happened, entry.id


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "message": entry.message.as_record(),
        "made_at": entry.made_at.isoformat(),
        "not_before": entry.not_before.isoformat(),
        "attempts": entry.attempts,
        "delivered": list(entry.delivered),
        "problems": dict(entry.problems),
    }


def _read(path: Path) -> Entry | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Entry(
            message=message_of(record["message"]),
            made_at=datetime.fromisoformat(record["made_at"]),
            not_before=datetime.fromisoformat(record["not_before"]),
            attempts=record["attempts"],
            delivered=tuple(record["delivered"]),
            problems=record["problems"],
        )
    except FileNotFoundError:  # moved on while we looked
        return None
    except (ValueError, KeyError, TypeError):
        path.replace(path.with_suffix(".unreadable"))
        return None
