"""Restatement on a small world whose every change, and its day, is written down here: each kind fires and stays silent.

Four quarterly vintages, known on the 16th of their month; 400 people, 50 firms. Not here: verdicts on features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.restatement import (
    ColumnRestatement,
    VersionTable,
    restatement_markdown,
    restatements,
    version_restatement,
)
from leadscore_dagster.core.audit.restatement.association import around_outcome
from leadscore_dagster.core.audit.restatement.result import Unjudged
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.table.features import world

V0, V1, V2, V3 = VINTAGES = [date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1), date(2024, 10, 1)]
PEOPLE, FIRMS = 400, 50
DECIDED = datetime(2024, 5, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")
LATE = frozenset([*range(20), *range(100, 110)])  # jobs ended on 2 March, shown so from July on
PROMPT = frozenset(range(200, 240))  # jobs ended on 2 March, shown so from April on
END = date(2024, 3, 2)


def contract(name: str, key: Sequence[str], **columns: str | dict[str, Any]) -> dict[str, Any]:
    described = [
        {"name": column, **(kind if isinstance(kind, dict) else {"type": kind})} for column, kind in columns.items()
    ]
    return {"name": name, "key": list(key), "columns": described}


SOURCES: dict[str, Any] = {
    "jobs": contract("jobs", ["person", "begun"], person="key", begun="date", ended="date", title="text", pay="number"),
    "months": contract(
        "months", ["firm", "YEAR", "MONTH"], firm="key", YEAR="integer", MONTH="integer", assets="money"
    ),
    "people": contract(
        "people",
        ["person"],
        person="key",
        grade={"type": "text", "temporal": "stable"},
        born={"type": "date", "temporal": "stable"},
        hired="date",
        city="text",
        shoe="integer",
    ),
}
NOTES = contract("notes", ["id"], id="text", person="key", score="integer", origin="text", closed_at="timestamp")


def recipe() -> Recipe:
    sources: dict[str, Any] = {
        name: {"kind": "vintage", "table": name, "contract": described, "files": ["x"]}
        for name, described in SOURCES.items()
    }
    sources["notes"] = {
        "kind": "log", "table": "notes", "contract": NOTES, "files": ["x"],
        "known_at": "TIMESTAMP '2024-01-01'", "known_later": {"closed_at": "closed_at"},
    }  # fmt: skip
    decisions = {"source": "notes", "id": "id", "entity": "person", "at": "known_at"}
    return world.recipe(
        (), sources=sources, decisions=decisions, features={"columns": ["score", "origin"]},
        label={"kind": "column", "column": "score", "positive": 1},
    )  # fmt: skip


def jobs(as_of: date) -> list[dict[str, Any]]:
    def job(person: int, begun: date) -> dict[str, Any]:
        shown = (person in LATE and as_of >= V2) or (person in PROMPT and as_of >= V1)
        ended = END if shown and begun.year == 2020 else None
        title = "senior" if person < 8 and as_of >= V3 else "junior"
        return {"person": person, "begun": begun, "ended": ended, "title": title, "pay": float(person)}

    rows = [job(person, date(2020, 1, 1)) for person in range(PEOPLE)]
    if as_of >= V2:
        rows += [job(person, date(2024, 2, 1)) for person in range(300, 320)]  # a vintage too late
        rows += [job(person, date(2024, 5, 1)) for person in range(320, 350)]  # as early as can be
    return rows


def months(as_of: date) -> list[dict[str, Any]]:
    def month(firm: int, year: int, number: int) -> dict[str, Any]:
        value: float | None = 1000.0 * firm + number
        if (year, number) == (2024, 1) and firm < 10 and as_of >= V2:
            value = 0.5
        if (year, number) == (2024, 2) and 10 <= firm < 15 and as_of < V2:
            value = None
        return {"firm": firm, "YEAR": year, "MONTH": number, "assets": value}

    past = [(2023, m) for m in (10, 11, 12)] + [(2024, m) for m in range(1, 10)]
    return [month(firm, *m) for firm in range(FIRMS) for m in past if date(*m, 1) < as_of]


def people(as_of: date) -> list[dict[str, Any]]:
    def person(number: int) -> dict[str, Any]:
        hired = date(2019, 6, 1)
        if as_of >= V2 and number < 12:
            hired = date(2024, 2, 20)  # before April's vintage, which did not show it
        if as_of >= V2 and 50 <= number < 80:
            hired = date(2024, 5, 10)  # after it
        grade = "b" if number < 4 and as_of >= V3 else "a"
        city = f"{as_of}" if number < 40 else "here"
        return {
            "person": number, "grade": grade, "born": date(1970, 1, 1), "hired": hired, "city": city, "shoe": number % 9
        }  # fmt: skip

    return [person(number) for number in range(PEOPLE)]


def notes(as_of: date, changed: int) -> list[dict[str, Any]]:
    known = datetime(2024, 3, 1, tzinfo=UTC)
    rows = []
    for number in range(300 if as_of < V3 else 400):
        score = 7 if number < changed and as_of >= V3 else 3
        closed = known + timedelta(days=10) if number < 50 else None
        rows.append(
            {"id": f"n{number}", "person": number, "score": score, "origin": "web", "closed_at": closed,
             "known_at": known}
        )  # fmt: skip
    return rows


def write(lake: Lake, name: str, as_of: date, rows: list[dict[str, Any]]) -> None:
    known = {"as_of": as_of}
    if name != "notes":
        known["available_at"] = datetime(as_of.year, as_of.month, 16, 6, tzinfo=UTC)
    dates, instants = {"begun", "ended", "born", "hired", "as_of"}, {"closed_at", "known_at", "available_at"}
    types = {
        **dict.fromkeys(["person", "firm", "YEAR", "MONTH", "shoe", "score"], pa.int64()),
        **dict.fromkeys(["pay", "assets"], pa.float64()),
        **dict.fromkeys(dates, pa.date32()),
        **dict.fromkeys(instants, INSTANT),
    }
    whole = [{**row, **known} for row in rows]
    schema = pa.schema([(column, types.get(column, pa.string())) for column in whole[0]])
    lake.write_partition(name, as_of.isoformat(), pa.Table.from_pylist(whole, schema=schema))


def write_ledger(lake: Lake, digests: dict[date, str]) -> None:
    for as_of, digest in digests.items():
        entry = {"table_name": ["notes"], "as_of": pa.array([as_of], pa.date32()), "digest": [digest]}
        lake.write_partition("ingests", f"notes_{as_of}", pa.table(entry))


def make(root: Path, vintages: Sequence[date] = VINTAGES, changed_notes: int = 30) -> Lake:
    lake = Lake(root, "world", threads=1)
    makers: dict[str, Callable[[date], list[dict[str, Any]]]] = {"jobs": jobs, "months": months, "people": people}
    for as_of in vintages:
        for name, maker in makers.items():
            write(lake, name, as_of, maker(as_of))
    for as_of in vintages[-2:]:
        write(lake, "notes", as_of, notes(as_of, changed_notes))
    return lake


def outcomes() -> pa.Table:
    """One decision a person on 1 May; the first fifty are positive."""
    return pa.table(
        {
            "person": range(PEOPLE),
            "decision_at": pa.array([DECIDED] * PEOPLE, INSTANT),
            "label": [int(person < 50) for person in range(PEOPLE)],
        }
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def found(lake: Lake) -> dict[str, ColumnRestatement]:
    return {column.name: column for column in restatements(lake, recipe(), V3, outcomes=outcomes())}


def test_a_table_by_region_is_measured_and_not_held_against_people(tmp_path: Path) -> None:
    """Its key is a text, the recipe's entity a number: no row of it is about one person."""
    lake = Lake(tmp_path, "world", threads=1)
    for place, as_of in enumerate(VINTAGES):
        write(lake, "regions", as_of, [{"region": "east", "demand": str(place)}, {"region": "west", "demand": "0"}])
    described = contract("regions", ["region"], region="text", demand={"type": "text", "temporal": "stable"})
    made = recipe().model_dump()
    made["sources"]["regions"] = {"kind": "vintage", "table": "regions", "contract": described, "files": ["x"]}
    columns = {"regions": ["demand"]}
    (demand,) = restatements(lake, Recipe.model_validate(made), V3, columns, outcomes=outcomes())
    assert (demand.facts, demand.changed) == (2, 1)


