"""The smallest advisor world: vintages and a CRM log in a lake, written row by row, unnamed columns missing.

Not here: expected values (the tests), the large simulated market (core/simulation/market).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.warehouse import Lake, table

_KEYS = ("as_of", "available_at")
INTEGERS = [
    "NumberFirmAssociations",
    "NumberRIAFirmAssociations",
    "Number_BranchAdvisors",
    "Number_IAReps",
    "Number_RegisteredStates",
    "NumberClients_HNWIndividuals",
    "NumberClients_Individuals",
    "KnownNonAdvisor",
    "DuallyRegisteredBDRIARep",
    "Has_Series_7",
    "Has_Series_65",
    "Has_Series_66",
    "Has_Series_24",
    "Has_CFP",
    "Has_CFA",
    "Has_CIMA",
    "Has_AIF",
    "Has_Disclosure",
    "Has_Insurance_License",
    "Is_Owner",
    "Is_IndependentContractor",
]
NUMBERS = [
    "TotalAssetsInMillions",
    "DateBecameRep_NumberOfYears",
    "DateOfHireAtCurrentFirm_NumberOfYears",
    "Number_YearsPriorFirm1",
    "Number_YearsPriorFirm2",
    "Number_YearsPriorFirm3",
    "Number_YearsPriorFirm4",
    "MilesToWork",
    "AssetsInMillions_HNWIndividuals",
    "AssetsInMillions_Individuals",
    "AssetsInMillions_MutualFunds",
    "AssetsInMillions_PrivateFunds",
    "AUMGrowthRate_5Year",
    "AUMGrowthRate_1Year",
    "PercentClients_Individuals",
]
TIMESTAMP = pa.timestamp("us", tz="UTC")
REPS = pa.schema(
    [("RepCRD", pa.int64()), ("RIAFirmCRD", pa.int64()), ("PrimaryRIAFirmCRD", pa.int64())]
    + [("Home_MetropolitanArea", pa.string()), ("Branch_State", pa.string())]
    + [(name, pa.int64()) for name in INTEGERS]
    + [(name, pa.float64()) for name in NUMBERS]
    + [("as_of", pa.date32()), ("available_at", TIMESTAMP)]
)
FIRMS = pa.schema(
    [
        ("RIAFirmCRD", pa.int64()),
        ("OwnershipType", pa.string()),
        ("Number_Employees", pa.int64()),
        ("Number_InvestmentAdvisoryClients", pa.int64()),
        ("AverageAccountSize", pa.float64()),
        ("Percent_ClientsUS", pa.float64()),
        ("as_of", pa.date32()),
        ("available_at", TIMESTAMP),
    ]
)
EMPLOYMENT = pa.schema(
    [
        ("RIA_CONTACT_CRD_ID", pa.int64()),
        ("PREVIOUS_REGISTRATION_COMPANY_CRD_ID", pa.int64()),
        ("PREVIOUS_REGISTRATION_COMPANY_START_DATE", pa.date32()),
        ("PREVIOUS_REGISTRATION_COMPANY_END_DATE", pa.date32()),
        ("as_of", pa.date32()),
        ("available_at", TIMESTAMP),
    ]
)
FIRM_HISTORY = pa.schema(
    [
        ("RIA_INVESTOR_CRD_ID", pa.int64()),
        ("YEAR", pa.int64()),
        ("MONTH", pa.int64()),
        ("TOTAL_AUM", pa.float64()),
        ("as_of", pa.date32()),
        ("available_at", TIMESTAMP),
    ]
)
LEADS = pa.schema(
    [
        ("Id", pa.string()),
        ("RepCRD", pa.int64()),
        ("Company", pa.string()),
        ("New_at", TIMESTAMP),
        ("Contacted_at", TIMESTAMP),
        ("Called_at", TIMESTAMP),
        ("as_of", pa.date32()),
        ("known_at", TIMESTAMP),
    ]
)
SCHEMAS = {
    "rep_vintage": REPS,
    "firm_vintage": FIRMS,
    "employment_vintage": EMPLOYMENT,
    "firm_history_vintage": FIRM_HISTORY,
}
ALL_SETS = ("rep_firm_base", "home_metro", "m5_engineered", "contact_time", "employment")


def instant(text: str) -> datetime:
    """UTC instant of an ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def lake(root: Path) -> Lake:
    """A lake in which every vintage table exists, with one early vintage that lists nobody."""
    made = Lake(root, "world", threads=2)
    for name in SCHEMAS:
        vintage(made, name, "1990-01-01", "1990-01-01", [])
    return made


