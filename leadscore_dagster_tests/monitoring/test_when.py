"""Which days are watched, and which alarms still ask for something."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from leadscore_dagster.core.clock import days_to_watch
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.monitoring import balance, drift, health, performance
from leadscore_dagster.core.monitoring.overview import Alarms, alarms, judgements
from leadscore_dagster.core.monitoring.watched import store
from leadscore_dagster.core.pages.monitoring.dashboard import dashboard, write_dashboard
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import scenario

RECIPE = load_recipe("bank_marketing")
TODAY = date(2024, 5, 6)
SINCE = datetime(2024, 5, 3, tzinfo=UTC)


def _ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def test_scored_days_are_watched_once_and_yesterday_in_any_case() -> None:
    found = days_to_watch(TODAY, window=7, champion_since=SINCE, scored={TODAY, _ago(2), _ago(3)}, watched={_ago(2)})
    assert found == [TODAY, _ago(1), _ago(3)]
    waiting = days_to_watch(TODAY, window=7, champion_since=SINCE, scored={_ago(1)}, watched={_ago(1)})
    assert waiting == []  # today has no scores yet
    assert days_to_watch(TODAY, window=7, champion_since=None, scored={TODAY}, watched=()) == []


def _moved(month: str = "2024-04", version: str = "v1") -> dict[str, object]:
    return {
        "month": month, "complete": True, "version": version, "feature": "tenure <b>", "columns": 3, "n": 500,
        "reference_n": 5000, "psi_raw": 0.5, "psi": 0.48, "low": 0.4, "high": 0.55, "p_value": 1e-12,
        "moved": "missing", "share_before": 0.0, "share_now": 0.3, "moved_p_value": 1e-12, "usual": None,
    }  # fmt: skip


def _fell(version: str = "v1", p_value: float = 1e-4) -> list[dict[str, object]]:
    facts = {"version": version, "scope": "all", "part": "all", "n": 900, "positives": 90}
    return [
        facts | {"metric": "rate", "value": 0.1, "low": 0.09, "high": 0.12, "reference": 0.1},
        facts | {"metric": "drop_auc_pr", "value": 0.4, "low": 0.2, "high": 0.6, "reference": 0.0, "p_value": p_value},
    ]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten days ago a feature had drifted and the champion's scores had turned out worse."""
    lake = Lake(tmp_path, "bank_marketing")
    day = _ago(10)
    row = {"decisions": 100, "scored": 100, "success": 1.0, "version": "v1", "seconds": 9.0, "failed_runs": 0}
    store(lake, health.TABLE, day, rows=[row], schema=health.SCHEMA)
    store(lake, health.AVAILABILITY, day, rows=[], schema=health.AVAILABILITY_SCHEMA)
    store(lake, balance.TABLE, day, rows=[], schema=balance.SCHEMA)
    store(lake, drift.TABLE, day, rows=[_moved()], schema=drift.SCHEMA)
    store(lake, performance.TABLE, day, rows=_fell(), schema=performance.SCHEMA)
    return lake


def test_alarms_about_the_champion_ask_for_a_retraining(lake: Lake) -> None:
    assert alarms(lake, RECIPE, TODAY, champion="v1") == Alarms(("tenure <b>",), fallen=True)


def test_alarms_about_an_earlier_champion_or_of_long_ago_ask_for_nothing(lake: Lake) -> None:
    assert alarms(lake, RECIPE, TODAY, champion="v2") == Alarms()
    assert alarms(lake, RECIPE, TODAY + timedelta(days=30), champion="v1") == Alarms()
    assert alarms(lake, RECIPE, _ago(20), champion="v1") == Alarms()


def test_a_later_day_on_which_all_is_well_takes_the_alarm_back(lake: Lake) -> None:
    store(lake, drift.TABLE, TODAY, rows=[{**_moved(), "psi": 0.1, "p_value": 0.5}], schema=drift.SCHEMA)
    store(lake, performance.TABLE, TODAY, rows=_fell(p_value=0.06), schema=performance.SCHEMA)
    assert alarms(lake, RECIPE, TODAY, champion="v1") == Alarms()


def test_the_page_says_what_is_wrong_loads_nothing_and_is_the_same_each_time(lake: Lake, tmp_path: Path) -> None:
    state = scenario.state_of(tmp_path / "home", RECIPE.name)
    page = dashboard(lake, state, RECIPE, _ago(10))
    assert page == dashboard(lake, state, RECIPE, _ago(10))
    assert "2 things out of line." in page
    assert "Too little is known to judge yet: feature availability, class balance, score drift, decile order." in page
    assert "tenure &lt;b&gt;" in page
    assert "<b>" not in page.split("<body>")[1]
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "default-src 'none'" in page
    assert write_dashboard(lake, state, RECIPE, _ago(10), tmp_path / "out").read_text(encoding="utf-8") == page
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dashboard.html"]


def test_a_day_that_was_not_watched_has_no_judgement(lake: Lake) -> None:
    with pytest.raises(InputError, match="has not been monitored"):
        judgements(lake, RECIPE, TODAY)
