"""GoogleSQL on DuckDB gives what Google's reference evaluator gives: probes on random data full of NULLs."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.warehouse import Lake, table, translate
from leadscore_dagster_tests.sql_oracle import differences, run

ROWS = 60
ENDS_ORDERED = re.compile(r"ORDER BY [^()]*$")


def random_rows(seed: int) -> pa.Table:
    """Keys, whole numbers, halves, dates at month and week edges, instants and text; a fifth of it NULL."""
    random = np.random.default_rng(seed)

    def column(values: list[object], kind: pa.DataType) -> pa.Array:
        missing = random.random(ROWS) < 0.2
        return pa.array([None if gone else value for value, gone in zip(values, missing, strict=True)], kind)

    def days() -> list[object]:
        edges = [date(2024, 1, 31), date(2024, 2, 29), date(2023, 12, 31), date(2024, 1, 1), date(2021, 1, 3)]
        anywhere = [date(2018, 1, 1) + timedelta(days=int(n)) for n in random.integers(0, 3_000, ROWS)]
        return [edges[n % 5] if n % 4 == 0 else day for n, day in enumerate(anywhere)]

    def instants() -> list[object]:
        micros = random.integers(1_500_000_000_000_000, 1_735_000_000_000_000, ROWS)
        return [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(n)) for n in micros]

    instant = pa.timestamp("us", tz="UTC")
    words = ["", "a", "A", "ab", "12", "-7", " 3", "12.5", "x%y", "Ünï", "Smith & Co", "2024-02-29", "nope"]
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "k": column(random.integers(0, 5, ROWS).tolist(), pa.int64()),
            "n": column(random.integers(-9, 10, ROWS).tolist(), pa.int64()),
            "x": column((random.integers(-30, 30, ROWS) / 2).tolist(), pa.float64()),
            "y": column(random.normal(0, 100, ROWS).round(3).tolist(), pa.float64()),
            "b": column((random.random(ROWS) < 0.5).tolist(), pa.bool_()),
            "d": column(days(), pa.date32()),
            "e": column(days(), pa.date32()),
            "t": column(instants(), instant),
            "u": column(instants(), instant),
            "s": column(random.choice(words, ROWS).tolist(), pa.string()),
        }
    )


EXPRESSIONS = """
    DATE_TRUNC(d, MONTH); DATE_TRUNC(d, QUARTER); DATE_TRUNC(d, YEAR); DATE_TRUNC(d, WEEK)
    DATE_TRUNC(d, WEEK(MONDAY)); DATE_TRUNC(d, ISOWEEK); DATE_TRUNC(d, DAY); LAST_DAY(d); LAST_DAY(d, QUARTER)
    DATE_ADD(d, INTERVAL 1 MONTH); DATE_ADD(d, INTERVAL n DAY); DATE_ADD(d, INTERVAL n MONTH)
    DATE_ADD(d, INTERVAL 2 QUARTER); DATE_ADD(d, INTERVAL 1 WEEK); DATE_SUB(d, INTERVAL 1 YEAR)
    DATE_SUB(d, INTERVAL n WEEK); DATE_SUB(DATE_TRUNC(d, QUARTER), INTERVAL 1 DAY); d + 1; d - 30
    DATE_ADD(DATE_TRUNC(d, MONTH), INTERVAL 3 MONTH) > e; d = DATE_TRUNC(d, MONTH)
    DATE_DIFF(d, e, DAY); DATE_DIFF(d, e, WEEK); DATE_DIFF(d, e, WEEK(MONDAY)); DATE_DIFF(d, e, ISOWEEK)
    DATE_DIFF(d, e, MONTH); DATE_DIFF(d, e, QUARTER); DATE_DIFF(d, e, YEAR); DATE_DIFF(DATE(t), d, DAY)
    EXTRACT(YEAR FROM d); EXTRACT(QUARTER FROM d); EXTRACT(MONTH FROM d); EXTRACT(DAY FROM d)
    EXTRACT(WEEK FROM d); EXTRACT(WEEK(MONDAY) FROM d); EXTRACT(ISOWEEK FROM d); EXTRACT(ISOYEAR FROM d)
    EXTRACT(DAYOFWEEK FROM d); EXTRACT(DAYOFYEAR FROM d); EXTRACT(HOUR FROM t); EXTRACT(DAYOFWEEK FROM t)
    EXTRACT(DATE FROM t); EXTRACT(WEEK FROM t); EXTRACT(MONTH FROM t); EXTRACT(MINUTE FROM t)
    TIMESTAMP_DIFF(t, u, DAY); TIMESTAMP_DIFF(t, u, HOUR); TIMESTAMP_DIFF(t, u, MINUTE)
    TIMESTAMP_DIFF(t, u, SECOND); TIMESTAMP_DIFF(t, u, MILLISECOND); TIMESTAMP_DIFF(t, u, MICROSECOND)
    TIMESTAMP_TRUNC(t, DAY); TIMESTAMP_TRUNC(t, HOUR); TIMESTAMP_TRUNC(t, MONTH); TIMESTAMP_TRUNC(t, WEEK)
    TIMESTAMP_ADD(t, INTERVAL n HOUR); TIMESTAMP_SUB(t, INTERVAL 1 DAY); TIMESTAMP(d); DATE(t)
    TIMESTAMP(d) <= t; DATE(t) < d; t > TIMESTAMP '2020-01-01'; d < '2023-01-01'; t < '2023-01-01 00:00:00+00'
    DATE(t, 'America/New_York'); DATE '2024-02-29'; DATE(2024, 2, 29); UNIX_SECONDS(t); UNIX_DATE(d)
    UNIX_MICROS(t); TIMESTAMP_MICROS(UNIX_MICROS(t)); DATE_FROM_UNIX_DATE(n); TIMESTAMP_SECONDS(n)
    FORMAT_DATE('%Y-%m-%d', d); FORMAT_DATE('%Y%m', d); FORMAT_TIMESTAMP('%Y-%m-%d %H:%M:%S', t)
    PARSE_DATE('%Y-%m-%d', '2024-02-29'); SAFE_CAST(s AS DATE); CAST(d AS STRING); CAST(d AS TIMESTAMP)
    CAST(t AS DATE); CAST('2024-02-29' AS DATE); d BETWEEN '2019-01-01' AND e; GREATEST(d, e); LEAST(t, u)
    SAFE_DIVIDE(x, n); SAFE_DIVIDE(n, k); SAFE_DIVIDE(x, 0); n / 2; n * 1.5; x / 4; DIV(n, 2); MOD(n, 3)
    ROUND(x); ROUND(-x); ROUND(n / 2); ROUND(x, 0); TRUNC(x)
    FLOOR(x); CEIL(x); ABS(n); SQRT(ABS(x)); EXP(n); LN(ABS(y) + 1); LOG(ABS(y) + 1, 10); LOG10(k + 1)
    POW(x, 2); LN(1 + GREATEST(x, 0)); CAST(ROUND(x) AS INT64); CAST(b AS INT64); CAST(n AS FLOAT64)
    CAST(n AS STRING); CAST(b AS STRING); SAFE_CAST(s AS FLOAT64); CAST(x > 0 AS INT64); 2.675; 1e3; .5; -0.5
    SAFE_CAST(REGEXP_EXTRACT(s, r'^-?[0-9]+$') AS INT64); 0.1 + 0.2; 10 / 4; 7 - 2.5; n + 0.1 = 1.1
    COALESCE(x, n, 0); IFNULL(x, -1); NULLIF(n, 0); IF(n > 0, 'p', 'q'); IF(b, 1, 0); IF(b, x, NULL)
    GREATEST(n, k); LEAST(x, y); GREATEST(x, 0); LEAST(GREATEST(n, 0), 5); n IN (1, 2, NULL); n NOT IN (1, 2)
    CASE WHEN n > 5 THEN 'a' WHEN n IS NULL THEN 'b' END; CASE k WHEN 1 THEN 1.5 ELSE 0 END
    n BETWEEN -1 AND k; b AND n > 0; b OR n > 0; NOT b; b IS TRUE; b IS NOT FALSE; n IS DISTINCT FROM k
    x = n; n <> 3; COALESCE(b, FALSE); n > 0 AND NOT b
    UPPER(s); LOWER(s); TRIM(s); LENGTH(s); SUBSTR(s, 2); SUBSTR(s, 1, 2); SUBSTR(s, -2); REPLACE(s, 'a', 'bb')
    CONCAT(s, '-', s); s || 'x'; STARTS_WITH(s, 'a'); ENDS_WITH(s, 'b'); STRPOS(s, 'i'); REVERSE(s)
    REGEXP_CONTAINS(s, r'^[0-9]'); REGEXP_EXTRACT(s, r'([0-9]+)'); REGEXP_REPLACE(s, r'[^0-9]', '')
    REGEXP_CONTAINS(LOWER(s), r'smith|co'); s LIKE 'a%'; s = ''; s < 'b'; LPAD(s, 4, '0')
    SPLIT(s, ' ')[SAFE_OFFSET(0)]; ARRAY_LENGTH(SPLIT(s, ' ')); SPLIT('a,b', ','); LEFT(s, 2); RIGHT(s, 2)
    NULLIF(TRIM(s), ''); s IN ('a', 'ab'); INITCAP('new york')
    [1, 2, 3][OFFSET(1)]; ARRAY_LENGTH([1, NULL]); 2 IN UNNEST([1, 2]); n IN UNNEST([1, 2, 3])
    (SELECT MAX(v) FROM UNNEST([n, k, 3]) AS v); (SELECT COUNTIF(v > 1) FROM UNNEST([n, k]) AS v)
    ARRAY(SELECT v FROM UNNEST([3, 1, 2]) AS v ORDER BY v); ARRAY_TO_STRING(['a', 'b'], '-')
    EXISTS (SELECT 1 FROM r AS o WHERE o.k = r.k AND o.d < r.d); (SELECT COUNT(*) FROM r AS o WHERE o.k = r.k)
    (SELECT MAX(o.d) FROM r AS o WHERE o.k = r.k AND o.d <= r.d); n IN (SELECT k FROM r); IS_NAN(x); IS_INF(x)
    ROW_NUMBER() OVER (PARTITION BY k ORDER BY d, id); RANK() OVER (ORDER BY n); DENSE_RANK() OVER (ORDER BY n DESC)
    PERCENT_RANK() OVER (ORDER BY y); CUME_DIST() OVER (PARTITION BY k ORDER BY x); NTILE(4) OVER (ORDER BY id)
    LAG(x) OVER (PARTITION BY k ORDER BY id); LEAD(d, 2) OVER (ORDER BY id); LAG(n, 1, 0) OVER (ORDER BY id)
    FIRST_VALUE(s IGNORE NULLS) OVER (PARTITION BY k ORDER BY id)
    LAST_VALUE(x IGNORE NULLS) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    SUM(n) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
    SUM(n) OVER (PARTITION BY k ORDER BY n); AVG(x) OVER (PARTITION BY k); COUNT(x) OVER (PARTITION BY k)
    MAX(d) OVER (PARTITION BY k ORDER BY id); COUNTIF(b) OVER (PARTITION BY k)
    SUM(n) OVER (ORDER BY UNIX_DATE(d) RANGE BETWEEN 365 PRECEDING AND CURRENT ROW)
    EXTRACT(WEEK FROM DATE_ADD(d, INTERVAL EXTRACT(DAYOFWEEK FROM e) WEEK))
    UNIX_SECONDS(TIMESTAMP(DATE_TRUNC(d, MONTH)))
    TIMESTAMP_DIFF(TIMESTAMP_TRUNC(t, MONTH), TIMESTAMP(DATE_SUB(d, INTERVAL EXTRACT(ISOWEEK FROM e) DAY)), HOUR)
    PERCENTILE_CONT(x, 0.5) OVER (PARTITION BY k); PERCENTILE_DISC(n, 0.25) OVER (PARTITION BY k)
    STDDEV(y) OVER (PARTITION BY k)
