"""Which days a clock's tick is about. Pure rules on dates; the tick's instant is an argument.

Not here: the schedules that tick (leadscore_dagster/defs/automation), quarters and months (core/recipe/cadence).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_of(instant: datetime, timezone: str) -> date:
    """The date at ``instant`` by the clock of an IANA time zone: the key of the day to score.

    The key's day begins at 00:00 UTC of that date, in every zone: a recipe whose ``daily_hour`` comes before that
    instant is refused when it is read (core/recipe/automation).
    """
    return instant.astimezone(ZoneInfo(timezone)).date()


def days_to_score(today: date, *, window: int, champion_since: datetime | None, scored: Collection[date]) -> list[date]:
    """Today, then those of the days before it that have no scores, oldest first.

    Parameters
    ----------
    window : how many days before today are looked at.
    champion_since : instant from which there has been a champion; None: there is none, and only today is asked for,
        so that its run says so.
    """
    earlier = (today - timedelta(days=back) for back in range(window, 0, -1))
    missed = [
        day
        for day in earlier
        if champion_since is not None and datetime.combine(day, time.min, UTC) >= champion_since and day not in scored
    ]
    return [today, *missed]


def days_to_watch(
    today: date, *, window: int, champion_since: datetime | None, scored: Collection[date], watched: Collection[date]
) -> list[date]:
    """Days that have been scored and not watched, newest first, ``window`` back at most; and yesterday, scored or not:
    by then it should have been. None before there was a champion."""
    if champion_since is None:
        return []
    looked_at = [today - timedelta(days=back) for back in range(window + 1)]
    return [
        day
        for day in looked_at
        if day not in watched
        and (day in scored or day == today - timedelta(days=1))
        and datetime.combine(day, time.min, UTC) >= champion_since
    ]
