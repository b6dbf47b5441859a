"""A stranger's recipe: a vendor of clinics, a recipe folder and a library of SQL beside it, all in one folder.

Nothing of it is the advisors': other tables and keys, columns called ``Title`` and ``Notes``, months instead of
quarters, two vintages of which no product SQL has heard. One of them, and the demos, are tables of an SQLite database.
What converts is drawn before the outcome: clinics with more chairs, and professors.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
import yaml

#: the month that is run, a day of the month after it, and how many there are of everything
AS_OF, DAY = "2025-09-01", "2025-09-10"
MONTHS, CLINICS, DEMOS, SEED = 7, 1_500, 6_000, 3
FIRST = date(2025, 3, 1)
TITLES, REGIONS = ("Dr", "Prof", "GmbH"), ("north", "south", "east", "west")

RECIPE: dict[str, Any] = {
    "name": "clinics",
    "title": "Clinics, bought within 14 days of the demo call",
    "cadence": "month",
    "first_as_of": FIRST,
    "libraries": ["../common"],
    "sources": {
        "practices": {
            "kind": "vintage",
            "table": "practice_snapshot",
            "contract": "practices",
            "files": ["practices_{month}"],
            "available_after_days": 4,
        },
        "markets": {
            "kind": "vintage",
            "table": "market_index",
            "contract": "markets",
            "available_after_days": 9,
        },
        "demos": {
            "kind": "log",
            "table": "demos",
            "contract": "demos",
            "files": ["demos"],
            "known_at": "asked_at",
            "known_later": {"called_at": "called_at", "bought_at": "bought_at"},
        },
    },
    "decisions": {"source": "demos", "id": "demo_no", "entity": "clinic_no", "at": "called_at"},
    "label": {"kind": "window", "outcome_at": "bought_at", "days": 14},
    "features": {"sets": ["clinic", "region"]},
    "audits": [
        "audits/chairs_nobody_stated",
        "audits/vintage_known_after_decision",
        "audits/event_after_decision",
        "audits/decision_not_unique",
    ],
    "model": {
        "estimators": ["logistic_regression"],
        "folds": 3,
        "gap_days": 14,
        "periods": {"development": 0.5, "calibration": 0.25, "test": 0.25},
        "minimum_positives": 50,
        "bootstrap_replicates": 200,
    },
    "gates": {"test_positives": {"at_least": 30}, "auc_roc": {"at_least": 0.55}, "ece": {"at_most": 0.2}},
    "scoring": {
        "decisions": "scoring/open_leads",
        "carry": ["product"],
        "buckets": [{"name": "All", "from_percentile": 0, "action": "Call"}],
    },
}
CONTRACTS: dict[str, dict[str, Any]] = {
    "practices": {
        "key": ["clinic_no"],
        "columns": [
            {"name": "clinic_no", "type": "key", "nullable": False},
            {"name": "region_code", "type": "text"},
            {"name": "Title", "type": "text", "description": "How the owner is addressed"},
            {"name": "Notes", "type": "text"},
            {"name": "chairs", "type": "integer", "minimum": 0},
            {"name": "opened", "type": "date", "not_after_as_of": True, "temporal": "stable"},
        ],
    },
    "markets": {
        "key": ["region_code"],
        "columns": [{"name": "region_code", "type": "text", "nullable": False}, {"name": "demand", "type": "number"}],
    },
    "demos": {
        "key": ["demo_no"],
        "columns": [
            {"name": "demo_no", "type": "text", "nullable": False},
            {"name": "clinic_no", "type": "key"},
            {"name": "product", "type": "text"},
            {"name": "asked_at", "type": "timestamp", "nullable": False},
            {"name": "called_at", "type": "timestamp"},
            {"name": "bought_at", "type": "timestamp", "known": "after_outcome"},
        ],
    },
}
KNOWN = """-- The clinic as the newest snapshot known at the decision shows it. One row per decision.
SELECT
  d.decision_id, d.decision_at, p.as_of, p.available_at, p.region_code, p.Title, p.Notes, p.chairs, p.opened