# ---- dated facts kept as vintages


def test_an_end_written_later_is_found_with_its_share_and_lag(found: dict[str, ColumnRestatement]) -> None:
    ended = found["jobs.ended"]
    assert (ended.kind, ended.judged, ended.facts, ended.changed) == ("event", True, 450, 70)
    assert (ended.low, ended.high) == wilson(70, 450)
    assert ended.filled_late == ended.share == 70 / 450
    # 2 March to 16 April, and to 16 July
    assert (ended.lag_p50, ended.lag_p90, ended.lag_p95) == (45, 136, 136)


def test_the_maturity_curve_says_how_long_to_wait(found: dict[str, ColumnRestatement]) -> None:
    ended = found["jobs.ended"]
    assert [(point.lag, point.facts, point.final) for point in ended.maturity] == [
        (0, 70, 0.0), (3, 70, 0.0), (7, 70, 0.0), (30, 70, 0.0), (90, 70, 40 / 70)
    ]  # fmt: skip
    assert (ended.wait_days, ended.observed_days) == (136, 144)  # half of 1 January to 16 October


def test_a_text_that_changes_is_restated_and_one_that_does_not_is_not(found: dict[str, ColumnRestatement]) -> None:
    assert (found["jobs.title"].changed, found["jobs.title"].filled_late) == (8, 0.0)
    pay = found["jobs.pay"]
    assert (pay.judged, pay.facts, pay.changed, pay.share, pay.lag_p50) == (True, 450, 0, 0.0, None)


