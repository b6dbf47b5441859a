"""Every gate of the sources can fail, passes what is right, and is asked of what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import GateRefused, InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Decisions, Recipe
from leadscore_dagster.core.sources import ingest_log, ingest_vintage, log_checks, refuse, vintage_checks
from leadscore_dagster.core.sources.checks import VINTAGE_CHECKS
from leadscore_dagster.core.sources.connectors import connector_of
from leadscore_dagster.core.sources.log_checks import LOG_CHECKS, log_freshness
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster_tests.sources import people
from leadscore_dagster_tests.sources.people import AS_OF, LEAD_HEADER, LEADS, SOURCE, lead

Tamper = Callable[[pa.Table], pa.Table]


def _recipe(**sources: object) -> Recipe:
    """The shipped recipe with the small world's sources: the checks ask it for the decisions' entity only."""
    decisions = Decisions(source="leads", id="Id", entity="person", at="contacted")
    return load_recipe("advisor_mql").model_copy(
        update={"sources": {"leads": LEADS, **sources}, "decisions": decisions}
    )


def _by_name(results: list[Verdict]) -> dict[str, Verdict]:
    return {result.name: result for result in results}


def _set(name: str, value: object, rows: int) -> Tamper:
    """Overwrite the first rows of a column."""

    def change(stored: pa.Table) -> pa.Table:
        position = stored.schema.get_field_index(name)
        kind = stored.schema.field(name).type
        first = pa.array([value] * rows, kind)
        column = pa.concat_arrays([first, *stored[name].slice(rows).chunks])
        return stored.set_column(position, name, column)

    return change


def _tampered(lake: Lake, change: Tamper, as_of: date = AS_OF, name: str = "person_vintage") -> None:
    stored = table(lake, f"SELECT * FROM {name} WHERE as_of = @as_of", {"as_of": as_of})
    lake.write_partition(name, as_of.isoformat(), change(stored))


@pytest.fixture
def stored(lake: Lake, drops: Path) -> Lake:
    ingest_vintage(lake, "people", SOURCE, connector_of(drops), AS_OF)
    return lake


def test_a_clean_vintage_passes_every_check(stored: Lake) -> None:
    results = vintage_checks(stored, SOURCE, AS_OF)
    assert [result.name for result in results] == list(VINTAGE_CHECKS)
    assert all(result.passed for result in results)
    refuse(results, "person_vintage")


def _as_text(stored: pa.Table) -> pa.Table:
    position = stored.schema.get_field_index("miles")
    return stored.set_column(position, "miles", pc.cast(stored["miles"], pa.string()))


LATE, EARLY = datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
FAILS: dict[str, tuple[str, Tamper, str, str]] = {
    "out of range": ("contract", _set("miles", -1.0, 3), "error", "miles below minimum in 3 rows"),
    "after as_of": ("contract", _set("since", date(2024, 4, 2), 2), "error", "since after as of in 2 rows"),
    "no key": ("contract", _set("person", None, 1), "error", "person missing in 1 rows"),
    "another type": ("contract", _as_text, "error", "another type than the contract's: miles"),
    "a column gone": ("contract", lambda t: t.drop_columns(["miles"]), "error", "missing or of another type.*miles"),
    "key twice": ("uniqueness", lambda t: pa.concat_tables([t, t.slice(0, 4)]), "error", "4 rows repeat the key"),
    "critical column empty": (
        "completeness",
        _set("since", None, 21),
        "error",
        r"since is filled in 94\.75% of 400 rows",
    ),
    "available late": ("freshness", _set("available_at", LATE, 400), "warn", "available 91 days after as_of"),
    "available before": ("freshness", _set("available_at", EARLY, 1), "error", "available_at is before as_of"),
    "old content": ("freshness", _set("since", date(2023, 6, 1), 400), "error", "describes an earlier period"),
    "no rows": ("row_count", lambda t: t.slice(0, 0), "error", "0 rows, no earlier vintage"),
}


@pytest.mark.parametrize("name", FAILS)
def test_each_check_of_a_vintage_fails_where_the_stored_rows_are_wrong(name: str, stored: Lake) -> None:
    check, change, severity, why = FAILS[name]
    _tampered(stored, change)
    results = _by_name(vintage_checks(stored, SOURCE, AS_OF))
    assert not results[check].passed
    assert results[check].severity == severity
    assert pc.match_substring_regex(pa.scalar(results[check].why), why).as_py()


def test_a_failed_error_is_refused_and_a_warning_is_not(stored: Lake) -> None:
    _tampered(stored, _set("available_at", LATE, 400))
    refuse(vintage_checks(stored, SOURCE, AS_OF), "person_vintage")
    _tampered(stored, _set("miles", -1.0, 3))
    with pytest.raises(GateRefused, match="person_vintage 2024-04-01: contract: miles below minimum in 3 rows"):
        refuse(vintage_checks(stored, SOURCE, AS_OF), "person_vintage 2024-04-01")


def test_too_few_rows_are_told_from_the_newest_earlier_vintage(stored: Lake, drops: Path) -> None:
    later = date(2024, 7, 1)
    people.write_drop(drops, [people.person(number, miles="5") for number in range(310)], "2024_q2")
    ingest_vintage(stored, "people", SOURCE, connector_of(drops), later)
    count = _by_name(vintage_checks(stored, SOURCE, later))["row_count"]
    assert (count.passed, count.value, count.threshold) == (False, 310 / 400, 0.8)
    _tampered(stored, lambda t: t.slice(0, 380))
    assert _by_name(vintage_checks(stored, SOURCE, later))["row_count"].passed


def test_a_partition_that_is_not_there_is_an_error_and_not_a_pass(stored: Lake) -> None:
    with pytest.raises(InputError, match="no partition 2024-07-01, in person_vintage"):
        vintage_checks(stored, SOURCE, date(2024, 7, 1))


def _leads(lake: Lake, folder: Path, matched: int, unmatched: int) -> None:
    rows = [lead(number) for number in range(matched)]
    rows += [lead(number, FA_CRD__c="" if number % 2 else "77") for number in range(1000, 1000 + unmatched)]
    people.write_csv(folder / "leads.csv", rows, LEAD_HEADER)
    ingest_log(lake, "leads", LEADS, connector_of(folder), AS_OF)


def test_a_clean_log_passes_every_check(stored: Lake, tmp_path: Path) -> None:
    _leads(stored, tmp_path, 95, 5)
    results = log_checks(stored, LEADS, AS_OF, _recipe(people=SOURCE))
    assert [result.name for result in results] == list(LOG_CHECKS)
    assert all(result.passed for result in results)


def test_the_match_rate_counts_rows_without_an_entity_as_unmatched(stored: Lake, tmp_path: Path) -> None:
    _leads(stored, tmp_path, 90, 10)
    result = _by_name(log_checks(stored, LEADS, AS_OF, _recipe(people=SOURCE)))["match_rate"]
    assert (result.passed, result.value, result.n) == (False, 0.9, 100)


def test_the_match_rate_reads_the_newest_vintage_that_was_available(stored: Lake, drops: Path, tmp_path: Path) -> None:
    recipe = _recipe(people=SOURCE)
    _leads(stored, tmp_path, 95, 5)
    first = _by_name(log_checks(stored, LEADS, AS_OF, recipe))["match_rate"]
    assert "vintage of 2024-04-01 (none was available yet: the oldest one)" in first.why
    strangers = [people.person(number) for number in range(5000, 5400)]
    people.write_drop(drops, strangers, "2023_q4")
    clean = people.CONTRACT.model_copy(update={"columns": tuple(_undated(c) for c in people.CONTRACT.columns)})
    ingest_vintage(
        stored, "people", SOURCE.model_copy(update={"contract": clean}), connector_of(drops), date(2024, 1, 1)
    )
    second = _by_name(log_checks(stored, LEADS, AS_OF, recipe))["match_rate"]
    assert "vintage of 2024-01-01" in second.why
    assert not second.passed


def _undated(column: object) -> object:
    return column.model_copy(update={"not_after_as_of": False})  # type: ignore[attr-defined]


def test_a_recipe_without_vintages_asks_that_every_row_names_its_entity(lake: Lake, tmp_path: Path) -> None:
    _leads(lake, tmp_path, 95, 5)
    assert _by_name(log_checks(lake, LEADS, AS_OF, _recipe()))["match_rate"].passed
    _leads(lake, tmp_path, 60, 40)
    assert not _by_name(log_checks(lake, LEADS, AS_OF, _recipe()))["match_rate"].passed


def test_without_any_vintage_nothing_matches(lake: Lake, tmp_path: Path) -> None:
    _leads(lake, tmp_path, 95, 5)
    result = _by_name(log_checks(lake, LEADS, AS_OF, _recipe(people=SOURCE)))["match_rate"]
    assert (result.passed, result.why) == (False, "person_vintage has no vintage")


@pytest.mark.parametrize("column", ["known_at", "contacted"])
def test_a_log_that_holds_what_came_after_as_of_breaks_its_contract(column: str, stored: Lake, tmp_path: Path) -> None:
    _leads(stored, tmp_path, 95, 5)
    _tampered(stored, _set(column, datetime(2024, 4, 1, tzinfo=UTC), 2), name="crm")
    result = _by_name(log_checks(stored, LEADS, AS_OF, _recipe(people=SOURCE)))["contract"]
    assert (result.passed, result.value) == (False, 2)
    assert f"{column} in 2 rows" in result.why


def test_a_log_extracted_long_before_as_of_is_stale(lake: Lake, tmp_path: Path) -> None:
    _leads(lake, tmp_path, 95, 5)
    assert log_freshness(lake, LEADS, AS_OF).passed
    ingest_log(lake, "leads", LEADS, connector_of(tmp_path), date(2024, 7, 1))
    assert not log_freshness(lake, LEADS, date(2024, 7, 1)).passed
    ingest_log(lake, "leads", LEADS, connector_of(tmp_path), date(2024, 1, 1))
    assert "no row was known" in log_freshness(lake, LEADS, date(2024, 1, 1)).why
