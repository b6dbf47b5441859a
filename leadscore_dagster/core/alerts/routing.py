"""Who hears of an alert and when: places, addresses, quiet hours.

Lives here: the settings as values and the decisions taken from them. Not here: reading them from the environment or
a file (leadscore_dagster/defs/alerts/settings), sending (sending).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Place = Literal["ERROR", "WARN", "DIGEST"]

#: Where a place without an address of its own turns to. An error is never silent; a warning may be: the digest has it.
FALL_BACK: Mapping[Place, tuple[Place, ...]] = {
    "ERROR": ("ERROR", "WARN"),
    "WARN": ("WARN",),
    "DIGEST": ("DIGEST", "WARN", "ERROR"),
}


@dataclass(frozen=True)
class Target:
    """One address. ``name`` may be shown (place, position, service); ``url`` holds secrets and is never shown."""

    name: str
    url: str = field(repr=False)


@dataclass(frozen=True)
class QuietHours:
    """A span of each day, on the clock of ``zone``, in which the places it ``holds`` are not disturbed."""

    start: time
    end: time
    zone: ZoneInfo
    holds: frozenset[Place] = frozenset({"WARN"})


@dataclass(frozen=True)
class AlertSettings:
    """Everything a deployment decides about alerts.

    Parameters
    ----------
    addresses : place → Apprise URLs; "" is one that cannot be used, which keeps its position.
    grace : how long after its hour a schedule's partition may take before it counts as missed.
    retry_after : waits between attempts; after the last one a message goes to the dead letters.
    hidden : values that must not stand in any text.
    ui : address of Dagit.
    runbook : address or path of the runbook.
    unusable : name of an address that cannot be used → a sentence that says why, without its value.
    """

    addresses: Mapping[Place, tuple[str, ...]] = field(default_factory=dict, repr=False)
    quiet: QuietHours | None = None
    grace: timedelta = timedelta(hours=2)
    retry_after: tuple[timedelta, ...] = (
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=4),
    )
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    ui: str = "http://127.0.0.1:3000"
    runbook: str = "docs/runbook.md"
    unusable: Mapping[str, str] = field(default_factory=dict)


def targets_of(settings: AlertSettings, place: Place) -> tuple[Target, ...]:
    """The addresses of a place, or of the one it falls back to. Empty: nobody has asked to hear of it."""
    return next((found for chosen in FALL_BACK[place] if (found := _targets(settings, chosen))), ())


def unheard_places(settings: AlertSettings) -> tuple[Place, ...]:
    """Places whose messages have nobody to go to."""
    return tuple(place for place in FALL_BACK if not targets_of(settings, place))


def all_targets(settings: AlertSettings) -> tuple[Target, ...]:
    """Every configured address, once for each place it stands for."""
    return tuple(target for place in settings.addresses for target in _targets(settings, place))


def not_before(place: Place, now: datetime, quiet: QuietHours | None) -> datetime:
    """The instant from which a message may be sent: now, or the end of the quiet hours that hold it.

    The end is found on the local clock, so that it is the hour people mean on the days the clock changes, too.
    """
    if quiet is None or place not in quiet.holds or quiet.start == quiet.end:
        return now
    local = now.astimezone(quiet.zone)
    clock = local.time().replace(tzinfo=None)
    over_midnight = quiet.start > quiet.end
    inside = clock >= quiet.start or clock < quiet.end if over_midnight else quiet.start <= clock < quiet.end
    if not inside:
        return now
    day = local.date() + timedelta(days=1 if over_midnight and clock >= quiet.start else 0)
    return datetime.combine(day, quiet.end, tzinfo=quiet.zone).astimezone(UTC)


def _targets(settings: AlertSettings, place: Place) -> tuple[Target, ...]:
    urls = settings.addresses.get(place, ())
    return tuple(_target(place, position, url) for position, url in enumerate(urls, 1) if url)


def _target(place: Place, position: int, url: str) -> Target:
    """Named by position, not by content: a renewed secret is the same address, and no name tells a secret."""
    scheme = url.split("://")[0] if "://" in url else "unknown"
    return Target(name=f"{place.lower()}-{position}-{scheme if scheme.isalnum() else 'unknown'}", url=url)