def test_a_row_that_appears_a_vintage_too_late_is_a_late_fact(found: dict[str, ColumnRestatement]) -> None:
    begun = found["jobs.begun"]
    assert (begun.kind, begun.facts, begun.changed) == ("row", 450, 20)
    assert begun.lag_p50 == (date(2024, 7, 16) - date(2024, 2, 1)).days
    assert found["jobs.person"].changed == 20  # the key is known when the row is


def test_months_are_dated_by_their_last_day(found: dict[str, ColumnRestatement]) -> None:
    assets = found["months.assets"]
    assert (assets.facts, assets.changed, assets.filled_late) == (450, 15, 5 / 450)
    # ten firms' January and five firms' February, both on 16 July
    assert (assets.lag_p50, assets.lag_p90) == (167, 167)
    assert found["months.MONTH"].changed == 0


def test_a_change_that_goes_with_the_outcome_is_told_from_one_that_does_not(
    found: dict[str, ColumnRestatement],
) -> None:
    around = found["jobs.ended"].around_outcome
    assert around is not None
    counted = (around.positives_changed, around.positives, around.negatives_changed, around.negatives)
    assert counted == (20, 50, 10, 350)
    assert around.odds_ratio == pytest.approx(20 * 340 / (30 * 10))
    assert around.low > 5
    assert around.p_value < 1e-6
    assert found["months.assets"].around_outcome is None  # its firms are not the people decided on


def test_changes_known_at_the_decision_do_not_count_as_around_the_outcome(lake: Lake) -> None:
    after = outcomes().set_column(1, "decision_at", pa.array([datetime(2024, 8, 1, tzinfo=UTC)] * PEOPLE, INSTANT))
    (ended,) = restatements(lake, recipe(), V3, {"jobs": ["ended"]}, after)
    assert ended.changed == 70
    assert ended.around_outcome is None


# ---- states


def test_a_date_that_should_have_been_there_before_is_back_filled(found: dict[str, ColumnRestatement]) -> None:
    hired = found["people.hired"]
    assert (hired.kind, hired.facts, hired.changed) == ("state", 442, 12)
    assert hired.lag_p95 == (date(2024, 7, 16) - date(2024, 2, 20)).days


