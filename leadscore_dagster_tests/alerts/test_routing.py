"""Who hears of an alert, and when."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from leadscore_dagster.core.alerts.routing import AlertSettings, QuietHours, all_targets, not_before, targets_of

VIENNA = ZoneInfo("Europe/Vienna")
NIGHT = QuietHours(time(22), time(7), VIENNA)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def test_places_have_their_own_addresses_and_names_tell_no_secret() -> None:
    settings = AlertSettings({"ERROR": ("slack://token", "pagerduty://key@x"), "WARN": ("json://h",)})
    assert [target.name for target in targets_of(settings, "ERROR")] == ["error-1-slack", "error-2-pagerduty"]
    assert [target.name for target in targets_of(settings, "WARN")] == ["warn-1-json"]
    assert len(all_targets(settings)) == 3
    assert "token" not in f"{settings} {all_targets(settings)}"


def test_an_error_falls_back_to_the_place_of_warnings_and_a_warning_nowhere() -> None:
    only_warn, only_error = AlertSettings({"WARN": ("json://w",)}), AlertSettings({"ERROR": ("json://e",)})
    assert [target.url for target in targets_of(only_warn, "ERROR")] == ["json://w"]
    assert targets_of(only_error, "WARN") == ()
    assert [target.url for target in targets_of(only_error, "DIGEST")] == ["json://e"]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (_utc(2026, 1, 5, 20, 59), None),  # 21:59 in Vienna
        (_utc(2026, 1, 5, 21, 0), _utc(2026, 1, 6, 6, 0)),
        (_utc(2026, 1, 6, 5, 59), _utc(2026, 1, 6, 6, 0)),
        (_utc(2026, 1, 6, 6, 0), None),
        (_utc(2026, 7, 6, 23, 0), _utc(2026, 7, 7, 5, 0)),  # summer time
        (_utc(2026, 3, 28, 22, 0), _utc(2026, 3, 29, 5, 0)),  # the clock goes forward in this night
        (_utc(2026, 10, 24, 22, 0), _utc(2026, 10, 25, 6, 0)),  # and back in this one
    ],
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(now: datetime, until: datetime | None) -> None:
    assert not_before("WARN", now, NIGHT) == (until or now)
    assert not_before("ERROR", now, NIGHT) == now


def test_quiet_hours_within_a_day_and_such_that_hold_errors_too() -> None:
    lunch = QuietHours(time(12), time(13), ZoneInfo("UTC"), frozenset({"ERROR", "WARN"}))
    assert not_before("ERROR", _utc(2026, 1, 5, 12, 30), lunch) == _utc(2026, 1, 5, 13)
    assert not_before("DIGEST", _utc(2026, 1, 5, 12, 30), lunch) == _utc(2026, 1, 5, 12, 30)
    assert not_before("WARN", _utc(2026, 1, 5, 13), lunch) == _utc(2026, 1, 5, 13)


def test_no_quiet_hours_hold_nothing() -> None:
    never = QuietHours(time(0), time(0), ZoneInfo("UTC"))
    for quiet in (None, never):
        assert not_before("WARN", _utc(2026, 1, 5), quiet) == _utc(2026, 1, 5)
