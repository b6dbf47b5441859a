"""What lies in the folder: columns, dirt as counted in the summary, restatements, manifest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import csv

from leadscore_dagster.core.simulation.market import OWN_COMPANY, QUARTERS
from leadscore_dagster.core.simulation.market.rep_rows import REP_COLUMNS
from leadscore_dagster_tests.simulation.market.conftest import SmallMarket

NAMES = [quarter.name for quarter in QUARTERS]


def as_text(market: SmallMarket, pattern: str) -> pa.Table:
    """All files matching the pattern, every column text, empty cells null."""
    paths = sorted(market.folder.glob(pattern))
    header = paths[0].open().readline().strip().split(",")
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True
    )
    return pa.concat_tables(csv.read_csv(path, convert_options=options) for path in paths)


def rows(market: SmallMarket, pattern: str, sql: str) -> list[tuple[Any, ...]]:
    """Run `sql` over relation `t`, the files matching the pattern."""
    with duckdb.connect() as connection:
        connection.register("t", as_text(market, pattern))
        return connection.execute(sql).fetchall()


def test_every_quarter_has_its_seven_files_as_the_manifest_says(small_market: SmallMarket) -> None:
    for quarter in QUARTERS:
        manifest = json.loads((small_market.folder / f"drops/manifest_{quarter.name}.json").read_text())
        assert manifest["as_of"] == quarter.as_of.isoformat()
        assert manifest["available_at"].endswith("T06:00:00Z")
        assert len(manifest["files"]) == 6
        for entry in manifest["files"]:
            path = small_market.folder / "drops" / entry["name"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
            assert path.read_bytes().count(b"\n") == entry["rows"] + 1
    assert len(list((small_market.folder / "drops").iterdir())) == 7 * len(QUARTERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_dirt_of_the_advisor_files_is_what_the_summary_counts(small_market: SmallMarket, name: str) -> None:
    dirt = small_market.summary.dirt_by_quarter[name]
    found = rows(
        small_market,
        f"drops/reps_{name}_T*.csv",
        """SELECT count(*), count(DISTINCT RepCRD), count(*) - count(DISTINCT (RepCRD, RIAFirmCRD)),
                  count(DISTINCT (RepCRD, RIAFirmCRD)) - count(DISTINCT RepCRD),
                  count_if(MilesToWork = 'Osseo') + count_if(TotalAssetsInMillions = 'Osseo')
                  + count_if(NumberClients_Individuals = 'Osseo') + count_if(AUMGrowthRate_1Year = 'Osseo'),
                  count_if(NumberClients_Individuals = '< 5') + count_if(NumberClients_HNWIndividuals = '< 5')
           FROM t""",
    )
    keys = ("rep_rows", "rep_distinct", "rep_duplicate_rows", "rep_rows_of_further_firms", "rep_shifted_cells",
            "rep_few_clients_cells")  # fmt: skip
    assert found == [tuple(dirt[key] for key in keys)]
    assert dirt["rep_missing"] > 0
    assert dirt["employment_reps_missing"] > 0
    assert 0.02 < dirt["rep_rows_of_further_firms"] / dirt["rep_rows"] < 0.06


def test_advisor_rows_look_like_the_vendors(small_market: SmallMarket) -> None:
    assert tuple(as_text(small_market, "drops/reps_2024_q1_T2.csv").column_names) == REP_COLUMNS
    ((float_zip, whole),) = rows(
        small_market,
        "drops/reps_2024_q1_T1.csv",
        "SELECT count_if(regexp_full_match(Branch_ZipCode, '[0-9]+\\.0')), count(*) FROM t",
    )
    assert float_zip >= whole - 5
    ((text_zip, money, whole),) = rows(
        small_market,
        "drops/reps_2024_q1_T2.csv",
        """SELECT count_if(regexp_full_match(Branch_ZipCode, '[0-9]{5}')),
                  count_if(regexp_full_match(TotalAssetsInMillions, '\\$[0-9,]+\\.[0-9]{2}|Osseo')),
                  count(*) FROM t""",
    )
    assert text_zip >= whole - 5
    assert 0.85 < money / whole < 0.99
    assert rows(small_market, "drops/reps_2024_q1_T2.csv", "SELECT count(*) FROM t WHERE processed_at IS NULL") == [
        (0,)
    ]


def test_licence_shares_and_null_rates_are_those_of_the_source(small_market: SmallMarket) -> None:
    ((series_7, cfp, assets, growth, tenure, miles, home),) = rows(
        small_market,
        "drops/reps_2025_q4_T*.csv",
        """SELECT avg((Has_Series_7 = 'Yes')::INT), avg((Has_CFP = 'Yes')::INT),
                  avg((TotalAssetsInMillions IS NULL)::INT), avg((AUMGrowthRate_1Year IS NULL)::INT),
                  avg((DateOfHireAtCurrentFirm_NumberOfYears IS NULL)::INT),
                  avg((MilesToWork IS NULL)::INT), avg((Home_State IS NULL)::INT) FROM t""",
    )
    assert series_7 == pytest.approx(0.69, abs=0.03)
    assert cfp == pytest.approx(0.174, abs=0.025)
    assert assets == pytest.approx(0.07, abs=0.03)
    assert growth == pytest.approx(0.10, abs=0.03)
    assert tenure == pytest.approx(0.042, abs=0.015)
    assert miles == pytest.approx(0.61, abs=0.03)
    assert home == pytest.approx(0.47, abs=0.03)


def test_firm_figures_agree_between_files(small_market: SmallMarket) -> None:
    with duckdb.connect() as connection:
        for name, files in (("reps", "reps_2025_q4_T*"), ("firms", "firms_2025_q4")):
            connection.register(name, as_text(small_market, f"drops/{files}.csv"))
        ((unmatched, firms),) = connection.execute(
            """SELECT count_if(r.RIAFirmCRD IS NULL), count(*) FROM firms f
               FULL JOIN (SELECT DISTINCT RIAFirmCRD FROM reps) r ON r.RIAFirmCRD = f.RIAFirmCRD"""
        ).fetchall()
        ((several,),) = connection.execute(
            """SELECT count(*) FROM (SELECT RIAFirmCRD FROM reps WHERE TotalAssetsInMillions != 'Osseo'
               GROUP BY 1 HAVING count(DISTINCT TotalAssetsInMillions) > 1)"""
        ).fetchall()
        ((wrong_headcount,),) = connection.execute(
            """SELECT count(*) FROM (SELECT RIAFirmCRD FROM reps GROUP BY 1
               HAVING count(DISTINCT RepCRD) != any_value(Number_IAReps)::INTEGER)"""
        ).fetchall()
    assert (unmatched, several, wrong_headcount) == (0, 0, 0)
    assert firms > 180


def test_some_firm_months_are_restated_by_a_later_drop(small_market: SmallMarket) -> None:
    with duckdb.connect() as connection:
        for name in ("2025_q1", "2025_q4"):
            connection.register(f"h{name}", as_text(small_market, f"drops/firm_history_{name}.csv"))
        ((restated, months),) = connection.execute(
            """SELECT count_if(a.TOTAL_AUM != b.TOTAL_AUM), count(*)
               FROM h2025_q1 a JOIN h2025_q4 b USING (RIA_INVESTOR_CRD_ID, YEAR, MONTH)"""
        ).fetchall()
        ((newest,),) = connection.execute("SELECT max(make_date(YEAR::INT, MONTH::INT, 1)) FROM h2025_q1").fetchall()
    assert 0.005 < restated / months < 0.06
    assert newest.isoformat() <= "2025-02-01", "figures are reported with a lag"


def test_employment_shows_nothing_from_on_or_after_its_date(small_market: SmallMarket) -> None:
    for quarter in QUARTERS:
        ((newest, missing_end, total),) = rows(
            small_market,
            f"drops/employment_{quarter.name}.csv",
            """SELECT greatest(max(PREVIOUS_REGISTRATION_COMPANY_START_DATE),
                               max(PREVIOUS_REGISTRATION_COMPANY_END_DATE)),
                      count_if(PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL), count(*) FROM t""",
        )
        assert newest < quarter.as_of.isoformat()
        assert missing_end > 0.9 * 2_500
        assert total == small_market.summary.dirt_by_quarter[quarter.name]["employment_rows"]


def test_the_dirt_of_the_leads_is_what_the_summary_counts(small_market: SmallMarket) -> None:
    dirt = small_market.summary.dirt
    found = rows(
        small_market,
        "crm/leads.csv",
        f"""SELECT count(*), count(DISTINCT Id), count(*) - count(DISTINCT Id), count_if(FA_CRD__c IS NULL),
                   count_if(regexp_matches(FA_CRD__c, '[^0-9]')),
                   count_if(FA_CRD__c LIKE '9_______'),
                   count_if(Stage_Entered_Contacting__c IS NULL),
                   count_if(Stage_Entered_Call_Scheduled__c < Stage_Entered_Contacting__c),
                   count_if(Company LIKE '{OWN_COMPANY}%') FROM t""",
    )
    keys = ("lead_rows", "lead_distinct_ids", "lead_same_id_twice", "lead_key_empty",
            "lead_key_with_other_characters", "lead_key_unmatched", "lead_open", "lead_call_before_contact",
            "lead_own_company")  # fmt: skip
    assert found == [tuple(dirt[key] for key in keys)]
    assert all(dirt[key] > 0 for key in keys)
    assert dirt["lead_recycled"] > 0
    assert dirt["lead_recycled_too_soon"] > 0


def test_of_a_lead_written_twice_the_later_row_is_the_one_with_the_outcome(small_market: SmallMarket) -> None:
    ((worse, twice, same_time),) = rows(
        small_market,
        "crm/leads.csv",
        """SELECT count_if(a.Stage_Entered_Call_Scheduled__c IS NOT NULL), count(*),
                  count_if(a.LastModifiedDate = b.LastModifiedDate)
           FROM t a JOIN t b ON a.Id = b.Id AND a.LastModifiedDate < b.LastModifiedDate""",
    )
    assert (worse, same_time) == (0, 0)
    assert twice == small_market.summary.dirt["lead_same_id_twice"]


def test_lead_ids_have_18_characters_and_rows_are_not_in_order_of_time(small_market: SmallMarket) -> None:
    found = rows(
        small_market,
        "crm/leads.csv",
        """SELECT count_if(length(Id) != 18), max(Stage_Entered_Call_Scheduled__c), max(LastModifiedDate),
                  corr(rowid, epoch(Stage_Entered_Contacting__c::TIMESTAMPTZ)) FROM (
                  SELECT row_number() OVER () AS rowid, * FROM t)""",
    )
    wrong, scheduled, modified, correlation = found[0]
    assert wrong == 0
    assert scheduled < "2026-02-01"
    assert modified < "2026-02-01"
    assert abs(correlation) < 0.15
