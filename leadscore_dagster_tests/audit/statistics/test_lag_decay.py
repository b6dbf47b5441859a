"""Part lag_decay: what collapses one vintage earlier fires; what fades or stays does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.audit.statistics import lag_decay_verdicts
from leadscore_dagster.core.audit.verdict import FeatureVerdict
from leadscore_dagster.core.errors import InputError
from leadscore_dagster_tests.audit.statistics.world import World, world


def _verdict(made: World, older: np.ndarray, proven: tuple[str, ...] = (), rows: int | None = None) -> FeatureVerdict:
    order = made.random.permutation(made.n)[:rows]
    earlier = pa.table({"decision_id": made.rows["decision_id"], "x": pa.array(older, from_pandas=True)}).take(order)
    (found,) = lag_decay_verdicts(made.rows, earlier, made.features, proven=proven, seed=1)
    return found


def test_strength_that_was_not_there_one_vintage_earlier_is_suspect() -> None:
    made = world(6000, 0.08)
    found = _verdict(made.add(x=made.normal(1.5)), made.random.normal(size=made.n), rows=5000)
    assert found.verdict == "suspect"
    assert found.value is not None
    assert found.value < 0.25
    assert "5,000 decisions" in found.evidence


def test_a_value_that_was_still_missing_one_vintage_earlier_is_suspect() -> None:
    made = world(6000, 0.08)
    older = np.where(made.random.random(made.n) < 0.02, 1.0, np.nan)
    assert _verdict(made.add(x=made.normal(1.5)), older).verdict == "suspect"


def test_strength_that_fades_is_clear() -> None:
    made = world(6000, 0.08)
    now = made.normal(1.2)
    found = _verdict(made.add(x=now), now + made.random.normal(size=made.n))
    assert found.verdict == "clear"
    assert "one vintage older" in found.evidence


def test_an_honest_signal_of_last_week_may_vanish() -> None:
    made = world(6000, 0.08)
    assert _verdict(made.add(x=made.normal(0.2)), made.random.normal(size=made.n)).verdict == "clear"


def test_a_proven_signal_may_be_stronger_and_vanish() -> None:
    made = world(6000, 0.08)
    made.add(x=made.normal(0.8))
    assert _verdict(made, made.random.normal(size=made.n)).verdict == "suspect"
    assert _verdict(made, made.random.normal(size=made.n), proven=("x",)).verdict == "clear"


def test_without_an_older_value_there_is_nothing_to_compare() -> None:
    made = world(3000, 0.08)
    assert _verdict(made.add(x=made.normal(1.5)), np.full(made.n, np.nan)).verdict == "unproven"
    assert _verdict(made, made.normal(), rows=20).verdict == "unproven"


def test_a_decision_that_repeats_is_refused() -> None:
    made = world(500, 0.2)
    made.add(x=made.normal())
    twice = pa.concat_tables([made.rows, made.rows]).select(["decision_id", "x"])
    with pytest.raises(InputError, match="twice"):
        lag_decay_verdicts(made.rows, twice, made.features, seed=1)
