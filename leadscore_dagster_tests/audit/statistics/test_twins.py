"""Twins: copied rows whose outcome was copied too fire; strangers and people of one kind do not."""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.audit.statistics import twin_findings
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster_tests.audit.statistics.world import World, honest, world

COPIES = 200


def _finding(made: World) -> Verdict:
    rows = made.rows
    (found,) = twin_findings(rows, made.features, np.arange(4000), np.arange(4000, made.n))
    return found


def _copied(labels_too: bool) -> World:
    """The first test rows are copies of training rows, one feature of ten changed."""
    made = honest(world(5000, 0.2))
    origin, copies = np.arange(COPIES), np.arange(4000, 4000 + COPIES)
    for values in made.columns.values():
        values[copies] = values[origin]
    made.columns["weak"][copies] += 1
    if labels_too:
        made.label[copies] = made.label[origin]
    return made


def test_copies_with_their_outcome_are_found_though_a_feature_differs() -> None:
    found = _finding(_copied(labels_too=True))
    assert found.blocks
    assert found.value == 2 * COPIES / 5000  # the copy and its original


def test_copies_with_outcomes_of_their_own_pass() -> None:
    found = _finding(_copied(labels_too=False))
    assert found.passed
    assert found.value == 2 * COPIES / 5000  # the copy and its original


def test_strangers_pass() -> None:
    found = _finding(honest(world(5000, 0.2)))
    assert found.passed
    assert found.value == 0


def test_rows_of_few_flags_cannot_be_recognised_and_pass() -> None:
    made = world(5000, 0.2)
    assert _finding(made.add(flag=made.random.integers(0, 2, made.n))).passed


def test_folds_may_be_given_as_masks_and_be_empty() -> None:
    made = honest(world(1000, 0.2))
    (found,) = twin_findings(made.rows, made.features, np.zeros(1000, bool), np.ones(1000, bool))
    assert found.passed
