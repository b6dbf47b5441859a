"""The training table of a small world, and its audits: silent on it, loud on a planted violation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.audits import (
    ARRIVAL_AUDIT,
    EVENT_AUDIT,
    GENERIC_AUDITS,
    audits_of,
    decision_audits,
)
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.training import build_training_table, training_rows
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.table.features import world
from leadscore_dagster_tests.table.features.world import job, month

AS_OF = date(2024, 10, 1)
AUDITS = [
    "audits/vintage_known_after_decision",
    "audits/event_after_decision",
    "audits/restated_after_decision",
    "audits/label_window_not_observed",
    "audits/decision_not_unique",
    "audits/log_known_after_decision",
]


def recipe() -> Recipe:
    return world.recipe(audits=AUDITS)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two quarters of thirty representatives at five firms; the second restates the first. 40 leads, labels built."""
    made = world.lake(tmp_path)
    for number, (as_of, available_at) in enumerate(
        (("2024-04-01", "2024-04-16T06:00:00"), ("2024-07-01", "2024-07-10T06:00:00"))
    ):
        reps = [
            {"RepCRD": rep, "RIAFirmCRD": rep % 5, "TotalAssetsInMillions": 10.0 * rep + number, "Branch_State": "NY"}
            for rep in range(30)
        ]  # fmt: skip
        world.vintage(made, "rep_vintage", as_of, available_at, reps[: 30 - 5 * number])
        firms = [{"RIAFirmCRD": firm, "Number_Employees": firm + 100 * number} for firm in range(5)]
        world.vintage(made, "firm_vintage", as_of, available_at, firms)
        jobs = [job(rep, rep % 5, "2015-01-01", "2024-03-01" if number and rep % 2 else None) for rep in range(30)]
        world.vintage(made, "employment_vintage", as_of, available_at, jobs)
        months = [
            month(firm, 2024, m, 1e6 * (firm + m + number)) for firm in range(4) for m in range(1, 4 + 3 * number)
        ]
        world.vintage(made, "firm_history_vintage", as_of, available_at, months)
    rows: list[dict[str, Any]] = []
    for rep in range(40):  # ten of them in no vintage
        contacted = f"2024-{4 + rep % 5:02d}-{10 + rep % 15}T15:00:00"
        called = f"2024-{4 + rep % 5:02d}-28T00:00:00" if rep % 4 == 0 else None
        rows.append(
            {
                "Id": f"L{rep:02d}",
                "RepCRD": rep,
                "New_at": "2024-02-01T00:00:00",
                "Contacted_at": contacted,
                "Called_at": called,
            }
        )
    world.leads(made, AS_OF.isoformat(), *rows)
    build_labels(made, recipe(), AS_OF)
    return made


def plant(lake: Lake, name: str, change: Callable[[pa.Table], pa.Table], partition: str = "2024-10-01") -> None:
    rows = table(lake, f"SELECT * FROM {name} WHERE CAST(as_of AS STRING) = '{partition}'")
    lake.write_partition(name, partition, change(rows))


