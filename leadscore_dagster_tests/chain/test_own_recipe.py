"""A recipe folder somewhere on disk, of a vendor the product has never heard of, from its file to the ranked list.

By the functions behind the command line and by Dagit's definitions. Nothing is written into the installation.
"""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from filelock import FileLock

import leadscore_dagster
from leadscore_dagster.commands.audit import audit_recipe
from leadscore_dagster.commands.outcome import DONE, REFUSED
from leadscore_dagster.commands.run import run_recipe
from leadscore_dagster.commands.score import score_recipe
from leadscore_dagster.commands.validate import validate_recipe
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster.core.warehouse.statements import sql_folder
from leadscore_dagster.definitions import build_defs
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import clinics

pytestmark = pytest.mark.timeout(600)
INSTALLATION = (Path(leadscore_dagster.__file__).parent, sql_folder())


def installed() -> dict[str, list[int]]:
    """Every file of the installation with its size and the time it was written; what Python caches left out."""
    return {
        str(path): [path.stat().st_size, path.stat().st_mtime_ns]
        for folder in INSTALLATION
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe and a home in which its month has a champion; made once for all workers."""
    root = scenario.shared_folder(tmp_path_factory) / "stranger"
    with FileLock(f"{root}.lock"):
        if not (root / "before.json").is_file():
            before = installed()
            recipe, locations = clinics.write_recipe(root), clinics.write_data(root / "data")
            outcome = run_recipe(root / "home", str(recipe), clinics.AS_OF, locations, print)
            assert outcome.status == "promoted", outcome.summary
            (root / "before.json").write_text(json.dumps(before), encoding="utf-8")
    return root


@pytest.fixture
def ran(stranger: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The recipe folder, and a home of the test's own."""
    return stranger / "clinics", shutil.copytree(stranger / "home", tmp_path / "home")


@pytest.fixture
def own(ran: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The same in a folder of the test's own, to be changed."""
    recipe, home = ran
    shutil.copytree(recipe.parent / "common", tmp_path / "common")
    return shutil.copytree(recipe, tmp_path / "clinics"), home


@pytest.fixture
def definitions(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("LEADSCORE_RECIPES", str(stranger / "clinics"))
    return build_defs()


def test_validate_knows_its_sources_and_features(tmp_path: Path) -> None:
    outcome = validate_recipe(str(clinics.write_recipe(tmp_path)))
    assert outcome.exit_code == DONE, outcome.text
    assert "clinics: 3 sources, 5 features, 3 gates" in outcome.text
    assert "No feature leaks" in outcome.text


def test_run_trains_on_its_own_columns_as_known(ran: tuple[Path, Path]) -> None:
    rows = training_rows(Lake(ran[1] / "warehouse", "clinics"), date.fromisoformat(clinics.AS_OF))
    assert {"Title", "chairs", "has_notes", "months_open", "demand"} <= set(rows.column_names)
    assert "Notes" not in rows.column_names
    assert set(rows["Title"].drop_null().to_pylist()) == set(clinics.TITLES)
    assert rows.num_rows > 2_000
    assert set(rows["evidence_market_index_as_of"].drop_null().to_pylist()) > {date(2025, 6, 1), date(2025, 7, 1)}


def test_the_audit_asks_its_own_audit_and_those_written_for_its_vintages(ran: tuple[Path, Path]) -> None:
    outcome = audit_recipe(ran[1], str(ran[0]), clinics.AS_OF, {}, print)
    assert outcome.exit_code == DONE, outcome.text
    judged = {entry["feature"] for entry in outcome.record["features"]}
    assert judged == {"Title", "chairs", "has_notes", "months_open", "demand"}
    lineage = [entry for entry in outcome.record["features"] if entry["part"] == "lineage"]
    assert {entry["verdict"] for entry in lineage} == {"clear"}


def test_score_ranks_whom_its_own_statement_names(ran: tuple[Path, Path]) -> None:
    outcome = score_recipe(ran[1], str(ran[0]), clinics.DAY, {}, print)
    assert outcome.exit_code == DONE, outcome.text
    (path,) = (ran[1] / "outputs" / "clinics").rglob("ranked_*.csv")
    ranked = pd.read_csv(path)
    assert len(ranked) > 10
    assert "product" in ranked.columns
    assert ranked["clinic_no"].is_unique


def test_dagit_shows_its_assets_its_checks_and_its_lineage(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {f"clinics/{name}" for name in ("practice_snapshot", "market_index", "demos", "training_table")} <= keys
    checks = {key.name: graph.get(key) for key in graph.asset_check_keys if key.asset_key.path[0] == "clinics"}
    assert {"chairs_nobody_stated", "vintage_known_after_decision", "event_after_decision"} <= checks.keys()
    assert "no snapshot stated" in (checks["chairs_nobody_stated"].description or "")


def test_an_edited_statement_is_another_code_version_in_dagit(
    own: tuple[Path, Path], definitions: dg.Definitions
) -> None:
    def version(defs: dg.Definitions) -> str | None:
        return defs.resolve_asset_graph().get(dg.AssetKey(["clinics", "training_table"])).code_version

    shared = own[0].parent / "common" / "vintages" / "known_practice.sql"
    shared.write_text(clinics.KNOWN.replace("p.chairs,", "p.chairs + 0 AS chairs,"), encoding="utf-8")
    assert version(build_defs([load_recipe(own[0])])) not in (None, version(definitions))


def test_a_missing_guard_in_its_own_sql_is_a_leak(own: tuple[Path, Path]) -> None:
    text = clinics.REGION.replace(" AND m.available_at <= k.decision_at", "")
    (own[0] / "sql" / "features" / "region.sql").write_text(text, encoding="utf-8")
    outcome = validate_recipe(str(own[0]))
    assert outcome.exit_code == REFUSED
    assert "leak: demand: market_index without `m.available_at <= <decision>.decision_at`" in outcome.text


def test_a_row_its_own_audit_finds_blocks(own: tuple[Path, Path]) -> None:
    recipe, home = own
    stricter = clinics.AUDIT.replace("p.chairs = t.chairs", "p.chairs = t.chairs AND p.chairs < 9")
    (recipe / "sql" / "audits" / "chairs_nobody_stated.sql").write_text(stricter, encoding="utf-8")
    outcome = audit_recipe(home, str(recipe), clinics.AS_OF, {}, print)
    assert outcome.exit_code == REFUSED
    assert "chairs_nobody_stated" in outcome.text


def test_sql_the_engines_do_not_share_stops_a_run_before_anything_is_taken_in(own: tuple[Path, Path]) -> None:
    (own[0] / "sql" / "features" / "clinic.sql").write_text(
        clinics.CLINIC.replace("DATE(k.decision_at)", "CURRENT_DATE()"), encoding="utf-8"
    )
    with pytest.raises(InputError, match="the clock is an argument"):
        run_recipe(own[1].parent / "new", str(own[0]), clinics.AS_OF, {}, print)
    assert not (own[1].parent / "new").exists()


def test_nothing_was_written_into_the_installation(stranger: Path, ran: tuple[Path, Path]) -> None:
    score_recipe(ran[1], str(ran[0]), clinics.DAY, {}, print)
    assert installed() == json.loads((stranger / "before.json").read_text(encoding="utf-8"))
