"""The statements restatement generates: only what both engines share, and the same rows in Google's evaluator."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.restatement import statements
from leadscore_dagster.core.audit.restatement.shape import Shape, shape_of
from leadscore_dagster.core.warehouse import Lake, lint, table, translate
from leadscore_dagster_tests.audit import test_restatement as small
from leadscore_dagster_tests.sql_oracle import differences, run


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return small.make(tmp_path_factory.mktemp("world"))


def shape(lake: Lake, name: str, sampled_facts: int = 210) -> Shape:
    return shape_of(lake, small.recipe().sources[name], small.V3, sampled_facts)


def few(lake: Lake, name: str) -> pa.Table:
    """The rows of so few people and firms that the reference evaluator does not take a minute."""
    column = "firm" if name == "months" else "person"
    return table(lake, f"SELECT * FROM `{name}` AS t WHERE t.`{column}` < 16 OR t.`{column}` BETWEEN 300 AND 303")


def texts(lake: Lake) -> dict[str, tuple[str, str, Shape]]:
    """Statement, table and shape under a name for each kind of statement."""
    jobs, months, people, notes = (shape(lake, name) for name in ("jobs", "months", "people", "notes"))
    column = {c.name: c for s in (jobs, months, people, notes) for c in s.contract.columns}
    among = statements.among_outcomes(replace(jobs, one_in=2), "person")
    value, by_date, row = statements.value_steps, statements.date_steps, statements.row_steps
    hits = partial(statements.hits, entity="person")
    instant = statements.instant_steps(notes, column["closed_at"], column["closed_at"], "id")
    return {
        "differences": (statements.differences(people, ["grade", "hired", "shoe"]), "people", people),
        "sampled": (statements.sampled(notes, ["score"]), "notes", notes),
        "seen twice": (statements.seen_twice(months), "months", months),
        "value of an event": (statements.facts(value(jobs, column["ended"], "person"), 2), "jobs", jobs),
        "value of a month": (statements.facts(value(months, column["assets"], "firm"), 3), "months", months),
        "value of a state": (statements.facts(value(people, column["grade"], "person"), 1), "people", people),
        "date of a state": (statements.facts(by_date(people, column["hired"], "person"), 2), "people", people),
        "row": (statements.facts(row(jobs, "person"), 2), "jobs", jobs),
        "row by month": (statements.facts(row(months, "firm"), 3), "months", months),
        "value in a log": (statements.facts(value(notes, column["score"], "id"), 1), "notes", notes),
        "instant in a log": (statements.facts(instant, 1), "notes", notes),
        "hits": (hits(value(jobs, column["ended"], "person", among)), "jobs", jobs),
        "hits of a date": (hits(by_date(people, column["hired"], "person", among)), "people", people),
        "hits of rows": (hits(row(jobs, "person", among)), "jobs", jobs),
        "entities": (statements.found_entities(jobs, "person", "person"), "jobs", jobs),
    }  # fmt: skip


def test_both_engines_give_the_same_rows_for_every_statement(lake: Lake) -> None:
    for name, (sql, stored, described) in texts(lake).items():
        assert lint(sql) == [], name
        asked = small.outcomes().slice(0, 24)
        given = {statements.CALENDAR: described.calendar(), statements.OUTCOMES: asked}
        tables = {**given, stored: few(lake, stored)}
        read = set(translate(sql).tables)
        columns, expected = run(
            sql, {key: data for key, data in tables.items() if key in read}, {"newest": ("DATE", small.V3)}
        )
        actual = table(lake, sql, {"newest": small.V3}, tables)
        assert actual.schema == columns, name
        assert differences(expected, actual.to_pylist()) == [], name
        assert expected, name


def test_both_engines_agree_on_versions(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world", threads=1)
    cells = small.versions()
    lake.write_partition("cells", "all", cells)
    steps = statements.version_steps("cells", ["measure"], "event_date", "value", "valid_from", "measure")
    ratios = statements.ratios("cells", ["measure"], "event_date", "value", "valid_from", "valid_to")
    bound = {
        "first": ("DATE", date(2024, 1, 1)), "last": ("DATE", date(2024, 3, 1)), "lags": ("ARRAY<INT64>", [0, 3, 7, 30])
    }  # fmt: skip
    for sql in (statements.facts(steps, 2), ratios):
        assert lint(sql) == []
        used = {name: value for name, value in bound.items() if name in translate(sql).parameters}
        columns, expected = run(sql, {"cells": cells}, used)
        actual = table(lake, sql, {name: value for name, (_, value) in used.items()})
        assert actual.schema == columns
        assert differences(expected, actual.to_pylist()) == []


def test_a_name_from_outside_cannot_reach_a_statement(lake: Lake) -> None:
    """Names come from contracts, which refuse all but identifiers; days are constants of our own making."""
    described = shape(lake, "jobs")
    assert described.calendar().schema.field("as_of").type == pa.date32()
    assert "h.as_of IN (DATE '2024-01-01', DATE '2024-04-01'" in statements.seen_twice(described)
