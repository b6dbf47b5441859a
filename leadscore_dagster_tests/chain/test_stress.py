"""`leadscore stress` on the small home: the scenarios whose answer no other test of the chain gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.score import score
from leadscore_dagster.commands.stress.copies import digests
from leadscore_dagster.commands.stress.run import stress_recipe
from leadscore_dagster.core.errors import InputError
from leadscore_dagster_tests import scenario

pytestmark = pytest.mark.rehearsal


def test_twice_the_volume_goes_as_it_must_and_the_home_is_not_touched(
    finished_home: Path, small_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEADSCORE_HOME", "LEADSCORE_DAGSTER_STORAGE"):
        monkeypatch.setenv(name, "")
    home = scenario.copy_home(finished_home, tmp_path / "home")
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    with instance_of(home) as instance:
        assert score(instance, recipe, workspace, scenario.DAY, print) is None
    before = digests(home)
    told: list[str] = []
    outcome = stress_recipe(home, str(home / "recipe.yaml"), ("volume-2x",), False, told.append)
    assert outcome.exit_code == 0, outcome.text
    found = outcome.as_json()["scenarios"]
    assert found["volume-2x"]["passed"]
    assert "each scored once" in found["volume-2x"]["saw"]
    assert any("1 of 1" in line for line in told)
    assert digests(home) == before
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_home_in_which_nothing_was_scored_and_an_unknown_scenario_are_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(InputError, match="no day of 'advisor_mql' was scored here"):
        stress_recipe(home, "advisor_mql", (), False, print)
    with pytest.raises(InputError, match=r"no scenario 'flood'.*volume-2x"):
        stress_recipe(home, "advisor_mql", ("flood",), False, print)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
