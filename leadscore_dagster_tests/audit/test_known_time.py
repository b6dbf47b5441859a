"""The known-time audit: evidence after the decision is counted over matched rows and mapped onto features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.known_time import (
    Evidence,
    evidence_of,
    known_time_verdicts,
    relations_with_evidence,
)
from leadscore_dagster.core.audit.lineage import Lineage, read_lineage
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse.lake.engine import Lake

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER, EARLIER = NOON + timedelta(seconds=1), NOON - timedelta(days=3)
INSTANT = pa.timestamp("us", tz="UTC")
SCHEMAS = {
    "decisions": ["decision_id", "person", "decision_at"],
    "rep_vintage": ["person", "aum", "available_at"],
    "job_vintage": ["person", "pay", "available_at"],
}
SQL = """
SELECT d.decision_id, r.aum, j.pay, r.aum / j.pay AS ratio, EXTRACT(HOUR FROM d.decision_at) AS hour,
  EXISTS (SELECT 1 FROM rep_vintage AS o WHERE o.person = d.person AND o.available_at <= d.decision_at) AS listed
FROM decisions AS d
LEFT JOIN rep_vintage AS r ON r.person = d.person AND r.available_at <= d.decision_at
LEFT JOIN job_vintage AS j ON j.person = d.person AND j.available_at <= d.decision_at
"""
FEATURES = ["aum", "pay", "ratio", "hour"]
DATED = ["rep_vintage", "job_vintage"]


@pytest.fixture
def lineage() -> Lineage:
    return read_lineage(SQL, SCHEMAS)


def training(root: Path, **evidence: list[datetime | None]) -> tuple[Lake, list[str]]:
    lake = Lake(root, "known")
    columns = {name: pa.array(values, INSTANT) for name, values in evidence.items()}
    rows = len(next(iter(columns.values()))) if columns else 1
    ids = [f"d{number}" for number in range(rows)]
    table = pa.table({"decision_id": ids, "decision_at": pa.array([NOON] * rows, INSTANT), **columns})
    lake.write_partition("training_table", "all", table)
    return lake, table.column_names


def test_rates_are_over_the_rows_that_matched(tmp_path: Path) -> None:
    known = [None] * 7 + [EARLIER, NOON, LATER]
    lake, columns = training(tmp_path, evidence_rep_vintage_known_at=known)
    assert evidence_of(lake, columns) == [Evidence("rep_vintage", 3, 1, 0, "d9")]


def test_a_fact_that_happened_after_the_decision_counts_even_if_it_was_known(tmp_path: Path) -> None:
    lake, columns = training(
        tmp_path, evidence_rep_vintage_known_at=[EARLIER, EARLIER], evidence_rep_vintage_event_at=[EARLIER, LATER]
    )
    assert evidence_of(lake, columns) == [Evidence("rep_vintage", 2, 0, 1, "d1")]


def test_a_leak_reaches_the_features_that_read_the_relation_and_no_other(lineage: Lineage) -> None:
    found = [Evidence("rep_vintage", 40, 10, 0, "d7"), Evidence("job_vintage", 90, 0, 0)]
    verdicts = {v.feature: v for v in known_time_verdicts(found, lineage, FEATURES, DATED)}
    assert {name: verdict.verdict for name, verdict in verdicts.items()} == {
        "aum": "leak",
        "pay": "clear",
        "ratio": "leak",
        "hour": "clear",
    }
    assert verdicts["aum"].value == 0.25
    assert "of 40 matched rows 10 use a fact known" in verdicts["aum"].evidence
    assert "0 of 90 matched rows" in verdicts["pay"].evidence


def test_a_feature_made_of_control_flow_only_is_judged_by_the_tables_it_looks_at(lineage: Lineage) -> None:
    found = [Evidence("rep_vintage", 40, 10, 0, "d7"), Evidence("job_vintage", 90, 0, 0)]
    (verdict,) = known_time_verdicts(found, lineage, ["listed"], DATED)
    assert verdict.verdict == "leak"


def test_a_relation_without_evidence_leaves_its_features_unproven(lineage: Lineage) -> None:
    verdicts = known_time_verdicts([Evidence("rep_vintage", 5, 0, 0)], lineage, ["aum", "pay"], DATED)
    assert [verdict.verdict for verdict in verdicts] == ["clear", "unproven"]
    assert "no evidence columns for job_vintage" in verdicts[1].evidence


def test_a_relation_that_matched_no_row_proves_nothing(lineage: Lineage) -> None:
    (verdict,) = known_time_verdicts([Evidence("rep_vintage", 0, 0, 0)], lineage, ["aum"], DATED)
    assert verdict.verdict == "unproven"


def test_a_training_table_without_evidence_is_refused(tmp_path: Path) -> None:
    lake, columns = training(tmp_path)
    with pytest.raises(InputError, match="no evidence columns"):
        evidence_of(lake, columns)


def test_relations_are_read_off_the_columns() -> None:
    columns = ["decision_id", "evidence_b_known_at", "evidence_a_known_at", "evidence_a_event_at", "evidence_c_as_of"]
    assert relations_with_evidence(columns) == ["a", "b"]
