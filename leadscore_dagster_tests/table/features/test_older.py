"""Features one vintage older: every decision sees one vintage less, and nothing later."""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.table.features.older import features_one_vintage_older
from leadscore_dagster_tests.table.features import world
from leadscore_dagster_tests.table.features.test_known_time import two_vintages


def test_a_decision_sees_the_vintage_before_the_one_it_was_decided_on(tmp_path: Path) -> None:
    decisions = world.decisions(("late", 1, "2024-08-01T00:00:00"), ("early", 1, "2024-05-01T00:00:00"))
    found = features_one_vintage_older(two_vintages(tmp_path), load_recipe("advisor_mql"), decisions)
    rows = {row["decision_id"]: row for row in found.to_pylist()}
    assert rows["late"]["TotalAssetsInMillions"] == 1.0  # July's vintage says 2
    assert rows["late"]["Number_Employees"] == 1
    assert rows["late"]["pit_moves_3yr"] == 0  # the end of the job stands in July's vintage only
    assert rows["early"]["TotalAssetsInMillions"] is None  # April's was the first
    assert not [name for name in found.column_names if name.startswith("evidence_")]
