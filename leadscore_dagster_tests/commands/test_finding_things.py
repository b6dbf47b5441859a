"""`leadscore recipes` and `leadscore open`: what there is, and the newest page of it."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import pytest

from leadscore_dagster.commands.open import open_newest
from leadscore_dagster.commands.recipes import list_recipes
from leadscore_dagster.core.errors import InputError
from leadscore_dagster_tests import scenario


def test_shipped_recipes_and_ones_own_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = scenario.write_recipe(tmp_path, scenario.recipe_document() | {"name": "mine", "title": "My own"})
    monkeypatch.setenv("LEADSCORE_RECIPES", str(own))
    found = list_recipes(tmp_path / "home")
    rows = {row["recipe"]: row for row in found.as_json()["recipes"]}
    assert {"advisor_mql", "bank_marketing", "mine"} <= set(rows)
    assert rows["mine"] == {"recipe": "mine", "title": "My own", "champion": None, "given_as": str(own)}
    assert "no champion" in found.as_text()


def test_the_newest_page_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "outputs" / "advisor_mql"
    folder.mkdir(parents=True)
    for age, name in ((20, "model_report_old.html"), (10, "model_report_new.html"), (0, "dashboard.html")):
        (folder / name).write_text("<p>")
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    found = open_newest(tmp_path, "advisor_mql", "report")
    assert opened == [(folder / "model_report_new.html").as_uri()]
    assert found.as_json()["page"].endswith("model_report_new.html")
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "open it yourself" in open_newest(tmp_path, "advisor_mql", "dashboard").as_text()


@pytest.mark.parametrize(
    ("page", "told"), [("dashbord", "did you mean 'dashboard'"), ("list", "run `leadscore score advisor_mql` first")]
)
def test_a_page_that_is_not_there_says_how_to_get_it(page: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        open_newest(tmp_path, "advisor_mql", page)
