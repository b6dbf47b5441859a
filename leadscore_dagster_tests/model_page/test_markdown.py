"""The same evidence in short, for Dagit."""

from __future__ import annotations

import base64
import json

from leadscore_dagster.core.report import evidence_markdown, summary_plot
from leadscore_dagster_tests.model_page.test_page import measured


def test_lists_segments_and_calibration_are_told_with_their_intervals() -> None:
    evidence = json.loads(measured())
    text = "\n".join(evidence_markdown(evidence))
    tenth = next(one for one in evidence["lists"] if one["share"] == 0.1)
    assert f"| best 10% | {tenth['called']:,} | {tenth['per_hundred']['value']:.3f} [" in text
    assert "| length: from 2.5 (small) |" in text
    assert f"{evidence['positives']:,} came." in text
    assert "over 2 common features" in text


def test_the_summary_plot_is_a_picture_and_the_same_again() -> None:
    evidence = json.loads(measured())
    picture = summary_plot(evidence)
    assert base64.b64decode(picture.split("base64,")[1].rstrip(")\n")).startswith(b"\x89PNG")
    assert summary_plot(evidence) == picture
