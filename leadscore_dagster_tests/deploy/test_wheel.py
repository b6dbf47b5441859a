"""The wheel: what is in it, and that it works in an environment of its own, far from any checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leadscore_dagster_tests import PROJECT
from leadscore_dagster_tests.chain import flat
from leadscore_dagster_tests.dagit import answers, free_port

PACKAGE = PROJECT / "leadscore_dagster"
START_SECONDS, STOP_SECONDS = 240, 90


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the extra `dev` is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return path


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


# ---- its files


def test_the_wheel_holds_every_file_of_the_package_the_sql_and_both_yaml_files_and_nothing_else(wheel: Path) -> None:
    expected = {path.relative_to(PROJECT).as_posix() for path in _files(PACKAGE)}
    expected |= {f"leadscore_dagster/{path.relative_to(PROJECT).as_posix()}" for path in _files(PROJECT / "sql")}
    expected |= {"leadscore_dagster/dagster.yaml", "leadscore_dagster/workspace.yaml"}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    kinds = {Path(name).suffix for name in held}
    assert kinds >= {".py", ".sql", ".yaml", ".css", ".js", ".typed"}
    assert "leadscore_dagster/py.typed" in held


def test_what_lies_at_the_top_of_the_checkout_is_in_the_wheel_as_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in ("dagster.yaml", "workspace.yaml"):
            assert archive.read(f"leadscore_dagster/{name}") == (PROJECT / name).read_bytes()


def test_a_plain_install_brings_no_test_server_and_no_cuda(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = BytesParser(policy=compat32).parsebytes(archive.read(name))
    needed = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    names = {text.split(";")[0].split("[")[0].rstrip("<>=.,0123456789 ") for text in needed}
    assert not names & {"moto", "zetasql", "pytest", "playwright", "asyncssh", "hypothesis", "mypy", "ruff"}
    assert "xgboost-cpu" in names
    assert all("darwin" in text for text in needed if text.startswith("xgboost<") or text.startswith("xgboost>"))


def test_every_direct_requirement_is_pinned_by_the_constraints() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {_canonical(text.split(";")[0].split("[")[0].rstrip("<>=.,0123456789 ")) for text in wanted}
    lines = [line.split("==") for line in (PROJECT / "constraints.txt").read_text().split()]
    assert all(len(line) == 2 for line in lines), "a constraint is a name and a version"
    # what is not pinned is an optional copy of model versions that no test installs
    assert names - {_canonical(name) for name, _ in lines} == {"leadscore-dagster", "mlflow-skinny"}


def _canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-")


# ---- an environment of its own


@pytest.mark.rehearsal
@pytest.mark.timeout(3_600)
def test_an_installed_wheel_runs_demo_run_score_and_ui_and_writes_to_its_home_alone(
    wheel: Path, tmp_path: Path
) -> None:
    python = _environment_of(wheel, tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    installed = {path: path.stat().st_mtime_ns for path in _files(python.parents[1] / "lib")}

    demo = tmp_path / "demo"
    shown = _leadscore(python, elsewhere, "demo", "--leads", 8_000, "--home", demo, "--json")
    assert shown.returncode == 2, shown.stderr  # so small a market has too few positives for the shipped gates
    assert "test_positives" in json.loads(shown.stdout)["why"]
    assert [path.name for path in (demo / "models" / "advisor_mql").iterdir()] != []

    home, source = tmp_path / "home", tmp_path / "bank_marketing.parquet"
    pq.write_table(flat.contacts(), source)
    recipe = flat.write_recipe(home)
    where = ("--source", f"contacts={source}", "--home", home, "--json")
    ran = _leadscore(python, elsewhere, "run", recipe, "--as-of", flat.FIRST, *where)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "promoted"
    scored = _leadscore(python, elsewhere, "score", recipe, "--day", flat.DAY, *where)
    assert scored.returncode == 0, scored.stderr

    with _dagit(python, elsewhere, demo, tmp_path / "ui.log") as address:
        asked = _graphql(address, "{ shouldShowNux assetNodes { assetKey { path } } }")
        assert asked["shouldShowNux"] is False
        assert ["advisor_mql", "training_table"] in [node["assetKey"]["path"] for node in asked["assetNodes"]]

    assert list(elsewhere.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in _files(python.parents[1] / "lib")} == installed
    assert not (tmp_path / "user" / ".dagster").exists()


def _environment_of(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that holds the wheel and what it needs, as the constraints pin it."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--constraint", str(PROJECT / "constraints.txt")]
    command = [str(python), "-m", "pip", "install", *options, str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.returncode == 0, done.stderr
    return python


def _variables(folder: Path) -> dict[str, str]:
    """Nothing that points to this checkout, and a user who has no folder of Dagster's."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("LEADSCORE_", "DAGSTER_", "PYTHON"))
    }
    return {**own, "HOME": str(folder.parent / "user")}


def _leadscore(python: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(python.parent / "leadscore"), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=_variables(folder), capture_output=True, text=True, timeout=1_500, check=False
    )


@contextmanager
def _dagit(python: Path, folder: Path, home: Path, log: Path) -> Iterator[str]:
    """The address of ``leadscore ui``; at the end it is asked to stop, and has to stop all it has started."""
    port = free_port()
    command = [str(python.parent / "leadscore"), "ui", "--home", str(home), "--port", str(port)]
    with log.open("w") as output:
        ui = subprocess.Popen(
            command, cwd=folder, env=_variables(folder), stdout=output, stderr=output, start_new_session=True
        )
    try:
        _until(lambda: answers(port) or ui.poll() is not None, START_SECONDS)
        assert ui.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
        ui.send_signal(signal.SIGTERM)
        ui.wait(STOP_SECONDS)
        _until(lambda: not _group_lives(ui.pid), 10)
    finally:
        if _group_lives(ui.pid):
            os.killpg(ui.pid, signal.SIGKILL)
        ui.wait()


def _until(condition, seconds: float) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _graphql(address: str, query: str) -> dict:  # type: ignore[type-arg]
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        result = json.load(answer)
    assert "errors" not in result, result
    return dict(result["data"])
