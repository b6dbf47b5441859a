"""Where alerts go: read from the environment and from ``alerts.yaml`` in the home. The environment wins.

Addresses hold secrets, so no message of this module ever shows a value, only where it stands and what is wrong. An
address whose secret is not set is left out, and every message says so: one mistake must not silence the others.

Not here: what follows from them (core/alerts/routing).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import Field, ValidationError

from leadscore_dagster.core.alerts.routing import AlertSettings, Place, QuietHours
from leadscore_dagster.core.alerts.text import secret_values
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.contract import Strict

PLACES: tuple[Place, ...] = ("ERROR", "WARN", "DIGEST")
VARIABLE = "LEADSCORE_ALERTS_"
#: an address in YAML names its secret: $NAME or ${NAME}
_REFERENCE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_SPAN = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)(?:\s+(\S+))?")


class QuietDocument(Strict):
    """``quiet_hours`` of alerts.yaml. Times in quotes: YAML reads 22:00 as a number."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")
    time_zone: str = "UTC"
    holds: tuple[Place, ...] = Field(default=("WARN",), strict=False)


class AlertsDocument(Strict):
    """alerts.yaml."""

    error: tuple[str, ...] = Field(default=(), strict=False)
    warn: tuple[str, ...] = Field(default=(), strict=False)
    digest: tuple[str, ...] = Field(default=(), strict=False)
    quiet_hours: QuietDocument | None = None
    grace_minutes: int = Field(default=120, ge=0, le=1440)
    retry_seconds: tuple[int, ...] = Field(default=(30, 120, 600, 3600, 14_400), strict=False, max_length=20)


def read_settings(home: Path, environment: Mapping[str, str]) -> AlertSettings:
    """The settings of a home. Raises InputError that names the file or variable, never its value."""
    path = home / "alerts.yaml"
    document = _document(path) if path.is_file() else AlertsDocument()
    written: dict[Place, tuple[str, ...]] = {
        "ERROR": document.error,
        "WARN": document.warn,
        "DIGEST": document.digest,
    }
    addresses: dict[Place, tuple[str, ...]] = {}
    unusable: dict[str, str] = {}
    for place in PLACES:
        given = tuple(environment.get(VARIABLE + place, "").split())
        unset = {} if given else _unset(written[place], environment)
        addresses[place] = given or tuple(
            "" if position in unset else _resolved(text, environment) for position, text in enumerate(written[place], 1)
        )
        for position, names in unset.items():
            why = f"address {position} of {place.lower()} cannot be used: {', '.join(names)} is not set"
            unusable[f"{place.lower()}-{position}"] = why
    defaults = AlertSettings()
    return AlertSettings(
        addresses=addresses,
        unusable=unusable,
        quiet=_quiet(document, path, environment),
        grace=timedelta(minutes=document.grace_minutes),
        retry_after=tuple(timedelta(seconds=seconds) for seconds in document.retry_seconds),
        hidden=secret_values(
            {**environment, **{VARIABLE + place: " ".join(urls) for place, urls in addresses.items()}}
        ),
        ui=environment.get("LEADSCORE_UI_URL") or defaults.ui,
        runbook=environment.get("LEADSCORE_RUNBOOK_URL") or defaults.runbook,
    )


def is_configured(home: Path, environment: Mapping[str, str]) -> bool:
    """Whether somebody has said where alerts go. Reads no file, so that a mistake in one cannot stop a deployment."""
    return (home / "alerts.yaml").is_file() or any(environment.get(VARIABLE + place) for place in PLACES)


def digest_time(environment: Mapping[str, str]) -> tuple[int, int, str]:
    """Hour, minute and time zone of the digest: ``LEADSCORE_ALERTS_DIGEST_AT``, ``07:00 UTC`` by default."""
    name = f"{VARIABLE}DIGEST_AT"
    words = (environment.get(name) or "07:00 UTC").split()
    if len(words) > 2:
        raise InputError(f"{name} is not a time and a time zone", remedy=f"set {name}='07:00 Europe/Vienna'")
    zone = words[1] if len(words) == 2 else "UTC"
    at = _clock(words[0], name)
    _zone(zone, name)
    return at.hour, at.minute, zone


def look_seconds(environment: Mapping[str, str]) -> int:
    """Seconds from one look of the sensor to the next: ``LEADSCORE_ALERTS_EVERY``, 30 by default."""
    name = f"{VARIABLE}EVERY"
    text = environment.get(name) or "30"
    if not text.isdecimal() or not 1 <= int(text) <= 3600:
        raise InputError(f"{name} is not a number of seconds from 1 to 3600", remedy=f"set {name}=30")
    return int(text)


def alerts_folder(home: Path) -> Path:
    """Where the outbox and what is open lie."""
    return home / "alerts"


def environment_settings(home: Path) -> AlertSettings:
    """The settings of a home in this process."""
    return read_settings(home, os.environ)


def _document(path: Path) -> AlertsDocument:
    try:
        return AlertsDocument.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" near line {mark.line + 1}" if mark else ""
        raise InputError(f"This is not YAML{line}", where=path, remedy="fix the file") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InputError(
            faults, where=path, remedy="see the alerts section of docs/deployment.md; write times in quotes"
        ) from None


def _unset(written: Sequence[str], environment: Mapping[str, str]) -> dict[int, list[str]]:
    """Position of an address → variables it refers to that are not set."""
    referred = {position: [a or b for a, b in _REFERENCE.findall(text)] for position, text in enumerate(written, 1)}
    unset = {position: [name for name in names if not environment.get(name)] for position, names in referred.items()}
    return {position: names for position, names in unset.items() if names}


def _resolved(text: str, environment: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: environment[match.group(1) or match.group(2)], text)


def _quiet(document: AlertsDocument, path: Path, environment: Mapping[str, str]) -> QuietHours | None:
    name = f"{VARIABLE}QUIET"
    written = document.quiet_hours
    if environment.get(name):
        match = _SPAN.fullmatch(environment[name].strip())
        if match is None:
            raise InputError(f"{name} is not a range of hours", remedy=f"set {name}='22:00-07:00 Europe/Vienna'")
        start, end, zone, where = match.group(1), match.group(2), match.group(3) or "UTC", name
    elif written is not None:
        start, end, zone, where = written.start, written.end, written.time_zone, str(path)
    else:
        return None
    given = environment.get(f"{name}_HOLDS", "").upper().split()
    unknown = set(given) - set(PLACES)
    if unknown:
        raise InputError(f"{name}_HOLDS names no place", remedy=f"use {', '.join(PLACES)}")
    holds = frozenset(place for place in PLACES if place in given) or frozenset(written.holds if written else ("WARN",))
    return QuietHours(_clock(start, where), _clock(end, where), _zone(zone, where), holds)


def _clock(text: str, where: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a time of day", where=where, remedy="write it like '07:00'") from None


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"{name!r} is not a time zone", where=where, remedy="write it like Europe/Vienna") from None
