"""Writing a market: the same bytes every time, all or nothing, and nothing else in the folder touched."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.simulation.market import generate_market
from leadscore_dagster.core.simulation.market.generate import read_truth
from leadscore_dagster_tests.simulation.market.conftest import SMALL, SmallMarket


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_another_process_writes_the_same_bytes(small_market: SmallMarket, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from leadscore_dagster.core.simulation.market import *;"
        f"generate_market(Path(sys.argv[1]), MarketSize{tuple(asdict(SMALL).values())}, seed=11)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "again")], check=True)
    assert digests(tmp_path / "again") == digests(small_market.folder)


def test_a_run_that_dies_leaves_no_half_market_and_the_next_run_succeeds(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die_at_the_fourth_drop(message: str) -> None:
        if "2024_q4" in message:
            raise Killed

    with pytest.raises(Killed):
        generate_market(tmp_path / "market", SMALL, progress=die_at_the_fourth_drop)
    assert not (tmp_path / "market").exists()
    generate_market(tmp_path / "market", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["market"]


def test_a_run_that_dies_keeps_the_earlier_market_and_a_home_keeps_its_other_folders(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "warehouse").mkdir(parents=True)
    (home / "warehouse" / "precious").write_text("kept")
    generate_market(home, SMALL, seed=1)
    before = digests(home)

    def die_late(message: str) -> None:
        if message == "writing leads":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_market(home, SMALL, seed=2, progress=die_late)
    assert digests(home) == before
    generate_market(home, SMALL, seed=2)
    after = digests(home)
    assert after["warehouse/precious"] == before["warehouse/precious"]
    assert after["crm/leads.csv"] != before["crm/leads.csv"]
    assert after.keys() == before.keys()


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="xlsx"):
        generate_market(tmp_path / "market", SMALL, file_format="xlsx")
    assert list(tmp_path.iterdir()) == []


def test_parquet_drops_hold_the_same_text_as_csv_drops(small_market: SmallMarket, tmp_path: Path) -> None:
    summary = generate_market(tmp_path / "market", SMALL, seed=11, file_format="parquet")
    assert summary == small_market.summary
    table = pq.read_table(tmp_path / "market/drops/reps_2025_q1_T3.parquet")
    assert {str(kind) for kind in table.schema.types} == {"string"}
    lines = (small_market.folder / "drops/reps_2025_q1_T3.csv").read_text().splitlines()
    assert table.num_rows == len(lines) - 1
    assert lines[1].startswith(table["RepCRD"][0].as_py() + ",")


def test_the_summary_on_disk_and_the_truth_agree(small_market: SmallMarket) -> None:
    stored = json.loads((small_market.folder / "truth/summary.json").read_text())
    assert stored == json.loads(json.dumps(asdict(small_market.summary)))
    truth = read_truth(small_market.folder)
    assert truth.column_names == ["lead_id", "contacted_at", "propensity", "in_gap"]
    propensity = truth["propensity"].to_numpy()
    assert propensity.mean() == pytest.approx(small_market.summary.base_rate)
    assert ((propensity > 0) & (propensity < 1)).all()
    ids = {line[:18] for line in (small_market.folder / "crm/leads.csv").read_text().splitlines()[1:]}
    assert set(truth["lead_id"].to_pylist()) <= ids
    assert "oracle top-decile lift" in str(small_market.summary)
