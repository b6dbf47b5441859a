"""Part categories: levels, words and values that belong to one outcome fire; common and honest levels do not."""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.audit.statistics.categories import categories_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster_tests.audit.statistics.world import World, honest, world

STATES = np.array(["open", "nurture", "contacted"], dtype=object)


def _verdict(made: World, proven: tuple[str, ...] = ()) -> FeatureVerdict:
    (found,) = categories_verdicts(made.prepared(proven))
    return found


def _state(made: World, share: float) -> np.ndarray:
    state = STATES[made.random.integers(0, 3, made.n)]
    state[(made.label == 1) & (made.random.random(made.n) < share)] = "booked"
    return state


def test_a_level_only_positives_have_is_suspect_though_the_column_is_weak() -> None:
    made = world(8000, 0.06)
    made.add(state=_state(made, 0.08))
    found = _verdict(made)
    assert found.verdict == "suspect"
    assert "'booked'" in found.evidence
    assert made.prepared().measured["state"].within.low(1.645) < 0.45


def test_a_level_of_too_few_positives_to_matter_is_clear() -> None:
    made = world(8000, 0.06)
    assert _verdict(made.add(state=_state(made, 0.01))).verdict == "clear"


def test_a_level_with_five_times_the_rate_is_clear() -> None:
    made = world(20_000, 0.06)
    hot = made.random.random(made.n) < np.where(made.label == 1, 0.25, 0.05)
    state = np.where(hot, "referral", STATES[made.random.integers(0, 3, made.n)]).astype(object)
    assert _verdict(made.add(state=state)).verdict == "clear"


def test_a_word_in_free_text_is_suspect() -> None:
    made = world(6000, 0.08)
    told = (made.label == 1) & (made.random.random(made.n) < 0.2)
    ending = np.where(told, "BOOKED it", "called again")
    note = np.array([f"note {place} - {text}" for place, text in enumerate(ending)], dtype=object)
    found = _verdict(made.add(note=note))
    assert found.verdict == "suspect"
    assert "word 'booked'" in found.evidence


def test_free_text_without_the_outcome_is_clear() -> None:
    made = world(6000, 0.08)
    note = np.array([f"note {place} called {place % 7} times" for place in range(made.n)], dtype=object)
    assert _verdict(made.add(note=note)).verdict == "clear"


def test_a_number_that_stands_for_the_outcome_is_suspect() -> None:
    made = world(8000, 0.06)
    value = made.normal()
    value[(made.label == 1) & (made.random.random(made.n) < 0.15)] = -1
    assert _verdict(made.add(value=value)).verdict == "suspect"


def test_a_level_of_one_month_that_did_well_is_clear() -> None:
    made = world(8000, 0.06)
    lucky = made.month == 4
    made.label[lucky] = made.random.random(int(lucky.sum())) < 0.7
    assert _verdict(made.add(month=made.month)).verdict == "clear"


def test_columns_of_proven_history_are_left_to_strength() -> None:
    made = world(8000, 0.06)
    assert _verdict(made.add(state=_state(made, 0.08)), proven=("state",)).verdict == "clear"


def test_honest_columns_are_clear() -> None:
    found = categories_verdicts(honest(world(8000, 0.06)).prepared())
    assert {verdict.verdict for verdict in found} == {"clear"}
