"""The bank's campaign as it is: one leak, six clocks, and nothing else.

Needs LEADSCORE_SHARED_DATA, a folder that holds bank_marketing/bank_marketing.parquet; skipped without it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.audit.statistics import statistics_verdicts
from leadscore_dagster.core.table.features.catalogue import Feature

FOLDER = os.environ.get("LEADSCORE_SHARED_DATA")
CLOCKS = {"emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed", "month"}


@pytest.mark.skipif(not FOLDER, reason="NOT RUN: LEADSCORE_SHARED_DATA names no folder with the bank's data")
def test_duration_is_suspect_the_macro_indices_and_month_are_clocks_and_nothing_else_is_named() -> None:
    contacts = pq.read_table(Path(FOLDER or "") / "bank_marketing" / "bank_marketing.parquet")
    month = np.array(contacts["contact_year_month"].to_pylist(), dtype="datetime64[us]")
    moment = month + contacts["row_order"].to_numpy().astype("timedelta64[m]")
    names = [name for name in contacts.column_names if name not in ("row_order", "contact_year_month", "y")]
    features = [
        Feature(name, "", "number" if contacts[name].type in (pa.int64(), pa.float64()) else "category")
        for name in names
    ]
    rows = contacts.select(names).append_column("label", contacts["y"])
    rows = rows.append_column("decision_at", pa.array(moment, pa.timestamp("us", tz="UTC")))
    rows = rows.append_column("decision_id", pc.cast(contacts["row_order"], pa.string()))
    found = statistics_verdicts(rows, features, seed=1)
    assert {verdict.feature for verdict in found if verdict.verdict == "suspect"} == {"duration"}
    assert {verdict.feature for verdict in found if verdict.metric == "clock"} == CLOCKS
    assert {verdict.feature for verdict in found if verdict.verdict == "unproven"} == CLOCKS
