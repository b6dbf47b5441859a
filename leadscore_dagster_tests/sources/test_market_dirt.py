"""The dirt planted in the simulated market is found, cell by cell and row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import LogSource, Recipe, VintageSource
from leadscore_dagster.core.simulation.market import MarketSize, MarketSummary, generate_market
from leadscore_dagster.core.sources import IngestReport, ingest_log, ingest_vintage, log_checks, vintage_checks
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.warehouse import Lake, table

QUARTERS = {"2023_q4": date(2024, 1, 1), "2024_q1": date(2024, 4, 1)}
LAST = date(2026, 7, 1)  # after everything in the market: the whole extract is known


@dataclass(frozen=True)
class Ingested:
    lake: Lake
    recipe: Recipe
    summary: MarketSummary
    reports: dict[tuple[str, date], IngestReport]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    folder = tmp_path_factory.mktemp("sources") / "market"
    summary = generate_market(folder, MarketSize(reps=3_000, firms=240, leads=2_000), seed=11)
    recipe, lake = load_recipe("advisor_mql"), Lake(folder.parent / "warehouse", "advisor_mql")
    reports = {}
    for as_of in QUARTERS.values():
        for name, source in recipe.sources.items():
            if isinstance(source, VintageSource):
                reports[name, as_of] = ingest_vintage(lake, name, source, connector_of(folder / "drops"), as_of)
    for as_of in (*QUARTERS.values(), LAST):
        reports["leads", as_of] = ingest_log(lake, "leads", recipe.decision_source, connector_of(folder / "crm"), as_of)
    return Ingested(lake, recipe, summary, reports)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_the_dirt_of_the_rep_files_is_counted_exactly(quarter: str, ingested: Ingested) -> None:
    dirt, report = ingested.summary.dirt_by_quarter[quarter], ingested.reports["reps", QUARTERS[quarter]]
    assert report.rows_read == dirt["rep_rows"]
    assert report.rows_kept == dirt["rep_distinct"]
    assert report.quarantined == {"duplicate": dirt["rep_duplicate_rows"] + dirt["rep_rows_of_further_firms"]}
    assert sum(item.cells for item in report.unreadable) == dirt["rep_shifted_cells"]


@pytest.mark.parametrize("quarter", QUARTERS)
def test_hidden_client_counts_are_two(quarter: str, ingested: Ingested) -> None:
    sql = """
        SELECT COUNTIF(NumberClients_Individuals = 2) + COUNTIF(NumberClients_HNWIndividuals = 2) AS n
        FROM rep_vintage WHERE as_of = @as_of
    """
    found = table(ingested.lake, sql, {"as_of": QUARTERS[quarter]}).to_pylist()[0]["n"]
    planted = ingested.summary.dirt_by_quarter[quarter]["rep_few_clients_cells"]
    hidden = _hidden_in_duplicates(ingested, QUARTERS[quarter])
    assert found + hidden == planted


def _hidden_in_duplicates(ingested: Ingested, as_of: date) -> int:
    sql = "SELECT row_json FROM quarantine WHERE source = 'reps' AND as_of = @as_of AND rule = 'duplicate'"
    rows = table(ingested.lake, sql, {"as_of": as_of})["row_json"].to_pylist()
    return sum(text.count('"< 5"') for text in rows)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_the_employment_history_arrives_whole(quarter: str, ingested: Ingested) -> None:
    report = ingested.reports["employment", QUARTERS[quarter]]
    assert report.rows_read == report.rows_kept == ingested.summary.dirt_by_quarter[quarter]["employment_rows"]


def test_the_dirt_of_the_leads_is_counted_exactly(ingested: Ingested) -> None:
    dirt, report = ingested.summary.dirt, ingested.reports["leads", LAST]
    assert (report.rows_read, report.not_yet_known) == (dirt["lead_rows"], 0)
    assert report.rows_kept == dirt["lead_distinct_ids"]
    assert report.quarantined == {"duplicate": dirt["lead_same_id_twice"]}
    assert report.unreadable == ()  # "CRD# 1154037" is a key


def test_every_check_passes_on_the_market(ingested: Ingested) -> None:
    recipe = ingested.recipe
    for as_of in QUARTERS.values():
        for source in recipe.sources.values():
            results = (
                log_checks(ingested.lake, source, as_of, recipe)
                if isinstance(source, LogSource)
                else vintage_checks(ingested.lake, source, as_of)
            )
            assert [result for result in results if not result.passed and result.severity == "error"] == []


def test_no_report_names_a_person(ingested: Ingested, tmp_path: Path) -> None:
    names = table(ingested.lake, "SELECT DISTINCT LastName FROM rep_vintage WHERE LastName IS NOT NULL")
    text = " ".join(str(report.as_metadata()) for report in ingested.reports.values())
    assert not [name for name in names["LastName"].to_pylist() if name in text]
