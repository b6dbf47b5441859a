"""The functional core: plain Python on Arrow tables, arrays and frozen dataclasses. No Dagster in here."""
