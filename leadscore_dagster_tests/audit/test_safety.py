"""Static verdicts: every rule fires on a plant and stays silent on honest SQL."""

from __future__ import annotations

import pytest

from leadscore_dagster.core.audit.lineage import LineageError
from leadscore_dagster.core.audit.safety import Declarations, lineage_verdicts
from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, FeatureVerdict

SCHEMAS = {
    "decisions": ["decision_id", "person", "decision_at", "carried", "outcome", "filled_in"],
    "rep_vintage": ["person", "firm", "aum", "as_of", "available_at"],
    "job_vintage": ["person", "firm", "start_date", "end_date", "as_of", "available_at"],
    "call_log": ["person", "size", "outcome", "closed_on", "known_at"],
    "employment_current": ["person", "firm", "start_date", "end_date"],
    "undeclared": ["person", "x"],
}
DECLARED = Declarations(
    guards={
        "rep_vintage": "available_at",
        "job_vintage": "available_at",
        "call_log": "known_at",
        "employment_current": "available_at",
    },
    after_outcome=frozenset({("call_log", "outcome"), ("decisions", "outcome")}),
    back_filled=frozenset({("job_vintage", "end_date"), ("call_log", "closed_on"), ("decisions", "filled_in")}),
)


def judged(sql: str, feature: str = "x") -> FeatureVerdict:
    return lineage_verdicts(sql, SCHEMAS, DECLARED, [feature])[0]


