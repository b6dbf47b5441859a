"""The audit's report."""

from __future__ import annotations

import json

from leadscore_dagster.core.audit.report import as_json, as_markdown
from leadscore_dagster.core.audit.verdict import CLOCK, FeatureVerdict

CLEAN = [FeatureVerdict("a", "lineage", "clear", "guarded"), FeatureVerdict("a", "replay", "clear", "identical")]
LEAKING = [
    *CLEAN,
    FeatureVerdict("b", "lineage", "leak", "end_date -> b"),
    FeatureVerdict("b", "replay", "clear", "identical"),
]


def test_the_matrix_has_a_row_per_feature_and_a_column_per_part() -> None:
    text = as_markdown(LEAKING)
    assert "| feature | lineage | replay | overall |" in text
    assert text.index("| b | leak | clear | leak |") < text.index("| a | clear | clear | clear |")
    assert "2 features: 1 leak, 1 clear. Training is refused for a leak." in text
    assert "- **b** (lineage: leak): end_date -> b" in text


def test_a_clean_audit_has_no_evidence_section() -> None:
    text = as_markdown(CLEAN)
    assert "Nothing blocks." in text
    assert "## Evidence" not in text


def test_a_part_that_did_not_judge_a_feature_leaves_its_cell_empty() -> None:
    assert "| c | - | clear | clear |" in as_markdown([CLEAN[0], FeatureVerdict("c", "replay", "clear", "identical")])


def test_several_verdicts_of_one_part_show_the_worst() -> None:
    verdicts = [FeatureVerdict("a", "known_time", "leak", "late"), FeatureVerdict("a", "known_time", "clear", "fine")]
    assert "| a | leak | leak |" in as_markdown(verdicts)


def test_json_names_the_verdict_that_counts() -> None:
    found = json.loads(json.dumps(as_json(LEAKING)))
    assert found["blocks"] is True
    assert [(entry["feature"], entry["verdict"]) for entry in found["features"]] == [("b", "leak"), ("a", "clear")]
    assert as_json(CLEAN)["blocks"] is False


def test_an_audit_of_nothing_says_so() -> None:
    assert "0 features: none judged" in as_markdown([])


def test_a_suspicion_blocks_until_it_is_acknowledged_and_is_shown_either_way() -> None:
    found = [*CLEAN, FeatureVerdict("a", "strength", "suspect", "too good")]
    assert "Training is refused for a suspect." in as_markdown(found)
    assert as_json(found)["blocks"] is True
    text = as_markdown(found, {("a", "strength")})
    assert "Nothing blocks." in text
    assert "| a | clear | clear | suspect (acknowledged) | suspect (acknowledged) |" in text
    told = json.loads(json.dumps(as_json(found, {("a", "strength")})))
    assert told["blocks"] is False
    assert [part["acknowledged"] for part in told["features"][0]["parts"]] == [False, False, True]


def test_a_clock_is_called_one() -> None:
    found = [
        FeatureVerdict("a", "restatement", "unproven", "one extract"),
        FeatureVerdict("a", "strength", "unproven", "x", CLOCK),
    ]
    text = as_markdown(found)
    assert "| a | unproven | clock | clock |" in text
    assert "1 features: 1 unproven (of them 1 clocks)." in text
