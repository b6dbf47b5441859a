"""The audit kept with a version: what was found then, whatever becomes of the table and the code."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from leadscore_dagster.core.audit.training_audit import AuditReport
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.verdict import held
from leadscore_dagster.core.versions.version_audit import keep_audit, kept_audit
from leadscore_dagster_tests import scenario

VERSION = "2026-01-01-aaaaaaaaaaaa"


def _report(*verdicts: FeatureVerdict) -> AuditReport:
    findings = (("folds", held("gap", True, why="30 days lie between.")),)
    return AuditReport(date(2026, 1, 1), 100, 9, verdicts, findings, (), (), frozenset())


def test_the_audit_of_a_version_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    state = scenario.state_of(tmp_path, "advisor_mql")
    clear = FeatureVerdict("tenure", "strength", "clear", "Weak.", "auc", 0.6, 0.9)
    unproven = FeatureVerdict("tenure", "replay", "unproven", "Too few rows.", "rows")
    keep_audit(state, VERSION, _report(clear, unproven))
    found = kept_audit(state, VERSION)
    assert found["as_of"] == "2026-01-01"
    assert found["blocks"] is False
    assert set(found["parts"]["tenure"]) == {"strength", "replay"}
    assert [finding["why"] for finding in found["findings"]] == ["30 days lie between."]
    keep_audit(state, VERSION, _report(clear))
    assert set(kept_audit(state, VERSION)["parts"]["tenure"]) == {"strength"}


def test_a_version_without_a_kept_audit_says_so(tmp_path: Path) -> None:
    assert "no audit was kept with" in kept_audit(scenario.state_of(tmp_path, "advisor_mql"), VERSION)["absent"]
