"""Part strength: too strong within time blocks fires; honest, proven and time-telling columns do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leadscore_dagster.core.audit.statistics import statistics_verdicts
from leadscore_dagster.core.audit.statistics.strength import strength_verdicts
from leadscore_dagster_tests.audit.statistics.world import World, honest, world


def _verdicts(made: World, proven: tuple[str, ...] = ()) -> dict[str, Any]:
    return {verdict.feature: verdict for verdict in strength_verdicts(made.prepared(proven))}


def _plain_iv(made: World, name: str) -> float:
    """Ten bins over all time, as scorecards count it."""
    place = np.argsort(np.argsort(made.columns[name])) * 10 // made.n
    of_each = [np.bincount(place[made.label == outcome], minlength=10) + 0.5 for outcome in (1, 0)]
    positive, negative = (counts / counts.sum() for counts in of_each)
    return float(((positive - negative) * np.log(positive / negative)).sum())


def test_a_tenure_of_iv_078_without_history_is_suspect() -> None:
    """8,135 decisions, 2.9% positive: the figures of the original contact-to-call model."""
    found = []
    for seed in range(25):
        made = world(8135, 0.029, seed, days=250)
        made.add(tenure=made.normal(0.78), honest=made.normal(0.1))
        if 0.76 < _plain_iv(made, "tenure") < 0.80:
            found.append(_verdicts(made))
    assert len(found) > 2
    assert {verdicts["tenure"].verdict for verdicts in found} == {"suspect"}
    assert {verdicts["honest"].verdict for verdicts in found} == {"clear"}
    assert all(verdicts["tenure"].value > verdicts["tenure"].threshold == 0.45 for verdicts in found)


def test_a_strength_that_is_not_monotone_is_seen_too() -> None:
    made = world(6000, 0.1)
    found = _verdicts(
        made.add(
            middle=np.abs(made.random.normal(size=made.n))
            * np.where(made.label == 1, 0.3, 1.0)
            * np.where(made.random.random(made.n) < 0.5, 1, -1)
        )
    )["middle"]
    assert found.verdict == "suspect"


@pytest.mark.parametrize("rate", [0.03, 0.4])
def test_the_outcome_itself_and_an_identifier_sorted_by_it_are_suspect(rate: float) -> None:
    made = world(3000, rate)
    made.add(outcome=made.label.copy(), reverse=1 - made.label)
    made.add(identifier=np.argsort(np.argsort(made.label * 2 + made.random.random(made.n))))
    assert {verdict.verdict for verdict in _verdicts(made).values()} == {"suspect"}


def test_honest_strong_columns_are_clear() -> None:
    assert {verdict.verdict for verdict in _verdicts(honest(world(8000, 0.06))).values()} == {"clear"}


def test_a_proven_column_may_be_as_strong_as_a_good_model() -> None:
    made = world(8135, 0.029)
    found = _verdicts(made.add(tenure=made.normal(0.78)), proven=("tenure",))["tenure"]
    assert found.verdict == "clear"
    assert found.metric == "top_decile_lift_low"


@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_a_proven_column_that_is_the_outcome_is_suspect_all_the_same(rate: float) -> None:
    made = world(6000, rate)
    found = _verdicts(made.add(outcome=made.normal(9.0)), proven=("outcome",))["outcome"]
    assert found.verdict == "suspect"


def test_an_index_of_the_month_is_a_clock() -> None:
    made = world(8000, 0.1, drift=4)
    names = np.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "jan"])
    made.add(index=made.month.astype(float), name=names[made.month].astype(object), counter=np.arange(made.n))
    found = _verdicts(made)
    assert {verdict.metric for verdict in found.values()} == {"clock"}
    assert {verdict.verdict for verdict in found.values()} == {"unproven"}
    assert all(verdict.evidence.startswith("clock: ") for verdict in found.values())


def test_an_index_that_predicts_nothing_is_no_clock() -> None:
    made = world(8000, 0.1)
    assert _verdicts(made.add(index=made.random.normal(size=13)[made.month]))["index"].verdict == "clear"


def test_a_column_that_drifts_without_telling_the_time_is_no_clock() -> None:
    made = world(8000, 0.1, drift=4)
    assert (
        _verdicts(made.add(drifting=made.random.normal(size=made.n) + 0.3 * made.month))["drifting"].verdict == "clear"
    )


def test_a_leak_that_also_tells_the_time_is_no_clock() -> None:
    made = world(8000, 0.1, drift=4)
    found = _verdicts(made.add(mixed=made.month * 100.0 + made.normal(4.0)))["mixed"]
    assert found.verdict == "suspect"


def test_with_too_few_outcomes_nothing_is_judged() -> None:
    made = world(600, 0.02)
    found = statistics_verdicts(made.add(x=made.normal(4.0)).rows, made.features, seed=1)
    assert {verdict.verdict for verdict in found} == {"unproven"}
    assert "too few" in found[0].evidence


def test_equal_seeds_give_equal_verdicts() -> None:
    made = honest(world(3000, 0.08))
    assert made.judged() == made.judged()


def test_constant_and_empty_columns_are_clear() -> None:
    made = world(2000, 0.1)
    made.add(constant=np.ones(made.n), nothing=np.full(made.n, np.nan))
    assert {verdict.verdict for verdict in made.judged().values()} == {"clear"}


def test_infinite_and_enormous_numbers_are_numbers() -> None:
    made = world(2000, 0.1)
    wild = made.normal()
    wild[::7], wild[1::7], wild[2::7] = np.inf, -np.inf, 1e308
    assert {verdict.verdict for verdict in made.add(wild=wild, tame=made.normal()).judged().values()} == {"clear"}
