"""What a look at the vendor's folders asks for: the ingest of an older period, the refresh of the newest, or nothing.

Lives here: the rule, as a pure function of what lies there and of what has been done already. Not here: looking
(sightings), starting a run (defs/automation/sensors).

A refresh is ingest, labels, training table, audit, candidate, gates and champion of one period in one run. It reads
the vintages of every earlier period too, so those are ingested first, one at a time, oldest first. It is asked for
once per content: its own drop's, and that of every earlier vintage as ingested. Content that comes back after another
has been there is a new arrival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.sources.arrivals.sightings import PeriodDrop, Sightings, fingerprint

Kind = Literal["ingest", "refresh"]
#: a run takes in what lies there when it runs; if that was not what it was asked for, it is asked for again, so often
MOST_REQUESTS = 3


@dataclass(frozen=True)
class Arrival:
    """A source's drop of a period as it was ingested; ``at``: when, in seconds. ``refused``: set aside on arrival."""

    digest: str
    available_at: datetime | None
    at: float
    refused: bool = False


@dataclass(frozen=True)
class Asked:
    """A run that was requested, and what became of it.

    ``drop``: content of its own drop; ``content``: that and all it rests on; ``at``: when requested, in seconds.
    """

    drop: str
    content: str
    state: Literal["unfinished", "done", "failed"]
    run: str
    at: float = 0.0


@dataclass(frozen=True)
class Known:
    """What has been done for a recipe.

    Parameters
    ----------
    ingested : (source, as_of) → its newest arrival, refused or not.
    ruled : as_of → when it was last decided who is champion, in seconds.
    asked : (kind, as_of) → runs that were requested, oldest first.
    held : (source, as_of) → its newest arrival that was not refused, where that is another one.
    """

    ingested: Mapping[tuple[str, date], Arrival] = field(default_factory=dict)
    ruled: Mapping[date, float] = field(default_factory=dict)
    asked: Mapping[tuple[str, date], Sequence[Asked]] = field(default_factory=dict)
    held: Mapping[tuple[str, date], Arrival] = field(default_factory=dict)

    @property
    def read(self) -> dict[tuple[str, date], Arrival]:
        """(source, as_of) → the arrival a refresh reads last: a refused one never."""
        return {**{key: found for key, found in self.ingested.items() if not found.refused}, **self.held}


@dataclass(frozen=True)
class Request:
    """A run to start; ``drop`` and ``content`` as in ``Asked``. ``number``: how often that content has been asked
    for, this time included."""

    kind: Kind
    as_of: date
    drop: str
    content: str
    why: str
    number: int = 1

    def run_key(self, recipe: str) -> str:
        """Recipe, kind, as_of and content; never a time."""
        again = f"/{self.number}" if self.number > 1 else ""
        return f"{recipe}/{self.kind}/{self.as_of}/{self.content}{again}"


@dataclass(frozen=True)
class Decision:
    """At most one request, and everything there is to say, one sentence each."""

    request: Request | None
    why: tuple[str, ...]


def decide(seen: Sightings, known: Known) -> Decision:
    """The next run, given everything that lies there."""
    label = seen.cadence.label
    said = [f"{label(drop.as_of)} waits: {'; '.join(drop.lacks)}" for drop in seen.drops if not drop.is_complete]
    complete = [drop for drop in seen.drops if drop.is_complete]
    under_way = _unfinished(known, seen.cadence)
    if under_way:
        return Decision(None, (*said, under_way))
    if not complete:
        return Decision(None, (*said, "no drop is complete"))
    newest = max(drop.as_of for drop in complete)
    later = max((as_of for _, as_of in known.ingested if as_of > newest), default=None)
    for drop in complete if later else complete[:-1]:
        request = _ingest(drop, known, seen.cadence)
        if isinstance(request, Request):
            return Decision(request, (*said, request.why))
        said += [request] if request else []
    if later:
        why = f"{label(later)} has been ingested and its files are not complete here: nothing newer to refresh"
        return Decision(None, (*said, why))
    found = _refresh(complete[-1], known, seen.cadence)
    return Decision(found, (*said, found.why)) if isinstance(found, Request) else Decision(None, (*said, found))


