"""The base, metro, engineered and contact-time features by value, against formulas written down a second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.table.features.fold import SqlFoldFeatures, fold_features_of
from leadscore_dagster.core.table.features.sets import load_set
from leadscore_dagster.core.table.recipe_sql import sql_of
from leadscore_dagster_tests.table.features import world

ADVISOR = sql_of(world.recipe())
METROS = {
    "Chicago-Naperville-Elgin IL-IN": "Chicago_Naperville_Elgin_IL_IN",
    "Dallas-Fort Worth-Arlington TX": "Dallas_Fort_Worth_Arlington_TX",
    "Los Angeles-Long Beach-Anaheim CA": "Los_Angeles_Long_Beach_Anaheim_CA",
    "Miami-Fort Lauderdale-West Palm Beach FL": "Miami_Fort_Lauderdale_West_Palm_Beach_FL",
    "New York-Newark-Jersey City NY-NJ": "New_York_Newark_Jersey_City_NY_NJ",
}
OTHER_METROS = ["Washington-Arlington-Alexandria DC-VA-MD-WV", "New York-Newark-Jersey City NY-NJ-PA", None]
COUNT = 400


@pytest.fixture(scope="module")
def random_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(raw rows joined with their firm, features), both by representative; values repeat, are zero and are missing."""
    random = np.random.default_rng(7)

    def some(values: list[Any], size: int) -> list[Any]:
        return [values[place] for place in random.integers(0, len(values), size)]

    firms = [
        {
            "RIAFirmCRD": number,
            "OwnershipType": some(["Independent", "Bank", None], 1)[0],
            "Number_Employees": some([0, 1, 20, 21, 100, 101, 900, None], 1)[0],
            "Number_InvestmentAdvisoryClients": some([0, 100, 101, 5000, None], 1)[0],
            "AverageAccountSize": some([0.0, *random.uniform(1e4, 1e6, 9), None], 1)[0],
            "Percent_ClientsUS": some([0.0, 79.9, 80.0, 90.0, 90.1, 100.0, None], 1)[0],
        }
        for number in range(60)
    ]
    reps: list[dict[str, Any]] = []
    for rep in range(COUNT):
        row: dict[str, Any] = {name: some([0, 1, 2, 3, 7, None], 1)[0] for name in world.INTEGERS}
        row |= {name: some([0.0, 1.5, 2.0, 3.0, 10.0, 10.5, 50.0, 80.5, 501.0, None], 1)[0] for name in world.NUMBERS}
        row |= {
            name: some([-5.0, 0.0, 2.0, 10.0, None], 1)[0] for name in ("AUMGrowthRate_1Year", "AUMGrowthRate_5Year")
        }
        row["KnownNonAdvisor"] = some([0, 1, None], 1)[0]
        row["DuallyRegisteredBDRIARep"] = some([0, 1, None], 1)[0]
        row["RepCRD"] = rep
        row["RIAFirmCRD"] = some([*range(70), None], 1)[0]  # ten firms are not in the firm file
        row["PrimaryRIAFirmCRD"] = some([row["RIAFirmCRD"], 1, None], 1)[0]
        row["Home_MetropolitanArea"] = some([*METROS, *OTHER_METROS], 1)[0]
        reps.append(row)
    lake = world.lake(tmp_path_factory.mktemp("m5"))
    world.vintage(lake, "rep_vintage", "2024-04-01", "2024-04-16T06:00:00", reps)
    world.vintage(lake, "firm_vintage", "2024-04-01", "2024-04-16T06:00:00", firms)
    decided = world.decisions(*((str(rep), rep, "2024-05-04T12:00:00") for rep in range(COUNT + 5)))
    found = pd.DataFrame.from_records(list(world.features(lake, decided).values()))
    found = found.set_index(found["decision_id"].astype(int)).sort_index()
    raw = pd.DataFrame({"RepCRD": range(COUNT + 5)}).merge(pd.DataFrame(reps), on="RepCRD", how="left")
    raw = raw.merge(pd.DataFrame(firms), on="RIAFirmCRD", how="left")
    return raw.set_index("RepCRD").sort_index(), found


