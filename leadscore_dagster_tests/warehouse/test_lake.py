"""The embedded lake as one engine among others: a folder of its own a dataset. What it shares with every engine is in
test_protocol_partitions and test_protocol_queries."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster_tests.warehouse.test_protocol_partitions import HOSTILE
from leadscore_dagster_tests.warehouse.vintages import DAY


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not a dataset name"):
        Lake(tmp_path, name)
    lake = Lake(tmp_path, "advisor_mql")
    for table, partition in ((name, DAY), ("t", name)):
        with pytest.raises(InputError, match="is no"):
            lake.write_partition(table, partition, pa.table({"k": [1]}))
    assert not list(tmp_path.iterdir())


def test_one_recipe_does_not_see_the_tables_of_another(tmp_path: Path) -> None:
    one, another = Lake(tmp_path, "one"), Lake(tmp_path, "another")
    one.write_partition("t", DAY, pa.table({"k": [1]}))
    assert another.tables() == []
    with pytest.raises(InputError, match="no table is named 't'"):
        another.query("SELECT k FROM t")


def test_asking_writes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "warehouse", "advisor_mql")
    assert lake.query("SELECT 1 AS one").read_all().num_rows == 1
    lake.drop_partition("t", DAY)
    assert not (tmp_path / "warehouse").exists()
