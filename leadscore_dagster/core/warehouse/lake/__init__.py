"""The embedded engine: one Parquet file per table partition, queried by DuckDB."""

from leadscore_dagster.core.warehouse.lake.engine import Lake

__all__ = ["Lake"]
