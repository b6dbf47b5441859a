"""The store: numbers without a gap whoever writes and dies, and a past that the database itself keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state import open_state
from leadscore_dagster.core.state.engines import engine_of
from leadscore_dagster.core.state.tables import HISTORIES, LEDGER
from leadscore_dagster.core.versions.ledger import LedgerEntry, ModelVersion, append_entry, history, record_version
from leadscore_dagster.core.versions.waivers import Waiver
from leadscore_dagster_tests.state.appending import INSTANT, RECIPE

EACH = 500


def _start(url: str, who: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "leadscore_dagster_tests.state.appending", url, who, str(EACH)])


def _written(url: str) -> list[str]:
    """What every entry says; their numbers are 1, 2, 3 … as far as they go."""
    entries = history(open_state(url, RECIPE))
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    return [entry.why for entry in entries]


def _all_there(url: str) -> None:
    assert sorted(_written(url)) == sorted(f"{who} {number}" for who in ("ada", "bob") for number in range(EACH))


def test_two_processes_lose_nothing_and_never_give_the_same_number(url: str) -> None:
    working = [_start(url, who) for who in ("ada", "bob")]
    assert [process.wait(timeout=300) for process in working] == [0, 0]
    _all_there(url)


def test_processes_killed_in_between_leave_no_gap_and_come_to_the_end_when_started_again(url: str) -> None:
    working = {who: _start(url, who) for who in ("ada", "bob")}
    for who, reached in (("ada", 100), ("bob", 300), ("ada", 400)):
        deadline = time.monotonic() + 300
        while len(_written(url)) < reached and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(working[who].pid, signal.SIGKILL)
        assert working[who].wait() == -signal.SIGKILL
        assert reached <= len(_written(url)) < 2 * EACH
        working[who] = _start(url, who)
    assert [process.wait(timeout=300) for process in working.values()] == [0, 0]
    _all_there(url)


def _filled(url: str, recipe: str = RECIPE) -> None:
    state = open_state(url, recipe)
    record_version(state, ModelVersion(recipe, "v1", date(2026, 1, 1), INSTANT, "digest"))
    append_entry(state, LedgerEntry(recipe, "v1", "promote", INSTANT, INSTANT, "the first"))
    waiver = Waiver(recipe, "v1", "ece", "a bridge", "Ada", INSTANT, date(2026, 3, 1))
    with state.writing() as writing:
        writing.append(HISTORIES[2], {**vars(waiver), "waiver": "1"})


@pytest.mark.parametrize("table", HISTORIES, ids=lambda table: table.name)
@pytest.mark.parametrize("way", ["UPDATE", "DELETE", "around them"])
def test_the_database_itself_refuses_to_rewrite_a_history(url: str, table: sa.Table, way: str) -> None:
    _filled(url)
    engine, name, columns = engine_of(url), table.name, ", ".join(column.name for column in table.columns)
    statements = {
        "UPDATE": f"UPDATE {name} SET recipe = 'other'",
        "DELETE": f"DELETE FROM {name}",
        "around them": f"TRUNCATE {name}"
        if engine.dialect.name == "postgresql"
        else f"INSERT OR REPLACE INTO {name} ({columns}) SELECT {columns} FROM {name}",
    }
    before = open_state(url, RECIPE).rows(table)
    with pytest.raises(sa.exc.IntegrityError, match=f"{name} is append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statements[way])
    assert open_state(url, RECIPE).rows(table) == before != []


def test_a_second_entry_under_a_number_or_a_key_is_refused(url: str) -> None:
    _filled(url)
    state = open_state(url, RECIPE)
    (row,) = state.rows(LEDGER)
    for change in ({"entry": "other"}, {"sequence": 2}):
        with pytest.raises(sa.exc.IntegrityError), state.writing() as writing:
            writing.append(LEDGER, row | change)
    assert state.rows(LEDGER) == [row]


def test_a_block_that_fails_leaves_nothing_of_what_it_wrote(url: str) -> None:
    state = open_state(url, RECIPE)
    version = vars(ModelVersion(RECIPE, "v1", date(2026, 1, 1), INSTANT, "digest"))

    def twice() -> None:
        with state.writing() as writing:
            writing.append(HISTORIES[1], version)
            writing.append(HISTORIES[1], version)

    with pytest.raises(sa.exc.IntegrityError):
        twice()
    assert state.rows(HISTORIES[1]) == []


def test_recipes_in_one_store_do_not_see_each_other(url: str) -> None:
    _filled(url)
    _filled(url, "other")
    for recipe in (RECIPE, "other"):
        entries = history(open_state(url, recipe))
        assert [(entry.recipe, entry.sequence) for entry in entries] == [(recipe, 1)]
    with pytest.raises(InputError, match="the state is that of recipe 'other'"):
        append_entry(open_state(url, "other"), LedgerEntry(RECIPE, "v1", "keep", INSTANT, INSTANT, "kept"))


def test_a_bi_tool_reads_who_was_champion_from_when_until_when(url: str) -> None:
    _filled(url)
    state, later = open_state(url, RECIPE), INSTANT + timedelta(days=90)
    record_version(state, ModelVersion(RECIPE, "v2", date(2026, 4, 1), later, "digest"))
    append_entry(state, LedgerEntry(RECIPE, "v2", "keep", later, later, "not better"))
    append_entry(state, LedgerEntry(RECIPE, "v2", "promote", later, later, "better"))
    append_entry(state, LedgerEntry(RECIPE, "v1", "rollback", later, later, "complaints"))
    with engine_of(url).connect() as connection:
        sql = "SELECT version, effective_until FROM bi_champions ORDER BY effective_from"
        reigns = [tuple(row) for row in connection.exec_driver_sql(sql)]
        counts = [
            connection.exec_driver_sql(f"SELECT COUNT(*) FROM bi_{name}").scalar()
            for name in ("ledger", "versions", "waivers")
        ]
    assert [(version, until is None) for version, until in reigns] == [("v1", False), ("v1", True)]
    assert counts == [4, 2, 1]


def test_times_come_back_in_utc_to_the_microsecond(url: str) -> None:
    state, odd = open_state(url, RECIPE), datetime(2026, 3, 29, 2, 30, 0, 123457, tzinfo=UTC)
    append_entry(state, LedgerEntry(RECIPE, "v1", "keep", odd, odd, "kept"))
    (entry,) = history(state)
    assert (entry.effective_from, entry.recorded_at) == (odd, odd)
    assert entry.recorded_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("mysql+pymysql://a:hunter2@host/db", "SQLite file or in PostgreSQL|does not read"),
        ("hunter2 is no URL", "does not read"),
        ("sqlite://", "SQLite file or in PostgreSQL"),
        ("postgresql+psycopg://a:hunter2@127.0.0.1:1/db", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(wrong: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        open_state(wrong, RECIPE)
    assert "hunter2" not in str(told.value)
