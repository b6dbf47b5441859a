"""The lint refuses every construct that was measured to differ between BigQuery and DuckDB, and little else."""

from __future__ import annotations

import pytest

from leadscore_dagster.core.warehouse import lint


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT APPROX_QUANTILES(x, 4) AS q FROM r", "APPROX_QUANTILES"),
        ("SELECT APPROX_COUNT_DISTINCT(x) AS q FROM r", "APPROX_COUNT_DISTINCT"),
        ("SELECT CAST(x AS INT64) AS v FROM r", "write ROUND"),
        ("SELECT CAST(ROUND(x, 1) AS INT64) AS v FROM r", "write ROUND"),
        ("SELECT SAFE_CAST(s AS INT64) AS v FROM r", "REGEXP_EXTRACT"),
        ("SELECT SAFE_CAST('12.5' AS INT64) AS v", "REGEXP_EXTRACT"),
        ("SELECT SAFE_CAST(REGEXP_EXTRACT(s, r'[0-9.]+') AS INT64) AS v FROM r", "REGEXP_EXTRACT"),
        ("SELECT SUBSTR(s, 0, 2) AS v FROM r", "positions start at 1"),
        ("SELECT GENERATE_DATE_ARRAY(d, e, INTERVAL 1 MONTH) AS v FROM r", "start it at DATE_TRUNC"),
        ("SELECT GENERATE_DATE_ARRAY('2024-01-31', e, INTERVAL 1 QUARTER) AS v FROM r", "start it at DATE_TRUNC"),
        ("SELECT ARRAY_AGG(x ORDER BY x LIMIT 3) AS v FROM r", "ARRAY_AGG"),
        ("SELECT FARM_FINGERPRINT(s) AS v FROM r", "FARM_FINGERPRINT"),
        ("SELECT SAFE.SUBSTR(s, 1) AS v FROM r", "SAFE.SUBSTR"),
        ("SELECT RANGE_BUCKET(x, [1, 2]) AS v FROM r", "RANGE_BUCKET"),
        ("SELECT CURRENT_DATE() AS v", "the clock is an argument"),
        ("SELECT CURRENT_DATE AS v", "the clock is an argument"),
        ("SELECT x FROM r WHERE t < CURRENT_TIMESTAMP()", "the clock is an argument"),
        ("SELECT RAND() AS v", "not the same twice"),
        ("SELECT ANY_VALUE(x) AS v FROM r", "not the same twice"),
        ("SELECT MAX_BY(x, y) AS v FROM r", "QUALIFY"),
        ("SELECT CORR(x, y) AS v FROM r", "NaN"),
        ("SELECT SIGN(x) AS v FROM r", "SIGN"),
        ("SELECT x / y AS v FROM r", "SAFE_DIVIDE"),
        ("SELECT x / 0 AS v FROM r", "SAFE_DIVIDE"),
        ("SELECT MOD(x, y) AS v FROM r", "SAFE_DIVIDE"),
        ("SELECT DIV(x, y) AS v FROM r", "SAFE_DIVIDE"),
        ("SELECT CAST(x AS NUMERIC) AS v FROM r", "use FLOAT64"),
        ("SELECT ROUND(x, 2) AS v FROM r", "round differently"),
        (r"SELECT s LIKE '%\\%%' AS v FROM r", "backslash"),
        ("SELECT v, o FROM r, UNNEST([x]) AS v WITH OFFSET AS o", "WITH OFFSET"),
        ("SELECT COALESCE(x, 0) AS x FROM r QUALIFY RANK() OVER (ORDER BY x) = 1", "hides a column"),
        ("SELECT FORMAT_DATE('%Y-Q%Q', d) AS v FROM r", "%Q"),
        ("SELECT 1 AS x; SELECT 2 AS x", "expected one SELECT"),
        ("SELECT 1 AS x;", "no semicolon"),
        ("CREATE TABLE t AS SELECT 1 AS x", "found CREATE"),
        ("INSERT INTO t SELECT 1", "found INSERT"),
        ("MERGE t USING s ON FALSE WHEN NOT MATCHED THEN INSERT ROW", "found MERGE"),
        ("", "found nothing"),
        ("-- a comment\n", "found nothing"),
    ],
)
def test_what_differs_is_refused(sql: str, message: str) -> None:
    findings = lint(sql)
    assert any(message in finding for finding in findings), findings


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(ROUND(x) AS INT64) AS a, CAST(x > 1 AS INT64) AS b, CAST(FLOOR(x / 2) AS INT64) AS c FROM r",
        "SELECT SAFE_CAST(REGEXP_EXTRACT(s, r'^-?[0-9]+$') AS INT64) AS a, SAFE_CAST(s AS FLOAT64) AS b FROM r",
        "SELECT GENERATE_DATE_ARRAY(DATE_TRUNC(d, MONTH), e, INTERVAL 1 MONTH) AS a FROM r",
        "SELECT GENERATE_DATE_ARRAY(d, e) AS a, GENERATE_DATE_ARRAY(d, e, INTERVAL 1 WEEK) AS b FROM r",
        "SELECT SUBSTR(s, 1, 2) AS a, 'CURRENT_DATE()' AS b, r'RAND()' AS c FROM r -- CURRENT_DATE()",
        "SELECT current_date_of_filing, approx_count FROM r",
        "WITH c AS (SELECT * FROM r) SELECT x FROM c UNION ALL SELECT y FROM c",
        "SELECT x, ROW_NUMBER() OVER (ORDER BY x) AS n FROM r QUALIFY n = 1 ORDER BY x",
        "SELECT SAFE_DIVIDE(x, y) AS a, x / 2 AS b, MOD(x, 3) AS c, COUNT(*) AS n FROM r GROUP BY 1, 2, 3",
    ],
)
def test_what_is_the_same_passes(sql: str) -> None:
    assert lint(sql) == []
