"""Processes of a scenario: the command line as a user starts it, measured, killed, or on a disk that is full.

Not here: what a scenario does (scenarios), copies (copies).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: a scenario that takes longer hangs
TIMEOUT = 3600.0


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (negative: killed by that signal), seconds, peak memory in bytes, its texts."""

    exit_code: int
    seconds: float
    peak: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        """The one line a user reads: the error, else what was printed first."""
        lines = [line for line in self.errors.splitlines() if line.startswith(("Error: ", "Refused: "))]
        spoken = lines[-1:] or [line for line in self.out.splitlines() if line.strip()][:3]
        return " ".join(line.strip() for line in spoken)

    @property
    def crashed(self) -> bool:
        """A traceback, or an end that is neither done, refused nor an error told in one line."""
        told = self.exit_code == 0 or bool(self.said)
        return "Traceback (most recent call last)" in self.errors or self.exit_code not in (0, 1, 2) or not told


def leadscore(home: Path, *arguments: object) -> list[str]:
    """The command line on a home."""
    return [sys.executable, "-m", "leadscore_dagster", *map(str, arguments), "--home", str(home)]


def run(
    command: Sequence[str],
    kill_when: Callable[[], bool] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command to its end; with ``kill_when`` it, and whatever it has started, is killed (SIGKILL) as soon as
    that says so. ``environment``: variables beside those of this process."""
    variables = {**_environment(), **(environment or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=variables, start_new_session=True)
        status, usage = _wait(process, begun, kill_when)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        return Ended(
            exit_code=process.returncode,
            seconds=time.monotonic() - begun,
            peak=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            out=out.read().decode(errors="replace"),
            errors=errors.read().decode(errors="replace"),
        )


def small_disk() -> list[str]:
    """How to get a file system of one's own here, which ends with the process; [] when there is no way."""
    for way in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if shutil.which("unshare"):
            probe = [*way, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return way
    return []


def on_a_full_disk(way: Sequence[str], folder: Path, free: int, after: Path, command: Sequence[str]) -> Ended:
    """Run a command while ``folder`` lies on a file system with ``free`` bytes left; what is then in it goes to
    ``after``."""
    size = sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file()) + free
    script = (
        'set -e; cp -a "$1" "$2"; mount -t tmpfs -o size="$3" tmpfs "$1"; cp -a "$2/." "$1"; rm -r "$2"; folder=$1;'
        'after=$2; shift 3; set +e; "$@"; code=$?; cp -a "$folder" "$after"; exit $code'
    )
    return run([*way, "sh", "-c", script, "sh", str(folder), str(after), str(size), *command])


def _wait(process: subprocess.Popen[bytes], begun: float, kill_when: Callable[[], bool] | None):  # type: ignore[no-untyped-def]
    """Wait for a process as the kernel accounts for it; it, and whatever it started, never outlives its time."""
    while True:
        found, status, usage = os.wait4(process.pid, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() - begun > TIMEOUT or (kill_when is not None and kill_when()):
            os.killpg(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            return status, usage
        time.sleep(0.005)


def _environment() -> dict[str, str]:
    """Without what would lead a child to the original home, to alerts and models that people read, or to schedules."""
    own = ("LEADSCORE_HOME", "LEADSCORE_DAGSTER_STORAGE", "LEADSCORE_DAGSTER_CONFIG", "DAGSTER_HOME",
           "LEADSCORE_AUTOMATION", "LEADSCORE_MLFLOW_URI", "LEADSCORE_STATE")  # fmt: skip
    return {k: v for k, v in os.environ.items() if k not in own and not k.startswith("LEADSCORE_ALERTS_")}
