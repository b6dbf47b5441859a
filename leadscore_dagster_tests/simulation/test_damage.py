"""Making data worse on purpose, and the processes that work on it: what they promise, on small things."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from leadscore_dagster.commands.stress.copies import copy_home, digests, linked_drops, rewrite, state_of
from leadscore_dagster.commands.stress.processes import on_a_full_disk, run, small_disk
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.simulation.damage import (
    BYTES_PER_ROW,
    changed,
    emptied,
    flooded,
    memory_is_bounded,
    repeated,
    thinned,
)
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import VERSIONS
from leadscore_dagster.core.versions.ledger import ModelVersion, record_version
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests import scenario

ROWS = pa.table({"Id": ["a", "b", "c", "d"], "when": ["1", "2", "3", "4"], "outcome": ["x", "", "x", "x"]})


@pytest.mark.parametrize("ids", [["a", "b"], [7, 9]])
def test_repeated_rows_have_an_identity_each_and_the_first_keep_theirs(ids: list[str] | list[int]) -> None:
    rows = repeated(pa.table({"id": ids, "value": [1.0, None]}), "id", 10)
    assert len(set(rows["id"].to_pylist())) == rows.num_rows == 20
    assert rows["id"].to_pylist()[:2] == ids
    assert rows["value"].null_count == 10


def test_outcomes_are_thinned_flooded_and_columns_emptied() -> None:
    assert thinned(ROWS, "outcome", "", 2)["outcome"].to_pylist() == ["x", "", "", "x"]
    assert flooded(ROWS, "outcome", ROWS["when"])["outcome"].to_pylist() == ["1", "2", "3", "4"]
    assert emptied(ROWS, ["when"])["when"].to_pylist() == [""] * 4


def test_memory_is_bounded_by_the_rows_that_were_added() -> None:
    assert memory_is_bounded(10**9 + 100 * BYTES_PER_ROW, 10**9, 200, 100)
    assert not memory_is_bounded(10**9 + 101 * BYTES_PER_ROW, 10**9, 200, 100)


def _append(state: State, version: str) -> None:
    record_version(state, ModelVersion("d", version, date(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), "digest"))


def test_a_copy_of_a_home_shares_its_files_and_cannot_change_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("warehouse/d/t", "models/d/v", "outputs", "dagster", "market"):
        (home / name).mkdir(parents=True)
        (home / name / "file.parquet").write_text(name)
    (home / "warehouse/d/t/.half.tmp").write_text("being written")
    state = scenario.state_of(home, "d")
    _append(state, "2026-01-01-aaaaaaaaaaaa")
    copy = copy_home(home, tmp_path / "copy", state)
    shared = [name for name in digests(copy) if "state.db" not in name]
    assert set(shared) == {f"{n}/file.parquet" for n in ("warehouse/d/t", "models/d/v", "outputs")}
    assert state_of(copy, "d").rows(VERSIONS) == state.rows(VERSIONS)
    _append(state_of(copy, "d"), "2026-01-01-bbbbbbbbbbbb")
    assert [row["version"] for row in state.rows(VERSIONS)] == ["2026-01-01-aaaaaaaaaaaa"]
    assert (copy / "warehouse/d/t/file.parquet").samefile(home / "warehouse/d/t/file.parquet")
    before = digests(home)
    (copy / "warehouse/d/t/new").write_text("other")
    (copy / "warehouse/d/t/new").replace(copy / "warehouse/d/t/file.parquet")
    assert digests(home) == before
    assert changed(digests(home), digests(copy))[-1] == "warehouse/d/t/file.parquet"


def test_a_spoilt_drop_leaves_the_vendors_file_alone(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    (vendor / "reps_2025_q4.csv").write_text('Id,note\n007,"two\nlines"\n')
    (vendor / "manifest_2025_q4.json").write_text("{}")
    drops = linked_drops(str(vendor), tmp_path / "drops", date(2026, 1, 1), Cadence.QUARTER)
    assert [path.name for path in drops.iterdir()] == ["reps_2025_q4.csv"]
    rewrite(vendor / "reps_2025_q4.csv", drops / "reps_2025_q4.csv", lambda rows: rows.drop_columns(["note"]))
    assert pacsv.read_csv(drops / "reps_2025_q4.csv").column_names == ["Id"]
    assert (drops / "reps_2025_q4.csv").read_text().split() == ['"Id"', '"007"']
    assert (vendor / "reps_2025_q4.csv").read_text().startswith("Id,note")


def test_a_process_is_measured_and_can_be_killed(tmp_path: Path) -> None:
    used = run([sys.executable, "-c", "x = bytearray(300_000_000); print('done')"])
    assert (used.exit_code, used.said, used.crashed) == (0, "done", False)
    assert used.peak > 300_000_000
    started = tmp_path / "started"
    code = f"open({str(started)!r}, 'w'); import time; time.sleep(60)"
    killed = run([sys.executable, "-c", code], kill_when=started.exists)
    assert killed.exit_code == -9
    assert killed.seconds < 30
    broken = run([sys.executable, "-c", "raise ValueError('no')"])
    assert broken.crashed


def test_a_full_disk_is_really_full(tmp_path: Path) -> None:
    way = small_disk()
    if not way:
        pytest.skip("nobody may mount a file system here")
    lake, after = Lake(tmp_path / "warehouse", "recipe"), tmp_path / "after"
    lake.write_partition("scores", "2026-01-01", pa.table({"score": [0.5]}))
    before = digests(lake.root)
    code = (
        "import sys, numpy, pathlib, pyarrow; from leadscore_dagster.core.warehouse import Lake\n"
        "rows = pyarrow.table({'score': numpy.random.default_rng(1).random(100_000)})\n"
        "try: Lake(pathlib.Path(sys.argv[1]), 'recipe').write_partition('scores', '2026-01-01', rows)\n"
        "except Exception as error: sys.exit(f'Error: {error}')"
    )
    ended = on_a_full_disk(way, lake.root, 65_536, after, [sys.executable, "-c", code, str(lake.root)])
    assert ended.exit_code == 1
    assert "the disk is full; the partition is as it was before, in scores/2026-01-01" in ended.said
    assert digests(after) == before == digests(lake.root)
    assert not list(after.rglob("*.tmp"))


def test_a_childs_environment_has_nothing_that_acts_outside_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = (
        "LEADSCORE_AUTOMATION",
        "LEADSCORE_MLFLOW_URI",
        "LEADSCORE_ALERTS_ERROR",
        "LEADSCORE_HOME",
        "DAGSTER_HOME",
    )
    for name in outside:
        monkeypatch.setenv(name, "on")
    monkeypatch.setenv("VENDOR_PASSWORD", "kept")
    ended = run([sys.executable, "-c", "import os; print(' '.join(sorted(os.environ)))"])
    there = ended.out.split()
    assert not set(outside) & set(there)
    assert "VENDOR_PASSWORD" in there
