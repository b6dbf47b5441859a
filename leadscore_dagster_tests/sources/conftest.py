"""A drop on disk and an empty warehouse, new for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.sources import people


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "warehouse", "demo")


@pytest.fixture
def drops(tmp_path: Path) -> Path:
    folder = tmp_path / "drops"
    people.write_drop(folder)
    return folder