def hand_over(as_of: date, seen: Sightings, known: Known) -> Request | str:
    """The request to run a period whose time has come as it lies there, complete or not: the run says what is wrong.

    Returns the reason where there is nothing to run.
    """
    name = seen.cadence.label(as_of)
    drop = next((drop for drop in seen.drops if drop.as_of == as_of), None)
    under_way = _unfinished(known, seen.cadence)
    if under_way:
        return under_way
    if drop is None and (as_of in known.ruled or any(other == as_of for _, other in known.ingested)):
        return f"{name} has been taken in, and its files are no longer there"
    if drop is not None and drop.in_flight:
        return f"{name} waits: {'; '.join(drop.lacks)}"
    if drop is not None and drop.is_complete:
        return _refresh(drop, known, seen.cadence)
    lacks = "; ".join(drop.lacks) if drop else "none of it is there"
    own = drop.content if drop else "nothing"
    request = Request(
        "refresh", as_of, own, _resting_on(own, as_of, known), f"{name} is overdue and is run as it is: {lacks}"
    )
    before = [(run.content, run) for run in known.asked.get(("refresh", as_of), ())]
    return _once(request, before, seen.cadence, settled=True)


def is_ingested(drop: PeriodDrop, known: Known) -> bool:
    """Whether the warehouse holds just what lies there. The instant counts only where a manifest states it."""
    for name, source in drop.sources.items():
        arrival = known.ingested.get((name, drop.as_of))
        if arrival is None or arrival.digest != source.digest:
            return False
        if source.available_at is not None and arrival.available_at != source.available_at:
            return False
    return True


def _ingest(drop: PeriodDrop, known: Known, cadence: Cadence) -> Request | str:
    """The request to ingest an older period; otherwise "" or what to say of it. A refresh of it ingested it, too."""
    if is_ingested(drop, known):
        return ""
    why = f"{cadence.label(drop.as_of)} is complete and not ingested"
    runs = [run for kind in ("ingest", "refresh") for run in known.asked.get((kind, drop.as_of), ())]
    before = [(run.drop, run) for run in sorted(runs, key=lambda run: run.at)]
    return _once(Request("ingest", drop.as_of, drop.content, drop.content, why), before, cadence, settled=False)


def _refresh(drop: PeriodDrop, known: Known, cadence: Cadence) -> Request | str:
    name = cadence.label(drop.as_of)
    ingested = is_ingested(drop, known)
    newest = max((arrival.at for (_, as_of), arrival in known.read.items() if as_of <= drop.as_of), default=0.0)
    if ingested and known.ruled.get(drop.as_of, 0.0) > newest:
        return f"{name} has been refreshed with this content"
    content = _resting_on(drop.content, drop.as_of, known)
    request = Request("refresh", drop.as_of, drop.content, content, f"{name} is complete and new")
    before = [(run.content, run) for run in known.asked.get(("refresh", drop.as_of), ())]
    return _once(request, before, cadence, settled=ingested)


def _once(request: Request, before: Sequence[tuple[str, Asked]], cadence: Cadence, *, settled: bool) -> Request | str:
    """The request, unless the last run before was for this very content. ``settled``: the warehouse holds it."""
    number = 1 + sum(content == request.content for content, _ in before)
    why = request.why
    if before and before[-1][0] == request.content:
        last, name = before[-1][1], cadence.label(request.as_of)
        if last.state == "failed":
            return f"{name}: run {last.run} failed on this content: correct the files, or re-execute it"
        if settled or number > MOST_REQUESTS:
            return f"{name}: run {last.run} was for this content"
        why = f"{why}: run {last.run} took in what was there then"
    return replace(request, why=why, number=number)


def _resting_on(own: str, as_of: date, known: Known) -> str:
    """A drop's content with every earlier vintage as ingested: a late or corrected one makes the refresh another."""
    earlier = sorted(
        f"{other}\t{name}\t{arrival.digest}\t{arrival.available_at}"
        for (name, other), arrival in known.read.items()
        if other < as_of
    )
    return fingerprint([own, *earlier])


def _unfinished(known: Known, cadence: Cadence) -> str:
    running = [
        f"{kind} of {cadence.label(as_of)} is under way in run {asked[-1].run}"
        for (kind, as_of), asked in known.asked.items()
        if asked and asked[-1].state == "unfinished"
    ]
    return "; ".join(running)
