"""The warehouse: GoogleSQL in, Arrow out, one atomic file or decorated overwrite per table partition.

Lives here: the protocol, the embedded lake, the GoogleSQL to DuckDB dialect and the loading of SQL files.
Not here: what the tables mean (see the rooms), Dagster resources (see leadscore_dagster.defs.resources).
"""

from leadscore_dagster.core.warehouse.dialect import translate
from leadscore_dagster.core.warehouse.engines import ENGINES, open_warehouse
from leadscore_dagster.core.warehouse.lake.engine import Lake
from leadscore_dagster.core.warehouse.lint import lint
from leadscore_dagster.core.warehouse.protocol import DryRun, Part, Relation, Warehouse, table
from leadscore_dagster.core.warehouse.statements import (
    SqlPath,
    compose,
    parameters,
    relations,
    statement,
    with_relations,
)

__all__ = [
    "ENGINES",
    "DryRun",
    "Lake",
    "Part",
    "Relation",
    "SqlPath",
    "Warehouse",
    "compose",
    "lint",
    "open_warehouse",
    "parameters",
    "relations",
    "statement",
    "table",
    "translate",
    "with_relations",
]
