"""Replay: honest features never change, features that look ahead do."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadscore_dagster.core.audit.destruction import CUT
from leadscore_dagster.core.audit.replay import DatedTable, replay
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.audit.world import (
    COMPANIONS,
    HONEST,
    LATER_CALLS,
    NEWEST,
    START,
    TABLES,
    build,
    features_of,
    make_world,
)

KEYED = [
    DatedTable("job_vintage", "available_at", events=("start_date",), keys=("person",)),
    DatedTable("call_log", "known_at", is_vintage=False, keys=("person",)),
]
#: leaks that a world emptied at the end of an interval need not show: they look ahead by hours, not by quarters
SOON = {
    "calls of the next three days": """
SELECT d.decision_id, COUNT(c.person) AS calls FROM decisions AS d
LEFT JOIN call_log AS c ON c.person = d.person AND c.known_at <= TIMESTAMP_ADD(d.decision_at, INTERVAL 3 DAY)
GROUP BY d.decision_id""",
    "size of the call that follows": """
SELECT d.decision_id, c.size FROM decisions AS d LEFT JOIN call_log AS c ON c.person = d.person
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY d.decision_id ORDER BY c.known_at <= d.decision_at, c.known_at, c.size) = 1""",
    "vintages dated before, whenever they arrived": """
SELECT d.decision_id, MAX(j.as_of) AS newest FROM decisions AS d
LEFT JOIN job_vintage AS j ON j.as_of <= DATE(d.decision_at) GROUP BY d.decision_id""",
    "whether a call ever follows": """
SELECT d.decision_id, EXISTS (
  SELECT 1 FROM call_log AS c WHERE c.person = d.person AND c.known_at > d.decision_at) AS follows
