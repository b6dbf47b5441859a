"""The statements of restatement, GoogleSQL made from names a contract has validated.

``differences`` compares consecutive vintages, all columns at once. The others follow one column through all: *steps*
gives one row per fact and vintage that showed it (entity, key_0 …, event_date, known_on, seen_before, value_there,
value_before_there, changed, is_last), *facts* sums them up per fact, *hits* holds them against the outcomes.

Lives here: text. Not here: running it (measure), what a table is (shape).
"""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.audit.restatement.shape import Shape, is_dated, of_vintages, sample
from leadscore_dagster.core.recipe.contract import Column

CALENDAR = "restatement_calendar"
OUTCOMES = "restatement_outcomes"


def differences(shape: Shape, columns: Sequence[str]) -> str:
    """Rows that two consecutive vintages share, over all of them, and in how many each column differs (``c0``, ``c1``
    …). The sample is read once and joined with itself."""
    names = ", ".join(f"h.`{name}`" for name in (*shape.keys, *columns))
    counts = [f"COUNTIF(a.`{name}` IS DISTINCT FROM b.`{name}`) AS c{i}" for i, name in enumerate(columns)]
    same = " AND ".join(f"a.`{key}` = b.`{key}`" for key in shape.keys)
    return f"""WITH shown AS (
  SELECT h.as_of, {names} FROM `{shape.table}` AS h WHERE {of_vintages(shape)}{sample(shape, "h")}
)
SELECT {", ".join(["COUNT(*) AS matched", *counts])}
FROM {CALENDAR} AS c
JOIN shown AS b ON b.as_of = c.as_of
JOIN shown AS a ON a.as_of = c.before AND {same}"""


def sampled(shape: Shape, columns: Sequence[str]) -> str:
    """The rows that are followed through all vintages: keys, as_of and the given columns."""
    names = list(dict.fromkeys([*shape.keys, *columns, "as_of", *(["known_at"] if shape.kind == "log" else [])]))
    wanted = ", ".join(f"h.`{name}`" for name in names)
    return f"SELECT {wanted} FROM `{shape.table}` AS h WHERE {of_vintages(shape)}{sample(shape, 'h')}"


def seen_twice(shape: Shape) -> str:
    """How many facts at least two of the vintages show."""
    keys = ", ".join(f"h.`{key}`" for key in shape.keys)
    return (
        f"SELECT COUNT(*) AS n FROM (SELECT COUNT(*) AS seen FROM `{shape.table}` AS h "
        f"WHERE {of_vintages(shape)}{sample(shape, 'h')} GROUP BY {keys} HAVING COUNT(*) > 1)"
    )


def value_steps(shape: Shape, column: Column, entity: str, only: str = "") -> str:
    """Steps of a value: any difference from the vintage that showed the fact before is a change."""
    own = f"DATE(h.`{column.name}`)" if column.type == "timestamp" else f"h.`{column.name}`"
    event = own if is_dated(column) and shape.kind == "event" else shape.event
    keys = _keys(shape)
    window = f"OVER (PARTITION BY {', '.join(f's.key_{i}' for i in range(len(shape.keys)))} ORDER BY s.as_of)"
    # without a date of its own a fact is dated by its first sight
    dated = f"COALESCE(s.stated_on, LAG(s.stated_on) {window})" if event else f"MIN(s.known_on) {window}"
    return f"""shown AS (
  SELECT h.`{entity}` AS entity, {keys}, h.as_of, c.known_on, h.`{column.name}` AS value,
    {event or "CAST(NULL AS DATE)"} AS stated_on
  FROM `{shape.table}` AS h
  JOIN {CALENDAR} AS c ON c.as_of = h.as_of
  WHERE {of_vintages(shape)}{only or sample(shape, "h")}
),
followed AS (
  SELECT s.*, {dated} AS event_date, LAG(s.known_on) {window} AS before, LAG(s.value) {window} AS value_before,
    LEAD(s.known_on) {window} AS after
  FROM shown AS s
),
steps AS (
  SELECT f.entity, {_names(shape, "f")}, f.event_date, f.known_on, f.before IS NOT NULL AS seen_before,
    f.value IS NOT NULL AS value_there, f.value_before IS NOT NULL AS value_before_there,
    f.before IS NOT NULL AND f.value IS DISTINCT FROM f.value_before AS changed, f.after IS NULL AS is_last
  FROM followed AS f
)"""