"""

AGGREGATES = """
    COUNT(*); COUNT(x); COUNT(DISTINCT n); COUNTIF(n > 0); COUNTIF(b); SUM(n); SUM(x); SUM(IF(b, 1, 0)); AVG(n)
    AVG(IF(b, 1.0, 0.0)); MIN(d); MAX(t); MIN(s); MAX(b); LOGICAL_OR(n > 5); LOGICAL_AND(b); STDDEV(y)
    STDDEV_SAMP(n); STDDEV_POP(y); VARIANCE(x); VAR_POP(n); SUM(n) / COUNT(*); SAFE_DIVIDE(SUM(x), COUNT(n))
    STRING_AGG(s, '|' ORDER BY id); ARRAY_AGG(n IGNORE NULLS ORDER BY id); ARRAY_AGG(id ORDER BY d DESC, id)
    ARRAY_AGG(DISTINCT k IGNORE NULLS ORDER BY k); ARRAY_LENGTH(ARRAY_AGG(id)); SUM(DISTINCT n)
    MAX(IF(b, n, NULL)); COALESCE(SUM(n), 0); DATE_DIFF(MAX(d), MIN(d), MONTH)
    COUNTIF(DATE_TRUNC(d, MONTH) = DATE_ADD(DATE_TRUNC(e, MONTH), INTERVAL EXTRACT(WEEK FROM d) WEEK))
    BIT_XOR(id); MAX(d) > MIN(e); SUM(n * n) - SUM(n) * SUM(n) / COUNT(*); ANY_VALUE(s HAVING MAX id)
