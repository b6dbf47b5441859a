"""Every file under sql/: linted, accepted by Google's analyzer, and the same rows in both engines.

Not here: what a file is meant to compute (the rooms' own tests).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from leadscore_dagster.core.recipe.loading import load_recipe, shipped_recipes
from leadscore_dagster.core.table.audits import arrival_audit, event_audit
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.table.vintages import vintage_calendar, vintage_tables
from leadscore_dagster.core.warehouse import Lake, SqlPath, compose, lint, parameters, relations, statement, translate
from leadscore_dagster.core.warehouse import table as read
from leadscore_dagster.core.warehouse.statements import PRODUCT, libraries, sql_folder, statements
from leadscore_dagster_tests.sql import schemas
from leadscore_dagster_tests.sql_oracle import analyze, differences, run

SEEDS = (1, 2)
ADVISORS = load_recipe("advisor_mql")
PATH = sql_of(ADVISORS)


@cache
def feature_columns() -> pa.Schema:
    """Columns of all features that stand on a decision: what a training table holds beside its own."""
    found = []
    for name in relations(PATH).values():
        text = compose(name, PATH)
        if name.startswith("features/") and set(translate(text).tables) <= set(schemas.SCHEMAS):
            schema = analyze(text, schemas.SCHEMAS, parameters(text))
            found.append(schema if "decision_id" in schema.names else pa.schema([]))
    return schemas.join(schemas.TRAINING_COLUMNS, *found)


def schema_of(table: str) -> pa.Schema:
    """Declared columns of a table, or those of the SQL files it is made from."""
    if table == "training_table":
        return feature_columns()
    if table == "features":
        return schemas.join(schemas.FEATURE_ROWS, feature_columns())
    if table == "statistics":
        return analyze(statement("features/m5_population_statistics", PATH), {"features": schema_of("features")})
    if table not in schemas.SCHEMAS:
        pytest.fail(f"{table} is neither an SQL file nor declared in leadscore_dagster_tests/sql/schemas.py")
    return schemas.SCHEMAS[table]


def disagreements(text: str, folder: Path) -> tuple[list[str], int]:
    """What differs between the reference evaluator and the lake over all seeds, and the rows compared."""
    stored = {table: schema_of(table) for table in translate(text).tables}
    declared = parameters(text)
    undeclared = set(translate(text).parameters) - set(declared)
    if undeclared:
        return [f"parameter {name} is not declared" for name in sorted(undeclared)], 0
    found, rows = [], 0
    for seed in SEEDS:
        tables = schemas.random_tables(stored, seed)
        bound = {name: (kind, value(kind, seed)) for name, kind in declared.items()}
        columns, expected = run(text, tables, bound)
        actual = read(Lake(folder, "d", threads=2), text, {n: v for n, (_, v) in bound.items()}, tables)
        if actual.schema != columns:
            found.append(f"columns {columns} expected, {actual.schema} found")
        found += differences(expected, actual.to_pylist())
        rows += len(expected)
    return found, rows


def value(kind: str, seed: int) -> object:
    if kind.startswith("ARRAY<"):
        return list(schemas.PARAMETERS[kind[6:-1]])
    choices = schemas.PARAMETERS[kind]
    return choices[seed % len(choices)]


@pytest.mark.parametrize("name", statements(PATH))
def test_a_file_uses_only_what_both_engines_share(name: str) -> None:
    assert lint(statement(name, PATH)) == []


@pytest.mark.parametrize("name", statements(PATH))
def test_a_file_gives_the_same_rows_in_both_engines(name: str, tmp_path: Path) -> None:
    found, rows = disagreements(compose(name, PATH), tmp_path)
    assert found == []
    assert rows > 0, "the random tables give no row: the comparison would prove nothing"


def test_stems_are_relation_names_used_once() -> None:
    assert set(relations(PATH).values()) == {name for name in statements(PATH) if not name.startswith("audits/")}


@pytest.mark.parametrize("write", [arrival_audit, event_audit])
def test_an_audit_written_from_the_sources_holds_to_the_same(write: Callable[[list[str]], str], tmp_path: Path) -> None:
    text = write(vintage_tables(ADVISORS))
    assert lint(text) == []
    found, rows = disagreements(compose(text, PATH), tmp_path)
    assert found == []
    assert rows > 0


def test_the_calendar_of_a_recipe_without_vintages_is_an_empty_table(tmp_path: Path) -> None:
    text = vintage_calendar(load_recipe("bank_marketing"))
    assert lint(text) == []
    assert disagreements(text, tmp_path) == ([], 0)


def test_every_library_of_the_installation_is_tested_here() -> None:
    assert libraries() == ["advisor"]


def test_the_product_names_no_vendor_s_table_key_or_source() -> None:
    """Words of the product's SQL that are a table, a source or a column of a shipped recipe, but its own words."""
    named: set[str] = set()
    for recipe in map(load_recipe, shipped_recipes()):
        named |= {recipe.name, *recipe.libraries, *recipe.sources}
        for source in recipe.sources.values():
            named |= {source.table, *(column.name for column in source.contract.columns)}
    product = SqlPath((sql_folder() / PRODUCT,))
    words = {word for name in statements(product) for word in re.findall(r"\w+", code_of(statement(name, product)))}
    assert words & named - OWN_WORDS == set()


