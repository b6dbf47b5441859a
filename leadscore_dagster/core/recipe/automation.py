"""The part of a recipe that says when things happen by themselves, and how old what they rest on may be.

Lives here: the schema. Not here: the schedules and sensors (defs/automation), the rules they
follow (core/clock, core/versions/retraining, core/scoring/staleness, core/sources/arrivals).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, model_validator

from leadscore_dagster.core.recipe.contract import Strict
from leadscore_dagster.core.text import did_you_mean


class Retention(Strict):
    """What is kept. Vintages, ledgers and whatever a ledger entry or a report refers to are never pruned."""

    #: days of daily score tables and lists
    scores_days: int = Field(default=400, ge=31)
    #: days of the runs Dagster remembers; the newest run of every partition is kept
    runs_days: int = Field(default=180, ge=7)
    #: so many periods (quarters or months) of model versions that never were champion
    versions_periods: int = Field(default=8, ge=1)


#: defaults of a recipe whose periods are months; those of quarters stand with the fields
OF_MONTHS = {"fallback_days": 15, "retrain_after_days": 35, "vintage_stale_after_days": 70}


class Automation(Strict):
    """What runs by itself once a deployment turns automation on (``LEADSCORE_AUTOMATION=on``)."""

    #: IANA name of the zone in which the schedules tick; a day's key is the date there
    timezone: str = "UTC"
    daily_hour: int = Field(default=6, ge=0, le=23)
    #: so many days back a day that nobody has scored is scored later
    catch_up_days: int = Field(default=7, ge=0, le=92)
    #: on a day on which the newest vintage of a source describes a state older than this, nothing is scored
    vintage_stale_after_days: int = Field(default=200, ge=1, le=3660)
    #: on a day more than so many days after the newest row of the decision source, nothing is scored; null for a log
    #: that does not grow
    log_stale_after_days: int | None = Field(default=7, ge=1, le=3660)
    look_every_seconds: int = Field(default=60, ge=5, le=86_400)  # for new drops
    #: a drop is complete only with its manifest; for vendors who always send one, and send it last
    manifest_required: bool = False
    #: so many days after a period has ended it is run as it lies there, complete or not
    fallback_days: int = Field(default=45, ge=1, le=92)
    #: a champion trained on a period older than this is trained again as soon as there is new data
    retrain_after_days: int = Field(default=100, ge=1, le=3660)
    #: a run that the automation started and that takes longer hangs: it is ended, and started once more. (One whose
    #: process has died is ended within a minute: defs/automation/launcher.)
    run_hours: int = Field(default=6, ge=1, le=168)
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _the_day_has_begun(self) -> Automation:
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = did_you_mean(self.timezone, available_timezones())
            raise ValueError(f"{self.timezone!r} is not an IANA time zone{hint}") from None
        # A day's scores are what was known at its first instant in UTC. East of Greenwich the same date begins
        # earlier: by the clock there, the day to be scored has not begun before the offset has passed.
        middles = (datetime(2026, month, 15, 12, tzinfo=zone).utcoffset() for month in range(1, 13))
        earliest = -(-max(offset for offset in middles if offset is not None) // timedelta(hours=1))
        if self.daily_hour < earliest:
            raise ValueError(
                f"at {self.daily_hour}:00 in {self.timezone} the day has not begun in UTC yet: the earliest daily_hour "
                f"there is {earliest}"
            )
        return self
