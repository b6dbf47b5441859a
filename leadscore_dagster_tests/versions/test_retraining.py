"""A quarter that no drop has asked for: when it is due, and what is done about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.arrivals import Asked, Cursor, Known, Request, Sightings, hand_over, sight
from leadscore_dagster.core.versions.retraining import Standing, retrain, standing_of
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.vendor import FIRST, SECOND, THIRD, TODAY

RECIPE = vendor.recipe()


def _standing(day: date, champion: date | None = FIRST, recipe: Recipe = RECIPE) -> Standing:
    return standing_of(recipe, datetime(day.year, day.month, day.day, 6, 30, tzinfo=UTC), champion)


def _due(folder: Path, standing: Standing, known: Known, touched: datetime | None = None) -> Request | str:
    places = vendor.places(folder)

    def look() -> Sightings:
        return sight(places, RECIPE, Cursor({}), standing.today, looks=1)

    return retrain(RECIPE, standing, known, touched=touched, look=look)


def test_before_the_fall_back_day_nothing_is_due(tmp_path: Path) -> None:
    standing = standing_of(RECIPE, datetime(2024, 5, 15, 6, 30, tzinfo=UTC), None)
    assert _due(tmp_path, standing, Known()) == "nothing is due on 2024-05-15"


def test_on_its_fall_back_day_an_incomplete_quarter_is_run_once_as_it_is(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    vendor.write_manifest(tmp_path, "2024_q1", "2024-10-20T06:00:00Z")
    (tmp_path / "firms_2024_q1.csv").write_text("person,firm\n")
    standing = _standing(date(2024, 5, 16), None)
    request = _due(tmp_path, standing, Known())
    assert isinstance(request, Request)
    assert "2024_q1 is overdue and is run as it is: firms_2024_q1.csv is not the file" in request.why
    known = Known(asked={("refresh", FIRST): [Asked(request.drop, request.content, "failed", "r1")]})
    assert "r1 failed on this content" in str(_due(tmp_path, standing, known))


def test_a_drop_that_never_came_is_heard_of_once(tmp_path: Path) -> None:
    standing = _standing(date(2024, 8, 16))
    request = _due(tmp_path, standing, Known())
    assert isinstance(request, Request)
    assert (request.as_of, request.drop) == (SECOND, "nothing")
    known = Known(asked={("refresh", SECOND): [Asked(request.drop, request.content, "failed", "r1")]})
    assert isinstance(_due(tmp_path, standing, known), str)


def test_a_quarter_that_was_taken_in_and_cleared_away_is_left_alone(tmp_path: Path) -> None:
    assert isinstance(_due(tmp_path, _standing(date(2024, 8, 16)), Known(ruled={SECOND: 1.0})), str)
    assert isinstance(_due(tmp_path, _standing(date(2024, 8, 16)), Known(ruled={THIRD: 1.0})), str)


def test_files_that_are_still_arriving_are_left_to_the_next_day(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q2")
    standing = _standing(date(2024, 8, 16))
    assert "files are still arriving" in str(_due(tmp_path, standing, Known(), standing.now - timedelta(minutes=5)))
    assert isinstance(_due(tmp_path, standing, Known(), standing.now - timedelta(hours=2)), Request)


def test_without_a_change_since_the_last_run_nothing_is_read(tmp_path: Path) -> None:
    standing = _standing(date(2024, 8, 16))
    known = Known(ruled={SECOND: datetime(2024, 8, 1, tzinfo=UTC).timestamp()})

    def look() -> Sightings:
        raise AssertionError("read for nothing")

    said = retrain(RECIPE, standing, known, touched=datetime(2024, 7, 20, tzinfo=UTC), look=look)
    assert "nothing has arrived since the last run" in str(said)


def test_an_old_champion_asks_for_the_newest_quarter_only_if_its_data_is_new(tmp_path: Path) -> None:
    """It is 141 days old on 20 August, within the fall-back days of the third quarter."""
    automation = vendor.recipe(fallback_days=92)
    vendor.write_drop(tmp_path, "2024_q2")
    standing = _standing(date(2024, 8, 20), FIRST, automation)
    assert standing.overdue == FIRST
    request = _due(tmp_path, standing, Known(ruled={FIRST: 1.0}))
    assert isinstance(request, Request)
    assert (request.kind, request.as_of) == ("refresh", SECOND)
    drop = vendor.drop_of(vendor.look_twice(tmp_path), SECOND)
    assert isinstance(_due(tmp_path, standing, vendor.done(drop, 9.0, Known(ruled={FIRST: 1.0}))), str)
    young = _standing(date(2024, 7, 10), FIRST, automation)
    assert isinstance(_due(tmp_path, young, Known(ruled={FIRST: 1.0})), str)


def test_an_older_quarter_that_was_not_ingested_is_left_to_the_sensor(tmp_path: Path) -> None:
    for quarter in ("2024_q1", "2024_q2"):
        vendor.write_drop(tmp_path, quarter)
    said = _due(tmp_path, _standing(date(2024, 8, 16)), Known())
    assert "2024_q1 is complete and not ingested, which the drop sensor takes care of" in str(said)


def test_a_recipe_without_a_vendor_is_trained_once_a_quarter() -> None:
    recipe = vendor.log_recipe()
    standing = standing_of(recipe, datetime(2024, 8, 16, 6, 30, tzinfo=UTC), FIRST)

    def due(known: Known) -> Request | str:
        return retrain(recipe, standing, known, touched=None, look=lambda: Sightings((), (), Cursor({})))

    request = due(Known())
    assert isinstance(request, Request)
    assert (request.kind, request.as_of) == ("refresh", SECOND)
    assert isinstance(due(Known(asked={("refresh", SECOND): [Asked("log", "log", "failed", "r")]})), str)
    assert isinstance(due(Known(ruled={SECOND: 1.0})), str)


def test_a_quarter_whose_files_are_read_only_in_part_is_not_handed_over(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = sight(vendor.places(tmp_path), RECIPE, Cursor({}), TODAY, looks=1, hurry=lambda: True)
    assert isinstance(hand_over(FIRST, seen, Known()), str)


def test_drift_and_performance_ask_for_the_newest_quarter_once_it_is_newer_than_the_champion() -> None:
    recipe = vendor.log_recipe()
    now = datetime(2024, 8, 10, 6, 30, tzinfo=UTC)

    def answer(standing: Standing) -> Request | str:
        known = Known(ruled={FIRST: 1.0})
        return retrain(recipe, standing, known, touched=None, look=lambda: Sightings((), (), Cursor({})))

    assert isinstance(answer(standing_of(recipe, now, SECOND)), str)
    moved = answer(standing_of(recipe, now, FIRST, drifted=("a", "b", "c", "d")))
    assert isinstance(moved, Request)
    assert moved.as_of == SECOND
    assert moved.why.endswith("a, b, c and 1 more drifted from the champion's training rows")
    fallen = answer(standing_of(recipe, now, FIRST, fallen=True))
    assert isinstance(fallen, Request)
    assert "turned out worse than its test period" in fallen.why
    newest = standing_of(recipe, now, SECOND, drifted=("a",), fallen=True)
    assert isinstance(answer(newest), str)
    assert isinstance(answer(standing_of(recipe, now, None, drifted=("a",))), str)
