"""Features as served: the columns, what may be seen, and the very matrix training made of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.audit import parity
from leadscore_dagster.core.modelling.matrix import learn_columns, to_matrix
from leadscore_dagster.core.scoring import day
from leadscore_dagster.core.table.features.query import feature_query
from leadscore_dagster.core.table.features.serving import served_features
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.table.features import world

SETS = ("rep_firm_base", "contact_time")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two rep vintages; the second restates the first."""
    made = world.lake(tmp_path)
    for as_of, available_at, assets in (("2024-04-01", "2024-04-16", 1.0), ("2024-07-01", "2024-07-10", 2.0)):
        reps = [{"RepCRD": rep, "RIAFirmCRD": 1, "TotalAssetsInMillions": assets * rep} for rep in range(30)]
        world.vintage(made, "rep_vintage", as_of, available_at, reps)
        world.vintage(made, "firm_vintage", as_of, available_at, [{"RIAFirmCRD": 1, "OwnershipType": "Independent"}])
    return made


def _asked(moment: str = "2024-08-01T12:00:00"):  # type: ignore[no-untyped-def]
    return world.decisions(*((f"L{rep:02d}", rep, moment) for rep in range(40)))


def test_every_decision_comes_back_once_with_its_keys_and_features(lake: Lake) -> None:
    recipe = world.recipe(SETS)
    query = feature_query(recipe)
    found = served_features(lake, recipe, _asked(), {}, {}).read_all()
    features = [feature.name for feature in query.features]
    assert found.column_names == ["RepCRD", "decision_at", "decision_id", *features, *query.evidence]
    assert sorted(found["decision_id"].to_pylist()) == [f"L{rep:02d}" for rep in range(40)]


def test_a_table_is_seen_as_it_is_given_and_others_as_they_are_stored(lake: Lake) -> None:
    recipe = world.recipe(SETS)
    narrow = {"rep_vintage": "SELECT * FROM rep_vintage WHERE available_at <= @until"}
    until = {"until": world.instant("2024-07-01T00:00:00")}
    now = served_features(lake, recipe, _asked(), {}, {}).read_all().sort_by("RepCRD")
    then = served_features(lake, recipe, _asked(), narrow, until).read_all().sort_by("RepCRD")
    assert now["TotalAssetsInMillions"].to_pylist()[3] == 6
    assert then["TotalAssetsInMillions"].to_pylist()[3] == 3
    assert now["OwnershipType"].to_pylist() == then["OwnershipType"].to_pylist()
    assert "Independent" in now["OwnershipType"].to_pylist()


def test_served_rows_are_encoded_like_the_rows_trained_on(lake: Lake) -> None:
    """Levels are learned on training rows; what is served later gives the same codes and the same holes."""
    recipe = world.recipe(SETS)
    features = feature_query(recipe).features
    trained = served_features(lake, recipe, _asked(), {}, {}).read_all().sort_by("decision_id")
    again = served_features(lake, recipe, _asked().slice(5, 20), {}, {}).read_all().sort_by("decision_id")
    columns = learn_columns(trained, features)
    assert np.array_equal(to_matrix(trained, columns)[5:25], to_matrix(again, columns), equal_nan=True)
    assert np.isnan(to_matrix(trained, columns)).any()


def test_the_list_of_a_day_and_the_audit_serve_by_one_function() -> None:
    assert day.served_features is served_features
    assert parity.served_features is served_features


def test_decisions_may_be_a_statement_with_parameters(lake: Lake) -> None:
    recipe = world.recipe(SETS)
    lake.write_partition("asked", "all", _asked())
    who = "SELECT decision_id, RepCRD, decision_at FROM asked WHERE DATE(decision_at) = @day AND RepCRD < 3"
    assert served_features(lake, recipe, who, {}, {"day": date(2024, 8, 1)}).read_all().num_rows == 3
