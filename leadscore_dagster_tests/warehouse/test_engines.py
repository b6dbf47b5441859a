"""The engine is chosen in one place and injected: the rooms know the protocol alone."""

from __future__ import annotations

import ast
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import leadscore_dagster
from leadscore_dagster.commands.instance import instance_of
from leadscore_dagster.commands.run import refresh
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions.ledger import champion_at
from leadscore_dagster.core.warehouse import ENGINES, Lake, Warehouse
from leadscore_dagster.defs.resources import Workspace, write_locations
from leadscore_dagster_tests.chain import flat

PACKAGE = Path(leadscore_dagster.__file__).parent
PROTOCOL = {name for name in vars(Warehouse) if not name.startswith("_")}


class Counting:
    """Another engine: nothing but the protocol, over tables that lie where no part of the product would look."""

    def __init__(self, within: Warehouse, calls: Counter[str]) -> None:
        self._within, self._calls = within, calls

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        assert name in PROTOCOL, f"{name} is not of the protocol"
        self._calls[name] += 1
        return getattr(self._within, name)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    calls: Counter[str] = Counter()
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setitem(ENGINES, "counting", lambda home, dataset: Counting(Lake(elsewhere, dataset), calls))
    return calls


def test_a_recipe_runs_from_its_source_to_its_champion_on_an_injected_engine(
    tmp_path: Path, counted: Counter[str]
) -> None:
    home = tmp_path / "home"
    recipe = load_recipe(flat.write_recipe(home))
    pq.write_table(flat.contacts(), tmp_path / "bank_marketing.parquet")
    write_locations(home, recipe, {"contacts": str(tmp_path / "bank_marketing.parquet")})
    workspace = Workspace(home=str(home), clock="2026-02-01", engine="counting")
    with instance_of(home) as instance:
        refusal = refresh(instance, recipe, workspace, date.fromisoformat(flat.FIRST), print)
    assert refusal is None
    assert champion_at(workspace.state(recipe), workspace.now()) is not None
    assert {"query", "write_partition", "create_partition", "partitions", "digest", "tables"} <= set(counted)
    assert not (home / "warehouse").exists()


def test_an_engine_that_is_not_there_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    recipe = load_recipe("bank_marketing")
    with pytest.raises(InputError, match=r"no warehouse engine is named 'lakes'.*did you mean 'lake'"):
        Workspace(home=str(tmp_path), engine="lakes").warehouse(recipe)


def _imported(path: Path) -> set[str]:
    """Modules a file imports, and the names it takes from them."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    taken = {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    return plain | taken


def test_the_protocol_imports_nothing_of_an_engine() -> None:
    rooms = {name.split(".")[0] for name in _imported(PACKAGE / "core" / "warehouse" / "protocol.py")}
    assert rooms == {"__future__", "collections", "dataclasses", "typing", "pyarrow"}


def test_no_engine_is_imported_but_where_engines_are_listed() -> None:
    lake = PACKAGE / "core" / "warehouse" / "lake"
    engines = ("leadscore_dagster.core.warehouse.lake", "leadscore_dagster.core.warehouse.Lake")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if lake not in path.parents and any(name.startswith(engines) for name in _imported(path))
    }
    assert found == {"core/warehouse/engines.py", "core/warehouse/__init__.py"}
