"""Part joint: columns that know the outcome only together fire; strong honest pairs and interactions do not."""

from __future__ import annotations

import numpy as np
import pytest

from leadscore_dagster.core.audit.statistics.joint import joint_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster_tests.audit.statistics.world import World, honest, world


def _verdicts(made: World, proven: tuple[str, ...] = ()) -> dict[str, FeatureVerdict]:
    return {verdict.feature: verdict for verdict in joint_verdicts(made.prepared(proven))}


def _suspects(made: World, proven: tuple[str, ...] = ()) -> set[str]:
    return {name for name, verdict in _verdicts(made, proven).items() if verdict.verdict == "suspect"}


def _split_in_two(made: World) -> World:
    """A label hidden in two flags: each alone is a coin."""
    coin = made.random.integers(0, 2, made.n)
    copied = np.where(made.random.random(made.n) < 0.9, coin ^ made.label, made.random.integers(0, 2, made.n))
    return made.add(first=coin, second=copied)


@pytest.mark.parametrize(("n", "rate"), [(6000, 0.06), (3000, 0.4)])
def test_two_flags_that_only_together_are_the_label_are_suspect(n: int, rate: float) -> None:
    made = _split_in_two(honest(world(n, rate)))
    assert _suspects(made) == {"first", "second"}
    assert {verdict for _, verdict in made.suspects()} <= {"joint"}


def test_two_dates_whose_difference_tells_are_suspect() -> None:
    made = honest(world(6000, 0.06))
    start = made.random.integers(0, 700, made.n).astype(float)
    late = np.where(made.label == 1, made.random.integers(0, 8, made.n), made.random.integers(0, 60, made.n))
    made.add(first=start, second=start + late)
    assert _suspects(made) == {"first", "second"}
    assert "difference" in _verdicts(made)["first"].evidence


def test_three_columns_whose_sum_tells_are_suspect() -> None:
    made = honest(world(6000, 0.06))
    first, second = made.random.normal(size=made.n), made.random.normal(size=made.n)
    made.add(first=first, second=second, third=first + second + 0.35 * made.normal(3.6))
    assert _suspects(made) == {"first", "second", "third"}


def test_strong_honest_columns_that_add_up_are_clear() -> None:
    made = world(8000, 0.06)
    assert _suspects(made.add(one=made.normal(0.4), two=made.normal(0.35), three=made.normal(0.1))) == set()


def test_an_honest_interaction_is_clear() -> None:
    made = world(8000, 0.06)
    side = made.random.integers(0, 2, made.n)
    assert (
        _suspects(made.add(side=side, value=made.random.normal(size=made.n) + 0.5 * made.label * (2 * side - 1)))
        == set()
    )


def test_a_pair_of_proven_history_needs_more_than_the_cap() -> None:
    made = _split_in_two(world(6000, 0.06))
    weaker = made.random.random(made.n) < 0.35
    made.columns["second"] = np.where(weaker, made.random.integers(0, 2, made.n), made.columns["second"])
    assert _suspects(made) == {"first", "second"}
    assert _suspects(made, proven=("first", "second")) == set()
    assert _suspects(made, proven=("first",)) == {"second"}


def test_a_column_too_strong_alone_is_left_to_strength() -> None:
    made = world(6000, 0.06)
    assert _suspects(made.add(leak=made.normal(4.0), honest=made.normal(0.2))) == set()


def test_with_few_positives_pairs_are_unproven() -> None:
    made = world(1500, 0.03)
    assert {verdict.verdict for verdict in _verdicts(made.add(x=made.normal(), y=made.normal())).values()} == {
        "unproven"
    }


def test_one_column_has_no_pair() -> None:
    made = world(3000, 0.1)
    assert _verdicts(made.add(x=made.normal()))["x"].verdict == "clear"
