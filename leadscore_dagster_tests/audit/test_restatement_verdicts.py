"""What restatement says of features: on the small world of test_restatement, on a bank-like table, on the market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from leadscore_dagster.core.audit.lineage import read_lineage
from leadscore_dagster.core.audit.restatement import ColumnRestatement, restatement_verdicts, restatements
from leadscore_dagster.core.audit.safety import declarations_of, lineage_verdicts
from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, FeatureVerdict
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource
from leadscore_dagster.core.simulation.market.size import QUARTERS
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.ingest import ingest_log, ingest_vintage
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.audit import test_restatement as small

AS_KNOWN = """
WITH known AS (
  SELECT d.decision_id, MAX(j.as_of) AS as_of FROM decisions AS d
  JOIN jobs AS j ON j.available_at <= d.decision_at GROUP BY d.decision_id
)
SELECT d.decision_id, EXTRACT(HOUR FROM d.decision_at) AS hour, j.ended, j.pay,
  DATE_DIFF(DATE(d.decision_at), k.as_of, DAY) AS age_of_vintage
FROM decisions AS d
LEFT JOIN known AS k ON k.decision_id = d.decision_id
LEFT JOIN jobs AS j ON j.person = d.person AND j.as_of = k.as_of AND j.available_at <= d.decision_at
"""
NEWEST = """
WITH newest AS (SELECT MAX({table}.as_of) AS as_of FROM {table})
SELECT d.decision_id, {columns} FROM decisions AS d CROSS JOIN newest AS n
LEFT JOIN {table} AS t ON t.person = d.person AND t.as_of = n.as_of
"""


def schemas_of(recipe: Recipe) -> dict[str, list[str]]:
    schemas = {"decisions": ["decision_id", recipe.decisions.entity, "decision_at"]}
    for source in recipe.sources.values():
        known = "available_at" if isinstance(source, VintageSource) else "known_at"
        schemas[source.table] = [*(column.name for column in source.contract.columns), "as_of", known]
    return schemas


def judge(found: Sequence[ColumnRestatement], recipe: Recipe, sql: str, *features: str) -> dict[str, FeatureVerdict]:
    """The part's verdicts, with the lineage part's as they are."""
    schemas = schemas_of(recipe)
    static = lineage_verdicts(sql, schemas, declarations_of(recipe), features)
    given = restatement_verdicts(found, read_lineage(sql, schemas), features, static)
    assert {verdict.part for verdict in given} == {"restatement"}
    return {verdict.feature: verdict for verdict in given}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return small.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def found(lake: Lake) -> tuple[ColumnRestatement, ...]:
    return restatements(lake, small.recipe(), small.V3, outcomes=small.outcomes())


def test_what_is_read_as_known_is_clear_however_often_it_changes(found: tuple[ColumnRestatement, ...]) -> None:
    said = judge(found, small.recipe(), AS_KNOWN, "hour", "ended", "pay", "age_of_vintage")
    assert {verdict.verdict for verdict in said.values()} == {"clear"}
    assert said["hour"].evidence == "a function of the decision alone"
    assert said["age_of_vintage"].evidence == "dates of deliveries, no facts"
    assert "jobs.ended: 15.56% [12.50%, 19.19%] of 450 past facts were written or changed later" in (
        said["ended"].evidence
    )
    assert "p95 136 days" in said["ended"].evidence
    assert "read as known at the decision" in said["ended"].evidence


def test_a_restated_column_read_from_the_newest_vintage_is_a_leak(found: tuple[ColumnRestatement, ...]) -> None:
    sql = NEWEST.format(table="jobs", columns="t.ended")
    verdict = judge(found, small.recipe(), sql, "ended")["ended"]
    assert (verdict.verdict, verdict.metric, verdict.value) == ("leak", "restated_share", 70 / 450)
    assert verdict.threshold == pytest.approx(0.02 * 50 / 400)
    assert "changed after the decision for 40.0% of positives and 2.9% of negatives" in verdict.evidence
    assert "wait 136 days until 95% of the facts stand" in verdict.evidence


def test_a_restated_column_that_only_filters_is_found_too(found: tuple[ColumnRestatement, ...]) -> None:
    sql = (
        "SELECT d.decision_id, COUNT(j.pay) AS open_jobs FROM decisions AS d "
        "LEFT JOIN jobs AS j ON j.person = d.person AND j.ended IS NULL GROUP BY d.decision_id"
    )
    verdict = judge(found, small.recipe(), sql, "open_jobs")["open_jobs"]
    assert verdict.verdict == "leak"
    assert "jobs.ended" in verdict.evidence


def test_columns_that_never_change_may_be_read_from_any_vintage(found: tuple[ColumnRestatement, ...]) -> None:
    sql = NEWEST.format(table="people", columns="t.born, t.shoe, t.city, t.hired, t.grade")
    said = judge(found, small.recipe(), sql, "born", "shoe", "city", "hired", "grade")
    answers = {feature: verdict.verdict for feature, verdict in said.items()}
    assert answers == {"born": "clear", "shoe": "clear", "city": "unproven", "hired": "leak", "grade": "leak"}
    assert "none of 400 past facts changed" in said["born"].evidence
    assert "new state" in said["city"].evidence


def test_what_only_replay_can_settle_counts_as_read_as_known(found: tuple[ColumnRestatement, ...]) -> None:
    lineage = read_lineage(AS_KNOWN, schemas_of(small.recipe()))
    open_ = [FeatureVerdict("ended", "lineage", "unproven", "mixes rows", metric=SETTLED_BY_REPLAY)]
    assert restatement_verdicts(found, lineage, ["ended"], open_)[0].verdict == "clear"
    assert restatement_verdicts(found, lineage, ["ended"], {"ended": False})[0].verdict == "leak"
    unread = [FeatureVerdict("ended", "lineage", "unproven", "no contract says when its rows were known")]
    assert restatement_verdicts(found, lineage, ["ended"], unread)[0].verdict == "leak"


def test_with_one_vintage_the_guard_is_the_proof(lake: Lake) -> None:
    found = restatements(lake, small.recipe(), small.V0)
    verdict = judge(found, small.recipe(), AS_KNOWN, "ended")["ended"]
    assert verdict.verdict == "clear"
    assert "one vintage, nothing to compare; read as known" in verdict.evidence
    sql = NEWEST.format(table="jobs", columns="t.ended")
    assert judge(found, small.recipe(), sql, "ended")["ended"].verdict == "unproven"


def test_a_table_nobody_compared_is_unproven() -> None:
    sql = NEWEST.format(table="jobs", columns="t.ended")
    verdict = judge((), small.recipe(), sql, "ended")["ended"]
    assert verdict.verdict == "unproven"
    assert "no stored versions of jobs.ended" in verdict.evidence


# ---- columns of the decision's own row


def own(found: Sequence[ColumnRestatement]) -> dict[str, FeatureVerdict]:
    recipe = small.recipe()
    return judge(found, recipe, feature_query(recipe).sql, "score", "origin")


def test_an_own_column_rewritten_in_later_extracts_is_a_leak_and_one_that_is_not_is_clear(tmp_path: Path) -> None:
    lake = small.make(tmp_path)
    said = own(restatements(lake, small.recipe(), small.V3))
    assert (said["score"].verdict, said["score"].value, said["score"].threshold) == ("leak", 0.1, 0.05)
    assert said["origin"].verdict == "clear"


def test_a_rarer_rewriting_of_an_own_column_is_a_leak_only_with_the_outcome(tmp_path: Path) -> None:
    lake = small.make(tmp_path, changed_notes=12)
    without = own(restatements(lake, small.recipe(), small.V3, {"notes": ["score", "origin"]}))
    assert without["score"].verdict == "unproven"
    assert "without showing that the change goes with the outcome" in without["score"].evidence
    # all twelve are among the fifty positives
    with_outcome = own(restatements(lake, small.recipe(), small.V3, {"notes": ["score", "origin"]}, small.outcomes()))
    assert with_outcome["score"].verdict == "leak"
    assert "the change goes with the outcome" in with_outcome["score"].evidence
    assert with_outcome["origin"].verdict == "clear"


def test_own_columns_of_a_single_extract_are_unproven(tmp_path: Path) -> None:
    lake = small.make(tmp_path, changed_notes=0)
    small.write_ledger(lake, {small.V2: "one", small.V3: "one"})
    said = own(restatements(lake, small.recipe(), small.V3))
    assert [verdict.verdict for verdict in said.values()] == ["unproven", "unproven"]
    assert said["origin"].evidence == (
        "notes.origin: only one extract exists: nothing shows when this column was filled"
    )


# ---- the market


def undeclared() -> Recipe:
    """The shipped recipe with the two ``days_in_gap``; no contract says that anything is back-filled."""
    recipe = load_recipe("advisor_mql")
    sources = dict(recipe.sources)
    for name, source in sources.items():
        columns = tuple(column.model_copy(update={"known": "at_once"}) for column in source.contract.columns)
        contract = source.contract.model_copy(update={"columns": columns})
        sources[name] = source.model_copy(update={"contract": contract})
    sets = ("days_in_gap_current", "days_in_gap_as_known", "contact_time")
    features = recipe.features.model_copy(update={"sets": sets})
    return recipe.model_copy(update={"sources": sources, "features": features})


def test_days_in_gap_of_the_market_is_found_without_being_declared(small_market: Path, tmp_path: Path) -> None:
    recipe, lake, as_of = undeclared(), Lake(tmp_path, "market", threads=2), date(2026, 1, 1)
    employment = recipe.sources["employment"]
    assert isinstance(employment, VintageSource)
    for quarter in QUARTERS:
        ingest_vintage(lake, "employment", employment, connector_of(small_market / "drops"), quarter.as_of)
    ingest_log(lake, "leads", recipe.decision_source, connector_of(small_market / "crm"), as_of)
    build_labels(lake, recipe, as_of)
    query = feature_query(recipe)
    outcomes = "SELECT RepCRD, decision_at, label FROM labels WHERE label IS NOT NULL"
    found = restatements(lake, recipe, as_of, read_lineage(query.sql, schemas_of(recipe)).scanned(), outcomes)

    by_name = {column.column: column for column in found}
    ended = by_name["PREVIOUS_REGISTRATION_COMPANY_END_DATE"]
    assert ended.low is not None
    assert ended.low > 0.05
    assert ended.filled_late == ended.share
    assert (ended.wait_days, ended.observed_days) == (None, 365)
    assert ended.around_outcome is not None
    assert ended.around_outcome.low > 2
    assert by_name["PREVIOUS_REGISTRATION_COMPANY_START_DATE"].changed == 0

    features = [feature.name for feature in query.features]
    said = judge(found, recipe, query.sql, *features)
    assert said["days_in_gap"].verdict == "leak"
    assert said["days_in_gap"].evidence.startswith("employment_vintage.PREVIOUS_REGISTRATION_COMPANY_END_DATE: ")
    assert "95% was not reached" in said["days_in_gap"].evidence
    others = {verdict.verdict for feature, verdict in said.items() if feature != "days_in_gap"}
    assert others == {"clear"}
    assert "read as known at the decision" in said["days_in_gap_as_known"].evidence
