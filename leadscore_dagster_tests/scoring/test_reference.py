"""Features of the call are held at a reference while a list is scored."""

import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.reference import at_reference
from leadscore_dagster_tests.scoring.world import recipe

ROWS = pa.table({"decision_id": ["a", "b", "c"], "weekday": [7, 7, None], "source": ["web", None, "call"]})


def held(**reference: float | str) -> Recipe:
    made = recipe()
    return made.model_copy(update={"scoring": made.scoring.model_copy(update={"reference": reference})})


def read(made: Recipe) -> pa.Table:
    return at_reference(ROWS.to_reader(max_chunksize=2), made).read_all()


def test_every_row_gets_the_reference_and_nothing_else_changes() -> None:
    found = read(held(weekday=2, source="none"))
    assert found["weekday"].to_pylist() == [2, 2, 2]
    assert found["source"].to_pylist() == ["none"] * 3
    assert found["decision_id"].equals(ROWS["decision_id"])
    assert found.schema == ROWS.schema


def test_without_a_reference_the_rows_are_as_they_were() -> None:
    assert read(recipe()).equals(ROWS)


@pytest.mark.parametrize(
    ("reference", "message"),
    [({"weekdy": 2}, "did you mean 'weekday'"), ({"weekday": "Tuesday"}, "'Tuesday' is no value of a feature of type")],
)
def test_a_reference_that_cannot_be_held_is_refused(reference: dict[str, float | str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(held(**reference))
