"""`leadscore backtest --truth` on one flat table: the true ranking beside the model's, and nowhere else."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.versions.oracle import read_truth
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import flat

Done = subprocess.CompletedProcess[str]


def _backtest(home: Path, *arguments: object) -> Done:
    given = ["backtest", home / "recipe.yaml", "--periods", 1, "--as-of", flat.SECOND, "--home", home, *arguments]
    command = [sys.executable, "-m", "leadscore_dagster", *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def _kept(home: Path) -> dict[str, str]:
    """Everything a run can read: the warehouse and the models, by digest."""
    files = [path for part in ("warehouse", "models") for path in (home / part).rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _page(done: Done) -> str:
    return Path(json.loads(done.stdout)["page"]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def contacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backtest") / "bank_marketing.parquet"
    pq.write_table(flat.contacts(), path)
    return path


@pytest.fixture(scope="module")
def truth(contacts: Path) -> Path:
    """The probabilities the answers of `flat.contacts` were drawn from."""
    table = pq.read_table(contacts)
    probability = 1 / (1 + np.exp(1.6 + 1.8 * (table["euribor3m"].to_numpy() - 3.0)))
    path = contacts.with_name("truth.parquet")
    pq.write_table(pa.table({"decision_id": table["row_order"], "propensity": probability}), path)
    return path


@pytest.fixture(scope="module")
def without(contacts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A home after a backtest that knew no truth, and what it said. Copy it before writing to it."""
    home = tmp_path_factory.mktemp("without") / "home"
    flat.write_recipe(home)
    return home, _backtest(home, "--source", f"contacts={contacts}", "--json")


@pytest.fixture
def home(without: tuple[Path, Done], tmp_path: Path) -> Path:
    assert without[1].returncode == 0, without[1].stderr
    return scenario.copy_home(without[0], tmp_path / "home")


def test_without_a_truth_nothing_of_an_oracle_is_said(without: tuple[Path, Done]) -> None:
    done = without[1]
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["records"]
    assert (record["as_of"], record["role"], record["n"]) == (flat.FIRST, "candidate", 3 * flat.PER_MONTH)
    assert "oracle" not in record
    assert "lift of the true ranking" not in _page(done)


def test_the_true_ranking_stands_beside_the_models_and_is_kept_nowhere_a_run_reads(
    home: Path, truth: Path, without: tuple[Path, Done]
) -> None:
    before = _kept(home)
    done = _backtest(home, "--truth", truth, "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["records"]
    oracle = record.pop("oracle")
    assert [record] == json.loads(without[1].stdout)["records"]
    lift = oracle["top_decile_lift"]
    assert lift["low"] < lift["value"] < lift["high"]
    assert (lift["n"], lift["positives"]) == (record["n"], record["positives"])
    assert oracle["auc_roc"]["value"] > record["metrics"]["auc_roc"]["value"] - 0.01  # the world's one honest driver
    assert oracle["ece"]["low"] < 0.02  # a true probability is calibrated
    page = _page(done)
    assert "lift of the true ranking" in page
    assert f"{lift['value']:.2f}" in page
    assert _kept(home) == before


def test_the_table_shows_the_oracle_it_was_given_beside_the_same_model(
    home: Path, truth: Path, tmp_path: Path, without: tuple[Path, Done]
) -> None:
    """Given the truth upside down, the oracle finds nobody in its best tenth; the model does not move."""
    table = pq.read_table(truth)
    reversed_ = pa.table({"lead_id": table["decision_id"], "propensity": 1 - table["propensity"].to_numpy()})
    pq.write_table(reversed_, tmp_path / "reversed.parquet")
    told = _backtest(home, "--truth", tmp_path / "reversed.parquet").stdout.splitlines()
    header = next(line for line in told if "quarter" in line and "version" in line)
    assert re.search(r"top_decile_lift +oracle's top_decile_lift +auc_pr", header)
    row = next(line for line in told if line.startswith(f"  {flat.FIRST}"))
    model, oracle, *_ = re.findall(r"(\d\.\d{3}) \[\d\.\d{3}, \d\.\d{3}\]", row)
    (record,) = json.loads(without[1].stdout)["records"]
    assert float(model) == round(record["metrics"]["top_decile_lift"]["value"], 3) > 1
    assert float(oracle) < 0.5


def test_a_decision_without_a_true_probability_is_counted(home: Path, truth: Path, tmp_path: Path) -> None:
    table = pq.read_table(truth)
    path = tmp_path / "short.parquet"
    pq.write_table(table.slice(0, table.num_rows - 7 - 200), path)  # the last month's outcomes are not all judged
    done = _backtest(home, "--truth", path)
    assert done.returncode == 1
    assert "Error: decisions after 2010-07-01 have no true probability, in " in done.stderr
    assert " Remedy: " in done.stderr


def test_a_truth_that_cannot_be_read_stops_before_anything_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    flat.write_recipe(home)
    done = _backtest(home, "--truth", tmp_path / "nowhere.parquet")
    assert done.returncode == 1
    assert "Error: There is no such file of true probabilities" in done.stderr
    assert [path.name for path in home.iterdir()] == ["recipe.yaml"]


def _table(**columns: object) -> pa.Table:
    return pa.table({"lead_id": ["a", "b", "c"], "propensity": [0.1, 0.2, 0.3]} | columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table().drop_columns(["lead_id"]), r"a column is missing, .*column decision_id or lead_id\. Remedy"),
        (_table().drop_columns(["propensity"]), r"a column is missing, .*column propensity\. Remedy"),
        (_table(propensity=["0.1", "0.2", "0.3"]), r"a number, not string, .*column propensity\. Remedy"),
        (_table(lead_id=[0.5, 1.5, 2.5]), r"a text or a whole number, not double, .*column lead_id\. Remedy"),
        (_table(lead_id=["a", None, None]), r"a value is missing, .*column lead_id, 2 rows\. Remedy"),
        (_table(propensity=[0.1, None, 0.3]), r"a value is missing, .*column propensity, 1 row\. Remedy"),
        (_table(lead_id=["a", "b", "a"]), r"occurs twice, .*column lead_id, 1 row\. Remedy"),
        (_table(propensity=[0.1, 20.0, -0.1]), r"outside 0 to 1, .*column propensity, 2 rows\. Remedy"),
        (_table(propensity=[0.1, float("nan"), 0.3]), r"outside 0 to 1, .*column propensity, 1 row\. Remedy"),
    ],
)
def test_a_bad_file_of_true_probabilities_is_one_error(tmp_path: Path, table: pa.Table, message: str) -> None:
    path = tmp_path / "truth.parquet"
    pq.write_table(table, path)
    with pytest.raises(InputError, match=message):
        read_truth(path)


@pytest.mark.parametrize("content", [b"", b"lead_id,propensity\na,0.1\n", b"PAR1 and no more PAR1"])
def test_a_file_that_is_no_parquet_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "truth.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"unreadable Parquet file.*truth\.parquet\. Remedy"):
        read_truth(path)


def test_identifiers_may_be_whole_numbers_and_certainty_is_a_probability(tmp_path: Path) -> None:
    path = tmp_path / "truth.parquet"
    pq.write_table(_table(lead_id=[7, 8, 9], propensity=[0.0, 1.0, 0.5], in_gap=[True, False, True]), path)
    read = read_truth(path)
    assert read.to_pydict() == {"decision_id": ["7", "8", "9"], "propensity": [0.0, 1.0, 0.5]}
