"""A quarter that nobody touches: a real daemon, a vendor who copies slowly, a webhook, and a cord that is pulled.

The scores of the day: the schedule ticks at a full hour of the machine's clock, which no test can wait for and which
is not the day of this world. So the schedule itself is asked what it wants at 06:00 of that day, and what it answers
is put into the running daemon's queue; from there on it is a run like any other. Everything else happens by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from leadscore_dagster.commands.instance import dagster_environment, instance_of
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.scoring.day import LEAD_SCORES
from leadscore_dagster.core.versions.ledger import history
from leadscore_dagster.core.warehouse import table
from leadscore_dagster.definitions import build_defs
from leadscore_dagster.defs.alerts.instigators import instigators
from leadscore_dagster.defs.automation.run_requests import RECIPE_TAG
from leadscore_dagster.defs.resources import Workspace
from leadscore_dagster_tests import PROJECT, scenario
from leadscore_dagster_tests.alerts.world import Webhook, webhook
from leadscore_dagster_tests.chain import rehearsal

pytestmark = pytest.mark.rehearsal

QUARTER = "2025_q4"
#: one of several files of a source, and the only file of another
SLOW = (f"reps_{QUARTER}_T3.csv", f"employment_{QUARTER}.csv")
MANIFEST = f"manifest_{QUARTER}.json"
SENSOR = "advisor_mql_drop_sensor"
MODULE = ["-m", "leadscore_dagster_tests.chain.rehearsal"]


def _document() -> dict[str, object]:
    """The small recipe, looking often."""
    document = scenario.recipe_document()
    far = (datetime.now(UTC) + timedelta(hours=12)).hour  # no schedule ticks while the test runs
    document["automation"] = {"look_every_seconds": 5, "catch_up_days": 0, "daily_hour": far}
    return document


@dataclass
class _Site:
    """A deployment: its home, its instance as seen from outside, and the daemon that can be killed."""

    home: Path
    drops: Path
    recipe: Recipe
    workspace: Workspace
    instance: dg.DagsterInstance
    environment: dict[str, str]
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", *MODULE]
        with (self.home / "daemon.log").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(
                    command, cwd=PROJECT, env=self.environment, stdout=log, stderr=log, start_new_session=True
                )
            )

    def kill(self) -> None:
        """The daemon, its code server and its runs at once, as when the power goes."""
        for daemon in self.daemons:
            if daemon.poll() is None:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()

    def until(self, what: str, holds: Callable[[], object], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.daemons[-1].poll() is None, self.log()
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{self.log()}"
            time.sleep(0.2)

    def log(self) -> str:
        return (self.home / "daemon.log").read_text(errors="replace")[-4000:]

    def looks(self, name: str = SENSOR) -> int:
        """How often a sensor has looked to the end."""
        states = [state for state in instigators(self.instance) if state.name == name]
        ticks = [
            tick
            for state in states
            for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=500)
        ]
        assert not [tick.error for tick in ticks if tick.error]
        return sum(tick.end_timestamp is not None for tick in ticks)

    def looks_again(self, times: int, name: str = SENSOR) -> None:
        before = self.looks(name)
        self.until(f"{name} looks", lambda: self.looks(name) >= before + times)

    def runs(self, job: str) -> list[dg.DagsterRun]:
        """Those that nobody started by hand, the newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(job_name=job, tags={RECIPE_TAG: self.recipe.name})))

    def finished(self, job: str, number: int) -> list[dg.DagsterRun]:
        self.until(f"{job} ends", lambda: [run.is_finished for run in self.runs(job)] == [True] * number, 300)
        return self.runs(job)

    def copy_slowly(self, name: str, content: bytes) -> None:
        """Half of it rests for longer than the sensor waits for a file to settle."""
        path = self.drops / name
        path.write_bytes(content[: len(content) // 2])
        self.looks_again(3)
        path.write_bytes(content)


@contextmanager
def _site(finished_home: Path, market: Path, folder: Path, hook: Webhook) -> Iterator[_Site]:
    """A home that holds every earlier vintage but has no champion yet, so that a candidate that passes the gates is
    promoted for certain: of two models of 40 positives the comparison rightly says that the difference may be noise."""
    home = scenario.copy_home(finished_home, folder / "home")
    scenario.forget_the_ledger(home, "advisor_mql")
    drops = Path(shutil.copytree(market / "drops", folder / "market" / "drops"))
    shutil.copytree(market / "crm", folder / "market" / "crm")
    for path in drops.glob(f"*{QUARTER}*"):
        path.unlink()
    recipe, _ = scenario.opened(home, folder / "market", _document())
    began = time.time()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")},
        **dagster_environment(home, PROJECT),
        "LEADSCORE_AUTOMATION": "on",
        "LEADSCORE_ALERTS_ERROR": hook.url("error"),
        "LEADSCORE_ALERTS_EVERY": "5",
        "LEADSCORE_ALERTS_DIGEST_AT": f"{recipe.automation.daily_hour:02d}:00 UTC",
        rehearsal.BEGAN: str(began),
    }
    with instance_of(home) as instance:
        site = _Site(home, drops, recipe, rehearsal.workspace_of(home, began), instance, environment)
        try:
            yield site
        finally:
            site.kill()


def _score_the_day(site: _Site) -> None:
    """What the schedule asks for at six that morning, put into the daemon's queue."""
    repository = build_defs(recipes=[site.recipe], workspace=site.workspace).get_repository_def()
    schedule = repository.get_schedule_def("advisor_mql_daily_schedule")
    six = datetime.combine(scenario.DAY, datetime.min.time(), tzinfo=UTC) + timedelta(hours=6)
    with dg.build_schedule_context(
        site.instance,
        scheduled_execution_time=six,
        repository_def=repository,
        resources={"workspace": site.workspace},
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    tags = {**request.tags, "dagster/run_key": request.run_key, "dagster/partition": request.partition_key}
    command = ["launch", *MODULE, "-j", "advisor_mql_daily_scores", "--tags", json.dumps(tags)]
    subprocess.run(
        [str(Path(sys.executable).parent / "dagster"), "job", *command],
        cwd=PROJECT, env=site.environment, check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def _corrupted(site: _Site) -> dict[str, bytes]:
    """The vendor sends the quarter once more: one file without its key, and a manifest that vouches for it."""
    name = SLOW[1]
    content = (site.drops / name).read_bytes().replace(b"RIA_CONTACT_CRD_ID", b"CONTACT", 1)
    manifest = json.loads((site.drops / MANIFEST).read_text())
    manifest["available_at"] = "2026-01-20T06:00:00Z"
    for entry in manifest["files"]:
        if entry["name"] == name:
            entry["sha256"] = hashlib.sha256(content).hexdigest()
    return {name: content, MANIFEST: json.dumps(manifest).encode()}


@pytest.mark.timeout(600)
def test_a_quarter_runs_itself_and_a_broken_one_is_told_once_whenever_the_power_fails(
    finished_home: Path, small_market: Path, tmp_path: Path
) -> None:
    sent = {path.name: path.read_bytes() for path in (small_market / "drops").glob(f"*{QUARTER}*")}
    with webhook() as hook, _site(finished_home, small_market, tmp_path, hook) as site:
        warehouse = site.workspace.warehouse(site.recipe)
        site.start()
        site.looks_again(1, "alerts")
        for name in set(sent) - set(SLOW):
            (site.drops / name).write_bytes(sent[name])

        # two files arrive slowly, and the power fails while the first is half there
        (site.drops / SLOW[0]).write_bytes(sent[SLOW[0]][:100_000])
        site.looks_again(1)
        site.kill()
        site.start()
        for name in SLOW:
            site.copy_slowly(name, sent[name])
            assert name == SLOW[-1] or site.runs("advisor_mql_refresh") == []
        (refresh,) = site.finished("advisor_mql_refresh", 1)
        assert refresh.is_success
        assert refresh.tags["dagster/partition"] == str(scenario.SECOND)
        (crowned,) = history(site.workspace.state(site.recipe))
        assert crowned.action == "promote"
        assert crowned.version.startswith(str(scenario.SECOND))
        assert all(verdict["passed"] for verdict in json.loads(crowned.gates_json))

        _score_the_day(site)
        (scoring,) = site.finished("advisor_mql_daily_scores", 1)
        assert scoring.is_success
        sql = f"SELECT DISTINCT model_version FROM {LEAD_SCORES} WHERE score_day = DATE '{scenario.DAY}'"
        assert table(warehouse, sql)["model_version"].to_pylist() == [crowned.version]
        assert hook.received == []

        # a corrupted drop: the power fails when it has been refused, and again when it has been told
        for name, content in _corrupted(site).items():
            (site.drops / name).write_bytes(content)
        site.finished("advisor_mql_refresh", 2)
        site.kill()
        site.start()
        # told is what has been noted as delivered: a crash between the webhook's answer and the note would rightly
        # cost a repetition, with the same idempotency key (core/alerts/delivery)
        site.until("the alert", lambda: list((site.home / "alerts" / "sent").glob("*.json")))
        site.kill()
        site.start()
        site.looks_again(5, "alerts")
        site.looks_again(2)

        newest, _ = site.runs("advisor_mql_refresh")
        assert newest.status is dg.DagsterRunStatus.FAILURE
        assert history(site.workspace.state(site.recipe)) == [crowned]
        (message,) = hook.messages("error")
        assert {alert["partition"] for alert in message["alerts"]} == {str(scenario.SECOND)}
        assert SLOW[1] in message["message"]
        assert len(hook.received) == 1