def date_steps(shape: Shape, column: Column, entity: str, only: str = "") -> str:
    """Steps of a date in the state of an entity: a date first shown in a vintage although it lay before the vintage
    that had shown the entity before was written late. A fact is an entity with a date; one step each."""
    value = f"DATE(h.`{column.name}`)" if column.type == "timestamp" else f"h.`{column.name}`"
    keys = [f"key_{i}" for i in range(len(shape.keys))]
    by = ", ".join(f"s.{key}" for key in keys)
    return f"""shown AS (
  SELECT h.`{entity}` AS entity, {_keys(shape)}, h.as_of, c.known_on, {value} AS value
  FROM `{shape.table}` AS h
  JOIN {CALENDAR} AS c ON c.as_of = h.as_of
  WHERE {of_vintages(shape)}{only or sample(shape, "h")}
),
followed AS (
  SELECT s.*, LAG(s.as_of) OVER (PARTITION BY {by} ORDER BY s.as_of) AS before,
    LAG(s.value) OVER (PARTITION BY {by} ORDER BY s.as_of) AS value_before,
    COUNT(*) OVER (PARTITION BY {by}) AS seen
  FROM shown AS s
),
steps AS (
  SELECT s.entity, {_names(shape, "s")}, s.value AS key_{len(keys)}, s.value AS event_date, s.known_on,
    s.seen > 1 AS seen_before, TRUE AS value_there, s.value_before IS NOT NULL AS value_before_there,
    s.before IS NOT NULL AND s.value < s.before AS changed, TRUE AS is_last
  FROM followed AS s
  WHERE s.value IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY {by}, s.value ORDER BY s.as_of) = 1
)"""


def row_steps(shape: Shape, entity: str, only: str = "") -> str:
    """Steps of a dated row: it was written late if it is first shown in a vintage although its date lay before the
    vintage before, which showed other rows of the same entity. One step a row."""
    by = ", ".join(f"h.`{key}`" for key in shape.keys)
    where = f"{of_vintages(shape)}{only or sample(shape, 'h')}"
    return f"""shown AS (
  SELECT MIN(h.`{entity}`) AS entity, MIN(h.`{shape.entity}`) AS owner, {_keys(shape)},
    MIN({shape.event}) AS event_date, MIN(h.as_of) AS first_as_of, COUNT(*) AS seen
  FROM `{shape.table}` AS h WHERE {where} GROUP BY {by}
),
present AS (
  SELECT DISTINCT h.`{shape.entity}` AS owner, h.as_of FROM `{shape.table}` AS h WHERE {where}
),
steps AS (
  SELECT s.entity, {_names(shape, "s")}, s.event_date, c.known_on, p.owner IS NOT NULL OR s.seen > 1 AS seen_before,
    TRUE AS value_there, FALSE AS value_before_there,
    p.owner IS NOT NULL AND s.event_date < c.before AS changed, TRUE AS is_last
  FROM shown AS s
  JOIN {CALENDAR} AS c ON c.as_of = s.first_as_of
  LEFT JOIN present AS p ON p.owner = s.owner AND p.as_of = c.before
)"""


def instant_steps(shape: Shape, column: Column, instant: Column, entity: str, only: str = "") -> str:
    """Steps of a column of a log that states itself when it was filled in (``instant``), in the newest extract."""
    when = f"DATE(h.`{instant.name}`)" if instant.type == "timestamp" else f"h.`{instant.name}`"
    return f"""steps AS (
  SELECT h.`{entity}` AS entity, {_keys(shape)}, DATE(h.`known_at`) AS event_date, {when} AS known_on,
    TRUE AS seen_before, TRUE AS value_there, FALSE AS value_before_there,
    {when} > DATE(h.`known_at`) AS changed, TRUE AS is_last
  FROM `{shape.table}` AS h
  WHERE h.as_of = @newest AND h.`{column.name}` IS NOT NULL{only or sample(shape, "h")}
)"""


def version_steps(table: str, key: Sequence[str], event: str, value: str, valid_from: str, entity: str) -> str:
    """Steps of a table of versions: every version after a fact's first is a change."""
    keys = ", ".join(f"h.`{name}` AS key_{i}" for i, name in enumerate((*key, event)))
    by = ", ".join(f"s.key_{i}" for i in range(len(key) + 1))
    window = f"OVER (PARTITION BY {by} ORDER BY s.known_on)"
    names = ", ".join(f"f.key_{i}" for i in range(len(key) + 1))
    return f"""shown AS (
  SELECT h.`{entity}` AS entity, {keys}, h.`{event}` AS event_date, h.`{valid_from}` AS known_on, h.`{value}` AS value
  FROM `{table}` AS h
),
followed AS (
  SELECT s.*, LAG(s.known_on) {window} AS before, LAG(s.value) {window} AS value_before,
    LEAD(s.known_on) {window} AS after
  FROM shown AS s
),
steps AS (
  SELECT f.entity, {names}, f.event_date, f.known_on, TRUE AS seen_before, f.value IS NOT NULL AS value_there,
    f.value_before IS NOT NULL AS value_before_there,
    f.before IS NOT NULL AND f.value IS DISTINCT FROM f.value_before AS changed, f.after IS NULL AS is_last
  FROM followed AS f
)"""


