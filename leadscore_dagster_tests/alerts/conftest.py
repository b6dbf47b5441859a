"""Fixtures of the alert tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadscore_dagster_tests.alerts.world import Daemon, Webhook, quick_instance, webhook


@pytest.fixture(scope="session")
def server() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def hook(server: Webhook, monkeypatch: pytest.MonkeyPatch) -> Webhook:
    """A webhook that has received nothing, configured as the place of errors and of warnings."""
    server.received.clear()
    server.answers.clear()
    for name in ("DIGEST", "QUIET", "QUIET_HOLDS", "DIGEST_AT"):
        monkeypatch.delenv(f"LEADSCORE_ALERTS_{name}", raising=False)
    monkeypatch.setenv("LEADSCORE_ALERTS_ERROR", server.url("error"))
    monkeypatch.setenv("LEADSCORE_ALERTS_WARN", server.url("warn"))
    return server


@pytest.fixture
def daemon(tmp_path: Path, hook: Webhook) -> Iterator[Daemon]:
    """A daemon that has looked once, so that what happens from now on is told."""
    with quick_instance(tmp_path) as instance:
        started = Daemon(tmp_path, instance)
        started.look()
        yield started
