"""A recipe on one flat table, from the file to the ranked list, as its user meets it: on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.versions.ledger import LedgerEntry, history
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import flat

Done = subprocess.CompletedProcess[str]


def _command(*arguments: object) -> Done:
    command = [sys.executable, "-m", "leadscore_dagster", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def _run(recipe: Path, table: Path, home: Path, quarter: str = flat.FIRST) -> Done:
    return _command("run", recipe, "--source", f"contacts={table}", "--as-of", quarter, "--home", home, "--json")


def _leaky_recipe(folder: Path) -> Path:
    columns = [*flat.document()["features"]["columns"], "duration"]
    return flat.write_recipe(folder, features={"columns": columns})


def _ledger(home: Path) -> list[LedgerEntry]:
    return history(scenario.state_of(home, "bank_marketing"))


@pytest.fixture(scope="module")
def contacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flat") / "bank_marketing.parquet"
    pq.write_table(flat.contacts(), path)
    return path


@pytest.fixture(scope="module")
def promoted(contacts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A home in which ``run`` has ended, and what it printed. Copy it before writing to it."""
    home = tmp_path_factory.mktemp("promoted") / "home"
    return home, _run(flat.write_recipe(home), contacts, home)


@pytest.fixture
def home(promoted: tuple[Path, Done], tmp_path: Path) -> Path:
    return scenario.copy_home(promoted[0], tmp_path / "home")


def test_run_prints_exactly_one_json_object_of_the_documented_shape(promoted: tuple[Path, Done]) -> None:
    home, done = promoted
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)  # a second object, or a line of progress, would not parse
    assert list(outcome) == ["status", "version", "reason", "metrics", "gates", "outputs"]
    assert outcome["status"] == "promoted"
    assert outcome["version"].startswith(f"{flat.FIRST}-")
    assert set(flat.LENIENT) <= set(outcome["metrics"])
    assert all(set(metric) == {"value", "low", "high", "n"} for metric in outcome["metrics"].values())
    assert {gate["name"] for gate in outcome["gates"]} == set(flat.LENIENT)
    for gate in outcome["gates"]:
        assert set(gate) >= {"name", "passed", "reason", "value", "low", "high", "n", "threshold", "why"}
        assert gate["passed"] is True
        assert gate["why"]
    assert all(Path(place).exists() for place in outcome["outputs"].values())
    assert (home / "models" / "bank_marketing" / outcome["version"] / "manifest.json").is_file()


def test_the_honest_column_is_worth_something_and_the_leak_does_not_help(promoted: tuple[Path, Done]) -> None:
    """``duration`` separates the answers perfectly; what is known before the call cannot."""
    auc = json.loads(promoted[1].stdout)["metrics"]["auc_roc"]
    assert auc["low"] > 0.7
    assert auc["high"] < 0.99


def test_a_day_is_scored_into_a_table_and_a_ranked_list(home: Path) -> None:
    done = _command("score", home / "recipe.yaml", "--day", flat.DAY, "--home", home, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["status"], outcome["day"], outcome["leads"]) == ("done", flat.DAY, flat.PER_MONTH)
    scores = pq.read_table(home / "warehouse" / "bank_marketing" / "lead_scores_daily" / f"{flat.DAY}.parquet")
    assert scores.num_rows == flat.PER_MONTH
    assert set(scores["model_version"].to_pylist()) == {_ledger(home)[-1].version}
    ranked = pd.read_csv(outcome["outputs"]["ranked_leads"], encoding="utf-8-sig")
    assert list(ranked["rank"]) == list(range(1, flat.PER_MONTH + 1))
    promised = ranked["expected_rate"].str.split("%").str[0].astype(float)
    assert promised.is_monotonic_decreasing
    july = set(range(17 * flat.PER_MONTH + 1, 18 * flat.PER_MONTH + 1))  # the 18th month of the table
    assert set(ranked["decision_id"]) == july


def test_strict_gates_refuse_the_next_quarter_and_the_champion_stays(
    home: Path, contacts: Path, tmp_path: Path
) -> None:
    before = _ledger(home)
    recipe = flat.write_recipe(tmp_path / "strict", gates={"auc_roc": {"at_least": 0.99}})
    done = _run(recipe, contacts, home, flat.SECOND)
    assert done.returncode == 2, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["status"] == "refused"
    assert outcome["version"].startswith(f"{flat.SECOND}-")
    assert [(gate["name"], gate["passed"]) for gate in outcome["gates"]] == [("auc_roc", False)]
    assert _ledger(home) == before
    asked = _command("champion", home / "recipe.yaml", "--at", "2010-12-31", "--home", home, "--json")
    assert json.loads(asked.stdout)["champion"]["version"].startswith(f"{flat.FIRST}-")


def test_validate_refuses_a_column_written_after_the_outcome_by_name_and_path(tmp_path: Path) -> None:
    done = _command("validate", _leaky_recipe(tmp_path), "--json")
    assert done.returncode == 2, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["valid"] is False
    assert [leak["feature"] for leak in outcome["leaks"]] == ["duration"]
    assert "filled in after the outcome: duration (" in outcome["leaks"][0]["evidence"]
    assert " -> duration" in outcome["leaks"][0]["evidence"]


def test_run_refuses_a_column_written_after_the_outcome_by_name_and_path(
    home: Path, contacts: Path, tmp_path: Path
) -> None:
    before = _ledger(home)
    done = _run(_leaky_recipe(tmp_path / "leaky"), contacts, home, flat.SECOND)
    assert done.returncode == 2, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["status"], outcome["version"]) == ("refused", None)
    assert "filled in after the outcome: duration (" in done.stderr
    assert " -> duration" in done.stderr
    warehouse = Lake(home / "warehouse", "bank_marketing")
    assert flat.SECOND in warehouse.partitions("training_table")
    assert not scenario.state_of(home, "bank_marketing").rows(CANDIDATES, as_of=date.fromisoformat(flat.SECOND))
    assert _ledger(home) == before


def test_running_again_here_and_in_an_empty_home_gives_the_same_version(
    home: Path, contacts: Path, tmp_path: Path, promoted: tuple[Path, Done]
) -> None:
    first = json.loads(promoted[1].stdout)
    for place in (home, tmp_path / "empty"):
        done = _run(flat.write_recipe(place), contacts, place)
        assert done.returncode == 0, done.stderr
        again = json.loads(done.stdout)
        assert again["version"] == first["version"]
        assert again["metrics"] == first["metrics"]
        assert len(_ledger(place)) == 1
