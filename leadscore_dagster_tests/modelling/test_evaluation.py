"""The gap between training and test, the gains table, importances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.metrics import auc_pr
from leadscore_dagster.core.modelling.judgement.evaluation import gains_table, importances, train_test_gap


def scored(rows: int, seed: int, shift: float = 1.0) -> Judged:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.1).astype(int)
    return Judged.ranked(label, rng.normal(size=rows) + shift * label)


def test_the_gap_does_not_count_a_change_of_the_base_rate() -> None:
    training, test = scored(5000, 0), scored(2000, 1)
    label, margin = test.label, test.margin
    gap, fitted = train_test_gap(training, test, Bootstrap(100, 0))
    thinned = np.concatenate([np.arange(2000), *[np.flatnonzero(label == 0)] * 3])
    assert auc_pr(label[thinned], margin[thinned]) < 0.6 * auc_pr(label, margin)
    again, _ = train_test_gap(training, test.take(thinned), Bootstrap(100, 0))
    assert again.value == pytest.approx(gap.value, abs=1e-9)
    assert fitted.value == pytest.approx(auc_pr(training.label, training.margin))


def test_the_gap_counts_overfitting() -> None:
    gap, _ = train_test_gap(scored(5000, 0, shift=2.0), scored(2000, 1, shift=0.5), Bootstrap(200, 0))
    assert gap.low > 0.4
    none, _ = train_test_gap(scored(5000, 0), scored(5000, 1), Bootstrap(200, 0))
    assert none.low < 0 < none.high


def test_the_gap_is_unknown_without_positives_or_with_too_few_entities() -> None:
    test = scored(2000, 1)
    nobody, _ = train_test_gap(scored(2000, 0), replace(test, label=np.zeros_like(test.label)), Bootstrap(100, 0))
    assert np.isnan([nobody.value, nobody.low, nobody.high]).all()
    few, _ = train_test_gap(scored(2000, 0), replace(test, entity=np.arange(2000) % 5), Bootstrap(100, 0))
    assert np.isnan([few.low, few.high]).all()


def test_gains_of_a_constant_score_are_the_base_rate_everywhere() -> None:
    label = scored(1003, 0).label
    gains = gains_table(Judged.ranked(label, np.zeros(1003)))
    assert [decile.lift for decile in gains] == pytest.approx([1.0] * 10)
    assert sum(decile.n for decile in gains) == 1003
    assert sum(decile.positives for decile in gains) == pytest.approx(label.sum())


def test_rows_of_one_person_make_the_rate_of_a_decile_no_surer() -> None:
    judged, people = scored(1000, 0), np.repeat(np.arange(1000), 3)
    once, naive, honest = (
        gains_table(replace(judged.take(rows), entity=codes))
        for rows, codes in ((np.arange(1000), None), (people, None), (people, people))
    )
    assert [each.rate for each in honest] == pytest.approx([each.rate for each in once])
    assert honest[0].high - honest[0].low == pytest.approx(once[0].high - once[0].low, rel=0.01)
    assert naive[0].high - naive[0].low < 0.7 * (once[0].high - once[0].low)


def test_gains_of_few_rows_have_fewer_deciles_and_none_without_rows() -> None:
    three = Judged.ranked(np.array([1, 0, 0]), np.array([3.0, 2.0, 1.0]))
    assert [decile.n for decile in gains_table(three)] == [1, 1, 1]
    assert gains_table(Judged.ranked(np.zeros(0, int), np.zeros(0))) == ()


def test_importances_are_mean_absolute_contributions_largest_first() -> None:
    contributions = np.array([[1, -3, 0], [-1, 1, 0]], np.float32)
    assert importances(("a", "b", "c"), contributions) == {"b": 2.0, "a": 1.0, "c": 0.0}
    assert list(importances(("a", "b", "c"), contributions)) == ["b", "a", "c"]