HONEST = {
    "guard in the ON of a left join": """
        SELECT d.decision_id, r.aum AS x FROM decisions d
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at <= d.decision_at""",
    "guard turned round": """
        SELECT d.decision_id, r.aum AS x FROM decisions d
        LEFT JOIN rep_vintage r ON r.person = d.person AND (d.decision_at >= r.available_at)""",
    "strict guard": """
        SELECT d.decision_id, r.aum AS x FROM decisions d
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at < d.decision_at""",
    "guard in WHERE": """
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r USING (person)
        WHERE r.available_at <= d.decision_at""",
    "guard of an inner join in a later inner join": """
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN rep_vintage r USING (person)
        JOIN job_vintage j ON j.person = d.person AND r.available_at <= d.decision_at
          AND j.available_at <= d.decision_at""",
    "back-filled column of a guarded vintage": """
        SELECT d.decision_id, MAX(j.end_date) AS x FROM decisions d
        JOIN job_vintage j ON j.person = d.person AND j.available_at <= d.decision_at GROUP BY d.decision_id""",
    "guarded subquery": """
        SELECT d.decision_id, EXISTS (
          SELECT 1 FROM job_vintage j WHERE j.person = d.person AND j.available_at <= d.decision_at) AS x
        FROM decisions d""",
    "log guarded by known_at": """
        SELECT d.decision_id, COUNT(c.person) AS x FROM decisions d
        LEFT JOIN call_log c ON c.person = d.person AND c.known_at <= d.decision_at GROUP BY d.decision_id""",
    "guard on a derived table that hands on its guard column": """
        WITH r AS (SELECT person, aum * 2 AS twice, available_at AS known FROM rep_vintage WHERE aum > 0)
        SELECT d.decision_id, r.twice AS x FROM decisions d LEFT JOIN r ON r.person = d.person
          AND r.known <= d.decision_at""",
    "guard on the grouping key of a derived table": """
        WITH r AS (SELECT firm, available_at, SUM(aum) AS total FROM rep_vintage GROUP BY firm, available_at)
        SELECT d.decision_id, r.total AS x FROM decisions d JOIN r ON r.available_at <= d.decision_at""",
    "guard on the last availability of a group": """
        WITH r AS (SELECT as_of, MAX(available_at) AS known, SUM(aum) AS total FROM rep_vintage GROUP BY as_of)
        SELECT d.decision_id, r.total AS x FROM decisions d JOIN r ON r.known <= d.decision_at""",
    "guard behind a window over one vintage": """
        WITH r AS (SELECT r.*, RANK() OVER (PARTITION BY as_of ORDER BY aum) AS place FROM rep_vintage r)
        SELECT d.decision_id, r.place AS x FROM decisions d JOIN r ON r.person = d.person
          AND r.available_at <= d.decision_at""",
    "guard behind a union": """
        WITH both_kinds AS (SELECT person, available_at AS seen, aum AS v FROM rep_vintage
                            UNION ALL SELECT person, available_at, firm FROM job_vintage)
        SELECT d.decision_id, MAX(b.v) AS x FROM decisions d JOIN both_kinds b
        ON b.person = d.person AND b.seen <= d.decision_at GROUP BY d.decision_id""",
    "one read by two ways joined on the vintage": """
        WITH r AS (SELECT person, firm, aum, as_of, available_at FROM rep_vintage),
        f AS (SELECT firm, as_of, available_at, SUM(aum) AS total FROM r GROUP BY firm, as_of, available_at),
        s AS (SELECT r.person, r.available_at, r.aum / f.total AS share FROM r JOIN f ON f.as_of = r.as_of
          AND f.firm = r.firm)
        SELECT d.decision_id, s.share AS x FROM decisions d JOIN s ON s.person = d.person
          AND s.available_at <= d.decision_at""",
    "newest known vintage by a calendar": """
        WITH known AS (
          SELECT d.decision_id, MAX(c.as_of) AS as_of FROM decisions d
          JOIN (SELECT DISTINCT as_of, available_at FROM rep_vintage) c ON c.available_at <= d.decision_at
          GROUP BY d.decision_id)
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN known k ON k.decision_id = d.decision_id
        LEFT JOIN rep_vintage r ON r.as_of = k.as_of AND r.person = d.person AND r.available_at <= d.decision_at""",
    "newest known vintage by intervals": """
        WITH calendar AS (SELECT as_of, MIN(available_at) AS available_at FROM rep_vintage GROUP BY as_of),
        usable AS (SELECT as_of, available_at, GREATEST(available_at, TIMESTAMP(as_of)) AS usable_from FROM calendar),
        spans AS (SELECT u.*, MIN(usable_from) OVER (
          ORDER BY as_of ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS superseded_at FROM usable u)
        SELECT d.decision_id, s.as_of AS x FROM decisions d JOIN spans s ON s.available_at <= d.decision_at
        AND (s.superseded_at IS NULL OR d.decision_at < s.superseded_at)""",
    "earlier decisions of the same person": """
        SELECT d.decision_id, COUNT(e.decision_id) AS x FROM decisions d
        LEFT JOIN decisions e ON e.person = d.person AND e.decision_at < d.decision_at GROUP BY d.decision_id""",
    "newest row of a decision": """
        SELECT d.decision_id, r.aum AS x FROM decisions d
        JOIN rep_vintage r ON r.person = d.person AND r.available_at <= d.decision_at
        QUALIFY ROW_NUMBER() OVER (PARTITION BY d.decision_id ORDER BY r.as_of DESC) = 1""",
    "two relations joined by decision_id": """
        WITH a AS (SELECT d.decision_id, d.decision_at, r.firm FROM decisions d
                   JOIN rep_vintage r ON r.person = d.person AND r.available_at <= d.decision_at)
        SELECT d.decision_id, j.person AS x FROM decisions d LEFT JOIN a USING (decision_id)
        LEFT JOIN job_vintage j ON j.firm = a.firm AND j.available_at <= a.decision_at""",
    "the decision alone": "SELECT d.decision_id, EXTRACT(DAYOFWEEK FROM d.decision_at) AS x FROM decisions d",
    "a constant": "SELECT decision_id, 1 AS x FROM decisions",
    "a column of the decision's own row": "SELECT decision_id, carried AS x FROM decisions",
    "a common table expression called decisions": """
        WITH decisions AS (SELECT person AS decision_id, known_at AS decision_at, size AS carried FROM call_log)
        SELECT d.decision_id, d.carried AS x FROM decisions d""",
}