def ratios(table: str, key: Sequence[str], event: str, value: str, valid_from: str, valid_to: str) -> str:
    """Per lag of @lags the median, over facts that happened from @first to @last, of the value known so many days after
    the event over the last value, where there was one and the last is not 0."""
    by = ", ".join(f"h.`{name}`" for name in (*key, event))
    same = " AND ".join(f"v.`{name}` = f.`{name}`" for name in (*key, event))
    day = f"DATE_ADD(f.`{event}`, INTERVAL l.lag DAY)"
    return f"""WITH final AS (
  SELECT {by}, h.`{value}` AS value
  FROM `{table}` AS h
  WHERE h.`{event}` BETWEEN @first AND @last
  QUALIFY ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY h.`{valid_from}` DESC) = 1
),
lags AS (SELECT lag FROM UNNEST(@lags) AS lag),
known AS (
  SELECT l.lag, SAFE_DIVIDE(v.`{value}`, f.value) AS ratio
  FROM final AS f
  CROSS JOIN lags AS l
  JOIN `{table}` AS v ON {same}
  WHERE v.`{valid_from}` <= {day} AND (v.`{valid_to}` IS NULL OR v.`{valid_to}` > {day})
)
SELECT DISTINCT k.lag, PERCENTILE_CONT(k.ratio, 0.5) OVER (PARTITION BY k.lag) AS ratio FROM known AS k"""


def facts(steps: str, keys: int) -> str:
    """Facts counted by event_date, first_known, settled, changed, filled and followed (see ``result.measured``)."""
    by = ", ".join(f"s.key_{i}" for i in range(keys))
    return f"""WITH {steps},
facts AS (
  SELECT MAX(IF(s.is_last, s.event_date, NULL)) AS event_date,
    MIN(IF(s.value_there, s.known_on, NULL)) AS first_known,
    MAX(IF(s.changed OR NOT s.seen_before, s.known_on, NULL)) AS changed_on,
    MIN(s.known_on) AS seen_on,
    MAX(IF(s.changed, 1, 0)) AS changed,
    MAX(IF(s.changed AND s.value_there AND NOT s.value_before_there, 1, 0)) AS filled,
    MAX(IF(s.seen_before, 1, 0)) AS followed,
    MAX(IF(s.is_last AND s.value_there, 1, 0)) AS final_there
  FROM steps AS s
  GROUP BY {by}
)
SELECT f.event_date, IF(f.final_there = 1, f.first_known, NULL) AS first_known,
  COALESCE(f.changed_on, f.seen_on) AS settled, f.changed, f.filled, f.followed, COUNT(*) AS n
FROM facts AS f
GROUP BY 1, 2, 3, 4, 5, 6"""


def hits(steps: str, entity: str) -> str:
    """Decisions by quarter and label whose entity has facts, and how many had a past fact changed that became known
    only after the decision."""
    return f"""WITH {steps},
asked AS (
  SELECT ROW_NUMBER() OVER (ORDER BY o.decision_at) AS number, o.`{entity}` AS entity, o.label,
    DATE(o.decision_at) AS decided_on, DATE_TRUNC(DATE(o.decision_at), QUARTER) AS quarter
  FROM {OUTCOMES} AS o
  WHERE o.label IS NOT NULL
),
joined AS (
  SELECT a.quarter, a.label,
    MAX(IF(s.changed AND s.known_on > a.decided_on AND s.event_date <= a.decided_on, 1, 0)) AS hit
  FROM asked AS a
  JOIN steps AS s ON s.entity = a.entity
  GROUP BY a.number, a.quarter, a.label
)
SELECT j.quarter, j.label, COUNT(*) AS n, SUM(j.hit) AS hits
FROM joined AS j
GROUP BY j.quarter, j.label"""


def found_entities(shape: Shape, column: str, entity: str) -> str:
    """How many entities of the outcomes there are, and how many of them the newest vintage shows."""
    return (
        f"SELECT COUNT(*) AS n, COUNTIF(t.entity IS NOT NULL) AS found FROM "
        f"(SELECT DISTINCT o.`{entity}` AS entity FROM {OUTCOMES} AS o WHERE o.`{entity}` IS NOT NULL) AS o LEFT JOIN "
        f"(SELECT DISTINCT h.`{column}` AS entity FROM `{shape.table}` AS h WHERE h.as_of = @newest) AS t "
        "ON t.entity = o.entity"
    )


def among_outcomes(shape: Shape, entity: str) -> str:
    """Condition that keeps the rows of entities in the outcomes, or of every so many-th of them; takes the place of
    the sample. ``shape.entity`` is the column that holds them."""
    return f" AND h.`{shape.entity}` IN (SELECT o.`{entity}` FROM {OUTCOMES} AS o){sample(shape, 'h')}"


def _keys(shape: Shape) -> str:
    return ", ".join(f"h.`{key}` AS key_{i}" for i, key in enumerate(shape.keys))


def _names(shape: Shape, alias: str) -> str:
    return ", ".join(f"{alias}.key_{i}" for i in range(len(shape.keys)))