FROM decisions AS d""",
}
SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEWER = settings(FEW, max_examples=3)


@FEW
@given(seed=SEEDS, vintages=st.integers(1, 5), decisions=st.integers(1, 40))
def test_honest_features_are_identical_in_every_world(tmp_path: Path, seed: int, vintages: int, decisions: int) -> None:
    lake = make_world(tmp_path, seed, vintages=vintages, decisions=decisions)
    rows = build(lake, HONEST)
    report = replay(lake, HONEST, rows, TABLES, features_of(rows))
    assert [feature for feature in report.features if feature.different] == []
    assert {verdict.verdict for verdict in report.verdicts()} == {"clear"}
    assert {feature.rows for feature in report.features} == {decisions}


@FEW
@given(seed=SEEDS)
def test_a_feature_from_the_newest_vintage_is_found_in_every_world(tmp_path: Path, seed: int) -> None:
    lake = make_world(tmp_path, seed, people=8, decisions=60)
    rows = build(lake, NEWEST)
    (verdict,) = replay(lake, NEWEST, rows, TABLES, ["pay"]).verdicts()
    assert (verdict.verdict, verdict.metric) == ("leak", "rows_different")
    assert verdict.value is not None
    assert verdict.value > 0
    assert "of 60 rows change" in verdict.evidence


def test_a_log_read_beyond_the_decision_is_found(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 1, decisions=60)
    (verdict,) = replay(lake, LATER_CALLS, build(lake, LATER_CALLS), TABLES, ["calls"]).verdicts()
    assert verdict.verdict == "leak"


def test_a_feature_that_counts_other_decisions_is_found(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 2, decisions=60)
    (verdict,) = replay(lake, COMPANIONS, build(lake, COMPANIONS), TABLES, ["companions"]).verdicts()
    assert verdict.verdict == "leak"


def test_a_feature_that_asks_whether_a_decision_follows_is_found_even_if_none_does(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 2, people=50, decisions=1)
    sql = """SELECT d.decision_id, EXISTS (SELECT 1 FROM decisions AS e
      WHERE e.person = d.person AND e.decision_at > d.decision_at) AS followed FROM decisions AS d"""
    (feature,) = replay(lake, sql, build(lake, sql), TABLES, ["followed"]).features
    assert feature.example == ("d0000", False, True)


def test_earlier_decisions_of_the_same_person_may_be_counted(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 2, decisions=60)
    sql = """SELECT d.decision_id, COUNT(e.decision_id) AS earlier FROM decisions AS d
      LEFT JOIN decisions AS e ON e.person = d.person AND e.decision_at < d.decision_at GROUP BY d.decision_id"""
    rows = build(lake, sql)
    assert pa.compute.max(rows["earlier"]).as_py() > 3
    (verdict,) = replay(lake, sql, rows, TABLES, ["earlier"]).verdicts()
    assert verdict.verdict == "clear"


def test_the_example_is_a_row_that_really_differs(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 3, decisions=60)
    rows = build(lake, NEWEST)
    (feature,) = replay(lake, NEWEST, rows, TABLES, ["pay"]).features
    assert feature.example is not None
    decision, stored, again = feature.example
    row = rows.filter(pa.compute.equal(rows["decision_id"], decision)).to_pylist()[0]
    assert stored == row["pay"] or (math.isnan(stored) and math.isnan(row["pay"]))  # type: ignore[arg-type]
    assert stored != again


def test_a_stored_value_changed_by_one_bit_is_found(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 4)
    rows = build(lake, HONEST)
    pay = rows["pay"].to_numpy().copy()
    place = int(np.flatnonzero(np.isfinite(pay))[0])
    pay[place] = np.nextafter(pay[place], np.inf)
    changed = rows.set_column(
        rows.schema.get_field_index("pay"), "pay", pa.array(pay, mask=rows["pay"].is_null().to_numpy())
    )
    found = {
        feature.feature: feature.different for feature in replay(lake, HONEST, changed, TABLES, ["pay", "gap"]).features
    }
    assert found == {"pay": 1, "gap": 0}


def test_missing_and_nan_are_not_the_same(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 5, decisions=60)
    rows = build(lake, HONEST)
    pay = rows["pay"].combine_chunks()
    assert pa.compute.any(pa.compute.is_nan(pay)).as_py()
    cleaned = pa.compute.if_else(pa.compute.is_nan(pay), None, pay)
    changed = rows.set_column(rows.schema.get_field_index("pay"), "pay", cleaned)
    (feature,) = replay(lake, HONEST, changed, TABLES, ["pay"]).features
    assert feature.different == pa.compute.sum(pa.compute.is_nan(pay)).as_py()


def test_a_decision_the_rebuild_loses_counts_as_different(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 6)
    sql = f"SELECT h.* FROM ({HONEST}) AS h WHERE h.decision_id <> 'd0003'"
    (feature,) = replay(lake, sql, build(lake, HONEST), TABLES, ["calls"]).features
    assert feature.different == 1
    assert feature.example is not None
    assert feature.example[0] == "d0003"


def test_a_fact_dated_after_the_decision_is_destroyed(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 7, vintages=1)
    vintage = lake.query("SELECT * FROM job_vintage").read_all()
    future = datetime(2030, 1, 1, tzinfo=UTC).date()
    place = vintage.schema.get_field_index("start_date")
    planned = vintage.set_column(place, "start_date", pa.array([future] * vintage.num_rows, pa.date32()))
    lake.write_partition("job_vintage", "2024-01-01", planned)
    rows = build(lake, HONEST)
    (with_events,) = replay(lake, HONEST, rows, TABLES, ["firm"]).features
    (without,) = replay(lake, HONEST, rows, [DatedTable("job_vintage", "available_at"), TABLES[1]], ["firm"]).features
    assert with_events.different > 0
    assert without.different == 0


def test_no_training_row_proves_nothing(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 8)
    rows = build(lake, HONEST).slice(0, 0)
    assert {verdict.verdict for verdict in replay(lake, HONEST, rows, TABLES, ["pay"]).verdicts()} == {"unproven"}


def test_decisions_before_the_first_vintage_are_replayed_too(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 9)
    asked = {"decision_id": ["early"], "person": [0], "decision_at": pa.array([START], pa.timestamp("us", tz="UTC"))}
    lake.write_partition("asked", "all", pa.table(asked))
    (honest,) = replay(lake, HONEST, build(lake, HONEST), TABLES, ["firm"]).features
    assert (honest.rows, honest.different) == (1, 0)
    everybody = "SELECT d.decision_id, (SELECT COUNT(*) FROM job_vintage AS j) AS jobs FROM decisions AS d"
    (looking,) = replay(lake, everybody, build(lake, everybody), TABLES, ["jobs"]).features
    assert looking.example is not None
    assert looking.example[2] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), "decision_id is repeated"),
        (lambda rows: rows.drop_columns(["pay"]), "no column pay"),
    ],
)
def test_a_training_table_that_cannot_be_replayed_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    lake = make_world(tmp_path, 10)
    with pytest.raises(InputError, match=message):
        replay(lake, HONEST, change(build(lake, HONEST)), TABLES, ["pay"])


def test_a_query_that_repeats_a_decision_is_refused(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 11)
    sql = f"SELECT h.* FROM ({HONEST}) AS h UNION ALL SELECT h.* FROM ({HONEST}) AS h"
    with pytest.raises(InputError, match="decision_id is repeated"):
        replay(lake, sql, build(lake, HONEST), TABLES, ["pay"])


def test_instants_are_compared_to_the_microsecond(tmp_path: Path) -> None:
    """A vintage that arrives at the very instant of a decision is known to it; a microsecond later it is not."""
    lake = make_world(tmp_path, 12, vintages=2)
    instant = lake.query("SELECT MAX(available_at) AS last FROM job_vintage").read_all()["last"][0].as_py()
    moments = [instant, instant - timedelta(microseconds=1)]
    asked = {
        "decision_id": ["at", "before"],
        "person": [0, 0],
        "decision_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
    }
    lake.write_partition("asked", "all", pa.table(asked))
    assert {f.different for f in replay(lake, HONEST, build(lake, HONEST), TABLES, ["pay", "firm"]).features} == {0}
    strict = HONEST.replace(
        "c.available_at <= d.decision_at", "c.available_at <= TIMESTAMP_ADD(d.decision_at, INTERVAL 1 MICROSECOND)"
    )
    strict = strict.replace(
        "j.available_at <= d.decision_at", "j.available_at <= TIMESTAMP_ADD(d.decision_at, INTERVAL 1 MICROSECOND)"
    )
    rows = build(lake, strict)
    assert sum(f.different for f in replay(lake, strict, rows, TABLES, ["pay", "firm"]).features) > 0


@FEW
@given(seed=SEEDS, draw=SEEDS, decisions=st.integers(1, 30), keyed=st.booleans())
def test_honest_features_survive_any_scrambled_future(
    tmp_path: Path, seed: int, draw: int, decisions: int, keyed: bool
) -> None:
    lake = make_world(tmp_path, seed, decisions=decisions)
    rows = build(lake, HONEST)
    tables = KEYED if keyed else TABLES
    report = replay(lake, HONEST, rows, tables, features_of(rows), moments=4, seed=draw)
    assert [feature for feature in report.features if feature.different] == []
    assert report.moments == min(4, decisions)


@pytest.mark.parametrize("leak", SOON)
@FEWER
@given(seed=SEEDS, draw=SEEDS)
def test_a_feature_that_looks_ahead_a_little_is_found_in_every_world(
    tmp_path: Path, leak: str, seed: int, draw: int
) -> None:
    lake = make_world(tmp_path, seed, decisions=40)
    rows = build(lake, SOON[leak])
    (feature,) = replay(lake, SOON[leak], rows, KEYED, features_of(rows), moments=6, seed=draw).features
    assert feature.different > 0


def _one_interval(tmp_path: Path) -> Lake:
    """Two decisions with no arrival between them; the first is followed by a call on the next day."""
    lake = make_world(tmp_path, 13, vintages=1)
    kind = pa.timestamp("us", tz="UTC")
    calls = {"person": [0], "size": [5], "known_at": pa.array([START + timedelta(days=61)], kind)}
    lake.write_partition("call_log", "all", pa.table(calls))
    moments = pa.array([START + timedelta(days=60), START + timedelta(days=90)], kind)
    asked = {"decision_id": ["first", "last"], "person": [0, 0], "decision_at": moments}
    lake.write_partition("asked", "all", pa.table(asked))
    return lake


@pytest.mark.parametrize("seed", range(4))
def test_a_row_that_became_known_between_two_decisions_of_an_interval_is_found_at_the_instant(
    tmp_path: Path, seed: int
) -> None:
    lake = _one_interval(tmp_path)
    sql = SOON["calls of the next three days"]
    rows = build(lake, sql)
    (by_interval,) = replay(lake, sql, rows, KEYED, ["calls"], moments=0).features
    (exact,) = replay(lake, sql, rows, KEYED, ["calls"], moments=2, seed=seed).features
    assert by_interval.different == 0
    assert exact.example is not None
    assert exact.example[:2] in {("first", 1), ("last", 1)}


def test_a_vintage_that_arrives_later_on_the_day_is_found_though_none_did(tmp_path: Path) -> None:
    """Dates are compared instead of instants: wrong, and no stored vintage shows it."""
    lake = _one_interval(tmp_path)
    sql = """SELECT d.decision_id, MAX(j.as_of) AS newest FROM decisions AS d
      LEFT JOIN job_vintage AS j ON DATE(j.available_at) <= DATE(d.decision_at) GROUP BY d.decision_id"""
    rows = build(lake, sql)
    (by_interval,) = replay(lake, sql, rows, KEYED, ["newest"], moments=0).features
    (exact,) = replay(lake, sql, rows, KEYED, ["newest"]).features
    assert by_interval.different == 0
    assert exact.different > 0


def test_a_join_that_takes_in_what_follows_counts_as_a_difference(tmp_path: Path) -> None:
    """More rows follow in the scrambled world, so the query repeats decisions; those of the honest feature agree."""
    lake = _one_interval(tmp_path)
    sql = """SELECT d.decision_id, d.person AS who, c.size FROM decisions AS d
      LEFT JOIN call_log AS c ON c.person = d.person"""
    report = replay(lake, sql, build(lake, sql), KEYED, ["who", "size"], moments=2)
    assert {feature.feature: feature.different > 0 for feature in report.features} == {"who": False, "size": True}


def test_a_value_filled_in_later_is_destroyed_and_scrambled(tmp_path: Path) -> None:
    lake = _one_interval(tmp_path)
    kind = pa.timestamp("us", tz="UTC")
    log = {
        "person": [0],
        "answer": ["yes"],
        "answered_at": pa.array([START + timedelta(days=75)], kind),
        "known_at": pa.array([START], kind),
    }
    lake.write_partition("call_log", "all", pa.table(log))
    tables = [DatedTable("call_log", "known_at", False, keys=("person",), later={"answer": "answered_at"})]
    leak = """SELECT d.decision_id, c.answer FROM decisions AS d
      LEFT JOIN call_log AS c ON c.person = d.person AND c.known_at <= d.decision_at"""
    honest = leak.replace("c.answer", "IF(c.answered_at <= d.decision_at, c.answer, NULL) AS answer")
    assert [replay(lake, sql, build(lake, sql), tables, ["answer"], moments=2).features[0].different for sql in
            (honest, leak)] == [0, 1]  # fmt: skip


def test_the_scrambled_world_differs_only_in_what_was_not_known(tmp_path: Path) -> None:
    lake = make_world(tmp_path, 14)
    everything = pa.table(
        {
            "person": [1, 2, 3],
            "flag": [True, None, False],
            "count": pa.array([1, None, 2**62]),
            "pay": pa.array([float("nan"), None, 0.5]),
            "text": pa.array(["a", None, ""]),
            "day": pa.array([date(2024, 1, 1), None, date(9999, 12, 31)]),
            "moment": pa.array([START, None, START], pa.timestamp("us", tz="UTC")),
            "as_of": pa.array([date(2024, 1, 1)] * 3),
            "known_at": pa.array([START + timedelta(days=d) for d in (5, 5, 5)], pa.timestamp("us", tz="UTC")),
        }
    )
    lake.write_partition("log", "all", everything)
    dated = DatedTable("log", "known_at", is_vintage=False, keys=("person",))
    select = dated.as_scrambled(lake.schema("log"))
    then = table(lake, select, {CUT: START + timedelta(days=5)})
    assert then.num_rows == 6  # all were known, and follow once more
    assert then.slice(0, 3).drop_columns(["pay"]).equals(everything.drop_columns(["pay"]))
    assert pa.compute.unique(then.slice(3)["known_at"]).to_pylist() == [START + timedelta(days=5, microseconds=1)]
    before = table(lake, select, {CUT: START})
    assert before.num_rows == 6  # none was known: each stands there twice, with other values
    assert before.slice(0, 3).equals(before.slice(3))
    before = before.slice(0, 3)
    assert before.schema.equals(everything.schema)
    assert before.select(["person", "as_of", "known_at"]).equals(everything.select(["person", "as_of", "known_at"]))
    for name in ("flag", "count", "pay", "text", "day", "moment"):
        assert before[name].null_count == 0
        pairs = zip(before[name].to_pylist(), everything[name].to_pylist(), strict=True)
        assert all(value != stored for value, stored in pairs), name
    assert before["day"].to_pylist()[2] > date(2100, 1, 1)
