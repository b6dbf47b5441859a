"""What the assembler takes: the alert sensor, its jobs, the digest's schedule.

Not here: what they do (sensor, jobs).
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from leadscore_dagster.defs.alerts.jobs import alerts_digest, build_schedule, notify
from leadscore_dagster.defs.alerts.sensor import build_sensor
from leadscore_dagster.defs.alerts.settings import digest_time, is_configured, look_seconds
from leadscore_dagster.defs.automation.switch import is_on

ALERT_JOBS: list[dg.JobDefinition] = [notify, alerts_digest]


def alert_sensor(home: Path) -> dg.SensorDefinition:
    """The sensor that watches; on as soon as somebody has said where alerts go, or automation is on."""
    return build_sensor(_on(home), look_seconds(os.environ))


def alert_schedule(home: Path) -> dg.ScheduleDefinition:
    """The digest's schedule; on like the sensor."""
    return build_schedule(digest_time(os.environ), _on(home))


def _on(home: Path) -> bool:
    return is_configured(home, os.environ) or is_on()