LEAKS = {
    "value of a back-filled column, unguarded": ("""
        SELECT d.decision_id, DATE_DIFF(DATE(d.decision_at), j.end_date, DAY) AS x
        FROM decisions d LEFT JOIN job_vintage j
          ON j.person = d.person""", "back-filled end_date: end_date (job_vintage) -> x"),
    "table of the current state": ("""
        SELECT d.decision_id, e.firm AS x FROM decisions d LEFT JOIN employment_current e ON e.person = d.person""",
        "employment_current shows today's state"),
    "EXISTS on rows of the future": ("""
        SELECT d.decision_id, EXISTS (SELECT 1 FROM job_vintage j
          WHERE j.person = d.person AND j.start_date > DATE(d.decision_at)) AS x
            FROM decisions d""", "job_vintage without"),
    "IN over rows of the future": ("""
        SELECT d.decision_id, d.person IN (SELECT j.person FROM job_vintage j) AS x
          FROM decisions d""", "job_vintage without"),
    "COUNT(*) under a filter": ("""
        SELECT d.decision_id, COUNT(*) AS x FROM decisions d, job_vintage j
        WHERE j.person = d.person AND j.end_date IS NULL GROUP BY d.decision_id""", "job_vintage without"),
    "a relation named current in between": ("""
        WITH days_in_gap_current AS (SELECT d.decision_id, j.end_date AS gap FROM decisions d
          JOIN job_vintage j ON j.person = d.person AND j.available_at <= d.decision_at)
        SELECT d.decision_id, g.gap AS x FROM decisions d LEFT JOIN days_in_gap_current g USING (decision_id)""",
        "days_in_gap_current.gap -> x"),
    "guard under OR": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r
        ON r.person = d.person AND (r.available_at <= d.decision_at OR r.aum > 5)""", "rep_vintage without"),
    "guard under NOT": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r
        ON r.person = d.person AND NOT (r.available_at <= d.decision_at)""", "rep_vintage without"),
    "guard that allows missing": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r ON r.person = d.person
        WHERE r.available_at <= d.decision_at OR r.available_at IS NULL""", "rep_vintage without"),
    "guard on the wrong alias": ("""
        SELECT d.decision_id, b.aum AS x FROM decisions d
        LEFT JOIN rep_vintage a ON a.person = d.person AND a.available_at <= d.decision_at
        LEFT JOIN rep_vintage b ON b.person = d.person AND a.available_at <= d.decision_at""", "`b.available_at <="),
    "guard of another left join": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r ON r.person = d.person
        LEFT JOIN job_vintage j ON j.person = d.person AND r.available_at <= d.decision_at
          AND j.available_at <= d.decision_at""",
        "rep_vintage without"),
    "guard in the ON of a full join": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d FULL JOIN rep_vintage r
        ON r.person = d.person AND r.available_at <= d.decision_at""", "rep_vintage without"),
    "guard of the kept side of a right join": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d RIGHT JOIN rep_vintage r
        ON r.person = d.person AND r.available_at <= d.decision_at""", "rep_vintage without"),
    "guard the wrong way round": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r
        ON r.person = d.person AND r.available_at >= d.decision_at""", "rep_vintage without"),
    "guard by equality of names only": ("""
        WITH later AS (SELECT decision_id, person, TIMESTAMP_ADD(decision_at,
          INTERVAL 90 DAY) AS decision_at FROM decisions)
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN later l USING (decision_id)
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at <= l.decision_at""", "rep_vintage without"),
    "guard against as_of": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d LEFT JOIN rep_vintage r
        ON r.person = d.person AND r.as_of <= DATE(d.decision_at)""", "rep_vintage without"),
    "guard against another column": ("""
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN call_log c ON c.person = d.person
          AND c.known_at <= d.decision_at
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at <= c.known_at""", "rep_vintage without"),
    "as_of guards no log": ("""
        SELECT d.decision_id, MAX(c.size) AS x FROM decisions d LEFT JOIN call_log c ON c.person = d.person
        GROUP BY d.decision_id""", "`c.known_at <="),
    "guard in HAVING": ("""
        SELECT d.decision_id, COUNT(*) AS x FROM decisions d JOIN rep_vintage r USING (person)
        GROUP BY d.decision_id HAVING MAX(r.available_at) <= MAX(d.decision_at)""", "rep_vintage without"),
    "guard after an aggregate over all vintages": ("""
        WITH r AS (SELECT person, MAX(aum) AS top, MIN(available_at) AS available_at FROM rep_vintage GROUP BY person)
        SELECT d.decision_id, r.top AS x FROM decisions d LEFT JOIN r ON r.person = d.person
          AND r.available_at <= d.decision_at""",
        "rep_vintage without"),
    "guard after a window over all vintages": ("""
        WITH r AS (SELECT r.*, LEAD(aum) OVER (PARTITION BY person ORDER BY as_of) AS following FROM rep_vintage r)
        SELECT d.decision_id, r.following AS x FROM decisions d JOIN r ON r.person = d.person
          AND r.available_at <= d.decision_at""",
        "rep_vintage without"),
    "guard after LIMIT": ("""
        WITH r AS (SELECT * FROM rep_vintage ORDER BY as_of DESC LIMIT 10)
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN r ON r.person = d.person
          AND r.available_at <= d.decision_at""",
        "rep_vintage without"),
    "guard of one of two ways": ("""
        WITH r AS (SELECT person, aum, available_at FROM rep_vintage),
        e AS (SELECT a.person, a.available_at, (SELECT MAX(r.aum) FROM r) AS top FROM r AS a)
        SELECT d.decision_id, e.top AS x FROM decisions d JOIN e ON e.person = d.person
          AND e.available_at <= d.decision_at""",
        "rep_vintage without"),
    "one read by two ways not joined": ("""
        WITH r AS (SELECT person, aum, available_at FROM rep_vintage),
        e AS (SELECT a.person, a.available_at, b.aum FROM r AS a JOIN r AS b ON b.person = a.person)
        SELECT d.decision_id, e.aum AS x FROM decisions d JOIN e ON e.person = d.person
          AND e.available_at <= d.decision_at""",
        "rep_vintage without"),
    "newest vintage whatever the decision": ("""
        WITH newest AS (SELECT MAX(as_of) AS as_of FROM rep_vintage)
        SELECT d.decision_id, r.aum AS x FROM decisions d CROSS JOIN newest n
        LEFT JOIN rep_vintage r ON r.as_of = n.as_of AND r.person = d.person AND r.available_at <= d.decision_at""",
        "as_of (rep_vintage)"),
    "how many vintages there are": ("""
        WITH c AS (SELECT as_of, available_at, COUNT(*) OVER () AS n FROM rep_vintage)
        SELECT d.decision_id, c.n AS x FROM decisions d JOIN c
          ON c.available_at <= d.decision_at""", "rep_vintage without"),
    "when the next vintage comes": ("""
        WITH c AS (SELECT as_of, MIN(available_at) AS a FROM rep_vintage GROUP BY as_of),
        s AS (SELECT c.*, MIN(a) OVER (ORDER BY as_of ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS b FROM c)
        SELECT d.decision_id, TIMESTAMP_DIFF(s.b, d.decision_at, DAY) AS x FROM decisions d JOIN s
          ON s.a <= d.decision_at
        AND d.decision_at < s.b""", "rep_vintage without"),
    "filled in after the outcome, by value": ("""
        SELECT d.decision_id, MAX(c.outcome) AS x FROM decisions d
        JOIN call_log c ON c.person = d.person AND c.known_at <= d.decision_at GROUP BY d.decision_id""",
        "filled in after the outcome: outcome (call_log)"),
    "filled in after the outcome, by filter": ("""
        SELECT d.decision_id, COUNT(c.person) AS x FROM decisions d
        LEFT JOIN call_log c ON c.person = d.person AND c.known_at <= d.decision_at AND c.outcome = 1
        GROUP BY d.decision_id""", "filled in after the outcome: outcome (call_log) -> ON"),
    "outcome in the decision's own row": (
        "SELECT decision_id, outcome AS x FROM decisions", "filled in after the outcome"),
    "late column of a log": ("""
        SELECT d.decision_id, MAX(c.closed_on) AS x FROM decisions d
        JOIN call_log c ON c.person = d.person AND c.known_at <= d.decision_at GROUP BY d.decision_id""",
        "written after the row was known: closed_on (call_log)"),
    "late column of the decision's own row": ("SELECT decision_id, filled_in AS x FROM decisions", "written after"),
    "the clock": ("SELECT decision_id, DATE_DIFF(CURRENT_DATE(), DATE(decision_at), DAY) AS x FROM decisions",
        "depends on when it is run: CURRENT_DATE"),
    "a filter of the whole statement": ("""
        SELECT d.decision_id, d.carried AS x FROM decisions d
        WHERE d.person IN (SELECT j.person FROM job_vintage j WHERE j.end_date IS NULL)""", "job_vintage without"),
}  # fmt: skip