def base(raw: pd.DataFrame) -> pd.DataFrame:
    """The 31 base features of the original m5 model, in pandas."""
    years = raw[[f"Number_YearsPriorFirm{number}" for number in range(1, 5)]].astype(float)
    copied = [
        "NumberFirmAssociations",
        "NumberRIAFirmAssociations",
        "TotalAssetsInMillions",
        "Number_Employees",
        "Number_BranchAdvisors",
        "Number_IAReps",
        "DateBecameRep_NumberOfYears",
        "DateOfHireAtCurrentFirm_NumberOfYears",
        "Number_InvestmentAdvisoryClients",
        "Number_YearsPriorFirm1",
        "Number_YearsPriorFirm2",
        "Number_YearsPriorFirm3",
        "Number_YearsPriorFirm4",
        "MilesToWork",
        "NumberClients_HNWIndividuals",
        "NumberClients_Individuals",
        "AssetsInMillions_HNWIndividuals",
        "AssetsInMillions_Individuals",
        "AssetsInMillions_MutualFunds",
        "AssetsInMillions_PrivateFunds",
        "AUMGrowthRate_5Year",
        "AUMGrowthRate_1Year",
        "AverageAccountSize",
        "PercentClients_Individuals",
        "Percent_ClientsUS",
    ]
    made = raw[copied].astype(float)
    made["IsPrimaryRIAFirm"] = (raw["RIAFirmCRD"] == raw["PrimaryRIAFirmCRD"]).astype(int)
    made["KnownNonAdvisor"] = (raw["KnownNonAdvisor"] == 1).astype(int)
    made["IsDuallyRegistered"] = (raw["DuallyRegisteredBDRIARep"] == 1).astype(int)
    made["IsIndependent"] = (raw["OwnershipType"] == "Independent").astype(int)
    made["AverageTenureAtPriorFirms"] = years.mean(axis=1)
    made["NumberOfPriorFirms"] = years.notna().sum(axis=1)
    return made


def engineered(b: pd.DataFrame) -> pd.DataFrame:
    """27 of the 31 engineered features of the original m5 model, in pandas (all but those of m5_population)."""
    ta, iac, emp = b["TotalAssetsInMillions"], b["Number_InvestmentAdvisoryClients"], b["Number_Employees"]
    iar, tenure, years = (
        b["Number_IAReps"],
        b["DateOfHireAtCurrentFirm_NumberOfYears"],
        b["DateBecameRep_NumberOfYears"],
    )
    g1, g5, miles = b["AUMGrowthRate_1Year"], b["AUMGrowthRate_5Year"], b["MilesToWork"]
    prior, fa, ra = b["NumberOfPriorFirms"], b["NumberFirmAssociations"], b["NumberRIAFirmAssociations"]
    us = b["Percent_ClientsUS"]

    def ratio(top: pd.Series, bottom: pd.Series) -> pd.Series:
        return top / bottom.replace(0, np.nan)

    numbers = {
        "AUM_per_Client": ratio(ta, iac),
        "AUM_per_Employee": ratio(ta, emp),
        "AUM_per_IARep": ratio(ta, iar),
        "Growth_Momentum": g1.fillna(0) * g5.fillna(0),
        "Growth_Acceleration": g1.fillna(0) - g5.fillna(0) / 5,
        "Firm_Stability_Score": tenure / (prior + 1),
        "Experience_Efficiency": ta / (years.replace(0, np.nan) + 1),
        "HNW_Client_Ratio": ratio(b["NumberClients_HNWIndividuals"], b["NumberClients_Individuals"]),
        "HNW_Asset_Concentration": ratio(b["AssetsInMillions_HNWIndividuals"], ta),
        "Individual_Asset_Ratio": ratio(b["AssetsInMillions_Individuals"], ta),
        "Alternative_Investment_Focus": ratio(
            b["AssetsInMillions_MutualFunds"].fillna(0) + b["AssetsInMillions_PrivateFunds"].fillna(0), ta
        ),
        "Clients_per_Employee": ratio(iac, emp),
        "Branch_Advisor_Density": ratio(b["Number_BranchAdvisors"], emp),
        "Clients_per_IARep": ratio(iac, iar),
    }
    flags = {
        "Is_Large_Firm": emp > 100,
        "Has_Scale": (ta > 500) | (iac > 100),
        "Is_New_To_Firm": tenure < 2,
        "Is_Veteran_Advisor": years > 10,
        "High_Turnover_Flag": (prior > 3) & (b["AverageTenureAtPriorFirms"] < 3),
        "Remote_Work_Indicator": miles > 50,
        "Local_Advisor": miles <= 10,
        "Multi_RIA_Relationships": ra > 1,
        "Complex_Registration": (fa > 2) | (ra > 1),
        "Primarily_US_Clients": us > 90,
        "International_Presence": us < 80,
        "Positive_Growth_Trajectory": (g1 > 0) & (g5 > 0),
        "Accelerating_Growth": g1 > g5 / 5,
    }
    return pd.DataFrame(numbers | {name: flag.astype(int) for name, flag in flags.items()})


