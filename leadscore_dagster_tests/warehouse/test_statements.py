"""SQL files: found by name, their parameters read, the files they read inlined once and unchanged."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import (
    Lake,
    SqlPath,
    compose,
    parameters,
    relations,
    statement,
    table,
    translate,
    with_relations,
)
from leadscore_dagster.core.warehouse.statements import statements

BASE = "-- parameter: low INT64\nSELECT k, x FROM source WHERE k >= @low -- no newline at the end"
TWICE = "SELECT a.k, b.x FROM base AS a JOIN base AS b USING (k)\n"
TOP = """-- parameter: low INT64
-- parameter: day DATE
WITH t AS (SELECT * FROM twice)
SELECT t.k, base.x FROM t JOIN base USING (k)
"""


def at(*folders: Path) -> SqlPath:
    return SqlPath(folders)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "vintages/base": BASE,
        "features/twice": TWICE,
        "features/top": TOP,
        "audits/bad_rows": "SELECT k FROM base WHERE x IS NULL",
    }.items():
        path = tmp_path / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_files_are_found_by_name_and_audits_are_read_by_nothing(folder: Path) -> None:
    assert statements(at(folder)) == ["audits/bad_rows", "features/top", "features/twice", "vintages/base"]
    assert statement("vintages/base", at(folder)) == BASE
    assert relations(at(folder)) == {"base": "vintages/base", "top": "features/top", "twice": "features/twice"}


@pytest.mark.parametrize("name", ["features/tops", "../base", "features/../vintages/base", "top", ""])
def test_an_unknown_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="no SQL file is named"):
        statement(name, at(folder))


def test_the_nearest_name_is_offered(folder: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean 'features/top'"):
        statement("features/tops", at(folder))


def test_two_files_of_one_stem_are_refused(folder: Path) -> None:
    (folder / "features/base.sql").write_text("SELECT 1 AS k")
    with pytest.raises(InputError, match="have the same name"):
        relations(at(folder))


def test_parameters_are_declared_in_comments_and_survive_composition(folder: Path) -> None:
    assert parameters(statement("features/top", at(folder))) == {"low": "INT64", "day": "DATE"}
    assert parameters(compose("features/twice", at(folder))) == {"low": "INT64"}
    with pytest.raises(InputError, match="declared as INT64 and as DATE"):
        parameters("-- parameter: low INT64\n-- parameter: low DATE\nSELECT 1 AS x")
    with pytest.raises(InputError, match="unknown type NUMBER"):
        parameters("-- parameter: low NUMBER\nSELECT 1 AS x")


def test_what_a_file_reads_is_inlined_once_in_order_and_unchanged(folder: Path) -> None:
    text = compose("features/top", at(folder))
    for part in (BASE, TWICE.rstrip(), TOP.rstrip()):
        assert text.count(part) == 1
    assert text.index(BASE) < text.index(TWICE.rstrip()) < text.index(TOP.rstrip())
    assert translate(text).tables == ("source",)
    rows = {"source": pa.table({"k": [1, 2], "x": [5.0, None]})}
    lake = Lake(folder, "d")
    assert table(lake, text, {"low": 1}, rows).to_pylist() == [{"k": 1, "x": 5.0}, {"k": 2, "x": None}]
    audit = compose("audits/bad_rows", at(folder))
    assert table(lake, audit, {"low": 1}, rows).to_pylist() == [{"k": 2}]


def test_text_composes_like_a_file_and_nothing_to_inline_changes_nothing(folder: Path) -> None:
    assert BASE in compose("SELECT k FROM base", at(folder))
    assert compose("SELECT k FROM elsewhere", at(folder)) == "SELECT k FROM elsewhere"
    assert compose("SELECT k FROM base", SqlPath(())) == "SELECT k FROM base"


def test_files_that_read_each_other_are_refused(folder: Path) -> None:
    (folder / "vintages/base.sql").write_text("SELECT k FROM twice")
    with pytest.raises(InputError, match=r"base -> twice -> base|twice -> base -> twice"):
        compose("features/top", at(folder))
    (folder / "vintages/base.sql").write_text("SELECT k FROM base")
    with pytest.raises(InputError, match="reads itself"):
        compose("features/top", at(folder))


def test_a_local_name_hides_a_file_of_the_same_name(folder: Path) -> None:
    text = "WITH base AS (SELECT 1 AS k) SELECT k FROM base"
    assert compose(text, at(folder)) == text


def test_an_override_reaches_the_tables_inside_inlined_files(folder: Path) -> None:
    text = compose("features/twice", at(folder))
    source = pa.table({"k": [1, 2], "x": [1.0, 2.0]})
    narrowed = with_relations(text, {"source": "SELECT * FROM source WHERE x < 2"})
    assert table(Lake(folder, "d"), narrowed, {"low": 0}, {"source": source}).num_rows == 1


def test_the_order_a_file_asks_for_is_kept_when_it_is_composed(folder: Path) -> None:
    source = pa.table({"k": range(50_000), "x": [1.0] * 50_000})
    text = compose("SELECT k FROM base ORDER BY MOD(k, 7), k DESC", at(folder))
    keys = table(Lake(folder, "d", threads=2), text, {"low": 0}, {"source": source})["k"].to_pylist()
    assert keys == sorted(range(50_000), key=lambda k: (k % 7, -k))


def test_the_first_folder_that_has_a_name_gives_it_and_a_relation_by_its_stem(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("own")
    (own / "views").mkdir(parents=True)
    (own / "views" / "base.sql").write_text("SELECT 7 AS k, 1 AS x", encoding="utf-8")
    path = at(own, folder)
    assert relations(path)["base"] == "views/base"
    assert statement("vintages/base", path) == BASE
    assert "SELECT 7 AS k" in compose("features/twice", path)
    assert BASE not in compose("features/twice", path)
    assert BASE in compose("features/twice", at(folder, own))


def test_a_name_found_nowhere_says_where_it_was_looked_for(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        statement("features/tops", at(tmp_path / "own", folder))
    assert f"in {tmp_path / 'own'}, {folder}" in str(caught.value)


def test_what_engines_do_not_share_is_refused_in_a_file_of_ones_own(folder: Path) -> None:
    (folder / "features/now.sql").write_text("SELECT CURRENT_DATE() AS today;", encoding="utf-8")
    with pytest.raises(InputError, match=r"the clock is an argument: use a parameter \(and 1 more\), in .*now.sql"):
        statement("features/now", at(folder))
    with pytest.raises(InputError, match="the clock is an argument"):
        compose("features/twice", at(folder))


def test_a_file_whose_name_cannot_be_written_in_a_statement_is_refused(folder: Path) -> None:
    (folder / "features/My-Set.sql").write_text("SELECT 1 AS k", encoding="utf-8")
    with pytest.raises(InputError, match=r"'My-Set\.sql' cannot be the name of a statement"):
        relations(at(folder))


def test_a_written_statement_is_found_like_a_file(folder: Path) -> None:
    path = SqlPath((folder,), (("views/seven", "SELECT 7 AS k"),))
    assert statement("views/seven", path) == "SELECT 7 AS k"
    assert "SELECT 7 AS k" in compose("SELECT k FROM seven", path)
