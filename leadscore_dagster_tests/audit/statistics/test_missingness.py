"""Part missingness: presence that knows the outcome fires; honest gaps do not."""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.audit.statistics.missingness import missingness_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster_tests.audit.statistics.world import World, world


def _verdict(made: World, proven: tuple[str, ...] = ()) -> FeatureVerdict:
    (found,) = missingness_verdicts(made.prepared(proven))
    return found


def _filled(made: World, positives: float, negatives: float) -> World:
    share = np.where(made.label == 1, positives, negatives)
    return made.add(field=np.where(made.random.random(made.n) < share, made.normal(), np.nan))


def test_a_field_filled_after_the_outcome_is_suspect() -> None:
    found = _verdict(_filled(world(), 0.8, 0.05))
    assert found.verdict == "suspect"
    assert found.metric == "iv_within_blocks_low"


def test_a_field_empty_only_for_positives_is_suspect() -> None:
    assert _verdict(_filled(world(), 0.3, 0.99)).verdict == "suspect"


def test_a_field_filled_for_few_but_only_positives_is_suspect() -> None:
    found = _verdict(_filled(world(12_000), 0.08, 0.0002))
    assert found.verdict == "suspect"
    assert found.metric == "odds_ratio_low"
    assert "filled almost only for positives" in found.evidence


def test_a_field_that_positives_have_three_times_as_often_is_clear() -> None:
    assert _verdict(_filled(world(), 0.3, 0.1)).verdict == "clear"


def test_the_presence_of_a_proven_field_may_say_much() -> None:
    assert _verdict(_filled(world(12_000), 0.08, 0.0002), proven=("field",)).verdict == "clear"


def test_a_field_that_began_to_be_filled_on_a_date_is_a_clock() -> None:
    made = world(8000, 0.1, drift=4)
    found = _verdict(made.add(field=np.where(made.month > 5, made.normal(), np.nan)))
    assert found.metric == "clock"
    assert found.verdict == "unproven"


def test_a_field_never_missing_is_clear() -> None:
    made = world(1000, 0.1)
    assert _verdict(made.add(field=made.normal())).evidence == "never missing"
