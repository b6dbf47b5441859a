"""Declared schemas of the tables the SQL files read, and small random tables that fit them.

The stored tables of recipe advisor_mql with cleaned types, and the relations a caller passes (`decisions`,
`decision_log`, `features`, `statistics`). Not here: the oracle, the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
QUARTERS = (date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1))
REPS = range(1, 7)
FIRMS = range(101, 105)
_STATES = ("CA", "NY", "TX", "IL", "FL", "PR")
_METROS = ("Chicago-Naperville-Elgin IL-IN", "Dallas-Fort Worth-Arlington TX", "Boise City ID")
_WORDS = {
    "Gender": ("Male", "Female"),
    "Home_MetropolitanArea": _METROS,
    "OwnershipType": ("Independent", "Private", "Public"),
    "status": ("labelled", "right_censored", "excluded"),
}


def _schema(kinds: Mapping[pa.DataType, str]) -> pa.Schema:
    return pa.schema([(name, kind) for kind, names in kinds.items() for name in names.split()])


_VINTAGE = {pa.date32(): "as_of", TIMESTAMP: "available_at"}

SCHEMAS: dict[str, pa.Schema] = {
    "rep_vintage": _schema(
        {
            pa.int64(): """RepCRD RIAFirmCRD PrimaryRIAFirmCRD NumberClients_Individuals
                NumberClients_HNWIndividuals NumberFirmAssociations NumberRIAFirmAssociations Number_IAReps
                Number_BranchAdvisors Number_RegisteredStates DuallyRegisteredBDRIARep BreakawayRep Has_Series_7
                Has_Series_65 Has_Series_66 Has_Series_24 Has_CFP Has_CFA Has_CIMA Has_AIF Has_Disclosure
                Is_Owner Is_IndependentContractor Has_Insurance_License KnownNonAdvisor IsPrimaryRIAFirm""",
            pa.float64(): """MilesToWork TotalAssetsInMillions AssetsInMillions_Individuals
                AssetsInMillions_HNWIndividuals AssetsInMillions_MutualFunds AssetsInMillions_PrivateFunds
                PercentClients_Individuals AUMGrowthRate_1Year AUMGrowthRate_5Year DateBecameRep_NumberOfYears
                DateOfHireAtCurrentFirm_NumberOfYears Number_YearsPriorFirm1 Number_YearsPriorFirm2
                Number_YearsPriorFirm3 Number_YearsPriorFirm4""",
            pa.string(): """FirstName LastName Title Education Gender Email_BusinessType SocialMedia_LinkedIn
                PersonalWebpage Notes Licenses Home_City Home_State Home_ZipCode Home_MetropolitanArea
                Branch_City Branch_State Branch_ZipCode processed_at""",
            pa.date32(): "DateBecameRep_YYYY_MM_DD DateOfHireAtCurrentFirm_YYYY_MM_DD as_of",
            TIMESTAMP: "available_at",
        }
    ),
    "firm_vintage": _schema(
        {
            pa.int64(): "RIAFirmCRD Number_Employees Number_InvestmentAdvisoryClients",
            pa.float64(): "AverageAccountSize Percent_ClientsUS",
            pa.string(): "RIAFirmName OwnershipType Firm_State processed_at",
            pa.date32(): "as_of",
            TIMESTAMP: "available_at",
        }
    ),
    "employment_vintage": _schema(
        {
            pa.int64(): "RIA_CONTACT_CRD_ID PREVIOUS_REGISTRATION_COMPANY_CRD_ID",
            pa.string(): "PREVIOUS_REGISTRATION_COMPANY_NAME",
            pa.date32(): """PREVIOUS_REGISTRATION_COMPANY_START_DATE PREVIOUS_REGISTRATION_COMPANY_END_DATE
                as_of""",
            TIMESTAMP: "available_at",
        }
    ),
    "firm_history_vintage": _schema(
        {pa.int64(): "RIA_INVESTOR_CRD_ID YEAR MONTH", pa.float64(): "TOTAL_AUM", **_VINTAGE}
    ),
    "crm_leads": _schema(
        {
            pa.string(): "Id FirstName LastName Company Title City State Email LeadSource Status OwnerId",
            pa.int64(): "RepCRD DoNotCall",
            TIMESTAMP: """CreatedDate Stage_Entered_New__c Stage_Entered_Contacting__c
                Stage_Entered_Call_Scheduled__c LastModifiedDate known_at""",
            pa.date32(): "as_of",
        }
    ),
    "decisions": _schema({pa.string(): "decision_id", pa.int64(): "RepCRD", TIMESTAMP: "decision_at"}),
    "decision_log": _schema(
        {
            pa.string(): "decision_id",
            pa.int64(): "entity outcome",
            pa.bool_(): "excluded",
            TIMESTAMP: "decision_at outcome_at known_at",
        }
    ),
    "labels": _schema(
        {
            pa.string(): "decision_id status",
            pa.int64(): "entity label",
            TIMESTAMP: "decision_at outcome_at",
            pa.date32(): "as_of",
        }
    ),
}
TRAINING_COLUMNS = _schema(
    {
        pa.string(): "decision_id",
        pa.int64(): "RepCRD label",
        TIMESTAMP: "decision_at outcome_at",
        pa.date32(): "as_of",
    }
)
FEATURE_ROWS = _schema({pa.int64(): "row_number"})
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "BOOL": (True, False),
    "DATE": (date(2024, 7, 1), date(2024, 5, 17), date(2024, 4, 1)),
    "FLOAT64": (0.5, 2.0),
    "INT64": (30, 90, 7),
    "STRING": ("rep", "CA"),
    "TIMESTAMP": (datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 4, 20, 6, tzinfo=UTC)),
}


def join(*schemas: pa.Schema) -> pa.Schema:
    """All columns of several schemas, each name once."""
    return pa.schema(list({field.name: field for schema in schemas for field in schema}.values()))


def random_tables(schemas: Mapping[str, pa.Schema], seed: int) -> dict[str, pa.Table]:
    """A few dozen rows for each table: keys that join, one row a key and vintage, a sixth of the rest NULL."""
    random = np.random.default_rng(seed)
    tables = {}
    for name, schema in schemas.items():
        rows = list(_keys(name, random))
        columns = [_column(field, rows, random) for field in schema]
        tables[name] = pa.Table.from_arrays(columns, schema=schema)
    return tables


def _keys(table: str, random: np.random.Generator) -> Iterator[dict[str, object]]:
    """The columns of each row that must not be left to chance."""
    for number, as_of in enumerate(QUARTERS):
        vintage = {"as_of": as_of, "available_at": _instant(as_of) + timedelta(days=9 + 8 * number, hours=6)}
        if table == "rep_vintage":
            yield from ({"RepCRD": rep, **vintage} for rep in REPS if random.random() < 0.9)
        elif table == "firm_vintage":
            yield from ({"RIAFirmCRD": firm, **vintage} for firm in FIRMS if random.random() < 0.9)
        elif table == "employment_vintage":
            starts = [as_of - timedelta(days=int(n)) for n in (30, 400, 900)]
            names = "RIA_CONTACT_CRD_ID", "PREVIOUS_REGISTRATION_COMPANY_START_DATE"
            yield from (dict(zip(names, key, strict=True)) | vintage for key in product(REPS, starts))
        elif table == "firm_history_vintage":
            months = [(2023, 12), (2024, 1), (2024, 2), (2024, 3), (2024, 5)]
            for firm, (year, month) in product(FIRMS, months):
                yield {"RIA_INVESTOR_CRD_ID": firm, "YEAR": year, "MONTH": month, **vintage}
        elif table == "labels":
            yield from ({"decision_id": f"d{n}", "as_of": as_of} for n in range(7))
        elif table == "training_table":
            keys = [{"decision_id": f"d{rep}", "RepCRD": rep, "decision_at": _moment(random)} for rep in REPS]
            yield from (key | {"as_of": as_of} for key in (*keys, keys[0]))  # one decision stands twice
    if table == "statistics":
        yield {}
    elif table in ("decisions", "features"):
        yield from ({"decision_id": f"d{n}", "row_number": n, "decision_at": _moment(random)} for n in range(10))
    elif table in ("decision_log", "crm_leads"):
        for n in range(16):
            day = PARAMETERS["DATE"][n % 3]
            decided = {"decision_at": _instant(day) + timedelta(seconds=n * 5_000)} if n < 9 else {}
            yield {"decision_id": f"d{n % 14}", "known_at": _moment(random), **decided}


def _column(field: pa.Field, rows: list[dict[str, object]], random: np.random.Generator) -> pa.Array:
    draw = _drawer(field, random)
    values = [row[field.name] if field.name in row else None if random.random() < 1 / 6 else draw() for row in rows]
    return pa.array(values, field.type)


def _drawer(field: pa.Field, random: np.random.Generator) -> Callable[[], object]:
    """Draws one value that suits the column's name and type."""
    name, kind = field.name, field.type
    if name in ("RepCRD", "entity", "RIA_CONTACT_CRD_ID"):
        return lambda: int(random.choice(REPS))
    if "FirmCRD" in name or "COMPANY_CRD" in name:
        return lambda: int(random.choice(FIRMS))
    if name in ("outcome", "label") or name.startswith(("Has_", "Is", "Known")):
        return lambda: int(random.integers(0, 2))
    if kind == pa.int64():
        return lambda: int(random.choice([0, 1, 2, 3, 5, 20, 40, 120]))
    if kind == pa.float64():
        return lambda: float(random.choice([0, 0.5, 1.5, 2, 4, 12, 30, 55, 85, 95, 600, -3.25]))
    if kind == pa.bool_():
        return lambda: bool(random.random() < 0.3)
    if kind == pa.date32():
        if name.endswith("as_of"):
            return lambda: QUARTERS[random.integers(0, 3)]
        return lambda: date(2022, 6, 1) + timedelta(days=int(random.integers(0, 760)))
    if kind == TIMESTAMP:
        return lambda: _moment(random)
    return lambda: str(random.choice(_WORDS.get(name, _STATES)))


def _instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _moment(random: np.random.Generator) -> datetime:
    """An instant of early 2024: a third on a day used as parameter, a third a midnight, where windows end."""
    kind = random.integers(0, 3)
    if kind == 0:
        day = PARAMETERS["DATE"][random.integers(0, 3)]
        return _instant(day) + timedelta(seconds=int(random.integers(0, 86_400)))
    seconds = int(random.integers(0, 240 * 86_400))
    return _instant(QUARTERS[0]) + timedelta(seconds=seconds - seconds % 86_400 * int(kind == 1))
