"""``python -m leadscore_dagster`` is ``leadscore``."""

from leadscore_dagster.cli import main

main()
