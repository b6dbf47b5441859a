"""A day of scores as its user meets it: the tables, the list, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pytest

from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.score import list_path, score
from leadscore_dagster.core.delivery.lead_list import write_list
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.scoring.day import DECISIONS, LEAD_SCORES, champion_of_day, score_day
from leadscore_dagster.core.warehouse import table
from leadscore_dagster_tests import scenario


@pytest.fixture(scope="module")
def scored(finished_home: Path, small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = scenario.copy_home(finished_home, tmp_path_factory.mktemp("scored") / "home")
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    with instance_of(home) as instance:
        assert score(instance, recipe, workspace, scenario.DAY, print) is None
    return home


def _command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leadscore_dagster", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_the_list_opens_in_a_spreadsheet_best_lead_first(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    path = list_path(recipe, workspace, scenario.DAY)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    leads = pd.read_csv(path, encoding="utf-8-sig")
    assert list(leads["rank"]) == list(range(1, len(leads) + 1))
    assert {
        "FirstName",
        "Company",
        "bucket",
        "action",
        "expected_rate",
        "narrative",
        "reason_1",
        "model_version",
    } <= set(leads)
    # buckets that are not hotter than the next are taken together
    assert 2 <= leads["bucket"].nunique() <= len(recipe.scoring.buckets)
    assert leads["expected_rate"].str.split("%").str[0].astype(float).is_monotonic_decreasing
    assert leads["decision_id"].is_unique


def test_only_open_leads_are_scored(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    sql = """
        SELECT COUNT(*) AS n FROM lead_scores_daily AS s
        JOIN crm_leads_of_day AS l ON l.Id = s.decision_id
        WHERE l.Stage_Entered_New__c >= TIMESTAMP(s.score_day) OR l.Stage_Entered_Contacting__c < TIMESTAMP(s.score_day)
    """
    assert table(warehouse, sql)["n"][0].as_py() == 0


def test_prospects_are_nobody_who_is_in_the_crm(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    found = table(warehouse, "SELECT COUNT(*) AS n FROM prospect_scores")["n"][0].as_py()
    both = """
        SELECT COUNT(*) AS n FROM prospect_scores AS s JOIN crm_leads_of_day AS l ON l.RepCRD = s.RepCRD
        WHERE l.Stage_Entered_New__c < TIMESTAMP(s.score_day)
    """
    assert found > 500
    assert table(warehouse, both)["n"][0].as_py() == 0


def test_nobody_who_must_not_be_called_is_listed_and_they_are_counted(scored: Path, small_market: Path) -> None:
    """Their person counts, not their lead: whoever asked in one lead is not called about another."""
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    asked = "SELECT COUNT(DISTINCT RepCRD) AS n FROM crm_leads_of_day WHERE DoNotCall = 1"
    assert table(warehouse, asked)["n"][0].as_py() > 10
    listed = """
        SELECT COUNT(*) AS n FROM lead_scores_daily AS s
        WHERE s.RepCRD IN (SELECT l.RepCRD FROM crm_leads_of_day AS l WHERE l.DoNotCall = 1)
    """
    assert table(warehouse, listed)["n"][0].as_py() == 0
    counts = table(warehouse, "SELECT reason, COUNT(*) AS n FROM never_listed GROUP BY reason").to_pylist()
    found = {row["reason"]: row["n"] for row in counts}
    assert set(found) == {"asked not to be called", "known not to be an advisor"}
    assert all(found.values())


def test_reasons_are_facts_about_the_lead_in_words(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    leads = pd.read_csv(list_path(recipe, workspace, scenario.DAY), encoding="utf-8-sig")
    told = leads[[name for name in leads if name.startswith("reason_")]].stack()
    assert len(told) > len(leads)
    assert not told.str.contains(r"contacted on|\(no\)|\(yes\)|100 times|not to be an advisor|_", regex=True).any()
    assert not told[told.str.startswith("For: ")].str.contains("disclosure").any()
    tenure = told.str.contains("months at the current firm|years at the firm|new to the firm|within a year")
    assert tenure.groupby(level=0).sum().max() == 1


def test_a_day_nobody_was_taken_for_is_refused_and_writes_nothing(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    warehouse, day = workspace.warehouse(recipe), scenario.DAY + timedelta(days=1)
    champion = champion_of_day(workspace.state(recipe), workspace.models(recipe), recipe, day=day)
    scored_at = datetime.combine(day, time.min, UTC)
    with pytest.raises(InputError, match=f"no partition {day}, in decisions_of_day"):
        score_day(warehouse, recipe, champion, day=day, decisions=DECISIONS, target=LEAD_SCORES, scored_at=scored_at)
    with pytest.raises(InputError, match=f"no partition {day}, in lead_scores_daily"):
        write_list(warehouse, recipe, day, scored / "list.csv")
    assert day.isoformat() not in warehouse.partitions(LEAD_SCORES)
    assert not (scored / "list.csv").exists()


def test_scoring_a_day_again_gives_the_same_bytes(scored: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    before = {
        name: warehouse.digest(name, scenario.DAY.isoformat()) for name in ("lead_scores_daily", "prospect_scores")
    }
    with instance_of(scored) as instance:
        assert score(instance, recipe, workspace, scenario.DAY, print) is None
    after = {
        name: warehouse.digest(name, scenario.DAY.isoformat()) for name in ("lead_scores_daily", "prospect_scores")
    }
    assert after == before


def test_the_future_of_the_crm_does_not_change_a_days_scores(scored: Path, small_market: Path, tmp_path: Path) -> None:
    """Destroy everything the CRM learned from that morning on: the same people get the same scores."""
    import shutil

    recipe, workspace = scenario.opened(scored, small_market, scenario.recipe_document())
    name, day = "lead_scores_daily", scenario.DAY.isoformat()
    before = workspace.warehouse(recipe).digest(name, day)
    home = scenario.copy_home(scored, tmp_path / "home")
    past = tmp_path / "market"
    shutil.copytree(small_market, past)
    leads = pd.read_csv(past / "crm" / "leads.csv", dtype=str, keep_default_na=False)
    leads = leads[leads["Stage_Entered_New__c"] < day]
    for column in ("Stage_Entered_Contacting__c", "Stage_Entered_Call_Scheduled__c"):
        leads.loc[leads[column] >= day, column] = ""
    leads.to_csv(past / "crm" / "leads.csv", index=False)
    recipe, workspace = scenario.opened(home, past, scenario.recipe_document())
    with instance_of(home) as instance:
        assert score(instance, recipe, workspace, scenario.DAY, print) is None
    assert workspace.warehouse(recipe).digest(name, day) == before


def test_the_command_line_tells_the_champion(scored: Path) -> None:
    done = _command(scored, "champion", str(scored / "recipe.yaml"), "--at", scenario.DAY.isoformat(), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["champion"]["version"].startswith(scenario.FIRST.isoformat())


def test_a_rollback_to_a_version_that_never_was_is_refused_in_one_line(scored: Path) -> None:
    done = _command(scored, "rollback", str(scored / "recipe.yaml"), "--to", "2025-01-01-000000000000", "--why", "test")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_an_unknown_source_is_refused_in_one_line(scored: Path) -> None:
    done = _command(scored, "run", str(scored / "recipe.yaml"), "--source", "repz=/nowhere")
    assert done.returncode == 1
    assert "no source 'repz'" in done.stderr
    assert done.stdout == ""


def test_audit_prints_one_json_object_and_finds_nothing(scored: Path) -> None:
    recipe = str(scored / "recipe.yaml")
    done = _command(scored, "audit", recipe, "--as-of", scenario.FIRST.isoformat(), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["blocks"] is False
    assert len(report["features"]) > 90
    assert {"feature", "verdict", "part", "metric", "value", "threshold", "evidence"} <= set(report["features"][0])
