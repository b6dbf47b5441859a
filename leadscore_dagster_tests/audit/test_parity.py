"""Serve parity: honest rows are served again bit for bit; what serving will not see is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.audit.parity import serve_parity
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.labels import build_labels
from leadscore_dagster.core.table.training import build_training_table, training_rows
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.table.features import world

AS_OF = date(2024, 10, 1)
PEOPLE = 60


def recipe(own: tuple[str, ...] = (), **log: Any) -> Recipe:
    """The small world's recipe; ``log`` changes its log source, ``own`` are columns of the lead's own row."""
    document = world.recipe(("rep_firm_base", "contact_time")).model_dump()
    document["features"]["columns"] = own
    document["sources"]["leads"] |= log
    return Recipe.model_validate(document)


def vintages(lake: Lake, second_arrives: str = "2024-07-10") -> None:
    """Two vintages of everybody; the second restates the first."""
    for number, (as_of, arrives) in enumerate((("2024-04-01", "2024-04-16"), ("2024-07-01", second_arrives))):
        reps = [
            {
                "RepCRD": rep,
                "RIAFirmCRD": rep % 5,
                "TotalAssetsInMillions": None if rep % 7 == 0 else float(10 * rep + number),
                "AUMGrowthRate_1Year": 0.0,
            }
            for rep in range(PEOPLE)
        ]
        world.vintage(lake, "rep_vintage", as_of, arrives, reps)
        firms = [{"RIAFirmCRD": firm, "OwnershipType": "Independent"} for firm in range(4)]
        world.vintage(lake, "firm_vintage", as_of, arrives, firms)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """One lead a person, contacted between April and August; a third of them called back twelve days later."""
    made = world.lake(tmp_path)
    vintages(made)
    rows: list[dict[str, Any]] = []
    for rep in range(PEOPLE):
        month, day = 4 + rep % 5, 1 + rep % 15
        rows.append(
            {
                "Id": f"L{rep:02d}",
                "RepCRD": rep,
                "Company": ("Company 0", "", "Company 2")[rep % 3],
                "New_at": "2024-02-01T00:00:00",
                "Contacted_at": f"2024-{month:02d}-{day:02d}T15:00:00",
                "Called_at": f"2024-{month:02d}-{day + 12:02d}T09:00:00" if rep % 3 == 0 else None,
            }
        )
    world.leads(made, AS_OF.isoformat(), *rows)
    return made


def built(lake: Lake, made: Recipe) -> pa.Table:
    build_labels(lake, made, AS_OF)
    build_training_table(lake, made, AS_OF)
    return training_rows(lake, AS_OF)


def names(made: Recipe) -> list[str]:
    return [feature.name for feature in feature_query(made).features]


def leaks(verdicts: list[FeatureVerdict]) -> dict[str, FeatureVerdict]:
    return {verdict.feature: verdict for verdict in verdicts if verdict.verdict == "leak"}


def changed(rows: pa.Table, column: str, change: Callable[[pa.ChunkedArray], pa.Array | pa.ChunkedArray]) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(column), column, change(rows[column]))


def test_honest_rows_are_served_again_bit_for_bit(lake: Lake) -> None:
    made = recipe(own=("Company",))
    verdicts = serve_parity(lake, made, built(lake, made), AS_OF, names(made))
    assert {verdict.verdict for verdict in verdicts} == {"clear"}
    assert [verdict.feature for verdict in verdicts] == names(made)
    assert {(verdict.part, verdict.metric, verdict.value) for verdict in verdicts} == {("parity", "rows_different", 0)}
    assert "past decisions served again at 3 instants" in verdicts[0].evidence


def test_the_same_seed_serves_the_same_sample_and_not_more_than_asked(lake: Lake) -> None:
    made = recipe()
    rows = built(lake, made)
    first, again, other = (
        serve_parity(lake, made, rows, AS_OF, names(made), sample=9, seed=seed)[0].evidence for seed in (1, 1, 4)
    )
    assert first == again
    assert first.split()[0] in {"7", "8", "9"}
    assert other.split()[0] in {"7", "8", "9"}


def test_the_order_of_the_rows_does_not_matter(lake: Lake) -> None:
    made = recipe()
    rows = built(lake, made)
    assert serve_parity(lake, made, rows, AS_OF, names(made)) == serve_parity(
        lake, made, rows.sort_by([("RepCRD", "descending")]), AS_OF, names(made)
    )


def test_a_vintage_that_had_not_arrived_is_found(lake: Lake) -> None:
    """The table was built while the second vintage was believed to have been there from July 10th on."""
    made = recipe()
    rows = built(lake, made)
    vintages(lake, second_arrives="2024-09-20")
    found = leaks(serve_parity(lake, made, rows, AS_OF, names(made)))
    assert "TotalAssetsInMillions" in found
    assert "Day_of_Contact" not in found
    assert "served another value than they are trained on" in found["TotalAssetsInMillions"].evidence


def test_a_column_filled_in_after_the_decision_is_found(lake: Lake) -> None:
    """A new company is entered with the call; nothing in the table itself says so but the recipe's `known_later`."""
    made = recipe(own=("Company",), known_later={"Company": "Called_at"})
    found = leaks(serve_parity(lake, made, built(lake, made), AS_OF, names(made)))
    assert list(found) == ["Company"]
    assert "trained 'Company 0', served None" in found["Company"].evidence