def vintage(warehouse: Lake, name: str, as_of: str, available_at: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one vintage; a vintage without rows leaves no trace in the calendar."""
    schema = SCHEMAS[name]
    known = {"as_of": date.fromisoformat(as_of), "available_at": instant(available_at)}
    columns = set(schema.names) - set(_KEYS)
    for row in rows:
        assert set(row) <= columns, set(row) - columns
    data = pa.Table.from_pylist([{**dict.fromkeys(columns), **row, **known} for row in rows], schema=schema)
    warehouse.write_partition(name, as_of, data)


def job(rep: int, firm: int | None, start: str, end: str | None = None) -> dict[str, Any]:
    """One row of the employment file."""
    return {
        "RIA_CONTACT_CRD_ID": rep,
        "PREVIOUS_REGISTRATION_COMPANY_CRD_ID": firm,
        "PREVIOUS_REGISTRATION_COMPANY_START_DATE": date.fromisoformat(start),
        "PREVIOUS_REGISTRATION_COMPANY_END_DATE": date.fromisoformat(end) if end else None,
    }


def month(firm: int, year: int, number: int, assets: float | None) -> dict[str, Any]:
    """One row of the firm history file."""
    return {"RIA_INVESTOR_CRD_ID": firm, "YEAR": year, "MONTH": number, "TOTAL_AUM": assets}


def decisions(*rows: tuple[str, int, str]) -> pa.Table:
    """The relation decisions, from (decision_id, RepCRD, ISO instant)."""
    return pa.table(
        {
            "decision_id": pa.array([row[0] for row in rows], pa.string()),
            "RepCRD": pa.array([row[1] for row in rows], pa.int64()),
            "decision_at": pa.array([instant(row[2]) for row in rows], TIMESTAMP),
        }
    )


def recipe(sets: Iterable[str] = ALL_SETS, **changes: Any) -> Recipe:
    """A recipe over the tables of this world."""
    no_columns = {"name": "x", "key": ["x"], "columns": [{"name": "x", "type": "text"}]}
    sources: dict[str, Any] = {
        name: {"kind": "vintage", "table": name, "contract": no_columns, "files": ["x"]} for name in SCHEMAS
    }
    sources["leads"] = {
        "kind": "log",
        "table": "crm_leads",
        "known_at": "New_at",
        "files": ["leads.csv"],
        "contract": {
            "name": "leads",
            "key": ["Id"],
            "columns": [
                {"name": "Id", "type": "text"},
                {"name": "RepCRD", "type": "key"},
                {"name": "Company", "type": "text"},
                {"name": "New_at", "type": "timestamp"},
                {"name": "Contacted_at", "type": "timestamp"},
                {"name": "Called_at", "type": "timestamp"},
            ],
        },
    }
    document = {
        "name": "world",
        "title": "A small world",
        "libraries": ["advisor"],
        "first_as_of": date(2024, 1, 1),
        "sources": sources,
        "decisions": {
            "source": "leads",
            "id": "Id",
            "entity": "RepCRD",
            "at": "Contacted_at",
            "exclude_when": "Company = 'Own Company'",
            "recycle_after_days": 90,
        },
        "label": {"kind": "window", "outcome_at": "Called_at", "days": 30},
        "features": {"sets": list(sets)},
        "gates": {},
        "scoring": {
            "decisions": "scoring/open_leads",
            "buckets": [{"name": "All", "from_percentile": 0.0, "action": "Call"}],
        },
    }
    return Recipe.model_validate({**document, **changes})


def features(warehouse: Lake, decided: pa.Table, sets: Iterable[str] = ALL_SETS) -> dict[str, dict[str, Any]]:
    """decision_id to its features and evidence."""
    found = table(warehouse, feature_query(recipe(sets)).sql, {}, {"decisions": decided})
    assert sorted(found["decision_id"].to_pylist()) == sorted(decided["decision_id"].to_pylist())
    return {row["decision_id"]: row for row in found.to_pylist()}


def leads(warehouse: Lake, as_of: str, *rows: Mapping[str, Any]) -> None:
    """Write the log as stored for one quarter; instants are ISO texts, New_at is also known_at."""
    known = []
    for row in rows:
        filled = {**dict.fromkeys(LEADS.names), **row, "as_of": date.fromisoformat(as_of)}
        for name in ("New_at", "Contacted_at", "Called_at"):
            filled[name] = instant(filled[name]) if filled[name] else None
        known.append({**filled, "known_at": filled["New_at"]})
    warehouse.write_partition("crm_leads", as_of, pa.Table.from_pylist(known, schema=LEADS))
