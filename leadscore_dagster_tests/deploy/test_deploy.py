"""What deploy/ says, as far as it can be tried without Docker and without root: a real PostgreSQL under Dagster, the
units as systemd reads them, and that no file holds a secret."""

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import yaml

from leadscore_dagster.defs.alerts.definitions import ALERT_JOBS
from leadscore_dagster.defs.automation.run_requests import RECIPE_TAG
from leadscore_dagster_tests.deploy import postgres

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PYTHON = Path(sys.executable).parent
SENSOR = "advisor_mql_drop_sensor"


def test_runs_and_cursors_are_kept_in_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    if postgres.missing():
        pytest.skip(postgres.missing())

    @dg.asset
    def something() -> int:
        return 1

    with postgres.server() as environment:
        own = {"LEADSCORE_HOME": str(tmp_path), "LEADSCORE_DAGSTER_STORAGE": str(tmp_path / "dagster")}
        for name, value in {**environment, **own}.items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(DEPLOY)) as instance:
            assert dg.materialize([something], instance=instance).success
        done = subprocess.run(
            [PYTHON / "dagster", "sensor", "cursor", SENSOR, "--set", "seen", "-m", "leadscore_dagster.definitions"],
            env={**os.environ, "DAGSTER_HOME": str(DEPLOY)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with dg.DagsterInstance.from_config(str(DEPLOY)) as another:
            assert another.run_storage.__class__.__name__ == "PostgresRunStorage"
            assert len(another.fetch_materializations(something.key, limit=5).records) == 1
            cursors = {state.name: state.instigator_data.cursor for state in another.all_instigator_state()}  # type: ignore[union-attr]
    assert cursors == {SENSOR: "seen"}
    assert not list(tmp_path.rglob("*.db"))


def test_the_two_instances_differ_in_their_storage_alone() -> None:
    one, many = (yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (ROOT, DEPLOY))
    assert set(one.pop("storage")) == {"sqlite"}
    assert set(many.pop("storage")) == {"postgres"}
    assert one == many
    runs = one["concurrency"]["runs"]
    assert runs["tag_concurrency_limits"] == [{"key": RECIPE_TAG, "limit": 2}]
    assert runs["max_concurrent_runs"] == 3  # one place is left for the delivery of alerts


def test_dagster_takes_the_limits_and_alerts_carry_no_recipes_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSCORE_DAGSTER_STORAGE", str(tmp_path))
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
    assert limits is not None
    assert (limits.max_concurrent_runs, [dict(limit) for limit in limits.tag_concurrency_limits]) == (
        3,
        [{"key": RECIPE_TAG, "limit": 2}],
    )
    assert all(RECIPE_TAG not in job.tags for job in ALERT_JOBS)


def test_no_file_of_a_deployment_holds_a_secret() -> None:
    names = re.compile(r"(?i)(password|secret|token|alerts_[a-z]+)\w*\s*[:=][ \t]*(\S*)")
    for path in DEPLOY.iterdir():
        for name, value in names.findall(path.read_text()):
            assert value == "" or value.startswith("${"), f"{path.name}: {name}"
    assert not list(DEPLOY.glob("*.env"))


def test_compose_names_only_files_and_commands_that_are_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(services) == {"postgres", "code", "webserver", "daemon"}
    for name, service in services.items():
        assert service.get("healthcheck") or name == "code"  # its own stands in the image
        command = service.get("command", [])
        assert not command or (PYTHON / command[0]).is_file()
        for option, value in pairwise(command):
            assert option != "--workspace" or (ROOT / value).is_file()
    image = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER leadscore$", image, re.MULTILINE)
    assert "--constraint constraints.txt" in image
    copied = [name for line in re.findall(r"^COPY (.+)$", image, re.MULTILINE) for name in line.split()[:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)


def test_every_variable_the_product_reads_is_documented() -> None:
    files = [*(ROOT / "leadscore_dagster").rglob("*.py"), *DEPLOY.iterdir(), ROOT / "dagster.yaml"]
    read = {name for path in files for name in re.findall(r"LEADSCORE_[A-Z]+(?:_[A-Z]+)*", path.read_text())}
    documented = (ROOT / "docs" / "deployment.md").read_text()
    prefixes = {"LEADSCORE_ALERTS"}
    assert sorted(name for name in read - prefixes if f"`{name}`" not in documented) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("unit", ["leadscore-webserver.service", "leadscore-daemon.service"])
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    """With the paths of this machine: what a unit runs has to be there."""
    text = (
        (DEPLOY / unit)
        .read_text()
        .replace("/opt/leadscore/.venv/bin", str(PYTHON))
        .replace("/opt/leadscore", str(ROOT))
    )
    (tmp_path / unit).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