MIXED = {
    "all decisions of the person": """
        SELECT d.decision_id, COUNT(e.decision_id) AS x FROM decisions d
        LEFT JOIN decisions e ON e.person = d.person GROUP BY d.decision_id""",
    "a window over all decisions": """
        SELECT d.decision_id, COUNT(*) OVER (PARTITION BY d.person) AS x FROM decisions d""",
    "the newest decision of all": """
        SELECT d.decision_id, (SELECT MAX(e.decision_at) FROM decisions e) AS x FROM decisions d""",
    "decisions grouped by person": """
        SELECT d.decision_id, p.n AS x FROM decisions d
        JOIN (SELECT person, COUNT(*) AS n FROM decisions GROUP BY person) p ON p.person = d.person""",
    "facts known at somebody else's decision": """
        WITH others AS (SELECT e.person, MAX(r.aum) AS aum FROM decisions e
          JOIN rep_vintage r ON r.person = e.person AND r.available_at <= e.decision_at GROUP BY e.person)
        SELECT d.decision_id, o.aum AS x FROM decisions d LEFT JOIN others o ON o.person = d.person""",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_sql_is_clear(name: str) -> None:
    verdict = judged(HONEST[name])
    assert verdict.verdict == "clear", verdict.evidence


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_found_with_its_evidence(name: str) -> None:
    sql, evidence = LEAKS[name]
    verdict = judged(sql)
    assert verdict.verdict == "leak"
    assert evidence in verdict.evidence


@pytest.mark.parametrize("name", MIXED)
def test_rows_of_other_decisions_are_left_to_replay(name: str) -> None:
    verdict = judged(MIXED[name])
    assert (verdict.verdict, verdict.metric) == ("unproven", SETTLED_BY_REPLAY)
    assert "rows of other decisions" in verdict.evidence


def test_facts_known_at_a_later_decision_of_the_same_person_are_not_guarded() -> None:
    verdict = judged("""
        SELECT d.decision_id, r.aum AS x FROM decisions d JOIN decisions e ON e.person = d.person
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at <= e.decision_at""")
    assert verdict.verdict != "clear"


def test_a_table_without_a_contract_is_unproven() -> None:
    verdict = judged("SELECT d.decision_id, u.x FROM decisions d LEFT JOIN undeclared u ON u.person = d.person")
    assert verdict.verdict == "unproven"
    assert "no contract says when rows of undeclared were known: x (undeclared) -> x" in verdict.evidence


def test_a_leak_in_one_feature_does_not_taint_its_neighbours() -> None:
    sql = """
        WITH gaps AS (SELECT d.decision_id, MAX(j.end_date) AS gap FROM decisions d
          JOIN job_vintage j ON j.person = d.person GROUP BY d.decision_id)
        SELECT d.decision_id, r.aum, g.gap, d.carried FROM decisions d
        LEFT JOIN rep_vintage r ON r.person = d.person AND r.available_at <= d.decision_at
        LEFT JOIN gaps g ON g.decision_id = d.decision_id"""
    found = lineage_verdicts(sql, SCHEMAS, DECLARED, ["aum", "gap", "carried"])
    assert [verdict.verdict for verdict in found] == ["clear", "leak", "clear"]


def test_a_clear_verdict_names_the_guard() -> None:
    verdict = judged(HONEST["guard in the ON of a left join"])
    assert verdict.evidence == "guarded: rep_vintage by `r.available_at <= d.decision_at`"
    assert judged(HONEST["a constant"]).evidence == "a function of the decision alone"


def test_a_relation_merely_joined_by_a_left_join_does_not_taint() -> None:
    verdict = judged("""
        SELECT d.decision_id, d.carried AS x, e.firm FROM decisions d
        LEFT JOIN employment_current e ON e.person = d.person""")
    assert verdict.verdict == "clear"


def test_a_statement_without_decision_id_cannot_be_judged() -> None:
    with pytest.raises(LineageError, match="does not return decision_id"):
        judged("SELECT d.person AS decision_id, d.carried AS x FROM decisions d")


def test_a_feature_that_is_no_column_cannot_be_judged() -> None:
    with pytest.raises(LineageError, match="no column y"):
        judged("SELECT decision_id, carried AS x FROM decisions", "y")