def test_what_is_declared_stable_may_not_change(found: dict[str, ColumnRestatement]) -> None:
    assert (found["people.grade"].facts, found["people.grade"].changed) == (400, 4)
    # by first sight: 16 January to 16 October
    assert found["people.grade"].lag_p50 == 274
    assert found["people.grade"].maturity == ()
    assert (found["people.born"].judged, found["people.born"].changed) == (True, 0)


def test_a_new_state_is_counted_but_not_judged(found: dict[str, ColumnRestatement]) -> None:
    city = found["people.city"]
    assert (city.judged, city.facts, city.changed) == (False, 1200, 120)
    assert "new state" in city.why
    assert found["people.person"].reason is Unjudged.IDENTIFIES


# ---- logs


def test_a_log_column_is_judged_between_different_extracts(tmp_path: Path) -> None:
    lake = make(tmp_path)
    write_ledger(lake, {V2: "one", V3: "two"})
    score, origin = restatements(lake, recipe(), V3, {"notes": ["score", "origin"]})
    assert (score.judged, score.facts, score.changed) == (True, 300, 30)
    assert score.lag_p50 == (V3 - date(2024, 3, 1)).days
    assert (origin.judged, origin.facts, origin.changed) == (True, 300, 0)


def test_partitions_of_one_extract_prove_nothing(tmp_path: Path) -> None:
    lake = make(tmp_path, changed_notes=0)
    write_ledger(lake, {V2: "one", V3: "one"})
    (origin,) = restatements(lake, recipe(), V3, {"notes": ["origin"]})
    assert (origin.judged, origin.vintages) == (False, 1)
    assert origin.why == "only one extract exists: nothing shows when this column was filled"


def test_without_a_ledger_extracts_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    assert [c.judged for c in restatements(make(tmp_path / "a"), recipe(), V3, {"notes": ["score"]})] == [True]
    silent = make(tmp_path / "b", changed_notes=0)
    (score,) = restatements(silent, recipe(), V3, {"notes": ["score"]})
    assert not score.judged
    assert "nothing tells the stored extracts apart" in score.why


def test_a_column_that_says_when_it_was_filled_is_judged_by_that(found: dict[str, ColumnRestatement]) -> None:
    closed = found["notes.closed_at"]
    assert (closed.judged, closed.facts, closed.changed, closed.filled_late) == (False, 50, 50, 1.0)
    assert closed.lag_p50 == 10
    assert closed.why == "only 50 facts were seen twice, 100 are needed"


# ---- what is looked at


def test_vintages_after_as_of_are_not_read(lake: Lake) -> None:
    (ended,) = restatements(lake, recipe(), V1, {"jobs": ["ended", "as_of", "no_such_column"]})
    assert (ended.vintages, ended.facts, ended.changed) == (2, 400, 40)


def test_one_vintage_judges_nothing(lake: Lake) -> None:
    found = restatements(lake, recipe(), V0)
    assert {column.judged for column in found} == {False}
    reasons = {column.table: column.reason for column in found}
    assert (reasons["jobs"], reasons["notes"]) == (Unjudged.ONE_VINTAGE, Unjudged.NOTHING_STORED)


def test_a_vintage_delivered_after_the_next_one_tells_nothing_earlier(tmp_path: Path) -> None:
    lake = make(tmp_path)
    late = [{**row, "as_of": V2, "available_at": datetime(2025, 3, 1, tzinfo=UTC)} for row in jobs(V2)]
    schema = lake.schema("jobs")
    lake.write_partition("jobs", V2.isoformat(), pa.Table.from_pylist(late, schema=schema))
    (ended,) = restatements(lake, recipe(), V3, {"jobs": ["ended"]})
    assert ended.lag_p95 == (date(2024, 10, 16) - END).days  # the October vintage told it first


