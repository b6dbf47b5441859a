"""Restatement: from stored vintages, how often and how late past facts are written or changed, nothing declared.

Lives here: counting, its result per column, the verdicts on features, their text. Not here: what a column is declared
to be (safety), which instants the training rows state (known_time).
"""

from leadscore_dagster.core.audit.restatement.association import AroundOutcome
from leadscore_dagster.core.audit.restatement.measure import restatements
from leadscore_dagster.core.audit.restatement.result import LAGS, ColumnRestatement, Maturity
from leadscore_dagster.core.audit.restatement.text import restatement_markdown
from leadscore_dagster.core.audit.restatement.verdicts import PART, restatement_verdicts
from leadscore_dagster.core.audit.restatement.versions import VersionTable, version_restatement

__all__ = [
    "LAGS",
    "PART",
    "AroundOutcome",
    "ColumnRestatement",
    "Maturity",
    "VersionTable",
    "restatement_markdown",
    "restatement_verdicts",
    "restatements",
    "version_restatement",
]
