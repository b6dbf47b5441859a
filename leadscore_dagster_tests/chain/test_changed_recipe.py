"""A feature leaves the recipe while a champion that needs it is in office: nothing is scored or compared blindfold, and
a person can replace it. On the command line, as the user of one flat table meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import flat

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(600)]


def _command(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leadscore_dagster", *map(str, arguments), "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_champion_whose_feature_left_the_recipe_is_replaced_on_purpose_alone(tmp_path: Path) -> None:
    home, contacts = tmp_path / "home", tmp_path / "bank_marketing.parquet"
    pq.write_table(flat.contacts(), contacts)
    recipe = flat.write_recipe(home)
    first = _command(home, "run", recipe, "--source", f"contacts={contacts}", "--as-of", flat.FIRST, "--json")
    assert first.returncode == 0, first.stderr
    champion = json.loads(first.stdout)["version"]

    columns = [name for name in flat.document()["features"]["columns"] if name != "age"]
    flat.write_recipe(home, features={"columns": columns})
    second = _command(home, "run", recipe, "--as-of", flat.SECOND)
    assert second.returncode == 0, second.stderr
    assert f"champion {champion} needs feature age, which the recipe no longer has: unchanged." in second.stdout
    assert "There is no champion yet" not in second.stdout, "why the champion was made is not why it stays"
    candidate = history(scenario.state_of(home, "bank_marketing"))[-1].version

    scored = _command(home, "score", recipe, "--day", flat.DAY)
    assert scored.returncode == 1
    assert f"model {champion} needs feature age, which the recipe no longer has" in scored.stderr
    assert "Remedy: put the feature back into the recipe, or train it again" in scored.stderr
    assert f"`leadscore run bank_marketing --as-of {flat.FIRST}`" in scored.stderr

    until = datetime.now(UTC).date() + timedelta(days=1)
    waiver = ("--version", candidate, "--gate", "better_than_champion", "--until", until, "--by", "Ada")
    waived = _command(home, "waive", recipe, *waiver, "--why", "age is not asked any more")
    assert waived.returncode == 0, waived.stderr
    third = _command(home, "run", recipe, "--as-of", flat.SECOND, "--json")
    assert third.returncode == 0, third.stderr
    outcome = json.loads(third.stdout)
    assert (outcome["status"], outcome["version"]) == ("promoted", candidate)
    entry = history(scenario.state_of(home, "bank_marketing"))[-1]
    assert (entry.action, entry.version) == ("promote", candidate)
    assert "by Ada: age is not asked any more" in str(entry.waiver)
    assert entry.effective_from.date() == date.fromisoformat(flat.SECOND)

    back = _command(home, "rollback", recipe, "--to", champion, "--why", "it was better")
    assert back.returncode == 1
    assert f"model {champion} needs feature age" in back.stderr