def replaced(rows: pa.Table, column: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    place = rows.schema.get_field_index(column)
    return rows.set_column(place, rows.schema.field(column), values.cast(rows.schema.field(column).type))


def test_a_quarter_has_its_own_columns_alone(lake: Lake) -> None:
    """The recipe had another feature in the quarter before: it is absent now, not missing in every row."""
    build_training_table(lake, recipe(), AS_OF)
    rows = training_rows(lake, AS_OF)
    before = rows.drop_columns("as_of").append_column("dropped_since", pa.array(range(rows.num_rows)))
    before = before.append_column("as_of", pa.array([date(2024, 7, 1)] * rows.num_rows, pa.date32()))
    lake.write_partition("training_table", "2024-07-01", before)
    assert training_rows(lake, AS_OF).equals(rows)
    assert "dropped_since" in training_rows(lake, date(2024, 7, 1)).column_names


def violations(lake: Lake) -> dict[str, int]:
    """Audits that found something, with the number of rows."""
    return {
        result.name.removeprefix("audits/"): result.violations
        for result in decision_audits(lake, recipe(), AS_OF)
        if result.violations
    }


def test_the_training_table_is_every_labelled_decision_in_time_order(lake: Lake) -> None:
    report = build_training_table(lake, recipe(), AS_OF)
    rows = training_rows(lake, AS_OF)
    labels = table(lake, "SELECT decision_id, label FROM labels WHERE status = 'labelled'").to_pylist()
    assert {row["decision_id"]: row["label"] for row in rows.to_pylist()} == {
        row["decision_id"]: row["label"] for row in labels
    }
    assert (report.rows, report.positives) == (40, 10)
    assert rows.column_names[:4] == ["decision_id", "RepCRD", "decision_at", "label"]
    assert rows.column_names[-1] == "as_of"
    order = list(zip(rows["decision_at"].to_pylist(), rows["decision_id"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert report.match_rates["rep_vintage"] == pytest.approx(
        1 - sum(value is None for value in rows["TotalAssetsInMillions"].to_pylist()) / 40
    )
    assert 0.4 < report.match_rates["employment_vintage"] < 1
    assert report.missing["Has_CFP"] == 1
    assert report.as_metadata()["dagster/row_count"] == 40
    assert "| rep_vintage |" in report.markdown()


def test_a_rebuild_gives_the_same_bytes_and_later_vintages_change_nothing(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    before = lake.digest("training_table", "2024-10-01")
    world.vintage(
        lake,
        "rep_vintage",
        "2024-10-01",
        "2024-10-08",
        [{"RepCRD": rep, "TotalAssetsInMillions": 1.0} for rep in range(30)],
    )
    world.vintage(
        lake,
        "employment_vintage",
        "2024-10-01",
        "2024-10-08",
        [job(rep, 1, "2015-01-01", "2024-02-01") for rep in range(30)],
    )
    build_training_table(lake, recipe(), AS_OF)
    assert lake.digest("training_table", "2024-10-01") == before


def test_audits_are_silent_on_a_clean_table(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    results = decision_audits(lake, recipe(), AS_OF)
    assert [result.name for result in results] == AUDITS
    assert [result.violations for result in results] == [0] * len(AUDITS)
    for result in results:
        assert result.sample.column_names == ["decision_id", "fact", "fact_at", "decision_at"]


def test_a_value_of_a_later_vintage_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    plant(
        lake,
        "training_table",
        lambda rows: replaced(
            rows,
            "TotalAssetsInMillions",
            pc.if_else(pc.equal(rows["decision_id"], "L06"), 51.0, rows["TotalAssetsInMillions"]),
        ),
    )
    assert violations(lake) == {"restated_after_decision": 1}
    sample = decision_audits(lake, recipe(), AS_OF)[2].sample.to_pylist()
    assert [(row["decision_id"], row["fact"]) for row in sample] == [("L06", "TotalAssetsInMillions")]
    assert sample[0]["fact_at"] < sample[0]["decision_at"]


@pytest.mark.parametrize("column", ["Number_Employees", "firm_aum_pit", "Branch_State"])
def test_every_audited_source_is_compared(lake: Lake, column: str) -> None:
    build_training_table(lake, recipe(), AS_OF)
    plant(lake, "training_table", lambda rows: replaced(rows, column, pa.nulls(rows.num_rows)))
    found = violations(lake)
    assert list(found) == ["restated_after_decision"]
    assert found["restated_after_decision"] > 10


def test_a_row_of_someone_absent_from_the_vintage_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    stale = pa.array([1.0] * 40)
    plant(
        lake,
        "training_table",
        lambda rows: replaced(rows, "TotalAssetsInMillions", pc.coalesce(rows["TotalAssetsInMillions"], stale)),
    )
    absent = sum(value == 1 for value in training_rows(lake, AS_OF)["rep_absent_from_vintage"].to_pylist())
    assert violations(lake) == {"restated_after_decision": absent}


def test_a_vintage_that_turns_out_to_have_arrived_later_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    users = training_rows(lake, AS_OF).filter(pc.field("evidence_rep_vintage_as_of") == date(2024, 4, 1)).num_rows
    late = pa.scalar(world.instant("2024-09-30T00:00:00"), world.TIMESTAMP)
    plant(
        lake, "rep_vintage", lambda rows: replaced(rows, "available_at", pa.repeat(late, rows.num_rows)), "2024-04-01"
    )
    found = violations(lake)
    assert found["vintage_known_after_decision"] == users
    assert "restated_after_decision" in found


def test_a_vintage_that_does_not_exist_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    lake.drop_partition("employment_vintage", "2024-04-01")
    assert violations(lake)["vintage_known_after_decision"] > 0


def test_an_event_after_the_decision_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    later = pa.repeat(pa.scalar(world.instant("2024-12-01T00:00:00"), world.TIMESTAMP), 40)
    plant(lake, "training_table", lambda rows: replaced(rows, "evidence_employment_vintage_event_at", later))
    assert violations(lake) == {"event_after_decision": 40}


def test_a_row_whose_window_was_not_observed_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    late = pc.if_else(
        pc.equal(training_rows(lake, AS_OF)["decision_id"], "L01"),
        pa.scalar(world.instant("2024-09-02T00:00:00"), world.TIMESTAMP),
        training_rows(lake, AS_OF)["decision_at"],
    )
    plant(
        lake,
        "training_table",
        lambda rows: replaced(
            rows.sort_by([("decision_at", "ascending"), ("decision_id", "ascending")]), "decision_at", late
        ),
    )
    assert violations(lake)["label_window_not_observed"] == 1


def test_a_label_the_log_did_not_give_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    plant(
        lake,
        "training_table",
        lambda rows: replaced(rows, "label", pc.if_else(pc.equal(rows["decision_id"], "L01"), 1, rows["label"])),
    )
    assert violations(lake) == {"label_window_not_observed": 1}


def test_a_decision_that_stands_twice_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    plant(lake, "training_table", lambda rows: pa.concat_tables([rows, rows.slice(0, 3)]))
    assert violations(lake) == {"decision_not_unique": 3}


def test_a_join_that_multiplies_rows_is_found(lake: Lake) -> None:
    plant(lake, "rep_vintage", lambda rows: pa.concat_tables([rows, rows.slice(0, 10)]), "2024-04-01")
    build_training_table(lake, recipe(), AS_OF)
    assert violations(lake)["decision_not_unique"] > 0


def test_a_lead_known_after_its_contact_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    late = pa.repeat(pa.scalar(world.instant("2024-06-01T00:00:00"), world.TIMESTAMP), 40)
    plant(lake, "crm_leads", lambda rows: replaced(rows, "known_at", late))
    early = pc.sum(pc.less(training_rows(lake, AS_OF)["decision_at"], late)).as_py()
    assert violations(lake) == {"log_known_after_decision": early}


def test_a_recipe_without_audits_gets_all_that_its_evidence_allows(lake: Lake) -> None:
    build_training_table(lake, world.recipe(), AS_OF)
    asked = [result.name for result in decision_audits(lake, world.recipe(), AS_OF)]
    assert asked == [ARRIVAL_AUDIT, EVENT_AUDIT, *GENERIC_AUDITS]
    assert tuple(audits_of(world.recipe(["contact_time"]))) == GENERIC_AUDITS


def test_evidence_audits_are_written_for_the_tables_with_evidence_and_no_other() -> None:
    text = audits_of(world.recipe(["home_metro"]))[ARRIVAL_AUDIT]
    assert "evidence_rep_vintage_as_of" in text
    assert not [name for name in world.SCHEMAS if name != "rep_vintage" and name in text]


def test_an_evidence_audit_without_evidence_is_refused() -> None:
    with pytest.raises(InputError, match="no feature set of recipe world returns its evidence"):
        audits_of(world.recipe(["contact_time"], audits=[ARRIVAL_AUDIT]))
    with pytest.raises(InputError, match="did you mean 'audits/vintage_known_after_decision'"):
        audits_of(world.recipe(audits=["audits/vintage_known_after_decison"]))


def test_an_audit_that_does_not_exist_gets_the_nearest_name(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    with pytest.raises(InputError, match="audits/decision_not_unique"):
        decision_audits(lake, world.recipe(audits=["audits/decision_not_uniqe"]), AS_OF)


def test_missing_partitions_are_named(tmp_path: Path) -> None:
    empty = Lake(tmp_path, "world")
    with pytest.raises(InputError, match="missing, in labels"):
        build_training_table(empty, recipe(), AS_OF)
    with pytest.raises(InputError, match="missing, in training_table"):
        training_rows(empty, AS_OF)
    with pytest.raises(InputError, match="missing, in training_table"):
        decision_audits(empty, recipe(), AS_OF)


def correct(lake: Lake, name: str, column: str, available_at: str) -> None:
    """A second arrival of the vintage of April, in which a number is a thousand more."""
    sql = (
        f"SELECT * REPLACE ({column} + 1000 AS {column}, @arrived AS available_at) FROM {name} "
        "WHERE as_of = DATE '2024-04-01'"
    )
    arrived = table(lake, sql, {"arrived": world.instant(available_at)})
    lake.write_partition(name, "2024-04-01.2", arrived)


def test_a_correction_changes_no_row_decided_before_it_and_every_one_decided_after(lake: Lake) -> None:
    """The correction of April's vintages comes on 1 June: later decisions see it until July's vintage has arrived."""
    build_training_table(lake, recipe(), AS_OF)
    before = training_rows(lake, AS_OF)
    arrival = "2024-06-01T06:00:00"
    for name, column in (
        ("rep_vintage", "TotalAssetsInMillions"),
        ("firm_vintage", "Number_Employees"),
        ("employment_vintage", "PREVIOUS_REGISTRATION_COMPANY_CRD_ID"),
        ("firm_history_vintage", "TOTAL_AUM"),
    ):
        correct(lake, name, column, arrival)
    build_training_table(lake, recipe(), AS_OF)
    after = training_rows(lake, AS_OF)
    assert after["decision_id"].equals(before["decision_id"])
    decided = pc.field("decision_at")
    come, july = (
        pa.scalar(world.instant(text), before.schema.field("decision_at").type)
        for text in (arrival, "2024-07-10T06:00:00")
    )
    untouched = (decided < come) | (decided >= july)
    assert after.filter(untouched).equals(before.filter(untouched))
    assert after.filter(untouched).num_rows > 10
    seen, unseen = after.filter(~untouched), before.filter(~untouched)
    known = pc.is_valid(unseen["TotalAssetsInMillions"])
    assert pc.sum(known).as_py() > 3
    for name in ("TotalAssetsInMillions", "Number_Employees"):
        assert pc.all(pc.equal(seen[name].filter(known), pc.add(unseen[name].filter(known), 1000))).as_py()
    assert set(seen["evidence_rep_vintage_known_at"].drop_null().to_pylist()) == {world.instant(arrival)}
    assert violations(lake) == {}


def test_a_row_that_saw_a_correction_too_early_is_found(lake: Lake) -> None:
    build_training_table(lake, recipe(), AS_OF)
    correct(lake, "rep_vintage", "TotalAssetsInMillions", "2024-09-30T00:00:00")
    plant(
        lake,
        "training_table",
        lambda rows: replaced(rows, "TotalAssetsInMillions", pc.add(rows["TotalAssetsInMillions"], 1000)),
    )
    assert violations(lake)["restated_after_decision"] > 10
