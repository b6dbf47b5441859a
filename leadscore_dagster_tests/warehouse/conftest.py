"""Every test that asks for ``warehouse`` runs once for each engine of the product, on an empty dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadscore_dagster.core.warehouse import ENGINES, Warehouse, open_warehouse


@pytest.fixture(params=sorted(ENGINES))
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    return open_warehouse(request.param, tmp_path, "advisor_mql")
