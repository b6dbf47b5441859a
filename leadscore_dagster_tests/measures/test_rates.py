"""The interval of a rate: published figures, the edges, and what the original systems took for three lifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from leadscore_dagster.core.measures.rates import Z95, wilson, wilson_intervals


def test_wilson_intervals_are_the_published_ones() -> None:
    # Newcombe 1998, table I: 81/263 and 0/20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_they_equal_scipys_one_by_one_and_many_at_once() -> None:
    counts = [(22, 173), (0, 50), (7, 7), (1, 100_000)]
    expected = [tuple(binomtest(k, n).proportion_ci(method="wilson")) for k, n in counts]
    low, high = wilson_intervals(*np.array(counts).T)
    np.testing.assert_allclose(np.stack([low, high], axis=1), expected, atol=1e-12)
    assert [wilson(k, n) for k, n in counts] == list(zip(low, high, strict=True))


def test_nothing_is_known_of_a_rate_without_rows() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_rounding_never_pushes_an_end_past_its_own_rate() -> None:
    n = np.arange(1, 3000)
    assert (wilson_intervals(np.zeros(2999), n)[0] == 0).all()
    assert (wilson_intervals(n, n)[1] == 1).all()


def test_more_confidence_is_a_wider_interval() -> None:
    narrow, wide = wilson(12, 173), wilson(12, 173, z=2.575829303548901)
    assert wide[0] < narrow[0] < 12 / 173 < narrow[1] < wide[1]
    assert wilson(12, 173, Z95) == narrow


def test_twelve_nineteen_and_22_hits_of_173_are_no_three_different_lifts() -> None:
    """They were promoted as 1.65, 2.62 and 3.03 over a base rate of 73 in 1,739."""
    base = 73 / 1739
    ends = [tuple(round(end / base, 2) for end in wilson(hits, 173)) for hits in (12, 19, 22)]
    assert ends == [(0.96, 2.79), (1.7, 3.93), (2.04, 4.41)]
    assert max(low for low, _ in ends) < min(high for _, high in ends)
