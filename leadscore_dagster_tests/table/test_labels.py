"""Every status of a label, on its borders; and the class distribution."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.decisions import decision_log, decisions_of_day, scalar
from leadscore_dagster.core.table.labels import build_labels, class_distribution
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.table.features import world

AS_OF = date(2024, 7, 1)


def lead(name: str, rep: int | None, contacted: str | None, called: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "Id": name,
        "RepCRD": rep,
        "New_at": "2024-01-02T00:00:00",
        "Contacted_at": contacted,
        "Called_at": called,
        **more,
    }


def labelled(root: Path, *rows: dict[str, Any], recipe: Recipe | None = None) -> dict[str, tuple[str, int | None]]:
    """Id to (status, label); the last one where an Id stands twice."""
    lake = Lake(root, "world")
    world.leads(lake, AS_OF.isoformat(), *rows)
    report = build_labels(lake, recipe or world.recipe(), AS_OF)
    found = table(lake, "SELECT * FROM labels ORDER BY decision_at").to_pylist()
    assert len(found) == report.rows == len(rows)
    assert {row["as_of"] for row in found} == {AS_OF}
    return {row["decision_id"]: (row["status"], row["label"]) for row in found}


def test_the_window_holds_its_border_and_nothing_beyond(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        lead("same instant", 1, "2024-03-01T09:00:00", "2024-03-01T09:00:00"),
        lead("exactly 30 days", 2, "2024-03-01T09:00:00", "2024-03-31T09:00:00"),
        lead("a second more", 3, "2024-03-01T09:00:00", "2024-03-31T09:00:01"),
        lead("never", 4, "2024-03-01T09:00:00"),
        lead("a second before", 5, "2024-03-01T09:00:00", "2024-03-01T08:59:59"),
    )
    assert found == {
        "same instant": ("labelled", 1),
        "exactly 30 days": ("labelled", 1),
        "a second more": ("labelled", 0),
        "never": ("labelled", 0),
        "a second before": ("negative_lag", None),
    }


def test_a_window_that_ends_exactly_at_as_of_has_been_observed(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        lead("at the border", 1, "2024-06-01T00:00:00"),
        lead("a second later", 2, "2024-06-01T00:00:01"),
        lead("early positive", 3, "2024-06-20T00:00:00", "2024-06-21T00:00:00"),
    )
    assert found == {
        "at the border": ("labelled", 0),
        "a second later": ("right_censored", None),
        "early positive": ("right_censored", None),
    }


def test_rows_without_a_decision_or_entity_and_excluded_rows_are_counted(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        lead("not contacted", 1, None),
        lead("contacted at as_of", 2, "2024-07-01T00:00:00"),
        lead("nobody", None, "2024-03-01T00:00:00"),
        lead("nobody else", None, "2024-03-01T00:00:00"),
        lead("own", 3, "2024-03-01T00:00:00", Company="Own Company"),
        lead("no company", 4, "2024-03-01T00:00:00", Company=None),
    )
    assert {name: status for name, (status, _) in found.items()} == {
        "not contacted": "no_decision",
        "contacted at as_of": "no_decision",
        "nobody": "unmatched_entity",
        "nobody else": "unmatched_entity",
        "own": "excluded",
        "no company": "labelled",
    }


def test_a_row_known_only_at_as_of_is_not_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    late = {**lead("late", 1, "2024-03-01T00:00:00"), "New_at": "2024-07-01T00:00:00"}
    world.leads(lake, "2024-07-01", late, lead("in time", 2, "2024-03-01T00:00:00"))
    assert build_labels(lake, world.recipe(), AS_OF).rows == 1


def test_recycled_leads_within_the_cool_off_are_counted_and_not_labelled(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        lead("first", 1, "2024-01-10T00:00:00"),
        lead("after 90 days", 1, "2024-04-09T00:00:00"),
        lead("a second more", 2, "2024-04-09T00:00:01"),
        lead("first of 2", 2, "2024-01-10T00:00:00"),
        lead("other person", 3, "2024-01-11T00:00:00"),
    )
    assert found["first"] == found["a second more"] == found["other person"] == ("labelled", 0)
    assert found["after 90 days"] == ("recycled", None)


def test_without_a_cool_off_nothing_is_recycled(tmp_path: Path) -> None:
    decisions = {**world.recipe().decisions.model_dump(), "recycle_after_days": 0}
    rows = [lead("a", 1, "2024-01-10T00:00:00"), lead("b", 1, "2024-01-11T00:00:00")]
    found = labelled(tmp_path, *rows, recipe=world.recipe(decisions=decisions))
    assert set(found.values()) == {("labelled", 0)}


def test_the_same_person_at_the_same_instant_and_the_same_id_twice_are_duplicates(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    world.leads(
        lake,
        "2024-07-01",
        lead("b", 1, "2024-03-01T00:00:00", "2024-03-02T00:00:00"),
        lead("a", 1, "2024-03-01T00:00:00"),
        lead("own", 1, "2024-03-01T00:00:00", Company="Own Company"),
        lead("twice", 2, "2024-03-01T00:00:00"),
        lead("twice", 3, "2024-03-05T00:00:00"),
    )
    report = build_labels(lake, world.recipe(), AS_OF)
    found = table(lake, "SELECT decision_id, RepCRD, status FROM labels ORDER BY decision_id, RepCRD").to_pylist()
    assert [(row["decision_id"], row["RepCRD"], row["status"]) for row in found] == [
        ("a", 1, "labelled"), ("b", 1, "duplicate"), ("own", 1, "excluded"), ("twice", 2, "labelled"),
        ("twice", 3, "duplicate"),
    ]  # fmt: skip
    assert report.counts["duplicate"] == 2
    assert sum(report.counts.values()) == 5


def test_labels_of_a_quarter_do_not_change_when_the_log_goes_on(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    rows = [lead(str(rep), rep, f"2024-0{1 + rep % 6}-15T00:00:00") for rep in range(12)]
    world.leads(lake, "2024-07-01", *rows)
    build_labels(lake, world.recipe(), AS_OF)
    before = lake.digest("labels", "2024-07-01")
    world.leads(lake, "2024-10-01", *({**row, "Called_at": "2024-08-01T00:00:00"} for row in rows))
    build_labels(lake, world.recipe(), AS_OF)
    assert lake.digest("labels", "2024-07-01") == before


def column_recipe(positive: str | int, kind: str, days: int = 0) -> Recipe:
    made = world.recipe().model_dump()
    made["sources"]["leads"]["contract"]["columns"] += ({"name": "Company_size", "type": kind},)
    column = "Company" if kind == "text" else "RepCRD"
    made["label"] = {"kind": "column", "column": column, "positive": positive, "known_after_days": days}
    return Recipe.model_validate(made)


def test_a_column_label_is_known_after_its_days(tmp_path: Path) -> None:
    found = labelled(
        tmp_path,
        lead("yes", 1, "2024-03-01T00:00:00", Company="won"),
        lead("no", 2, "2024-03-01T00:00:00", Company="lost"),
        lead("missing", 3, "2024-03-01T00:00:00", Company=None),
        lead("at the border", 4, "2024-06-21T00:00:00", Company="won"),
        lead("too young", 5, "2024-06-21T00:00:01", Company="won"),
        recipe=column_recipe("won", "text", days=10),
    )
    assert found == {
        "yes": ("labelled", 1),
        "no": ("labelled", 0),
        "missing": ("missing_outcome", None),
        "at the border": ("labelled", 1),
        "too young": ("right_censored", None),
    }


def test_a_positive_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(InputError, match="column RepCRD"):
        decision_log(column_recipe("1", "integer"))
    with pytest.raises(InputError, match="column Company"):
        decision_log(column_recipe(1, "text"))


def test_a_positive_value_is_quoted(tmp_path: Path) -> None:
    rows = [
        lead("a", 1, "2024-03-01T00:00:00", Company="o'clock \\' OR TRUE"),
        lead("b", 2, "2024-03-01T00:00:00", Company="x"),
    ]
    found = labelled(tmp_path, *rows, recipe=column_recipe("o'clock \\' OR TRUE", "text"))
    assert found == {"a": ("labelled", 1), "b": ("labelled", 0)}


@pytest.mark.parametrize(
    "expression",
    [
        "Contacted", "x.Contacted_at", "(SELECT 1)", "COUNT(*)", "MAX(Contacted_at)", "Contacted_at FROM crm_leads",
        "Contacted_at, New_at", "Contacted_at; DROP TABLE x", "*", "LAG(New_at) OVER (ORDER BY New_at)", "@as_of",
        "Contacted_at AS x", "no_such_function(New_at)", "((", "EXISTS (SELECT 1 FROM labels)",
        "Contacted_at WHERE TRUE",
    ],
)  # fmt: skip
def test_an_expression_that_is_not_a_scalar_over_the_source_is_refused(expression: str) -> None:
    with pytest.raises(InputError, match=r"decisions\.at"):
        scalar(expression, ["Contacted_at", "New_at"], "decisions.at")


def test_a_misspelt_column_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'Contacted_at'"):
        scalar("TIMESTAMP_TRUNC(Contactedat, DAY)", ["Contacted_at", "New_at"], "decisions.at")


def test_comments_in_an_expression_do_not_reach_the_statement() -> None:
    assert scalar("New_at /* x */ -- y", ["New_at"], "decisions.at") == "l.`New_at`"


def test_an_entity_with_a_reserved_name_is_refused() -> None:
    made = world.recipe().model_dump()
    made["sources"]["leads"]["contract"]["columns"] += ({"name": "label", "type": "key"},)
    made["decisions"]["entity"] = "label"
    with pytest.raises(InputError, match="column label"):
        decision_log(Recipe.model_validate(made))


def test_a_missing_quarter_of_the_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="period 2024-07-01 is missing, in crm_leads"):
        build_labels(Lake(tmp_path, "world"), world.recipe(), AS_OF)


def test_the_report_counts_rates_with_intervals(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    rows = [
        lead(str(rep), rep, f"{month}-1{rep % 7}T00:00:00", None if rep % 10 else f"{month}-28T00:00:00")
        for rep in range(200)
        for month in [f"2024-0{1 + rep % 3}"]
    ]
    world.leads(lake, "2024-07-01", *rows)
    report = build_labels(lake, world.recipe(), AS_OF)
    assert (report.labelled, report.positives) == (200, 20)
    months = report.distribution.filter(np.array(report.distribution["dimension"].to_pylist()) == "month").to_pylist()
    assert [row["value"] for row in months] == ["2024-01", "2024-02", "2024-03"]
    assert sum(row["n"] for row in months) == 200
    assert all(row["low"] < row["rate"] < row["high"] for row in months)
    assert report.maturity.to_pylist()[-1] == {"lag_days": 30, "positives": 20, "share": 1.0}
    assert not report.is_left_truncated
    assert "| labelled | 200 |" in report.markdown()
    assert report.as_metadata()["negatives_per_positive"] == 9


def test_outcomes_recorded_only_from_some_date_on_are_noticed(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    early = [lead(f"e{rep}", rep, "2024-02-01T00:00:00") for rep in range(200)]
    late = [
        lead(f"l{rep}", 1000 + rep, "2024-05-01T00:00:00", "2024-05-02T00:00:00" if rep % 5 == 0 else None)
        for rep in range(200)
    ]
    world.leads(lake, "2024-07-01", *early, *late)
    report = build_labels(lake, world.recipe(), AS_OF)
    assert report.is_left_truncated
    assert report.rows_before_first_positive >= 200
    assert "Left truncation" in report.markdown()


def test_no_labelled_row_makes_an_empty_report(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    world.leads(lake, "2024-07-01", lead("a", 1, None))
    report = build_labels(lake, world.recipe(), AS_OF)
    assert (report.rows, report.labelled, report.positives, report.distribution.num_rows) == (1, 0, 0, 0)
    assert report.as_metadata()["positive_rate"] is None


def test_weekdays_are_those_of_the_calendar() -> None:
    days = np.array(["2024-05-06", "2024-05-12", "2024-05-12"], dtype="datetime64[us]")
    found = class_distribution(days, np.array([1, 0, 1])).to_pylist()
    assert [(row["value"], row["n"], row["positives"]) for row in found] == [
        ("2024-05", 3, 2), ("Monday", 1, 1), ("Sunday", 2, 1),
    ]  # fmt: skip


def test_open_leads_are_those_known_and_untouched_before_the_day_began(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    rows = [
        lead("open", 1, None),
        lead("contacted that day", 2, "2024-03-05T00:00:00"),
        lead("contacted the second before", 3, "2024-03-04T23:59:59"),
        {**lead("too new", 4, None), "New_at": "2024-03-05T00:00:00"},
        lead("own", 5, None, Company="Own Company"),
        lead("nobody", None, None),
        {**lead("newer lead of 1", 1, None), "New_at": "2024-02-01T00:00:00"},
        lead("called before", 6, None, "2024-03-01T00:00:00"),
    ]
    world.leads(lake, "2024-07-01", *rows)
    found = decisions_of_day(lake, world.recipe(), "scoring/open_leads", date(2024, 3, 5), AS_OF).to_pylist()
    assert [(row["decision_id"], row["RepCRD"]) for row in found] == [("contacted that day", 2), ("newer lead of 1", 1)]
    assert {row["decision_at"] for row in found} == {world.instant("2024-03-05T00:00:00")}


def test_prospects_are_in_the_newest_vintage_of_the_morning_and_not_in_the_crm(tmp_path: Path) -> None:
    lake = world.lake(tmp_path)
    world.vintage(lake, "rep_vintage", "2024-01-01", "2024-01-10", [{"RepCRD": rep} for rep in (1, 2, 3)])
    world.vintage(lake, "rep_vintage", "2024-04-01", "2024-04-10", [{"RepCRD": rep} for rep in (2, 3, 4)])
    world.leads(
        lake,
        "2024-07-01",
        lead("a", 2, None),
        {**lead("b", 3, None), "New_at": "2024-04-10T00:00:00"},
        lead("c", None, None),
    )

    def prospects(day: date) -> list[tuple[str, int]]:
        found = decisions_of_day(lake, world.recipe(), "scoring/prospects", day, AS_OF).to_pylist()
        return [(row["decision_id"], row["RepCRD"]) for row in found]

    assert prospects(date(2024, 4, 9)) == [("prospect-1", 1), ("prospect-3", 3)]
    assert prospects(date(2024, 4, 10)) == [("prospect-3", 3), ("prospect-4", 4)]
    assert prospects(date(2024, 4, 11)) == [("prospect-4", 4)]
    assert prospects(date(2024, 1, 9)) == []


def test_decisions_of_day_of_a_flat_log_keep_their_own_instant(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    rows = [
        lead("a", 1, "2024-03-05T00:00:00"),
        lead("b", 2, "2024-03-05T23:59:59"),
        lead("c", 3, "2024-03-06T00:00:00"),
    ]
    world.leads(lake, "2024-07-01", *rows)
    found = decisions_of_day(lake, world.recipe(), "scoring/decisions_of_day", date(2024, 3, 5), AS_OF)
    assert found.column_names == ["decision_id", "RepCRD", "decision_at"]
    assert found["decision_id"].to_pylist() == ["a", "b"]