#: ``label`` and the like are the product's, and a flat table's column may be called so
OWN_WORDS = {"day"}


def code_of(sql: str) -> str:
    return "\n".join(line.partition("--")[0] for line in sql.splitlines())


CONTRACTS = {
    "reps": "rep_vintage",
    "firms": "firm_vintage",
    "employment": "employment_vintage",
    "firm_history": "firm_history_vintage",
    "leads": "crm_leads",
}
CLEANED = {
    **dict.fromkeys(("key", "integer", "count", "flag"), pa.int64()),
    **dict.fromkeys(("money", "number"), pa.float64()),
    **dict.fromkeys(("text", "zip"), pa.string()),
    "date": pa.date32(),
    "timestamp": schemas.TIMESTAMP,
}


@pytest.mark.parametrize(("contract", "table"), CONTRACTS.items())
def test_the_declared_schema_is_the_contract_and_the_two_dates_of_a_vintage(contract: str, table: str) -> None:
    text = (files("leadscore_dagster") / f"recipes/advisor_mql/contracts/{contract}.yaml").read_text(encoding="utf-8")
    expected = {column["name"]: CLEANED[column["type"]] for column in yaml.safe_load(text)["columns"]}
    declared = {field.name: field.type for field in schemas.SCHEMAS[table]}
    known = "known_at" if contract == "leads" else "available_at"
    assert declared == expected | {"as_of": pa.date32(), known: schemas.TIMESTAMP}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT r.RepCRD FROM rep_vintage AS r WHERE r.as_of = @as_of", "not declared"),
        ("-- parameter: cut DATE\nSELECT r.RepCRD FROM rep_vintage AS r WHERE r.available_at < @cut", "No matching"),
        ("SELECT r.nope FROM rep_vintage AS r", "nope"),
        ("SELECT SIGN(r.MilesToWork) AS s FROM rep_vintage AS r", "columns"),
        ("SELECT r.RepCRD, COUNT(*) AS n FROM rep_vintage AS r", "neither grouped nor aggregated"),
        ("SELECT CAST(r.MilesToWork AS INT64) AS m FROM rep_vintage AS r", "found"),
    ],
)
def test_a_bad_file_would_be_found(text: str, message: str, tmp_path: Path) -> None:
    try:
        found, _ = disagreements(text, tmp_path)
    except Exception as error:  # zetasql's error, in BigQuery's words
        found = [str(error)]
    assert message in " ".join(found)
