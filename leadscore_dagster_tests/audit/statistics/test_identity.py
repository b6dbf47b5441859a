"""Part identity: names that know the outcome, and means of the label, fire; honest names, rates and counters do not."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.audit.statistics.identity import identity_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster_tests.audit.statistics.world import World, honest, world


def _verdict(made: World, proven: tuple[str, ...] = ()) -> FeatureVerdict:
    (found,) = identity_verdicts(made.prepared(proven))
    return found


def _encoded(made: World, groups: int, pull: float, source: np.ndarray | None = None) -> np.ndarray:
    """A random category's mean label, pulled to the base rate; of the labels of ``source`` if given."""
    group = made.random.integers(0, groups, made.n)
    rows = np.bincount(group, minlength=groups)
    found = np.bincount(group, made.label if source is None else source, minlength=groups)
    encoded: np.ndarray = ((found + pull * made.label.mean()) / (rows + pull))[group]
    return encoded


@pytest.mark.parametrize(("groups", "pull"), [(8, 0.0), (40, 0.0), (40, 10.0), (100, 20.0)])
def test_a_category_encoded_with_the_labels_of_its_own_rows_is_suspect(groups: int, pull: float) -> None:
    made = world(8000, 0.08)
    found = _verdict(made.add(rate=np.round(_encoded(made, groups, pull), 6)))
    assert found.verdict == "suspect"
    assert "label's own means" in found.evidence


def test_logarithms_of_odds_are_recognised_too() -> None:
    made = world(8000, 0.08)
    mean = _encoded(made, 20, 0.0)
    assert _verdict(made.add(evidence_weight=np.log(mean / (1 - mean)))).verdict == "suspect"


def test_rates_learned_on_other_people_are_clear() -> None:
    for seed in range(20):
        made = world(8000, 0.08, seed)
        others = (made.random.random(made.n) < 0.08).astype(np.int64)
        assert _verdict(made.add(rate=_encoded(made, 40, 10.0, others))).verdict == "clear"


def test_an_identifier_in_whose_order_outcomes_stand_together_is_suspect() -> None:
    made = world(6000, 0.05)
    place = made.random.permutation(made.n).astype(float)
    positives = np.flatnonzero(made.label)
    bursts = np.repeat(made.random.random(len(positives) // 10 + 1) * made.n, 10)[: len(positives)]
    place[positives] = bursts + made.random.random(len(positives)) / 10
    found = _verdict(made.add(identifier=np.argsort(np.argsort(place))))
    assert found.verdict == "suspect"
    assert "next to each other" in found.evidence


def test_exact_values_that_know_more_than_their_size_are_suspect() -> None:
    made = world(6000, 0.2)
    number = made.random.integers(0, 300, made.n)
    knowing = made.random.permutation(2000)
    number = np.where(made.label == 1, knowing[number], knowing[made.random.integers(300, 2000, made.n)])
    assert _verdict(made.add(code=number)).verdict == "suspect"


def test_a_random_identifier_is_clear() -> None:
    made = world(6000, 0.05)
    assert _verdict(made.add(identifier=made.random.permutation(made.n))).verdict == "clear"


def test_a_running_number_is_a_clock_where_the_rate_moves() -> None:
    made = world(6000, 0.1, drift=5)
    found = _verdict(made.add(number=np.arange(made.n) * 3))
    assert (found.verdict, found.metric) == ("unproven", "clock")


def test_a_running_number_is_clear_where_the_rate_stands_still() -> None:
    made = world(6000, 0.1)
    assert _verdict(made.add(number=np.arange(made.n))).verdict == "clear"


def test_text_that_names_every_row_is_unproven() -> None:
    made = world(3000, 0.1)
    names = np.array([f"name {place}" for place in made.random.permutation(made.n)], dtype=object)
    found = _verdict(made.add(name=names))
    assert (found.verdict, found.metric) == ("unproven", "distinct_share")


def test_honest_columns_are_clear() -> None:
    found = identity_verdicts(honest(world(8000, 0.06)).prepared())
    assert {verdict.verdict for verdict in found} == {"clear"}