"""

STATEMENTS = [
    "SELECT * EXCEPT (s, t, u), n + 1 AS m FROM r",
    "SELECT * REPLACE (DATE_TRUNC(d, MONTH) AS d) FROM r",
    "SELECT id, d FROM r QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY d DESC, id) = 1",
    "SELECT id, k, COALESCE(x, 0) AS z FROM r QUALIFY RANK() OVER (PARTITION BY k ORDER BY z, id) <= 2",
    "SELECT id, n FROM r WHERE n IS NOT NULL ORDER BY n, id LIMIT 7",
    "SELECT id, n FROM r ORDER BY n DESC, id LIMIT 9",
    "SELECT id, n, d FROM r ORDER BY n NULLS LAST, d DESC NULLS FIRST, id",
    "SELECT k, d, COUNT(*) AS c FROM r GROUP BY 1, 2 HAVING c > 1",
    "SELECT COALESCE(k, -1) AS k, SUM(n) AS n FROM r GROUP BY k",
    "SELECT IF(k > 2, 'high', 'low') AS band, AVG(x) AS x FROM r GROUP BY band",
    "SELECT DATE_TRUNC(d, QUARTER) AS q, COUNT(*) AS c FROM r GROUP BY q ORDER BY q",
    "SELECT a.id, b.id AS other FROM r AS a JOIN r AS b ON a.k = b.n AND a.d >= b.d",
    "SELECT a.id, b.x FROM r AS a LEFT JOIN r AS b ON a.n = b.id WHERE b.x IS NULL OR b.x > 0",
    "SELECT k, a.n, b.y FROM r AS a JOIN r AS b USING (k) WHERE a.id < b.id",
    "SELECT a.id, b.id AS other FROM r AS a FULL JOIN r AS b ON a.id = b.n",
    "WITH c AS (SELECT k, MAX(d) AS d FROM r GROUP BY k) SELECT r.id FROM r JOIN c ON r.k = c.k AND r.d = c.d",
    "WITH r AS (SELECT * FROM r WHERE n > 0) SELECT COUNT(*) AS c FROM r",
    "SELECT k FROM r UNION ALL SELECT n FROM r",
    "SELECT k FROM r UNION DISTINCT SELECT n FROM r",
    "SELECT k FROM r EXCEPT DISTINCT SELECT n FROM r",
    "SELECT k FROM r INTERSECT DISTINCT SELECT n FROM r",
    "SELECT DISTINCT k, b FROM r",
    "SELECT id, v FROM r, UNNEST([n, k]) AS v",
    "SELECT m FROM UNNEST(GENERATE_DATE_ARRAY('2023-11-01', '2024-04-01', INTERVAL 1 MONTH)) AS m",
    "SELECT m FROM UNNEST(GENERATE_DATE_ARRAY('2024-02-27', '2024-03-02')) AS m",
    "SELECT v FROM UNNEST(GENERATE_ARRAY(1, 10, 3)) AS v",
    "SELECT v.a, v.b FROM UNNEST([STRUCT(1 AS a, 'x' AS b), STRUCT(2 AS a, 'y' AS b)]) AS v",
    "SELECT id, SUM(n) OVER w AS s, COUNT(*) OVER w AS c FROM r WINDOW w AS (PARTITION BY k ORDER BY id)",
    "SELECT k, STRUCT(MIN(d) AS first, COUNT(*) AS n) AS summary FROM r GROUP BY k",
    "SELECT DISTINCT k, PERCENTILE_CONT(x, 0.5) OVER (PARTITION BY k) AS median FROM r",
    "SELECT id FROM r WHERE NOT EXISTS (SELECT 1 FROM r AS o WHERE o.k = r.k AND o.id > r.id)",
    "SELECT id, @as_of > d AS before, TIMESTAMP(@as_of) <= t AS since FROM r",
    "SELECT id FROM r WHERE t <= @cut AND n IN UNNEST(@keys) AND x < @limit AND s != @word AND b = @flag",
    "SELECT id, DATE_DIFF(@as_of, d, DAY) AS days, TIMESTAMP_DIFF(@cut, t, DAY) AS elapsed FROM r",
    "SELECT id FROM r WHERE n NOT IN UNNEST(@keys)",
    "SELECT k, n, COUNT(*) AS c FROM r GROUP BY ROLLUP (k, n)",
    "SELECT a.id, b.id AS latest FROM r AS a LEFT JOIN r AS b ON b.k = a.k AND b.t <= a.t "
    "QUALIFY ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.t DESC, b.id) = 1",
]
PARAMETERS = {
    "as_of": ("DATE", date(2023, 4, 1)),
    "cut": ("TIMESTAMP", datetime(2023, 1, 1, 5, tzinfo=UTC)),
    "keys": ("ARRAY<INT64>", [-3, -2, 0, 1, 2, 5]),
    "limit": ("FLOAT64", 4.5),
    "word": ("STRING", "a"),
    "flag": ("BOOL", True),
}


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def both(tmp_path: Path, sql: str, seed: int) -> list[str]:
    """What differs between the reference evaluator and the lake for one query on random rows."""
    rows = random_rows(seed)
    used = {name: PARAMETERS[name] for name in translate(sql).parameters}
    values = {name: value for name, (_, value) in used.items()}
    schema, expected = run(sql, {"r": rows}, used)
    actual = table(Lake(tmp_path, "d", threads=2), sql, values, {"r": rows})
    if actual.schema != schema:
        return [f"schema {schema} expected, {actual.schema} found"]
    ordered = ENDS_ORDERED.search(sql) is not None
    return differences(expected, actual.to_pylist(), ordered)


def numbered(line: str) -> str:
    """The expressions of one line as columns v0, v1, ..."""
    parts = [part.strip() for part in line.split(";") if part.strip()]
    return ", ".join(f"{part} AS v{number}" for number, part in enumerate(parts))


@pytest.mark.parametrize("line", lines(EXPRESSIONS))
def test_expressions_give_what_the_reference_gives(tmp_path: Path, line: str) -> None:
    for seed in (1, len(line)):
        assert both(tmp_path, f"SELECT id, {numbered(line)} FROM r", seed) == []


@pytest.mark.parametrize("line", lines(AGGREGATES))
@pytest.mark.parametrize("rows", ["TRUE", "id < 6", "FALSE"])
def test_aggregates_give_what_the_reference_gives(tmp_path: Path, line: str, rows: str) -> None:
    assert both(tmp_path, f"SELECT k, {numbered(line)} FROM r WHERE {rows} GROUP BY k", seed=11) == []
    if "COUNT(*) / " not in line and "/ COUNT" not in line:
        assert both(tmp_path, f"SELECT {numbered(line)} FROM r WHERE {rows}", seed=12) == []


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_gives_what_the_reference_gives(tmp_path: Path, sql: str) -> None:
    assert both(tmp_path, sql, seed=len(sql)) == []