FROM decisions AS d
LEFT JOIN known_vintage AS v ON v.decision_id = d.decision_id AND v.table_name = 'practice_snapshot'
LEFT JOIN practice_snapshot AS p
  ON p.clinic_no = d.clinic_no AND p.as_of = v.as_of
  AND p.available_at >= v.available_at AND p.available_at <= d.decision_at
"""
CLINIC = """-- What is known of the clinic. One row per decision.
SELECT
  k.decision_id,
  k.Title,
  k.chairs,
  IF(k.Notes IS NULL, 0, 1) AS has_notes,
  DATE_DIFF(DATE(k.decision_at), k.opened, MONTH) AS months_open,
  k.as_of AS evidence_practice_snapshot_as_of,
  k.available_at AS evidence_practice_snapshot_known_at,
  TIMESTAMP(k.as_of) AS evidence_practice_snapshot_event_at
FROM known_practice AS k
"""
REGION = """-- The market of the clinic's region. One row per decision.
SELECT
  k.decision_id,
  m.demand,
  m.as_of AS evidence_market_index_as_of,
  m.available_at AS evidence_market_index_known_at
FROM known_practice AS k
LEFT JOIN known_vintage AS v ON v.decision_id = k.decision_id AND v.table_name = 'market_index'
LEFT JOIN market_index AS m
  ON m.region_code = k.region_code AND m.as_of = v.as_of
  AND m.available_at >= v.available_at AND m.available_at <= k.decision_at
"""
AUDIT = """-- Violations: training rows of @as_of with a number of chairs that no snapshot stated of the clinic.
-- parameter: as_of DATE
SELECT t.decision_id, 'chairs' AS fact, t.decision_at AS fact_at, t.decision_at
FROM training_table AS t
LEFT JOIN practice_snapshot AS p ON p.clinic_no = t.clinic_no AND p.chairs = t.chairs
WHERE t.as_of = @as_of AND t.chairs IS NOT NULL AND p.clinic_no IS NULL
"""
OPEN = """-- Demos asked for in the thirty days before @day and not called by then. One row per clinic.
-- parameter: day DATE
SELECT l.decision_id, l.entity AS clinic_no, TIMESTAMP(@day) AS decision_at
FROM decision_log AS l
WHERE l.known_at < TIMESTAMP(@day)
  AND l.known_at >= TIMESTAMP(DATE_SUB(@day, INTERVAL 30 DAY))
  AND (l.decision_at IS NULL OR l.decision_at >= TIMESTAMP(@day))