def population(b: pd.DataFrame, e: pd.DataFrame, train: np.ndarray) -> pd.DataFrame:
    """Numbers 13, 18, 19 and 29, with quantiles of the rows ``train``."""
    size, individuals = b["AverageAccountSize"], b["PercentClients_Individuals"]
    q75, median = np.nanquantile(size[train], 0.75), np.nanmedian(size[train])
    stable = e["Firm_Stability_Score"] > np.nanmedian(e["Firm_Stability_Score"][train])
    rich = e["AUM_per_Client"] > np.nanmedian(e["AUM_per_Client"][train])
    return pd.DataFrame(
        {
            "Is_Boutique_Firm": ((b["Number_Employees"] <= 20) & (size > q75)).astype(int),
            "Premium_Positioning": ((size > q75) & (individuals < 50)).astype(int),
            "Mass_Market_Focus": ((individuals > 80) & (size < median)).astype(int),
            "Quality_Score": 0.25 * e["Is_Veteran_Advisor"]
            + 0.25 * e["Has_Scale"]
            + 0.15 * stable
            + 0.15 * b["IsPrimaryRIAFirm"]
            + 0.10 * rich
            + 0.10 * (1 - e["High_Turnover_Flag"]),
        }
    )


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    for name in expected.columns:
        np.testing.assert_allclose(
            found[name].astype(float), expected[name].astype(float), rtol=1e-12, err_msg=name, equal_nan=True
        )


