"""What the audit said of the table a version was trained on, kept with the version.

Lives here: the summary a report shows, stored when a candidate is registered and read back. Not here: the audit
(training_audit). An audit asked again later is another audit: its code may have changed, its sources may be gone.
"""

from __future__ import annotations

import json
from typing import Any

from leadscore_dagster.core.audit.training_audit import AuditReport
from leadscore_dagster.core.audit.verdict import kind_of, overall
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import VERSION_AUDITS


def summary(report: AuditReport) -> dict[str, Any]:
    """JSON-ready: blocks, why, overall (feature → kind), parts (feature → part → kind) and findings."""
    parts: dict[str, dict[str, str]] = {}
    for verdict in report.verdicts:
        parts.setdefault(verdict.feature, {})[verdict.part] = kind_of(verdict)
    return {
        "as_of": report.as_of.isoformat(),
        "blocks": report.blocks,
        "why": report.why(),
        "overall": {name: kind_of(verdict) for name, verdict in overall(report.verdicts).items()},
        "parts": parts,
        "findings": [finding.as_dict() for _, finding in report.findings],
    }


def keep_audit(state: State, version: str, report: AuditReport) -> None:
    """Store the summary of the audit a version has passed; training the same version again replaces it."""
    kept = json.dumps(summary(report), sort_keys=True)
    with state.writing() as writing:
        writing.replace(VERSION_AUDITS, {"version": version, "audit_json": kept})


def kept_audit(state: State, version: str) -> dict[str, Any]:
    """The summary kept with a version; ``absent`` says why there is none."""
    kept = state.rows(VERSION_AUDITS, version=version)
    if not kept:
        return {"absent": f"no audit was kept with {version}: it was registered before reports kept one"}
    found: dict[str, Any] = json.loads(kept[0]["audit_json"])
    return found
