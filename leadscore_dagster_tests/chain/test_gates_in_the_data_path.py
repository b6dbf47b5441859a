"""What a gate refuses reaches nobody: not in its own run, not in a later one, not in a backfill."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from leadscore_dagster.commands.audit import audit_recipe
from leadscore_dagster.commands.instance import execute, instance_of
from leadscore_dagster.commands.run import refresh, run_recipe
from leadscore_dagster.commands.score import score, scores_of
from leadscore_dagster.core.recipe.schema import Gate
from leadscore_dagster.core.state.tables import CANDIDATES
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.versions.promotion import candidate_of
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster_tests import scenario

SECOND = scenario.SECOND.isoformat()


@pytest.fixture
def home(finished_home: Path, tmp_path: Path) -> Path:
    return scenario.copy_home(finished_home, tmp_path / "home")


def test_a_leak_is_refused_by_name_and_path_and_yesterdays_champion_scores_on(home: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(home, small_market, scenario.leaky_document())
    before = history(workspace.state(recipe))
    with instance_of(home) as instance:
        refusal = refresh(instance, recipe, workspace, scenario.SECOND, print)
        assert refusal is not None
        assert "days_in_gap" in refusal.why
        assert "PREVIOUS_REGISTRATION_COMPANY_END_DATE (employment_vintage)" in refusal.why
        assert "employment_current" in refusal.why
        assert not workspace.state(recipe).rows(CANDIDATES, as_of=date.fromisoformat(SECOND))
        assert history(workspace.state(recipe)) == before
        honest, workspace = scenario.opened(home, small_market, scenario.recipe_document())
        assert score(instance, honest, workspace, scenario.DAY, print) is None
    assert before[-1].version[:10] == scenario.FIRST.isoformat()
    assert scores_of(honest, workspace, "lead_scores_daily", scenario.DAY).num_rows > 100


def test_a_later_run_of_the_consumers_alone_asks_the_refused_audit_again(home: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(home, small_market, scenario.leaky_document())
    with instance_of(home) as instance:
        refresh(instance, recipe, workspace, scenario.SECOND, print)
        for name in ("candidate_model", "champion_model"):
            refusal = execute(instance, recipe, workspace, "refresh", SECOND, [key(recipe, name)])
            assert refusal is not None
            assert refusal.step == f"{recipe.name}__{name}"
            assert "days_in_gap" in refusal.why


def test_a_candidate_refused_by_a_gate_does_not_become_champion_in_any_later_run(
    home: Path, small_market: Path
) -> None:
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    strict = recipe.model_copy(update={"gates": {"auc_roc": Gate(at_least=0.99)}})
    before = history(workspace.state(recipe))
    with instance_of(home) as instance:
        refusal = refresh(instance, strict, workspace, scenario.SECOND, print)
        assert refusal is not None
        assert "AUC-ROC" in refusal.why
        assert "0.99" in refusal.why
        assert workspace.state(recipe).rows(CANDIDATES, as_of=date.fromisoformat(SECOND))
        again = execute(instance, strict, workspace, "refresh", SECOND, [key(recipe, "champion_model")])
        assert again is not None
        assert "was refused" in again.why
    assert history(workspace.state(recipe)) == before


def test_a_backfill_does_not_get_past_a_refused_gate(home: Path, small_market: Path) -> None:
    """A backfill is one run per partition with whatever assets were chosen: here the champion of both quarters."""
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    strict = recipe.model_copy(update={"gates": {"auc_roc": Gate(at_least=0.99)}})
    before = history(workspace.state(recipe))
    with instance_of(home) as instance:
        refresh(instance, strict, workspace, scenario.SECOND, print)
        defs = build_defs(recipes=[strict], workspace=workspace)
        job = defs.resolve_job_def(f"{recipe.name}_refresh")
        for quarter in (scenario.FIRST.isoformat(), SECOND):
            result = job.execute_in_process(
                partition_key=quarter,
                instance=instance,
                raise_on_error=False,
                asset_selection=[key(recipe, "champion_model")],
                tags={"dagster/backfill": "test"},
            )
            assert not result.success
            assert result.get_asset_materialization_events() == []
    assert history(workspace.state(recipe)) == before


def test_a_vintage_that_fails_its_checks_is_not_read(home: Path, small_market: Path) -> None:
    """The partition is damaged after its own run passed: the training table asks again and refuses."""
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    quarter = scenario.FIRST.isoformat()
    warehouse.create_partition(
        "rep_vintage",
        quarter,
        "SELECT * FROM rep_vintage WHERE as_of = @as_of UNION ALL SELECT * FROM rep_vintage WHERE as_of = @as_of",
        {"as_of": scenario.FIRST},
    )
    with instance_of(home) as instance:
        refusal = execute(instance, recipe, workspace, "refresh", quarter, [key(recipe, "training_table")])
        unscored = score(instance, recipe, workspace, scenario.DAY, print)
    for refused in (refusal, unscored):
        assert refused is not None
        assert f"rep_vintage {quarter} was refused" in refused.why
        assert "repeat the key" in refused.why
    audited = audit_recipe(home, str(home / "recipe.yaml"), quarter, {}, print)
    assert audited.exit_code == 2
    assert f"rep_vintage {quarter} was refused" in audited.text


def test_a_champion_whose_files_were_changed_does_not_score(home: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    version = history(workspace.state(recipe))[-1].version
    manifest = workspace.models(recipe) / version / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"entity"', '"Entity"'))
    with instance_of(home) as instance, pytest.raises(Exception, match="not what its digest says"):
        score(instance, recipe, workspace, scenario.DAY, print)


def test_a_day_before_the_first_champion_is_refused_with_a_reason(home: Path, small_market: Path) -> None:
    from datetime import date

    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    with instance_of(home) as instance:
        refusal = score(instance, recipe, workspace, date(2025, 9, 1), print)
    assert refusal is not None
    assert "No champion" in refusal.why


def test_running_a_quarter_again_changes_nothing(home: Path, small_market: Path) -> None:
    recipe, workspace = scenario.opened(home, small_market, scenario.recipe_document())
    warehouse = workspace.warehouse(recipe)
    quarter = scenario.FIRST.isoformat()
    tables = ("labels", "training_table")
    before = {name: warehouse.digest(name, quarter) for name in tables}
    state = workspace.state(recipe)
    candidate, ledger = candidate_of(state, scenario.FIRST), history(state)
    outcome = run_recipe(home, str(home / "recipe.yaml"), quarter, {}, print, clock=scenario.CLOCK)
    assert outcome.exit_code == 0
    assert {name: warehouse.digest(name, quarter) for name in tables} == before
    assert (candidate_of(state, scenario.FIRST), history(state)) == (candidate, ledger)


def test_every_check_is_recorded_with_its_partition(finished_home: Path) -> None:
    with instance_of(finished_home) as instance:
        runs = instance.get_runs()
        recorded = [
            event.dagster_event.event_specific_data
            for run in runs
            for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
    assert len(recorded) > 100
    assert all(evaluation.partition for evaluation in recorded)