def test_a_column_filled_in_before_the_decision_is_not(lake: Lake) -> None:
    made = recipe(own=("Company",), known_later={"Company": "New_at"})
    assert not leaks(serve_parity(lake, made, built(lake, made), AS_OF, names(made)))


def test_a_column_declared_as_known_after_the_outcome_is_found(lake: Lake) -> None:
    made = recipe(own=("Company",))
    rows = built(lake, made)
    contract = made.model_dump()["sources"]["leads"]["contract"]
    columns = [{**c, "known": "after_outcome" if c["name"] == "Company" else "at_once"} for c in contract["columns"]]
    declared = recipe(own=("Company",), contract={**contract, "columns": columns})
    assert list(leaks(serve_parity(lake, declared, rows, AS_OF, names(declared)))) == ["Company"]


def test_the_column_that_holds_the_label_is_found(lake: Lake) -> None:
    made = recipe(own=("Company",))
    rows = built(lake, made)
    label = {"kind": "column", "column": "Company", "positive": "Company 0", "known_after_days": 30}
    by_column = Recipe.model_validate({**made.model_dump(), "label": label})
    assert list(leaks(serve_parity(lake, by_column, rows, AS_OF, names(by_column)))) == ["Company"]


@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("Company", lambda c: pc.if_else(pc.equal(c, ""), None, c), "trained None, served ''"),
        ("AUMGrowthRate_1Year", lambda c: pc.negate(c), "trained -0.0, served 0.0"),
        ("TotalAssetsInMillions", lambda c: pc.fill_null(c, float("nan")), "trained nan, served None"),
        ("Day_of_Contact", lambda c: c.cast(pa.float64()), "trained as double, served as int64"),
        ("OwnershipType", lambda c: c.cast(pa.large_string()), "trained as large_string, served as string"),
    ],
)
def test_missing_values_levels_and_types_are_the_same(
    lake: Lake, column: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray], said: str
) -> None:
    made = recipe(own=("Company",))
    rows = changed(built(lake, made), column, change)
    found = leaks(serve_parity(lake, made, rows, AS_OF, names(made)))
    assert list(found) == [column]
    assert said in found[column].evidence


def test_nan_is_served_as_nan(lake: Lake) -> None:
    """Missing against missing and NaN against NaN are no difference."""
    made = recipe()
    world.vintage(
        lake,
        "rep_vintage",
        "2024-04-01",
        "2024-04-16",
        [{"RepCRD": rep, "RIAFirmCRD": 1, "MilesToWork": float("nan")} for rep in range(PEOPLE)],
    )
    rows = built(lake, made)
    assert any(pc.is_nan(rows["MilesToWork"]).to_pylist())
    assert not leaks(serve_parity(lake, made, rows, AS_OF, names(made)))


def test_a_decision_serving_loses_is_found(lake: Lake) -> None:
    """The lead stands in no extract of that time: it was entered later with an earlier date."""
    made = recipe(own=("Company",))
    rows = built(lake, made)
    log = lake.query("SELECT * FROM crm_leads").read_all()
    lake.write_partition("crm_leads", AS_OF.isoformat(), log.filter(pc.not_equal(log["RepCRD"], 7)))
    lost = rows.filter(pc.equal(rows["RepCRD"], 7))
    assert list(leaks(serve_parity(lake, made, lost, AS_OF, names(made)))) == ["Company"]


def test_no_row_proves_nothing(lake: Lake) -> None:
    made = recipe()
    rows = built(lake, made).slice(0, 0)
    assert {v.verdict for v in serve_parity(lake, made, rows, AS_OF, names(made))} == {"unproven"}


def test_a_column_that_is_not_there_is_named(lake: Lake) -> None:
    made = recipe()
    with pytest.raises(InputError, match="no column MilesToWork"):
        serve_parity(lake, made, built(lake, made).drop_columns(["MilesToWork"]), AS_OF, names(made))
