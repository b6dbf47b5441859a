"""The digests that tell whether a feature still means what it meant when a model was trained."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.sets import load_set
from leadscore_dagster.core.table.features.statements import code_version_of, statement_digest, statements_of
from leadscore_dagster.core.warehouse.statements import sql_folder

SHIPPED = sql_folder()


@pytest.fixture(scope="module")
def advisors() -> Recipe:
    return load_recipe("advisor_mql")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the SQL files that may be edited."""
    copy = tmp_path / "sql"
    shutil.copytree(SHIPPED, copy)
    for module in ("warehouse.statements", "table.features.sets"):
        monkeypatch.setattr(f"leadscore_dagster.core.{module}.sql_folder", lambda: copy)
    load_set.cache_clear()
    yield copy
    load_set.cache_clear()


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text, text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    load_set.cache_clear()


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


def test_asking_costs_milliseconds(advisors: Recipe) -> None:
    statements_of(advisors)
    began = time.perf_counter()
    for _ in range(5):
        statements_of(advisors)
    assert (time.perf_counter() - began) / 5 < 0.1
