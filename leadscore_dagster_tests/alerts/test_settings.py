"""Where alerts go: read strictly, and never shown."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from leadscore_dagster.core.alerts.routing import all_targets, targets_of
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.defs.alerts.definitions import alert_schedule, alert_sensor
from leadscore_dagster.defs.alerts.settings import digest_time, look_seconds, read_settings

YAML = """
error: ["$SLACK_ERRORS", "json://127.0.0.1:8080/x"]
warn: ["slack://${SLACK_TOKEN}/channel"]
quiet_hours: {from: "22:00", to: "07:00", time_zone: Europe/Vienna, holds: [WARN, DIGEST]}
grace_minutes: 45
retry_seconds: [5, 60]
"""
ENVIRONMENT = {"SLACK_ERRORS": "slack://s3cretA/B/C", "SLACK_TOKEN": "t0ps3cret"}


def _written(home: Path, text: str) -> Path:
    (home / "alerts.yaml").write_text(text)
    return home


def test_a_file_says_it_all_and_takes_its_secrets_from_the_environment(tmp_path: Path) -> None:
    settings = read_settings(_written(tmp_path, YAML), ENVIRONMENT)
    assert settings.addresses["ERROR"] == ("slack://s3cretA/B/C", "json://127.0.0.1:8080/x")
    assert settings.addresses["WARN"] == ("slack://t0ps3cret/channel",)
    assert settings.quiet is not None
    assert str(settings.quiet.zone) == "Europe/Vienna"
    assert settings.quiet.holds == {"WARN", "DIGEST"}
    assert settings.grace == timedelta(minutes=45)
    assert settings.retry_after == (timedelta(seconds=5), timedelta(minutes=1))
    assert "s3cret" not in repr(settings)
    assert "t0ps3cret" in settings.hidden


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environment = ENVIRONMENT | {
        "LEADSCORE_ALERTS_ERROR": " json://one \n json://two ",
        "LEADSCORE_ALERTS_QUIET": "20:00-06:30 America/New_York",
        "LEADSCORE_ALERTS_QUIET_HOLDS": "warn error",
        "LEADSCORE_UI_URL": "https://dagit.example",
    }
    settings = read_settings(_written(tmp_path, YAML), environment)
    assert settings.addresses["ERROR"] == ("json://one", "json://two")
    assert settings.quiet is not None
    assert (str(settings.quiet.zone), settings.quiet.holds) == ("America/New_York", {"WARN", "ERROR"})
    assert settings.ui == "https://dagit.example"


def test_nothing_said_is_no_address_and_no_quiet_hours(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, {})
    assert all(targets_of(settings, place) == () for place in ("ERROR", "WARN", "DIGEST"))  # type: ignore[arg-type]
    assert settings.quiet is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("errors: [json://s3cret]", "errors: Extra inputs"),
        ("error: {a: s3cret}", "error: Input should be a valid"),
        ("error: [json://s3cret", "not YAML near line"),
        ("quiet_hours: {from: 22:00, to: '07:00'}", "write times in quotes"),
        ("quiet_hours: {from: '25:00', to: '07:00'}", "is not a time of day"),
        ("quiet_hours: {from: '22:00', to: '07:00', time_zone: Vienna}", "is not a time zone"),
        ("retry_seconds: [soon]", "retry_seconds.0"),
    ],
)
def test_a_mistake_in_the_file_is_named_without_showing_a_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_settings(_written(tmp_path, text), {})
    assert said in str(raised.value)
    assert "alerts.yaml" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_an_address_whose_secret_is_not_set_is_left_out_and_the_others_keep_their_names(tmp_path: Path) -> None:
    text = 'error: ["slack://$NOT_THERE/$NOR_THIS", "json://e"]\nwarn: ["slack://s3cret/${EMPTY}"]\n'
    settings = read_settings(_written(tmp_path, text), {"EMPTY": ""})
    assert dict(settings.unusable) == {
        "error-1": "address 1 of error cannot be used: NOT_THERE, NOR_THIS is not set",
        "warn-1": "address 1 of warn cannot be used: EMPTY is not set",
    }
    assert [target.name for target in targets_of(settings, "ERROR")] == ["error-2-json"]
    assert targets_of(settings, "WARN") == ()
    assert [target.name for target in all_targets(settings)] == ["error-2-json"]
    mended = read_settings(tmp_path, {"NOT_THERE": "a", "NOR_THIS": "b", "LEADSCORE_ALERTS_WARN": "json://w"})
    assert mended.unusable == {}
    assert [target.name for target in targets_of(mended, "ERROR")] == ["error-1-slack", "error-2-json"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("QUIET", "ten to seven"), ("QUIET", "22:00-07:00 Nowhere/None"), ("QUIET", "22:00-27:00")],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"LEADSCORE_ALERTS_{name}"):
        read_settings(tmp_path, {f"LEADSCORE_ALERTS_{name}": value})


def test_a_place_that_does_not_exist_cannot_be_held(tmp_path: Path) -> None:
    environment = {"LEADSCORE_ALERTS_QUIET": "22:00-07:00", "LEADSCORE_ALERTS_QUIET_HOLDS": "WARNING"}
    with pytest.raises(InputError, match="QUIET_HOLDS"):
        read_settings(tmp_path, environment)


def test_the_hour_of_the_digest() -> None:
    assert digest_time({}) == (7, 0, "UTC")
    assert digest_time({"LEADSCORE_ALERTS_DIGEST_AT": "18:30 Europe/Vienna"}) == (18, 30, "Europe/Vienna")
    for wrong in ("later", "07:00 at noon", "07:00 Nowhere"):
        with pytest.raises(InputError, match="DIGEST_AT"):
            digest_time({"LEADSCORE_ALERTS_DIGEST_AT": wrong})


def test_the_time_between_two_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_seconds({}) == 30
    monkeypatch.setenv("LEADSCORE_ALERTS_EVERY", "5")
    assert alert_sensor(tmp_path).minimum_interval_seconds == 5
    for wrong in ("0", "-5", "often", "3601"):
        with pytest.raises(InputError, match="ALERTS_EVERY"):
            look_seconds({"LEADSCORE_ALERTS_EVERY": wrong})


def test_watching_is_on_as_soon_as_somebody_has_said_where_alerts_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEADSCORE_ALERTS_ERROR", "LEADSCORE_ALERTS_WARN", "LEADSCORE_ALERTS_DIGEST", "LEADSCORE_AUTOMATION"):
        monkeypatch.delenv(name, raising=False)
    off, on = dg.DefaultSensorStatus.STOPPED, dg.DefaultSensorStatus.RUNNING
    assert alert_sensor(tmp_path).default_status is off
    monkeypatch.setenv("LEADSCORE_ALERTS_WARN", "json://h")
    assert alert_sensor(tmp_path).default_status is on
    assert alert_schedule(tmp_path).default_status is dg.DefaultScheduleStatus.RUNNING
    monkeypatch.delenv("LEADSCORE_ALERTS_WARN")
    _written(tmp_path, "error: [")  # a mistake in it stops the sensor, not the deployment
    assert alert_sensor(tmp_path).default_status is on
