"""What is read off the instance: of more runs than are looked at, the newest."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.defs.automation import run_requests


def test_of_many_runs_the_newest_are_known_in_the_order_they_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_requests, "_NEWEST", 3)
    common = {
        run_requests.RECIPE_TAG: "advisor_mql",
        run_requests.KIND_TAG: "refresh",
        "dagster/partition": "2026-01-01",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        for number in range(5):
            tags = {**common, run_requests.DROP_TAG: "drop", run_requests.CONTENT_TAG: f"content {number}"}
            instance.add_run(dg.DagsterRun(job_name="advisor_mql_refresh", tags=tags))
        known = run_requests.known_of(instance, load_recipe("advisor_mql"))
    asked = known.asked["refresh", date(2026, 1, 1)]
    assert [run.content for run in asked] == ["content 2", "content 3", "content 4"]
