"""Homes of before, whose state lay in the warehouse as partitions of one row, and state that moves to a server."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from leadscore_dagster.commands.champion import show_ledger
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.state.tables import CANDIDATES, METADATA, VERSION_AUDITS
from leadscore_dagster.core.versions.ledger import LedgerEntry, append_entry, entry_name, history, versions
from leadscore_dagster.core.versions.waivers import waivers_of
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster.defs.resources import Workspace
from leadscore_dagster_tests.state.conftest import database

RECIPE = load_recipe("bank_marketing")
AT = datetime(2009, 1, 1, 12, tzinfo=UTC)
VERSION = "2009-01-01-aaaaaaaaaaaa"
#: two processes had given the same number
ENTRIES = [
    LedgerEntry(RECIPE.name, VERSION, "promote", AT, AT, "the first", "[]", "ece waived", 1),
    LedgerEntry(RECIPE.name, VERSION, "keep", AT, AT, "ada", "[]", None, 2),
    LedgerEntry(RECIPE.name, VERSION, "keep", AT, AT, "bob", "[]", None, 2),
]


def _partition(lake: Lake, table: str, name: str, row: dict[str, object]) -> None:
    lake.write_partition(table, name, pa.Table.from_pylist([row]))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home as the version before the store left it."""
    monkeypatch.delenv("LEADSCORE_STATE", raising=False)
    lake = Lake(tmp_path / "home" / "warehouse", RECIPE.name)
    schema = {"waiver": pa.string()}
    for entry in ENTRIES:
        row = pa.Table.from_pylist([vars(entry)])
        lake.write_partition("champion_ledger", entry_name(entry), row.cast(pa.schema(
            [field.with_type(schema.get(field.name, field.type)) for field in row.schema])))  # fmt: skip
    _partition(lake, "model_versions", "0123", {
        "recipe": RECIPE.name, "version": VERSION, "as_of": date(2009, 1, 1), "recorded_at": AT, "digest": "d",
        "metrics_json": "{}", "lineage_json": "{}"})  # fmt: skip
    _partition(lake, "waivers", "20090101-0123", {
        "recipe": RECIPE.name, "version": VERSION, "gate": "ece", "why": "a bridge", "granted_by": "Ada",
        "granted_at": AT, "expires_on": date(2009, 3, 1)})  # fmt: skip
    _partition(lake, "candidate_model", "2009-01-01", {"as_of": date(2009, 1, 1), "version": VERSION})
    _partition(lake, "model_audits", VERSION, {"version": VERSION, "audit_json": "{}"})
    return tmp_path / "home"


def _files(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (home / "warehouse").rglob("*.parquet")}


def test_a_home_of_before_is_read_once_and_left_as_it_is(home: Path) -> None:
    before = _files(home)
    state = Workspace(home=str(home)).state(RECIPE)
    assert history(state)[0].why == "the first"
    assert sorted(entry.why for entry in history(state)) == ["ada", "bob", "the first"]
    assert [entry.sequence for entry in history(state)] == [1, 2, 3]
    assert history(state)[0].waiver == "ece waived"
    assert [version.version for version in versions(state)] == [VERSION]
    assert [waiver.gate for waiver in waivers_of(state, VERSION, date(2009, 2, 1))] == ["ece"]
    assert [row["version"] for row in state.rows(CANDIDATES)] == [VERSION]
    assert [row["audit_json"] for row in state.rows(VERSION_AUDITS)] == ["{}"]
    assert append_entry(state, ENTRIES[0]).sequence == 1  # the run that wrote it, repeated, finds it
    again = Workspace(home=str(home)).state(RECIPE)
    assert len(history(again)) == 3
    assert _files(home) == before


def test_an_import_that_fails_half_way_leaves_nothing_and_is_done_again(home: Path) -> None:
    (last,) = (home / "warehouse" / RECIPE.name / "candidate_model").glob("*.parquet")
    whole = last.read_bytes()
    last.write_bytes(whole[:-20])
    with pytest.raises(InputError):
        Workspace(home=str(home)).state(RECIPE)
    last.write_bytes(whole)
    state = Workspace(home=str(home)).state(RECIPE)
    assert len(history(state)) == 3
    assert [row["version"] for row in state.rows(CANDIDATES)] == [VERSION]


def test_state_moves_to_a_server_and_nobody_goes_on_in_the_file(
    home: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Workspace(home=str(home)).state(RECIPE)
    before = {table.name: own.rows(table) for table in METADATA.sorted_tables}
    url = database(server, tmp_path)
    monkeypatch.setenv("SECRET", url.split(":")[2].partition("@")[0])
    monkeypatch.setenv("LEADSCORE_STATE", url.replace(f":{url.split(':')[2].partition('@')[0]}@", ":$SECRET@"))
    moved = Workspace(home=str(home)).state(RECIPE)
    assert {table.name: moved.rows(table) for table in METADATA.sorted_tables} == before
    append_entry(moved, LedgerEntry(RECIPE.name, VERSION, "keep", AT, AT, "on the server"))
    assert [entry.why for entry in history(Workspace(home=str(home)).state(RECIPE))][-1] == "on the server"
    monkeypatch.delenv("LEADSCORE_STATE")
    with pytest.raises(InputError, match=r"has moved from this home to a server.*LEADSCORE_STATE"):
        Workspace(home=str(home)).state(RECIPE)


def test_a_home_with_another_history_is_not_let_onto_a_server(
    home: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(home, tmp_path / "other"))
    append_entry(Workspace(home=str(other)).state(RECIPE), LedgerEntry(RECIPE.name, VERSION, "keep", AT, AT, "mine"))
    Workspace(home=str(home)).state(RECIPE)
    monkeypatch.setenv("LEADSCORE_STATE", database(server, tmp_path))
    Workspace(home=str(home)).state(RECIPE)
    with pytest.raises(InputError, match="another history"):
        Workspace(home=str(other)).state(RECIPE)


def test_the_ledger_is_printed_in_the_order_of_writing(home: Path) -> None:
    shown = show_ledger(home, RECIPE.name)
    assert [entry["sequence"] for entry in shown.record["ledger"]] == [1, 2, 3]  # type: ignore[attr-defined, index]
    header, _, first, *_ = shown.text.splitlines()
    assert header.split() == ["entry", "recorded", "effective", "action", "version", "why", "waiver"]
    assert first.split() == [
        "1",
        "2009-01-01",
        "12:00",
        "2009-01-01",
        "promote",
        VERSION,
        "the",
        "first",
        "ece",
        "waived",
    ]
