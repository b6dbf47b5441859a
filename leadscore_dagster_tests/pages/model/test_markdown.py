"""The same evidence in short, for Dagit."""

from __future__ import annotations

import base64
import json
import re

import pytest

from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.pages.model.markdown import (
    candidate_markdown,
    evidence_markdown,
    gates_markdown,
    importance_plot,
    summary_plot,
    track_record_markdown,
)
from leadscore_dagster.core.verdict import Reason, Verdict
from leadscore_dagster.core.versions.comparison import PROMOTION
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, training_table
from leadscore_dagster_tests.pages.model.test_page import evidence, measured


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return train_candidate(training_table(), FEATURES, FAST, window_days=30, entity="rep")


def columns(text: str) -> list[set[int]]:
    """Numbers of cells in the rows of each table of a text."""
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [{line.count("|") for line in table.splitlines()} for table in tables]


def test_lists_segments_and_calibration_are_told_with_their_intervals() -> None:
    given = json.loads(measured())
    text = "\n".join(evidence_markdown(given))
    tenth = next(one for one in given["lists"] if one["share"] == 0.1)
    assert f"| best 10% | {tenth['called']:,} |" in text
    assert f"| {tenth['per_hundred']['value']:.2f} [{tenth['per_hundred']['low']:.2f}, " in text
    assert f"{tenth['found']['value']:.0%} [" in text
    last = given["segments"]["length"]["parts"][-1]
    assert f"| length: from 2.5 (small) | {last['n']:,} | {last['positives']:,} | {last['rate']:.0%} [" in text
    assert f"{given['positives']:,} of {given['n']:,} were observed." in text
    assert "over 2 common features" in text
    assert all(len(widths) == 1 for widths in columns(text))


def test_a_candidates_report_has_an_interval_for_every_driver_and_n_for_every_metric(candidate: Candidate) -> None:
    text = candidate_markdown(candidate, candidate.judgement.evidence)
    strongest = candidate.judgement.evidence["importance"][0]
    assert f"| {strongest['feature']} | {strongest['value']:.4f} [{strongest['low']:.4f}, " in text
    area = candidate.metrics["auc_roc"]
    row = f"| AUC-ROC | {area.value:.3f} [{area.low:.3f}, {area.high:.3f}] | {area.n:,} | {area.positives:,} |"
    assert row in text
    assert re.search(r"\(Kolmogorov-Smirnov\) \| .* \| [\d,]+ \| – \|", text), "no outcome was looked at"
    assert all(len(widths) == 1 for widths in columns(text))
    assert base64.b64decode(importance_plot(candidate).split("base64,")[1].rstrip(")\n")).startswith(b"\x89PNG")
    assert "| feature | importance, log-odds |\n" in candidate_markdown(candidate), "without evidence no interval"


def test_the_gates_are_a_table_and_the_champion_a_sentence_behind_it() -> None:
    gate = Verdict("ece", False, Reason.MISSED, value=0.061, low=0.052, high=0.07, threshold=0.05, why="Too far | off.")
    paired = Verdict(
        PROMOTION, False, Reason.WITHIN_CHANCE, threshold=0.0, why="The difference may be noise: unchanged."
    )
    text = gates_markdown([gate, paired])
    assert "| **refused** | calibration error | 6.1% [5.2%, 7.0%] | 5% | Too far / off. |" in text
    assert "Against the champion: unchanged. The difference may be noise: unchanged." in text
    assert PROMOTION not in text
    assert columns(text) == [{6}]


def test_a_track_record_says_what_was_delivered_and_what_was_claimed() -> None:
    [record] = evidence()["track_record"]
    text = track_record_markdown([record], "quarter")
    assert (
        "| 2025-10-01 | 2025-10-01-aaaaaaaaaaaa (champion) | 812 | 37 | – | – | – | 0.710 [0.630, 0.790] | – |" in text
    )
    assert "No earlier quarter" in track_record_markdown([], "quarter")


def test_the_summary_plot_is_a_picture_and_the_same_again() -> None:
    given = json.loads(measured())
    picture = summary_plot(given)
    assert base64.b64decode(picture.split("base64,")[1].rstrip(")\n")).startswith(b"\x89PNG")
    assert summary_plot(given) == picture
