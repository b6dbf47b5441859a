"""Which runs are at work: each holds a lock that the kernel frees when its process ends, however it ends.

A killed process, or a power cut, leaves a run that looks as if it were at work. Its file is still there then, and its
lock is free. No file means that nothing is known: the run has not begun, has ended in order, or works elsewhere.

Lives here: the lock and the question. Not here: who holds it and who asks (defs/automation/launcher).
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux; the same in every container of one machine


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock of a run while it works. Where none can be had (a full disk) it works without.

    A child that was forked, not started, keeps the lock as well.
    """
    path = folder / name
    descriptor = _locked(path)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()  # before the lock is free: a file with a free lock is a run that died
            os.close(descriptor)


def is_gone(folder: Path, name: str) -> bool:
    """Whether a run that was at work on this machine no longer is, and has not said so. False when in doubt."""
    path = folder / name
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            here = _is_here(file.read())
            return here and os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except OSError:  # held, or not there, or a folder that knows no locks
        return False


def _locked(path: Path) -> int | None:
    """The file appears under its name with its lock held, so that nobody sees it free before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, "\n".join(_machine()).encode())
        temporary.replace(path)
        return descriptor
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        with suppress(OSError):
            temporary.unlink()
        return None


def _machine() -> tuple[str, str]:
    """This machine by name, and by its boot, which the containers of one machine share."""
    return socket.gethostname(), _BOOT.read_text(encoding="ascii").strip() if _BOOT.is_file() else ""


def _is_here(written: str) -> bool:
    """Locks of another machine are not seen on every network file system, so only those of this one count."""
    (host, boot), (wrote_host, _, wrote_boot) = _machine(), written.partition("\n")
    return host == wrote_host or bool(boot and boot == wrote_boot)
