"""Delivery: which messages are due, which go together, what happens when an address does not answer.

Lives here: attempts, waits, giving up. Not here: files (outbox), Apprise (sending), runs (defs/alerts).

An attempt is noted before anything is sent and its success after, so a crash in between costs at most a repetition,
with the same idempotency key, and never a message. Each address is noted by itself: what one has taken is not sent
to it again because another has not. A message that has no address at all is kept, so that a later one gets it; and in
quiet hours nothing is sent that they hold, however often it has been tried.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.message import Message, identity, together, with_notice
from leadscore_dagster.core.alerts.outbox import Entry
from leadscore_dagster.core.alerts.routing import AlertSettings, not_before, targets_of
from leadscore_dagster.core.alerts.sending import send as send_with_apprise

Send = Callable[[str, Message], str | None]
#: A message that nobody has tried so long after it was due (its run never started) is asked for again.
PATIENCE = timedelta(minutes=15)


@dataclass(frozen=True)
class Delivery:
    """What became of the messages of one call, by id; and what the addresses answered that took nothing.

    ``unaddressed`` : nobody has said where they go.
    """

    sent: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    unaddressed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def due_together(pending: Sequence[Entry], now: datetime) -> list[list[Entry]]:
    """Messages that are due, those of one place and group together, oldest first."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in pending:
        if entry.not_before <= now:
            groups.setdefault((entry.message.place, entry.message.group), []).append(entry)
    return list(groups.values())


def attempt_key(group: Sequence[Entry], now: datetime) -> str:
    """Name of one attempt at some messages: the same until it was made, or ``PATIENCE`` passed without it."""
    attempts = "\n".join(f"{entry.id} {entry.attempts} {entry.not_before.isoformat()}" for entry in group)
    waited = int((now - max(entry.not_before for entry in group)) / PATIENCE)
    return f"{identity('attempt', attempts)}-{waited}"


def deliver(
    folder: Path,
    settings: AlertSettings,
    ids: Collection[str] | None,
    now: datetime,
    send: Send = send_with_apprise,
    *,
    at_once: bool = False,
) -> Delivery:
    """Send what is due to every address of its place that has not yet taken it.

    Parameters
    ----------
    folder : the outbox.
    ids : messages to look at; None: all. Those that are no longer pending, or not due, are left alone.
    at_once : in quiet hours, too: somebody asks for it who is awake.
    """
    with outbox.delivering(folder):
        pending = [entry for entry in outbox.entries(folder, "pending") if ids is None or entry.id in ids]
        results = [
            _attempt(folder, settings, group, now, send, at_once=at_once) for group in due_together(pending, now)
        ]
    return Delivery(
        sent=tuple(name for one in results for name in one.sent),
        waiting=tuple(name for one in results for name in one.waiting),
        dead=tuple(name for one in results for name in one.dead),
        unaddressed=tuple(name for one in results for name in one.unaddressed),
        problems=tuple(text for one in results for text in one.problems),
    )


def _attempt(
    folder: Path, settings: AlertSettings, group: Sequence[Entry], now: datetime, send: Send, *, at_once: bool
) -> Delivery:
    """One attempt at messages of one place and group."""
    place, ids = group[0].message.place, tuple(entry.id for entry in group)
    targets = targets_of(settings, place)
    if not targets:
        return Delivery(unaddressed=ids)
    until = now if at_once else not_before(place, now, settings.quiet)
    if until > now:
        for entry in group:
            outbox.save(folder, replace(entry, not_before=until))
        return Delivery(waiting=ids)
    current = {entry.id: _begun(folder, settings, entry, now) for entry in group}
    problems = []
    for target in targets:
        missing = [entry for entry in current.values() if target.name not in entry.delivered]
        if not missing:
            continue
        message = with_notice(together([entry.message for entry in missing]), list(settings.unusable.values()))
        problem = send(target.url, message)
        if problem is not None:
            problems.append(f"{target.name}: {problem}")
        for entry in missing:
            current[entry.id] = _noted(folder, entry, target.name, problem)
    sent, waiting, dead = [], [], []
    for entry in current.values():
        if all(target.name in entry.delivered for target in targets):
            outbox.move(folder, entry, "pending", "sent")
            sent.append(entry.id)
        elif entry.attempts > len(settings.retry_after):
            outbox.move(folder, entry, "pending", "dead")
            dead.append(entry.id)
        else:
            waiting.append(entry.id)
    return Delivery(tuple(sent), tuple(waiting), tuple(dead), problems=tuple(problems))


def _begun(folder: Path, settings: AlertSettings, entry: Entry, now: datetime) -> Entry:
    waits = settings.retry_after
    wait = waits[min(entry.attempts, len(waits) - 1)] if waits else PATIENCE
    again = not_before(entry.message.place, now + wait, settings.quiet)
    begun = replace(entry, attempts=entry.attempts + 1, not_before=again)
    outbox.save(folder, begun)
    return begun


def _noted(folder: Path, entry: Entry, target: str, problem: str | None) -> Entry:
    left = {name: text for name, text in entry.problems.items() if name != target}
    if problem is None:
        noted = replace(entry, delivered=(*entry.delivered, target), problems=left)
    else:
        noted = replace(entry, problems={**left, target: problem})
    outbox.save(folder, noted)
    return noted