@pytest.mark.parametrize("name", ["jobs", "notes"])
def test_a_sample_follows_the_same_entities_through_all_vintages(lake: Lake, name: str) -> None:
    column = {"jobs": "ended", "notes": "score"}[name]
    (ended,) = restatements(lake, recipe(), V3, {name: [column]}, sampled_facts=130)
    assert ended.one_in == 4
    if name == "jobs":  # persons divisible by four, exactly
        second = len([p for p in range(300, 350) if p % 4 == 0])
        assert (ended.facts, ended.changed) == (100 + second, len([p for p in LATE | PROMPT if p % 4 == 0]))
    else:  # a text key, by its digest
        assert 45 < ended.facts < 105
        assert ended.share == pytest.approx(0.1, abs=0.08)


# ---- versions


def versions() -> pa.Table:
    """120 days of two measures. ``a``: half of the value after 2 days (odd days: after 5), all of it after 10;
    ``b``: one version."""
    rows = []
    for number in range(120):
        day = date(2024, 1, 1) + timedelta(days=number)
        first, last = day + timedelta(days=5 if number % 2 else 2), day + timedelta(days=10)
        rows.append({"event_date": day, "measure": "a", "value": 50.0, "valid_from": first, "valid_to": last})
        rows.append({"event_date": day, "measure": "a", "value": 100.0, "valid_from": last, "valid_to": None})
        rows.append({"event_date": day, "measure": "b", "value": 1.0, "valid_from": first, "valid_to": None})
    return pa.Table.from_pylist(rows)


def test_a_table_of_versions_gives_the_share_of_changed_cells_and_completeness_by_lag(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world", threads=1)
    lake.write_partition("cells", "all", versions())
    table = VersionTable(table="cells", key=("measure",))
    both = version_restatement(lake, table)
    assert (both.facts, both.changed, both.share) == (240, 120, 0.5)
    window = date(2024, 1, 1), date(2024, 3, 30)  # 90 days, all followed for 30 days
    only = {"cells": "SELECT * FROM cells WHERE measure = 'a'"}
    found = version_restatement(lake, table, window, (3, 7, 10, 30, 90), only)
    assert [(p.lag, p.facts, p.published, p.final, p.ratio) for p in found.maturity] == [
        (3, 90, 45, 0.0, 0.5), (7, 90, 90, 0.0, 0.5), (10, 90, 90, 1.0, 1.0), (30, 90, 90, 1.0, 1.0)
    ]  # fmt: skip
    assert (found.wait_days, found.lag_p50) == (10, 10)


def test_no_versions_are_not_judged(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world", threads=1)
    lake.write_partition("cells", "all", versions().slice(0, 0))
    assert version_restatement(lake, VersionTable(table="cells", key=("measure",))).reason is Unjudged.NOTHING_STORED


# ---- numbers and text


def test_the_odds_ratio_is_within_strata() -> None:
    """The change has nothing to do with the label in either year, but both are more frequent in the second."""
    strata = [(10, 100, 90, 900), (250, 500, 50, 100)]
    around = around_outcome(strata)
    assert around is not None
    assert around.odds_ratio == pytest.approx(1.0)
    assert around.low < 1 < around.high
    pooled = around_outcome([(260, 600, 140, 1000)])
    assert pooled is not None
    assert pooled.low > 1


def test_no_association_is_made_up() -> None:
    assert around_outcome([(0, 10, 0, 90)]) is None
    assert around_outcome([(5, 10, 0, 0)]) is None
    empty_cell = around_outcome([(10, 10, 0, 90)])
    assert empty_cell is not None
    assert empty_cell.odds_ratio == pytest.approx(10.5 * 90.5 / (0.5 * 0.5))


def test_the_markdown_shows_every_column_and_the_curve(found: dict[str, ColumnRestatement]) -> None:
    text = restatement_markdown(list(found.values()))
    assert "| jobs.ended | event | 450 | 15.56% [12.50%, 19.19%] | 15.56% | 45 / 136 / 136 | 136 days until" in text
    assert "odds ratio 22.67" in text
    assert "| jobs.ended | 70 | 0.0% | 0.0% | 0.0% | 0.0% | 57.1% |" in text
    assert "| people.city | 10.00% | a value that differs in the next vintage is a new state" in text
    assert all(name in text for name in found)
