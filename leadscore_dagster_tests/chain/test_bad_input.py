"""Bad input on the command line: one line that says what, where and what to do; nothing in the warehouse changes.

Every way a file can be bad is tried on the functions in sources/test_bad_inputs; here, what of it reaches a user.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from leadscore_dagster import cli
from leadscore_dagster.commands.instance import execute, instance_of
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.defs.assets.shell import key
from leadscore_dagster.defs.resources import Workspace, write_locations
from leadscore_dagster_tests import scenario
from leadscore_dagster_tests.chain import flat

QUARTER, AS_OF, FIRST_QUARTER = "2024_q1", date(2024, 4, 1), date(2024, 1, 1)
T1, T2 = f"reps_{QUARTER}_T1.csv", f"reps_{QUARTER}_T2.csv"
HEALTHY = ("firm_vintage", "employment_vintage", "firm_history_vintage")
Break = Callable[[Path], object]
Ended = tuple[int, str, str]


# ---- how a drop goes bad


def _rewrite(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def _cells(column: str, value: str, rows: int) -> Break:
    def change(content: list[list[str]]) -> None:
        place = content[0].index(column)
        for row in content[1 : rows + 1]:
            row[place] = value

    return lambda drops: _rewrite(drops / T1, change)


def _without_column(drops: Path) -> None:
    def change(content: list[list[str]]) -> None:
        place = content[0].index("MilesToWork")
        for row in content:
            del row[place]

    _rewrite(drops / T1, change)


def _with_column(drops: Path) -> None:
    _rewrite(drops / T1, lambda content: [row.append("Mood" if n == 0 else "5") for n, row in enumerate(content)])


def _header(old: str, new: str) -> Break:
    return lambda drops: (drops / T1).write_text((drops / T1).read_text().replace(old, new, 1))


def _truncated_gzip(drops: Path) -> None:
    data = gzip.compress((drops / T1).read_bytes(), mtime=0)
    (drops / T1).unlink()
    (drops / f"{T1}.gz").write_bytes(data[: len(data) // 2])


def _truncated_parquet(drops: Path) -> None:
    path = drops / T1.replace(".csv", ".parquet")
    pq.write_table(pc.read_csv(drops / T1), path)
    (drops / T1).unlink()
    path.write_bytes(path.read_bytes()[:-200])


def _latin_1(drops: Path) -> None:
    _cells("Title", "Zoë", 1)(drops)
    (drops / T1).write_bytes((drops / T1).read_text().encode("latin-1"))


DROPS: dict[str, tuple[Break, str]] = {
    "missing column": (_without_column, rf"a column is missing, in {T1}, column MilesToWork\."),
    "renamed column": (
        _header("MilesToWork", "Miles_To_Work"),
        rf"renamed: .* expects MilesToWork, the file has Miles_To_Work, in {T1}",
    ),
    "extra column": (_with_column, rf"1 column the contract does not know, in {T1}, column Mood\."),
    "text in a number": (  # the market has an unreadable cell or two of its own
        _cells("MilesToWork", "Osseo", 200),
        rf"2\.\d% of the cells do not read as number .*in {T1}.*, column MilesToWork, 20\d rows",
    ),
    "impossible date": (
        _cells("DateBecameRep_YYYY_MM_DD", "2023-02-30", 200),
        rf"do not read as date .*in {T1}.*, column DateBecameRep_YYYY_MM_DD, 200 rows",
    ),
    "empty file": (lambda drops: (drops / T1).write_bytes(b""), rf"the file is empty, in {T1}, 0 rows"),
    "truncated gzip": (_truncated_gzip, rf"unreadable gzip file: truncated or damaged, in {T1}\.gz"),
    "truncated parquet": (_truncated_parquet, r"unreadable Parquet file: truncated.*, in reps_2024_q1_T1\.parquet"),
    "not UTF-8": (_latin_1, rf"the file is not UTF-8 \(first in row 2\), in {T1}, 1 row"),
    "wrong quarter in the name": (
        lambda drops: (drops / T2).rename(drops / "reps_2024_q5_T2.csv"),
        r"wrong quarter in the name: 2 of 3 files of 2024_q1, .*in reps_2024_q5_T2\.csv",
    ),
    "the same file twice": (
        lambda drops: shutil.copyfile(drops / T1, drops / T2),
        rf"the same file twice: it has the same content as {T1}, in {T2}",
    ),
}


# ---- one home, one command, what it left


def _copied_drops(market: Path, target: Path) -> Path:
    """One quarter of the market, without the manifest, whose digests would be all that any change meets."""
    target.mkdir()
    for path in (market / "drops").glob(f"*_{QUARTER}*.csv"):
        shutil.copy2(path, target)
    return target


def _sources(drops: Path, market: Path) -> list[str]:
    locations = dict.fromkeys(("reps", "firms", "employment", "firm_history"), drops) | {"leads": market / "crm"}
    return [part for name, place in locations.items() for part in ("--source", f"{name}={place}")]


def _digests(home: Path) -> dict[str, str]:
    """Every file of the warehouse but the track record: it is kept whatever becomes of a quarter."""
    files = [path for path in (home / "warehouse").rglob("*") if path.is_file() and "track_record" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _assert_refused(ended: Ended, message: str, before: dict[str, str], home: Path) -> None:
    code, out, errors = ended
    lines = errors.splitlines()
    assert code == 1, errors
    assert out == ""
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:], errors
    assert re.search(message, lines[-1])
    assert re.search(r" Remedy: \w", lines[-1])
    assert "Traceback" not in errors
    assert not re.search("Osseo|Zoë", errors)  # what stands in a cell may be personal
    assert _digests(home) == before


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line in this process, which saves a start per case: exit code, stdout, stderr."""
    for name in ("LEADSCORE_HOME", "LEADSCORE_DAGSTER_STORAGE"):
        monkeypatch.setenv(name, "")  # a run sets them; here they end with the test

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["leadscore", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def almost(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the quarter's other vintages, so that the representatives are all a run can add."""
    base = tmp_path_factory.mktemp("almost")
    home, drops = base / "home", _copied_drops(small_market, base / "drops")
    home.mkdir()
    recipe = load_recipe(scenario.write_recipe(home, scenario.recipe_document() | {"first_as_of": FIRST_QUARTER}))
    write_locations(home, recipe, {name: str(drops) for name in recipe.sources})
    workspace = Workspace(home=str(home), clock=scenario.CLOCK)
    with instance_of(home) as instance:
        wanted = [key(recipe, name) for name in HEALTHY]
        assert execute(instance, recipe, workspace, "ingest", AS_OF.isoformat(), wanted) is None
    return base


@pytest.fixture
def home(almost: Path, tmp_path: Path) -> Path:
    return scenario.copy_home(almost / "home", tmp_path / "home")


@pytest.fixture
def drops(almost: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(almost / "drops", tmp_path / "drops"))


# ---- tests


@pytest.mark.parametrize("name", DROPS)
def test_a_bad_drop_ends_in_one_line_and_changes_nothing(
    name: str, home: Path, drops: Path, small_market: Path, command: Callable[..., Ended]
) -> None:
    before = _digests(home)
    change, message = DROPS[name]
    change(drops)
    sources = _sources(drops, small_market)
    ended = command("run", home / "recipe.yaml", *sources, "--as-of", AS_OF, "--home", home, "--json")
    _assert_refused(ended, message, before, home)


def test_the_same_drop_unbroken_is_taken_in(home: Path, drops: Path) -> None:
    """Otherwise every case above could be refused for a reason they share."""
    recipe = load_recipe(home / "recipe.yaml")
    write_locations(home, recipe, {name: str(drops) for name in recipe.sources})
    workspace = Workspace(home=str(home), clock=scenario.CLOCK)
    with instance_of(home) as instance:
        assert execute(instance, recipe, workspace, "ingest", AS_OF.isoformat()) is None
    assert workspace.warehouse(recipe).partitions("rep_vintage") == [AS_OF.isoformat()]


@pytest.mark.parametrize("verb", ["run", "audit"])
def test_a_drop_folder_that_does_not_exist_is_named(
    verb: str, home: Path, small_market: Path, command: Callable[..., Ended], tmp_path: Path
) -> None:
    before = _digests(home)
    sources = _sources(tmp_path / "nowhere", small_market)
    ended = command(verb, home / "recipe.yaml", *sources, "--as-of", AS_OF, "--home", home, "--json")
    _assert_refused(ended, r"There is no such file or folder, in .*/nowhere\.", before, home)


def test_a_process_of_its_own_ends_the_same_way(home: Path, drops: Path, small_market: Path) -> None:
    before = _digests(home)
    change, message = DROPS["missing column"]
    change(drops)
    sources = _sources(drops, small_market)
    arguments = ["run", str(home / "recipe.yaml"), *sources, "--as-of", str(AS_OF), "--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-m", "leadscore_dagster", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    _assert_refused((done.returncode, done.stdout, done.stderr), message, before, home)


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *parents, last = path.split(".")

    def change(document: dict[str, Any]) -> None:
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


RECIPES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown key": (_set("model.fodls", 5), r"Unknown key 'fodls' .*did you mean 'folds'\?.*recipe\.yaml, line \d+"),
    "wrong type": (_set("model.folds", "five"), r"model\.folds: .* integer.*recipe\.yaml, line \d+"),
    "missing column": (
        _set("label.outcome_at", "Stage_Entered_Cal__c"),
        r"column 'Stage_Entered_Cal__c' does not exist in source 'leads'.*recipe\.yaml",
    ),
    "threshold out of range": (
        _set("gates.auc_roc.at_least", 60),
        r"gate auc_roc: threshold 60\.0 lies outside 0 … 1, in .*recipe\.yaml",
    ),
}


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_mistake_in_a_recipe_ends_in_one_line(
    name: str, verb: str, home: Path, tmp_path: Path, command: Callable[..., Ended]
) -> None:
    before = _digests(home)
    document = scenario.recipe_document() | {"first_as_of": FIRST_QUARTER}
    change, message = RECIPES[name]
    change(document)
    ended = command(verb, scenario.write_recipe(tmp_path, document), "--home", home, "--json")
    _assert_refused(ended, message, before, home)


def test_too_few_positives_to_train_on_are_counted(tmp_path: Path, command: Callable[..., Ended]) -> None:
    """Labels and training table are made before anybody counts: here they are there already."""
    contacts, home = tmp_path / "bank_marketing.parquet", tmp_path / "home"
    pq.write_table(flat.contacts(), contacts)
    document = flat.document()
    document["model"]["minimum_positives"] = 3_000
    recipe = flat.write_recipe(tmp_path, model=document["model"])
    shared = (recipe, "--source", f"contacts={contacts}", "--as-of", flat.FIRST, "--home", home, "--json")
    assert command("audit", *shared)[0] == 0
    before = _digests(home)
    assert before
    message = r"the development period holds \d+ positives of [\d,]+ rows, 3000 are needed to train"
    _assert_refused(command("run", *shared), message, before, home)
