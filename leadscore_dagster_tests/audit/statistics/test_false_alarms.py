"""Silence on clean worlds, over all parts at once."""

from __future__ import annotations

from leadscore_dagster_tests.audit.statistics.world import honest, world

NULL_WORLDS = 200


def test_two_hundred_worlds_without_any_signal_raise_no_suspicion() -> None:
    alarms = []
    for seed in range(NULL_WORLDS):
        made = world(1000, (0.05, 0.1, 0.4)[seed % 3], seed)
        made.add(
            number=made.normal(),
            count=made.random.poisson(2, made.n),
            group=made.random.integers(0, 30, made.n).astype(str).astype(object),
            identifier=made.random.permutation(made.n),
        )
        alarms += [(seed, *place) for place in made.suspects()]
    assert alarms == []


def test_honest_strong_columns_are_suspected_in_less_than_one_of_a_hundred() -> None:
    alarms = features = 0
    for seed in range(10):
        made = honest(world((3000, 6000)[seed % 2], (0.06, 0.2)[seed // 2 % 2], 100 + seed, drift=float(seed % 3)))
        alarms += len({feature for feature, _ in made.suspects()})
        features += len(made.columns)
    assert alarms <= 0.01 * features
