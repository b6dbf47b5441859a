"""A run whose process is killed is failed soon, and one that lives never is: with real processes, which are killed."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from leadscore_dagster.commands.instance import dagster_environment, instance_environment, instance_of
from leadscore_dagster.core import locks
from leadscore_dagster.core.locks import at_work, is_gone
from leadscore_dagster.defs.automation.launcher import DIED, WatchedRunLauncher, locks_of
from leadscore_dagster_tests import PROJECT
from leadscore_dagster_tests.alerts.world import Daemon, webhook

MODULE = ["-m", "leadscore_dagster_tests.waiting"]
RETRIED = {"dagster/max_retries": "1", "dagster/retry_strategy": "ALL_STEPS"}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of a home, as dagster.yaml has it."""
    for name, value in instance_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("ERROR", "WARN", "DIGEST", "QUIET", "QUIET_HOLDS"):
        monkeypatch.delenv(f"LEADSCORE_ALERTS_{name}", raising=False)
    with instance_of(tmp_path) as opened:
        yield opened


# ---- the lock


def _work(folder: Path, begun: Path, end: Path) -> None:
    with at_work(folder, "run"):
        begun.touch()
        while not end.is_file():
            time.sleep(0.01)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[multiprocessing.Process]:
    """A process that is at work until ``end`` is there."""
    begun = tmp_path / "begun"
    process = multiprocessing.get_context("spawn").Process(
        target=_work, args=(tmp_path / "locks", begun, tmp_path / "end")
    )
    process.start()
    _until("the worker begins", begun.is_file, 60)
    yield process
    process.kill()
    process.join()


def _until(what: str, holds: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def test_who_works_is_not_gone_and_who_is_killed_is(tmp_path: Path, worker: multiprocessing.Process) -> None:
    assert not is_gone(tmp_path / "locks", "run")
    worker.kill()
    worker.join()
    assert is_gone(tmp_path / "locks", "run")
    assert is_gone(tmp_path / "locks", "run")  # asking changes nothing


def test_who_ends_in_order_was_never_gone(tmp_path: Path, worker: multiprocessing.Process) -> None:
    (tmp_path / "end").touch()
    while worker.is_alive():
        assert not is_gone(tmp_path / "locks", "run")
    assert not is_gone(tmp_path / "locks", "run")
    assert not list((tmp_path / "locks").iterdir())


def test_a_lock_of_another_machine_says_nothing_and_one_of_before_a_restart_does(
    tmp_path: Path, worker: multiprocessing.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.kill()
    worker.join()
    host, boot = locks._machine()
    for machine, gone in (
        (("elsewhere", "other"), False),
        ((host, "other"), True),
        (("a-container", boot), bool(boot)),
    ):
        monkeypatch.setattr(locks, "_machine", lambda machine=machine: machine)
        assert is_gone(tmp_path / "locks", "run") is gone


def test_where_no_lock_can_be_had_work_goes_on_and_nobody_is_called_gone(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no folder")
    with at_work(tmp_path / "locks", "run"):
        assert not is_gone(tmp_path / "locks", "run")
    assert not is_gone(tmp_path / "locks", "run")


# ---- one run


@contextmanager
def _run(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that executes one run, which has begun."""
    command = [sys.executable, *MODULE, str(PROJECT)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL) as process:
        try:
            _until("the run begins", lambda: (home / f"begun-{process.pid}").is_file(), 60)
            yield process
        finally:
            process.kill()


def _monitor(instance: dg.DagsterInstance) -> None:
    """What Dagster's monitoring does every half a minute."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
        assert [error for error in execute_run_monitoring_iteration(workspace, logging.getLogger()) if error] == []


def _status(instance: dg.DagsterInstance) -> dg.DagsterRunStatus:
    (run,) = instance.get_runs(dg.RunsFilter(job_name="waiting"))
    return run.status


def test_a_run_that_lives_stays_and_one_that_is_killed_is_failed_at_the_next_look_and_told_once(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as hook, _run(tmp_path) as process:
        monkeypatch.setenv("LEADSCORE_ALERTS_ERROR", hook.url("error"))
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        daemon = Daemon(tmp_path, instance)
        daemon.look()
        for _ in range(3):
            _monitor(instance)
        assert _status(instance) is dg.DagsterRunStatus.STARTED
        process.kill()
        process.wait()
        _monitor(instance)
        assert _status(instance) is dg.DagsterRunStatus.FAILURE
        _monitor(instance)
        daemon.look()
        daemon.look()
    (message,) = hook.messages("error")
    assert "run of waiting failed" in message["title"]
    assert DIED.replace("'", "") in message["message"].replace("'", "")


def test_a_run_that_ends_in_order_is_never_failed_while_it_is_watched(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with _run(tmp_path) as process:
        (tmp_path / "enough").touch()
        while process.poll() is None:
            _monitor(instance)
        assert process.returncode == 0
        assert _status(instance) is dg.DagsterRunStatus.SUCCESS
        assert not list(locks_of(instance).iterdir())


def test_a_stopped_process_still_lives(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with _run(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        _monitor(instance)
        assert _status(instance) is dg.DagsterRunStatus.STARTED
        process.send_signal(signal.SIGCONT)


# ---- the daemon


@contextmanager
def _daemon(home: Path, environment: dict[str, str]) -> Iterator[None]:
    """The real daemon; at the end it is killed with its code server and its runs, as when the power goes."""
    command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", *MODULE]
    with (home / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.rehearsal
@pytest.mark.timeout(600)
def test_a_run_that_dies_with_the_daemon_is_started_once_more_and_told_when_it_dies_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    def runs() -> list[dg.DagsterRun]:
        return list(instance.get_runs(dg.RunsFilter(job_name="waiting")))

    def begun() -> int:
        return len(list(tmp_path.glob("begun-*")))

    with webhook() as hook:
        environment = {
            **os.environ,
            **dagster_environment(tmp_path, PROJECT),
            "LEADSCORE_ALERTS_ERROR": hook.url("error"),
            "LEADSCORE_ALERTS_WARN": hook.url("warn"),
            "LEADSCORE_ALERTS_EVERY": "5",
        }
        with _daemon(tmp_path, environment):
            launch = [str(Path(sys.executable).parent / "dagster"), "job", "launch", *MODULE, "-j", "waiting"]
            subprocess.run(
                [*launch, "--tags", json.dumps(RETRIED)],
                cwd=PROJECT, env=environment, check=True, capture_output=True, timeout=120,
            )  # fmt: skip
            _until("the run begins", lambda: begun() == 1, 120)
            time.sleep(35)  # longer than from one look of the monitoring to the next
            assert [run.status for run in runs()] == [dg.DagsterRunStatus.STARTED]
        with _daemon(tmp_path, environment):
            _until("it is started once more", lambda: begun() == 2, 120)
            second, first = runs()
            assert first.status is dg.DagsterRunStatus.FAILURE
            assert second.parent_run_id == first.run_id
            assert hook.received == []  # it has not been lost yet
        with _daemon(tmp_path, environment):
            _until("it is told", lambda: hook.received, 120)
            time.sleep(40)
        assert [run.status for run in runs()] == [dg.DagsterRunStatus.FAILURE] * 2
        (message,) = hook.messages("error")
        assert len(hook.received) == 1
        assert "run of waiting failed" in message["title"]
