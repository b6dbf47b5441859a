"""Call lists on the report: a border of probability only where there is one, and how intervals were made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from leadscore_dagster.core.measures.log_odds import shifted
from leadscore_dagster.core.modelling.judgement.candidate_evidence import candidate_evidence
from leadscore_dagster.core.pages.model.business import business
from leadscore_dagster_tests.pages.model.test_page import MODEL, N, evidence, scored


def section(**changes: Any) -> str:
    rows = scored()
    judged = replace(rows["judged"], **changes)
    measured = candidate_evidence(**(rows | {"judged": judged}), model=MODEL, constant_rate=0.1)
    return business(evidence(measured=measured))


def test_a_list_has_a_border_of_probability_where_probabilities_follow_the_rank() -> None:
    shown = section()
    assert shown.count("probability from") == 11
    assert "follow the rank" not in shown


def test_parts_calibrated_apart_have_no_border_and_the_page_says_why() -> None:
    apart = shifted(scored()["judged"].probability, np.where(np.arange(N) % 2, 0.8, 0.0))
    shown = section(probability=apart)
    assert "probability from" not in shown
    assert "The lists follow the rank, not a probability" in shown


def test_a_list_with_few_conversions_says_how_its_interval_was_made() -> None:
    label = np.zeros(N, dtype=np.int64)
    label[np.argsort(-scored()["judged"].margin)[[3, 40, 600, *range(1000, 1030)]]] = 1
    assert "Wilson: too few conversions to resample" in section(label=label)
    assert "Wilson" not in section(label=np.tile([0, 0, 1], N // 3))