def test_every_base_feature_is_the_formula(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    raw, found = random_world
    expected = base(raw)
    assert expected.shape[1] == 31
    assert_same(found, expected)


def test_every_row_stage_engineered_feature_is_the_formula(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    raw, found = random_world
    expected = engineered(base(raw))
    assert sorted(expected.columns) == sorted(feature.name for feature in load_set("m5_engineered", ADVISOR).features)
    assert_same(found, expected)


def test_the_random_world_reaches_both_sides_of_every_flag(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    raw, _ = random_world
    made = engineered(base(raw))
    for feature in load_set("m5_engineered", ADVISOR).features:
        if feature.type == "flag":
            assert set(made[feature.name]) == {0, 1}, feature.name
        else:
            assert made[feature.name].nunique() > 5, feature.name


def test_the_31_engineered_features_are_27_of_the_row_and_4_of_the_fold() -> None:
    row, fold = load_set("m5_engineered", ADVISOR), load_set("m5_population", ADVISOR)
    assert len(row.features) == 27
    assert [feature.name for feature in fold.features] == [
        "Is_Boutique_Firm", "Premium_Positioning", "Mass_Market_Focus", "Quality_Score",
    ]  # fmt: skip
    assert {feature.stage for feature in row.features} == {"row"}
    assert {feature.stage for feature in fold.features} == {"fold"}


def test_population_features_use_statistics_of_the_given_rows_only(
    random_world: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    raw, found = random_world
    fold = fold_features_of(world.recipe([*world.ALL_SETS, "m5_population"]))
    assert fold is not None
    b = base(raw)
    e = engineered(b)
    train = np.arange(len(b)) < 150
    rows = pa.Table.from_pandas(found.reset_index(drop=True), preserve_index=False)
    statistics = fold.learn(rows.filter(pa.array(train)))
    assert statistics["aas_q75"] == np.nanquantile(b["AverageAccountSize"][train], 0.75)
    assert statistics["aas_median"] == np.nanmedian(b["AverageAccountSize"][train])
    assert statistics["firm_stability_median"] == np.nanmedian(e["Firm_Stability_Score"][train])
    assert statistics["aum_per_client_median"] == np.nanmedian(e["AUM_per_Client"][train])
    assert statistics != fold.learn(rows)
    added = fold.add(rows, statistics)
    assert added["decision_id"].equals(rows["decision_id"])
    assert_same(added.to_pandas().set_index(b.index), population(b, e, train))


def test_population_features_keep_the_order_of_unsorted_rows(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, found = random_world
    fold = fold_features_of(world.recipe([*world.ALL_SETS, "m5_population"]))
    assert fold is not None
    rows = pa.Table.from_pandas(found.reset_index(drop=True), preserve_index=False)
    statistics = fold.learn(rows)
    shuffled = np.random.default_rng(1).permutation(rows.num_rows)
    straight = fold.add(rows, statistics)["Quality_Score"].take(pa.array(shuffled))
    assert fold.add(rows.take(pa.array(shuffled)), statistics)["Quality_Score"].equals(straight)


def test_a_statistic_of_a_column_without_values_is_left_out_and_compares_as_missing(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(
        lake, "rep_vintage", "2024-04-01", "2024-04-16T06:00:00", [{"RepCRD": 1, "PercentClients_Individuals": 90.0}]
    )
    row = world.features(lake, world.decisions(("a", 1, "2024-05-04T00:00:00")))["a"]
    rows = pa.Table.from_pylist([row])
    fold = SqlFoldFeatures((load_set("m5_population", ADVISOR),))
    rows = rows.set_column(
        rows.schema.get_field_index("AverageAccountSize"), "AverageAccountSize", pa.array([None], pa.float64())
    )
    for name in ("Firm_Stability_Score", "AUM_per_Client"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array([None], pa.float64()))
    assert fold.learn(rows) == {}
    assert fold.add(rows, {})["Mass_Market_Focus"].to_pylist() == [0]
    assert fold.add(rows, {"aas_median": float("nan")})["Mass_Market_Focus"].to_pylist() == [0]


def test_a_missing_input_of_a_population_feature_is_named() -> None:
    fold = SqlFoldFeatures((load_set("m5_population", ADVISOR),))
    with pytest.raises(InputError, match="AUM_per_Client"):
        fold.learn(pa.table({"AverageAccountSize": [1.0]}))


def test_metro_flags_take_exact_values_only(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    raw, found = random_world
    for value, suffix in METROS.items():
        expected = (raw["Home_MetropolitanArea"] == value).astype(int)
        assert expected.sum() > 0
        assert (found[f"Home_MetropolitanArea_{suffix}"] == expected).all()


def test_a_representative_absent_from_the_vintage_is_flagged(random_world: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    raw, found = random_world
    absent = raw.index >= COUNT
    assert (found["rep_absent_from_vintage"] == absent.astype(int)).all()
    known_firm = raw["RIAFirmCRD"].notna() & (raw["RIAFirmCRD"] < 60)
    assert (found["firm_absent_from_vintage"] == (~known_firm).astype(int)).all()
    assert (found["rep_vintage_age_days"] == 33).all()


def test_day_of_contact_counts_monday_as_one(tmp_path: Path) -> None:
    hours = ["00:00:00", "12:00:00", "12:00:00", "12:00:00", "12:00:00", "00:00:00", "23:59:59"]
    moments = [
        (str(day), 1, f"2024-05-{5 + day:02d}T{hour}") for day, hour in enumerate(hours, 1)
    ]  # the 6th is a Monday
    found = world.features(world.lake(tmp_path), world.decisions(*moments), ["contact_time"])
    assert [found[str(day)]["Day_of_Contact"] for day in range(1, 8)] == [1, 2, 3, 4, 5, 6, 7]
    assert [found[str(day)]["Is_Weekend_Contact"] for day in range(1, 8)] == [0, 0, 0, 0, 0, 1, 1]