QUALIFY ROW_NUMBER() OVER (PARTITION BY l.entity ORDER BY l.known_at DESC, l.decision_id) = 1
"""
CATALOGUES = {
    "clinic": [
        {"name": "Title", "definition": "How the owner is addressed", "type": "category"},
        {"name": "chairs", "definition": "Treatment chairs", "type": "integer", "phrase": "{value:.0f} chairs"},
        {"name": "has_notes", "definition": "The vendor wrote something down", "type": "flag"},
        {"name": "months_open", "definition": "Months since it opened", "type": "integer"},
    ],
    "region": [{"name": "demand", "definition": "Demand in the region, index", "type": "number"}],
}


def write_recipe(root: Path, **changes: Any) -> Path:
    """The recipe folder ``clinics`` and the library ``common`` beside it; returns the recipe folder."""
    folder = root / "clinics"
    files = {
        "clinics/recipe.yaml": yaml.safe_dump(RECIPE | changes, sort_keys=False),
        "clinics/sql/features/clinic.sql": CLINIC,
        "clinics/sql/features/region.sql": REGION,
        "clinics/sql/audits/chairs_nobody_stated.sql": AUDIT,
        "clinics/sql/scoring/open_leads.sql": OPEN,
        "common/vintages/known_practice.sql": KNOWN,
        **{f"clinics/contracts/{name}.yaml": yaml.safe_dump({"name": name, **c}) for name, c in CONTRACTS.items()},
        **{f"clinics/sql/features/{name}.yaml": yaml.safe_dump(entries) for name, entries in CATALOGUES.items()},
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def write_data(folder: Path) -> dict[str, str]:
    """Monthly drops of clinics as CSV; markets by month and the demos in an SQLite database. Returns where they lie."""
    rng = np.random.default_rng(SEED)
    (folder / "drops").mkdir(parents=True)
    clinics = pd.DataFrame(
        {
            "clinic_no": np.arange(CLINICS) + 70_000,
            "region_code": rng.choice(REGIONS, CLINICS),
            "Title": rng.choice(TITLES, CLINICS, p=(0.6, 0.2, 0.2)),
            "Notes": np.where(rng.random(CLINICS) < 0.3, "called before", None),
            "chairs": 1 + rng.poisson(3, CLINICS),
            "opened": pd.Timestamp(2005, 1, 1) + pd.to_timedelta(rng.integers(0, 7_540, CLINICS), unit="D"),
        }
    )
    markets: list[dict[str, Any]] = []
    for month in pd.date_range(FIRST, periods=MONTHS, freq="MS"):
        label = (month - timedelta(days=1)).strftime("%Y_%m")
        clinics[clinics["opened"] < month].to_csv(
            folder / "drops" / f"practices_{label}.csv", index=False, date_format="%Y-%m-%d"
        )
        taken_on = (month - timedelta(days=1)).date()
        demand = rng.normal(100, 10, len(REGIONS)).round(2)
        markets += [
            {"region_code": r, "demand": float(d), "taken_on": taken_on} for r, d in zip(REGIONS, demand, strict=True)
        ]
        clinics["chairs"] += rng.random(CLINICS) < 0.02
    drops, database = str(folder / "drops"), f"sqlite:///{folder / 'crm.db'}"
    _write(database, "markets", {"region_code": sa.Text, "demand": sa.Float, "taken_on": sa.Date}, markets)
    _write(database, "demos", DEMO_COLUMNS, _demos(clinics, rng))
    return {
        "practices": drops,
        "markets": f"{database}?table=markets&snapshot=taken_on",
        "demos": f"{database}?table=demos&zone=UTC",
    }


#: the three instants are stored without a zone, as most databases do: the location says that they are UTC
DEMO_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("demo_no", "clinic_no", "product"), sa.Text),
    **dict.fromkeys(("asked_at", "called_at", "bought_at"), sa.DateTime),
}


def _demos(clinics: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, Any]]:
    chosen = clinics.iloc[rng.integers(0, CLINICS, DEMOS)]
    start = datetime(2025, 3, 12, tzinfo=UTC)
    asked = [start + timedelta(minutes=int(minutes)) for minutes in np.sort(rng.integers(0, 183 * 1_440, DEMOS))]
    called = [
        moment + timedelta(hours=float(hours)) for moment, hours in zip(asked, rng.exponential(40, DEMOS), strict=True)
    ]
    logit = -2.6 + 0.35 * (chosen["chairs"].to_numpy() - 4) + 0.9 * (chosen["Title"] == "Prof").to_numpy()
    buys = rng.random(DEMOS) < 1 / (1 + np.exp(-logit))
    bought = [
        moment + timedelta(days=float(days)) for moment, days in zip(called, rng.uniform(0.5, 13, DEMOS), strict=True)
    ]
    today = datetime(2025, 9, 15, tzinfo=UTC)
    return [
        {
            "demo_no": f"D{place:05d}",
            "clinic_no": str(chosen["clinic_no"].iloc[place]),
            "product": ("chair", "lamp")[place % 2],
            "asked_at": asked[place].replace(tzinfo=None),
            "called_at": called[place].replace(tzinfo=None) if called[place] < today else None,
            "bought_at": bought[place].replace(tzinfo=None) if buys[place] and bought[place] < today else None,
        }
        for place in range(DEMOS)
    ]


def _write(database: str, name: str, columns: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    table = sa.Table(name, sa.MetaData(), *(sa.Column(column, kind) for column, kind in columns.items()))
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), rows)
    engine.dispose()
