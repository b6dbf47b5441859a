"""Lineage: what each output column depends on, held against Google's own resolver."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from leadscore_dagster.core.audit.lineage import LineageError, feature_lineage, read_lineage
from leadscore_dagster_tests.audit.google_scan import scanned_columns, schema_of

SCHEMAS = {
    "decisions": ["decision_id", "person", "decision_at"],
    "rep_vintage": ["person", "firm", "aum", "clients", "tags", "as_of", "available_at"],
    "job_vintage": ["person", "firm", "start_date", "end_date", "as_of", "available_at"],
    "event_log": ["person", "kind", "size", "event_at", "known_at"],
    "employment_current": ["person", "firm", "start_date", "end_date"],
}

#: queries that use one construct each
QUERIES = {
    "plain columns": "SELECT d.decision_id, d.person + 1 AS x FROM decisions AS d",
    "left join": """
        SELECT d.decision_id, r.aum FROM decisions AS d
        LEFT JOIN rep_vintage AS r ON r.person = d.person AND r.available_at <= d.decision_at""",
    "using": "SELECT decision_id, person, aum FROM decisions JOIN rep_vintage USING (person)",
    "full join using": "SELECT person, d.decision_id, r.aum FROM decisions d FULL JOIN rep_vintage r USING (person)",
    "star": "SELECT * FROM employment_current",
    "star except": "SELECT * EXCEPT (firm, end_date) FROM employment_current",
    "star replace": "SELECT * REPLACE (firm + person AS firm) FROM employment_current",
    "alias star": "SELECT d.*, r.aum FROM decisions d JOIN rep_vintage r ON r.person = d.person",
    "common table expressions": """
        WITH a AS (SELECT person, aum, clients FROM rep_vintage), b AS (SELECT person, aum FROM a WHERE clients > 2)
        SELECT d.decision_id, b.aum FROM decisions d LEFT JOIN b ON b.person = d.person""",
    "nested common table expressions": """
        WITH a AS (WITH inner_one AS (SELECT person, MAX(aum) AS m FROM rep_vintage GROUP BY person)
                   SELECT * FROM inner_one)
        SELECT d.decision_id, a.m FROM decisions d LEFT JOIN a USING (person)""",
    "union": """
        SELECT person, aum AS x FROM rep_vintage UNION ALL SELECT person, firm FROM job_vintage""",
    "exists": """
        SELECT d.decision_id, EXISTS (SELECT 1 FROM job_vintage j WHERE j.person = d.person AND j.end_date IS NULL) AS x
        FROM decisions d""",
    "in": """
        SELECT d.decision_id, d.person IN (SELECT j.person FROM job_vintage j WHERE j.firm = 3) AS x
        FROM decisions d""",
    "scalar subquery": """
        SELECT d.decision_id, (SELECT MAX(j.start_date) FROM job_vintage j WHERE j.person = d.person) AS x
        FROM decisions d""",
    "array subquery": """
        SELECT d.decision_id,
          ARRAY(SELECT j.firm FROM job_vintage j WHERE j.person = d.person ORDER BY j.start_date)[SAFE_OFFSET(0)] AS x
        FROM decisions d""",
    "count of rows": """
        SELECT d.decision_id, COUNT(*) AS x FROM decisions d
        JOIN job_vintage j ON j.person = d.person WHERE j.end_date > DATE '2024-01-01' GROUP BY d.decision_id""",
    "having": "SELECT person FROM job_vintage GROUP BY person HAVING MAX(end_date) > DATE '2024-01-01'",
    "group by alias": "SELECT firm + 1 AS f, COUNT(*) AS n FROM job_vintage GROUP BY f",
    "group by number": "SELECT firm + 1 AS f, COUNT(*) AS n FROM job_vintage GROUP BY 1",
    "group by all": "SELECT firm, person, MAX(end_date) AS e FROM job_vintage GROUP BY ALL",
    "window": """
        SELECT person, SUM(aum) OVER (PARTITION BY firm ORDER BY as_of) AS running FROM rep_vintage""",
    "named window": """
        SELECT person, SUM(aum) OVER w AS x, MIN(clients) OVER w AS y FROM rep_vintage
        WINDOW w AS (PARTITION BY firm ORDER BY as_of)""",
    "qualify": """
        SELECT person, aum FROM rep_vintage
        QUALIFY ROW_NUMBER() OVER (PARTITION BY person ORDER BY available_at DESC) = 1""",
    "derived table": """
        SELECT d.decision_id, s.n FROM decisions d
        LEFT JOIN (SELECT person, COUNT(DISTINCT firm) AS n FROM job_vintage GROUP BY person) AS s
        ON s.person = d.person""",
    "unnest": """
        SELECT r.person, t AS tag, o AS place FROM rep_vintage r CROSS JOIN UNNEST(r.tags) AS t WITH OFFSET AS o""",
    "dates in between": """
        SELECT d.decision_id, day FROM decisions d
        CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(DATE '2024-01-01', DATE '2024-03-01', INTERVAL 1 MONTH)) AS day
        WHERE DATE(d.decision_at) > day""",
    "case and parts of dates": """
        SELECT CASE WHEN e.end_date IS NULL THEN 1 ELSE 0 END AS x,
          DATE_DIFF(e.end_date, e.start_date, WEEK(MONDAY)) AS w, EXTRACT(ISOWEEK FROM e.start_date) AS i
        FROM employment_current AS e""",
    "comma join": "SELECT d.decision_id, r.aum FROM decisions d, rep_vintage r WHERE r.person = d.person",
    "distinct": "SELECT DISTINCT as_of, available_at FROM rep_vintage",
    "self join": """
        SELECT a.person, b.aum FROM rep_vintage a JOIN rep_vintage b ON a.person = b.person AND a.as_of > b.as_of""",
}


@pytest.mark.parametrize("name", QUERIES)
def test_lineage_and_google_s_resolver_scan_the_same_columns(name: str) -> None:
    sql = QUERIES[name]
    ours = read_lineage(sql, SCHEMAS).scanned()
    assert ours == scanned_columns(sql, schema_of(SCHEMAS))


def test_a_value_path_reads_from_the_stored_column_to_the_feature() -> None:
    sql = """
        WITH days_in_gap_current AS (
          SELECT person, DATE_DIFF(MAX(start_date), MAX(end_date), DAY) AS gap FROM employment_current GROUP BY person
        )
        SELECT d.decision_id, g.gap AS days_in_gap
        FROM decisions AS d LEFT JOIN days_in_gap_current AS g ON g.person = d.person"""
    lineage = feature_lineage(sql, SCHEMAS)["days_in_gap"]
    assert [str(origin) for origin in lineage.values] == [
        "end_date (employment_current) -> days_in_gap_current.gap -> days_in_gap",
        "start_date (employment_current) -> days_in_gap_current.gap -> days_in_gap",
    ]
    controls = {(origin.table, origin.column) for origin in lineage.controls}
    assert ("employment_current", "person") in controls
    assert ("employment_current", "(rows)") in controls


def test_rows_that_exists_looks_at_are_control_flow() -> None:
    lineage = feature_lineage(QUERIES["exists"], SCHEMAS)["x"]
    assert lineage.values == ()
    assert {origin.column for origin in lineage.controls if origin.table == "job_vintage"} == {
        "(rows)",
        "person",
        "end_date",
    }


def test_count_depends_on_the_filter_it_counts_under() -> None:
    lineage = feature_lineage(QUERIES["count of rows"], SCHEMAS)["x"]
    assert "end_date" in {origin.column for origin in lineage.controls}


def test_a_left_join_does_not_reach_columns_of_the_other_side() -> None:
    lineage = feature_lineage(QUERIES["left join"], SCHEMAS)["decision_id"]
    assert {origin.table for origin in (*lineage.values, *lineage.controls)} == {"decisions"}


def test_an_aggregate_counts_what_a_left_join_may_have_repeated() -> None:
    sql = """
        WITH repeated AS (SELECT d.decision_id FROM decisions d LEFT JOIN job_vintage j ON j.person = d.person)
        SELECT decision_id, COUNT(*) AS n FROM repeated GROUP BY decision_id"""
    lineage = feature_lineage(sql, SCHEMAS)["n"]
    assert ("job_vintage", "person") in {(origin.table, origin.column) for origin in lineage.controls}


def test_a_cte_of_a_table_s_own_name_reads_the_stored_table() -> None:
    sql = "WITH rep_vintage AS (SELECT * FROM rep_vintage WHERE aum > 1) SELECT person FROM rep_vintage"
    origins = feature_lineage(sql, SCHEMAS)["person"]
    assert {origin.table for origin in (*origins.values, *origins.controls)} == {"rep_vintage"}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM decisions", "unknown column nope"),
        ("SELECT d.nope FROM decisions d", "unknown column nope"),
        ("SELECT person FROM decisions, rep_vintage", "ambiguous column person"),
        ("SELECT x.person FROM decisions d", "unknown column x.person"),
        ("SELECT x.* FROM decisions d", "unknown FROM item x"),
        ("SELECT * EXCEPT (nope) FROM decisions", "no column nope"),
        ("SELECT person FROM Decisions", "unknown table Decisions"),
        ("SELECT person FROM other.decisions", "cannot read db"),
        (
            "SELECT s.person, 1 AS one FROM (SELECT d.person, r.* FROM decisions d, rep_vintage r) AS s",
            "ambiguous",
        ),
        (
            "SELECT a.x FROM (SELECT d.person, r.* FROM decisions d, rep_vintage r) s "
            "JOIN (SELECT person, 1 AS x FROM decisions) a USING (person)",
            "ambiguous column person",
        ),
        ("SELECT person FROM decisions d NATURAL JOIN rep_vintage r", "cannot read"),
        ("WITH RECURSIVE a AS (SELECT 1 AS x) SELECT x FROM a", "RECURSIVE"),
        ("SELECT person FROM decisions TABLESAMPLE SYSTEM (10 PERCENT)", "cannot read sample"),
        ("SELECT person FROM decisions FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01'", "cannot read version"),
        ("SELECT person FROM (decisions CROSS JOIN rep_vintage)", "cannot read this FROM item"),
        ("SELECT person, person FROM decisions", "without a name of their own: person"),
        ("SELECT person + 1 FROM decisions", "without a name"),
        ("SELECT person FROM decisions; SELECT 1", "exactly one"),
        ("DELETE FROM decisions WHERE TRUE", "exactly one"),
        ("SELECT FROM WHERE", "does not parse"),
        ("SELECT person FROM decisions UNION ALL SELECT person, aum FROM rep_vintage", "different numbers"),
    ],
)
def test_what_cannot_be_resolved_is_an_error_not_an_empty_lineage(sql: str, message: str) -> None:
    with pytest.raises(LineageError, match=message):
        read_lineage(sql, SCHEMAS)


def test_150_columns_take_less_than_a_second() -> None:
    columns = [f"c{number}" for number in range(150)]
    schemas = {
        "decisions": ["decision_id", "person", "decision_at"],
        "wide": ["person", "available_at", *columns],
    }
    known = ", ".join(f"w.{column}" for column in columns)
    made = ", ".join(f"IF(k.{a} > k.{b}, k.{a}, 0) AS f{a}" for a, b in pairwise(columns))
    sql = f"""
        WITH known AS (SELECT d.decision_id, {known} FROM decisions d
          LEFT JOIN wide w ON w.person = d.person AND w.available_at <= d.decision_at),
        again AS (SELECT k.* FROM known AS k),
        made AS (SELECT k.decision_id, {made} FROM again AS k)
        SELECT m.* FROM made AS m"""
    started = time.process_time()
    found = feature_lineage(sql, schemas)
    assert time.process_time() - started < 1
    assert len(found) == 150
    assert {origin.column for origin in found["fc7"].values} == {"c7", "c8"}
