"""The two databases state may lie in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadscore_dagster_tests.deploy import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server, without a database."""
    pytest.importorskip("psycopg", reason="no driver of PostgreSQL is installed")
    if postgres.missing():
        pytest.skip(postgres.missing())
    with postgres.server() as environment:
        named = {key.removeprefix("LEADSCORE_POSTGRES_").lower(): value for key, value in environment.items()}
        yield f"postgresql+psycopg://{named['user']}:{named['password']}@{named['host']}:{named['port']}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of a test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/state.db"
    return database(request.getfixturevalue("server"), tmp_path)


def database(server: str, tmp_path: Path) -> str:
    name = f"t{abs(hash(tmp_path))}"
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{server}/{name}"
