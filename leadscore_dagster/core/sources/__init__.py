"""Sources: vendor drops and CRM logs become dated, typed, checked partitions; what is wrong is counted and kept.

``ingest_vintage`` and ``ingest_log`` write, ``vintage_checks`` and ``log_checks`` judge what is stored.
Not here: labels and features (rooms of their own), Dagster assets.
"""

from leadscore_dagster.core.sources.checks import refuse, vintage_checks
from leadscore_dagster.core.sources.ingest import ingest_log, ingest_vintage
from leadscore_dagster.core.sources.log_checks import log_checks, match_rate
from leadscore_dagster.core.sources.report import IngestReport

__all__ = [
    "IngestReport",
    "ingest_log",
    "ingest_vintage",
    "log_checks",
    "match_rate",
    "refuse",
    "vintage_checks",
]
