"""The digests that tell whether a feature still means what it meant when a model was trained."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.statements import code_version_of, statement_digest, statements_of
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse.statements import sql_folder, statement


@pytest.fixture
def advisors(tmp_path: Path) -> Recipe:
    """The shipped recipe with a copy of every statement in a folder of its own, where they may be edited."""
    for library in ("product", "advisor"):
        shutil.copytree(sql_folder() / library, tmp_path / "sql", dirs_exist_ok=True)
    return load_recipe("advisor_mql").in_folder(tmp_path)


@pytest.fixture
def folder(advisors: Recipe) -> Path:
    assert advisors.folder is not None
    return advisors.folder / "sql"


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text, text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_comments_and_white_space_do_not_count_and_everything_else_does() -> None:
    plain = statement_digest("SELECT a, 'x y' AS b FROM t WHERE c > 1.0")
    for same in (
        "-- why\nSELECT a,\n  'x y' AS b\nFROM t /* of\nall */ WHERE c>1.0",
        "SELECT a, 'x y' AS b FROM t WHERE c > 1.0;\n",
    ):
        assert statement_digest(same) == plain
    for other in (
        "SELECT a, 'x  y' AS b FROM t WHERE c > 1.0",
        "SELECT a, 'x y' AS b FROM t WHERE c >= 1.0",
        "SELECT a, 'x y' AS b FROM t WHERE c > 1.00",
        "SELECT a, r'x y' AS b FROM t WHERE c > 1.0",
        "SELECT a, '-- x y' AS b FROM t WHERE c > 1.0",
        "SELECT a, `x y` AS b FROM t WHERE c > 1.0",
    ):
        assert statement_digest(other) != plain


def test_every_statement_that_computes_a_feature_is_among_them(advisors: Recipe) -> None:
    names = set(statements_of(advisors).digests)
    assert {"features/m5_population", "features/m5_population_statistics", "features/m5_engineered"} <= names
    assert {"features/known_rep", "features/known_employment", "features/employment_history"} <= names
    assert not {name for name in names if name.startswith(("audits/", "labels/", "scoring/"))}
    assert "features/days_in_gap_current" not in names  # no set of this recipe


def test_a_column_of_ones_own_is_a_statement_of_its_own() -> None:
    bank = load_recipe("bank_marketing")
    whole = statements_of(bank)
    columns = [name for name in bank.features.columns if name != "age"]
    fewer = statements_of(bank.model_copy(update={"features": bank.features.model_copy(update={"columns": columns})}))
    assert changed(dict(whole.digests), dict(fewer.digests)) == {"columns/age"}
    assert whole.features - fewer.features == {"age"}


@pytest.mark.parametrize(
    "name",
    ["features/m5_population", "features/m5_population_statistics", "features/m5_engineered", "features/known_rep"],
)
def test_an_edited_statement_is_named_and_makes_another_code_version(advisors: Recipe, folder: Path, name: str) -> None:
    before, version = dict(statements_of(advisors).digests), code_version_of(advisors)
    edit(folder, name, "SELECT", "-- said better\n  SELECT ")
    assert (dict(statements_of(advisors).digests), code_version_of(advisors)) == (before, version)
    edit(folder, name, "AS ", "AS  \n")
    assert code_version_of(advisors) == version
    edit(folder, name, "\nFROM", " -- from\n, 1 AS added\nFROM") if name == "features/known_rep" else edit(
        folder, name, " AS", " + 0 AS"
    )
    assert changed(before, dict(statements_of(advisors).digests)) == {name}
    assert code_version_of(advisors) != version


def test_an_edited_label_statement_makes_another_code_version_but_no_other_feature(
    advisors: Recipe, folder: Path
) -> None:
    before, version = statements_of(advisors), code_version_of(advisors)
    edit(folder, "labels/window_label", "INTERVAL @window_days", "INTERVAL 1 + @window_days")
    assert statements_of(advisors) == before
    assert code_version_of(advisors) != version


def test_a_statement_of_the_recipe_s_own_takes_the_place_of_the_library_s(tmp_path: Path) -> None:
    shipped = load_recipe("advisor_mql")
    assert statements_of(shipped.in_folder(tmp_path)) == statements_of(shipped)
    (tmp_path / "sql" / "features").mkdir(parents=True)
    text = statement("features/known_firm", sql_of(shipped))
    (tmp_path / "sql" / "features" / "known_firm.sql").write_text(text.replace("LEFT JOIN firm", "JOIN firm"), "utf-8")
    own = shipped.in_folder(tmp_path)
    assert changed(dict(statements_of(shipped).digests), dict(statements_of(own).digests)) == {"features/known_firm"}
    assert code_version_of(own) != code_version_of(shipped)


def test_the_calendar_of_vintages_is_among_the_statements(advisors: Recipe) -> None:
    before, version = dict(statements_of(advisors).digests), code_version_of(advisors)
    sources = {name: source for name, source in advisors.sources.items() if name != "firm_history"}
    fewer = advisors.model_copy(update={"sources": sources})
    assert changed(before, dict(statements_of(fewer).digests)) == {"vintages/vintage_calendar"}
    assert code_version_of(fewer) != version


def test_asking_costs_milliseconds(advisors: Recipe) -> None:
    statements_of(advisors)
    began = time.process_time()
    for _ in range(5):
        statements_of(advisors)
    assert (time.process_time() - began) / 5 < 0.1
