"""Where a recipe's SQL is looked for, and what is refused before anything runs: one error each, with a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.table.sql_check import check_sql
from leadscore_dagster.core.warehouse import compose, relations, statement
from leadscore_dagster.core.warehouse.statements import sql_folder
from leadscore_dagster_tests.table.features import world

Write = Callable[..., Recipe]
RENAMED = "SELECT l.decision_id, l.entity, l.decision_at FROM decision_log AS l WHERE l.decision_at < TIMESTAMP(@day)"


@pytest.fixture
def recipe(tmp_path: Path) -> Write:
    """Writes files (name → text) beside a recipe, under ``sql`` unless told otherwise; returns the recipe."""

    def write(files: dict[str, str] | None = None, under: str = "sql", **changes: Any) -> Recipe:
        for name, text in (files or {}).items():
            path = tmp_path / under / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        sets = changes.pop("sets", ["contact_time"])
        return world.recipe(sets, **changes).in_folder(tmp_path)

    return write


def refused(recipe: Recipe) -> str:
    with pytest.raises(InputError) as caught:
        check_sql(recipe)
    assert caught.value.remedy
    return str(caught.value)


def test_names_resolve_in_the_recipe_then_in_its_libraries_in_order_then_in_the_product(recipe: Write) -> None:
    recipe({"scoring/open_leads.sql": "SELECT 2 AS n", "scoring/twice.sql": "SELECT 2 AS n"}, "second")
    recipe({"scoring/twice.sql": "SELECT 1 AS n", "scoring/own.sql": "SELECT 1 AS n"}, "first")
    made = recipe({"scoring/own.sql": "SELECT 0 AS n"}, libraries=["./first", "second/", "advisor"])
    path = sql_of(made)
    found = {name: statement(f"scoring/{name}", path) for name in ("own", "twice", "open_leads")}
    assert found == {"own": "SELECT 0 AS n", "twice": "SELECT 1 AS n", "open_leads": "SELECT 2 AS n"}
    assert path.folders[-2:] == (sql_folder() / "advisor", sql_folder() / "product")
    assert statement("scoring/decisions_of_day", path).startswith("-- Decisions of a flat log")


def test_two_recipes_have_open_leads_of_their_own(recipe: Write) -> None:
    own = recipe({"scoring/open_leads.sql": RENAMED})
    assert compose("scoring/open_leads", sql_of(own)) == RENAMED
    assert compose("scoring/open_leads", sql_of(world.recipe())) != RENAMED
    check_sql(own)


def test_a_recipe_made_in_memory_has_the_product_and_its_libraries() -> None:
    assert sql_of(world.recipe()).folders == (sql_folder() / "advisor", sql_folder() / "product")
    assert sql_of(world.recipe(["contact_time"], libraries=[])).folders == (sql_folder() / "product",)


def test_the_folder_survives_a_copy_and_is_in_no_dump(recipe: Write, tmp_path: Path) -> None:
    made = recipe({"scoring/open_leads.sql": RENAMED})
    assert made.model_copy(update={"title": "Another"}).folder == tmp_path
    assert str(tmp_path) not in made.model_dump_json()
    assert made.model_dump() == world.recipe(["contact_time"]).model_dump()


def test_the_calendar_is_written_for_the_vintages_of_the_recipe(recipe: Write) -> None:
    assert relations(sql_of(recipe()))["vintage_calendar"] == "vintages/vintage_calendar"
    text = statement("vintages/vintage_calendar", sql_of(recipe()))
    assert re.findall(r"FROM `(\w+)`", text) == list(world.SCHEMAS)


def test_an_unknown_library_gets_the_nearest_name_and_is_told_how_a_path_is_written(recipe: Write) -> None:
    message = refused(recipe(libraries=["adviser"]))
    assert "there is no SQL library 'adviser' (did you mean 'advisor'?)" in message
    assert "named by recipe world" in message
    assert "./adviser" in message


def test_a_library_that_is_a_path_to_nothing_is_refused(recipe: Write, tmp_path: Path) -> None:
    message = refused(recipe(libraries=["../shared"]))
    assert f"the SQL library '../shared' of recipe world is no folder, in {tmp_path.parent / 'shared'}" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": ["contact_tim"]}, "no feature set 'contact_tim'.*did you mean 'contact_time'"),
        ({"audits": ["audits/decision_not_uniqe"]}, "no audit .*did you mean 'audits/decision_not_unique'"),
        (
            {
                "scoring": {
                    "decisions": "scoring/open_lead",
                    "buckets": [{"name": "All", "from_percentile": 0.0, "action": "Call"}],
                }
            },
            "no SQL file is named 'scoring/open_lead' .did you mean 'scoring/open_leads'",
        ),
    ],
)
def test_a_name_found_nowhere_gets_the_nearest_and_says_where_it_was_looked_for(
    recipe: Write, changes: dict[str, Any], message: str
) -> None:
    told = refused(recipe({"features/mine.sql": "SELECT 1 AS one"}, **changes))
    assert re.search(message, told)
    for place in ("/sql", "sql/advisor", "sql/product"):
        assert place in told


SET = "SELECT d.decision_id, 1 AS one{} FROM decisions AS d{}"
ENTRY = "- {name: one, definition: one, type: integer}\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"features/mine.sql": SET.format("", " JOIN rep_vintag AS r ON TRUE")}, "reads 'rep_vintag'.*'rep_vintage'"),
        ({"features/mine.sql": SET.format(", @day AS evidence_x", "")}, "the parameter @day, which nobody gives"),
        ({"features/mine.sql": SET.format(", CURRENT_DATE() AS evidence_x", "")}, "the clock is an argument.*mine.sql"),
        (
            {"features/mine.sql": SET.format(", d.decision_at AS evidence_rep_vintge_known_at", "")},
            "evidence of a table the recipe does not have.*did you mean 'evidence_rep_vintage_known_at'",
        ),
        ({"features/mine.sql": "SELECT d.decision_id, FROM FROM"}, "mine.sql"),
        ({"audits/unused.sql": "SELECT RAND() AS x"}, "RAND: not the same twice, in .*unused.sql"),
        ({"vintages/vintage_calendar.sql": "SELECT 1 AS x"}, "cannot be named 'vintage_calendar'"),
        ({"features/decisions.sql": "SELECT 1 AS x"}, "cannot be named 'decisions'"),
        ({"features/rep_vintage.sql": "SELECT 1 AS x"}, "'rep_vintage' of source 'rep_vintage' has the name of"),
    ],
)
def test_a_recipe_s_own_sql_is_held_against_the_recipe(recipe: Write, files: dict[str, str], message: str) -> None:
    default = {"features/mine.sql": SET.format("", ""), "features/mine.yaml": ENTRY}
    made = recipe(default, sets=["mine", "contact_time"])
    check_sql(made)
    recipe(files)
    told = refused(recipe(files, sets=["mine", "contact_time"]))
    assert re.search(message, told), told


def test_a_source_s_table_named_like_a_table_the_product_writes_is_refused(recipe: Write) -> None:
    document = world.recipe(["contact_time"]).model_dump()
    document["sources"]["firm_vintage"]["table"] = "labels"
    with pytest.raises(InputError, match="'labels' of source 'firm_vintage' has the name of a relation of the product"):
        check_sql(Recipe.model_validate(document))
