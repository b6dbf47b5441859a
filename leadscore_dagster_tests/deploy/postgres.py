"""A real PostgreSQL server of a test's own, in a temporary folder, over TCP with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "leadscore"


def missing() -> str:
    """Why no server can be started here; "" when one can."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return "initdb and pg_ctl are not on the PATH"
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL refuses to run as root, and setpriv is not there to become somebody else"
    return ""


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """The environment that deploy/dagster.yaml reads, while the server runs."""
    folder, password = Path(tempfile.mkdtemp(prefix="leadscore-postgres-")), secrets.token_hex(8)
    (folder / "password").write_text(password)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, folder / "password"):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    try:
        _run("initdb", "-D", data, "-U", USER, "--pwfile", folder / "password", "--auth", "scram-sha-256", "--no-sync")
        _run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        yield {
            "LEADSCORE_POSTGRES_HOST": "127.0.0.1",
            "LEADSCORE_POSTGRES_PORT": str(port),
            "LEADSCORE_POSTGRES_DB": "postgres",
            "LEADSCORE_POSTGRES_USER": USER,
            "LEADSCORE_POSTGRES_PASSWORD": password,
        }
    finally:
        if (data / "postmaster.pid").exists():
            _run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _run(*command: object) -> None:
    other = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*other, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
