"""The shipped feature queries: Google's resolver agrees with their lineage, no feature leaks, the kept leak does."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.fold import fold_inputs, fold_verdicts
from leadscore_dagster.core.audit.lineage import read_lineage
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.recipe.loading import load_recipe, shipped_recipes
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.sets import feature_sets, features_of, load_set
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster.core.warehouse.statements import compose
from leadscore_dagster_tests.audit.google_scan import scanned_columns

INSTANT = pa.timestamp("us", tz="UTC")
TYPES = {
    "text": pa.string(),
    "key": pa.int64(),
    "integer": pa.int64(),
    "count": pa.int64(),
    "number": pa.float64(),
    "money": pa.float64(),
    "flag": pa.int64(),
    "zip": pa.string(),
    "date": pa.date32(),
    "timestamp": INSTANT,
}


def schemas_of(recipe: Recipe) -> dict[str, pa.Schema]:
    entity = TYPES[recipe.decision_source.contract.column(recipe.decisions.entity).type]
    decisions = {"decision_id": pa.string(), recipe.decisions.entity: entity, "decision_at": INSTANT}
    schemas = {"decisions": pa.schema(list(decisions.items()))}
    for source in recipe.sources.values():
        known = "available_at" if isinstance(source, VintageSource) else "known_at"
        columns = {column.name: TYPES[column.type] for column in source.contract.columns}
        schemas[source.table] = pa.schema(list({**columns, "as_of": pa.date32(), known: INSTANT}.items()))
    return schemas


def names_of(recipe: Recipe) -> dict[str, list[str]]:
    return {name: schema.names for name, schema in schemas_of(recipe).items()}


@pytest.mark.parametrize("name", shipped_recipes())
def test_google_s_resolver_scans_exactly_the_columns_of_the_lineage(name: str) -> None:
    recipe = load_recipe(name)
    sql = feature_query(recipe).sql
    assert read_lineage(sql, names_of(recipe)).scanned() == scanned_columns(sql, schemas_of(recipe))


@pytest.mark.parametrize("name", shipped_recipes())
def test_no_shipped_feature_leaks_and_none_is_left_open(name: str) -> None:
    recipe = load_recipe(name)
    query = feature_query(recipe)
    features = [feature.name for feature in query.features]
    started = time.process_time()
    verdicts = lineage_verdicts(query.sql, names_of(recipe), declarations_of(recipe), features)
    assert time.process_time() - started < 3
    verdicts += fold_verdicts(feature_sets(recipe), verdicts)
    assert {verdict.feature for verdict in verdicts} >= {feature.name for feature in features_of(recipe)}
    assert [verdict for verdict in verdicts if verdict.verdict != "clear"] == []


def test_the_leak_kept_as_a_demonstration_is_found_with_its_path() -> None:
    recipe = load_recipe("advisor_mql")
    sql = compose("features/days_in_gap_current", sql_of(recipe))
    (verdict,) = lineage_verdicts(sql, names_of(recipe), declarations_of(recipe), ["days_in_gap"])
    assert verdict.verdict == "leak"
    assert "employment_current shows today's state" in verdict.evidence
    assert (
        "PREVIOUS_REGISTRATION_COMPANY_END_DATE (employment_vintage) -> "
        "employment_current.PREVIOUS_REGISTRATION_COMPANY_END_DATE -> last_job.end_date -> days_in_gap"
    ) in verdict.evidence


def test_the_same_feature_as_known_is_clear() -> None:
    recipe = load_recipe("advisor_mql")
    sql = compose("features/days_in_gap_as_known", sql_of(recipe))
    (verdict,) = lineage_verdicts(sql, names_of(recipe), declarations_of(recipe), ["days_in_gap_as_known"])
    assert verdict.verdict == "clear"
    assert "employment_vintage by `e.available_at <= d.decision_at`" in verdict.evidence


def test_an_outcome_taken_as_a_column_of_the_decision_s_own_row_is_a_leak() -> None:
    recipe = load_recipe("bank_marketing")
    features = recipe.features.model_copy(update={"columns": (*recipe.features.columns, "duration")})
    query = feature_query(recipe.model_copy(update={"features": features}))
    verdicts = lineage_verdicts(query.sql, names_of(recipe), declarations_of(recipe), ["age", "duration"])
    assert [verdict.verdict for verdict in verdicts] == ["clear", "leak"]
    assert "filled in after the outcome: duration (contacts)" in verdicts[1].evidence


@pytest.mark.parametrize("guard", ["f.available_at <= d.decision_at", "h.available_at <= c.decision_at"])
def test_taking_one_guard_out_of_a_shipped_query_is_found(guard: str) -> None:
    recipe = load_recipe("advisor_mql")
    query = feature_query(recipe)
    assert f"AND {guard}" in query.sql
    sql = query.sql.replace(f"AND {guard}", "")
    features = [feature.name for feature in query.features]
    leaks = [
        v for v in lineage_verdicts(sql, names_of(recipe), declarations_of(recipe), features) if v.verdict == "leak"
    ]
    assert leaks
    assert all(f"`{guard.split()[0]} <= <decision>.decision_at`" in verdict.evidence for verdict in leaks)


def test_a_feature_computed_in_the_fold_is_what_the_worst_of_its_inputs_is() -> None:
    entry = load_set("m5_population", sql_of(load_recipe("advisor_mql")))
    inputs = fold_inputs(entry)
    assert inputs["Is_Boutique_Firm"] == {"AverageAccountSize", "Number_Employees"}
    stored = sorted(set.union(*inputs.values()))
    verdicts = [FeatureVerdict(name, "lineage", "clear", "guarded") for name in stored if name != "Number_Employees"]
    verdicts.append(FeatureVerdict("Number_Employees", "lineage", "leak", "unguarded"))
    found = {verdict.feature: verdict for verdict in fold_verdicts([entry], verdicts)}
    assert found["Is_Boutique_Firm"].verdict == "leak"
    assert "Number_Employees: unguarded" in found["Is_Boutique_Firm"].evidence
    assert found["Premium_Positioning"].verdict == "clear"


def test_a_feature_computed_in_the_fold_from_an_unjudged_input_is_unproven() -> None:
    entry = load_set("m5_population", sql_of(load_recipe("advisor_mql")))
    verdicts = [FeatureVerdict("AverageAccountSize", "lineage", "clear", "guarded")]
    assert {verdict.verdict for verdict in fold_verdicts([entry], verdicts)} == {"unproven"}
