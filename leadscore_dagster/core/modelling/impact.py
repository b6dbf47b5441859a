"""What sales gets from calling a list in the order of the scores: conversions per 100 calls, by length of the list.

Lives here: these numbers with intervals, against calling at random and against the champion. Does not: deciles for
the gates (evaluation), the list itself (core/scoring).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.modelling import metrics
from leadscore_dagster.core.modelling.intervals import (
    MINIMUM_UNITS,
    NAN,
    Interval,
    describe_method,
    interval_ends,
    resamples,
)
from leadscore_dagster.core.rates import wilson

#: shares of the test period that are called, best scores first
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: resampling cannot show what a list with fewer conversions might have had; Wilson's interval is taken then
FEW = 10


@dataclass(frozen=True)
class CallList:
    """The leads with the highest scores, ``share`` of all.

    ``called`` leads with a probability of at least ``threshold``; ``conversions`` among them, with an interval;
    ``expected`` is what the probabilities promised. ``per_hundred``: conversions per 100 calls; ``lift``: that over
    the rate of all; ``found``: share of all conversions that the list holds; ``calls_per_conversion``: 100 over
    per_hundred. ``over_random`` and ``over_champion`` are paired differences of conversions per 100 calls.
    """

    share: float
    called: int
    threshold: float
    expected: float
    conversions: Interval
    per_hundred: Interval
    lift: Interval
    found: Interval
    calls_per_conversion: Interval
    over_random: Interval
    over_champion: Interval | None


def call_lists(
    label: np.ndarray,
    margin: np.ndarray,
    probability: np.ndarray,
    codes: np.ndarray | None,
    replicates: int,
    seed: int,
    champion_margin: np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
) -> tuple[CallList, ...]:
    """What lists of these ``shares`` of the test rows [n] would have brought.

    Where equal scores are cut by the end of a list, the expected value of a random order is taken. Intervals are
    percentile bootstraps over rows, or entities where ``codes`` repeat; every replicate is ranked anew.
    """
    wanted = np.asarray(shares, dtype=np.float64)
    rankings = [metrics.rank(label, score) for score in (margin, champion_margin) if score is not None]

    def rates(weight: np.ndarray | None) -> np.ndarray:
        """Rate in each list, of each ranking; then the rate of all: float64 [rankings * shares + 1]."""
        curves = [metrics.curve(ranking, weight) for ranking in rankings]
        inside = [[metrics.precision_at(points, share) for share in wanted] for points in curves]
        return np.array([*np.ravel(inside), metrics.base_rate_of(curves[0])])

    value = rates(None)
    units = len(label) if codes is None else int(codes.max(initial=-1)) + 1
    drawn = np.full((1, len(value)), NAN)
    if units >= MINIMUM_UNITS:
        drawn = np.array([rates(weight) for weight in resamples(len(label), codes, replicates, seed)])
    lists = _Lists(value, drawn, wanted, len(label), int(label.sum()), describe_method(codes, replicates))
    order = np.argsort(-margin, kind="stable")
    promised = np.append(0.0, np.cumsum(probability[order]))
    return tuple(_call_list(lists, at, promised, probability[order]) for at in range(len(wanted)))


@dataclass(frozen=True)
class _Lists:
    """Rates of all lists, as measured [m] and as drawn [r, m]; the last column is the rate of all rows."""

    value: np.ndarray
    drawn: np.ndarray
    shares: np.ndarray
    n: int
    positives: int
    method: str

    def interval(self, value: float, drawn: np.ndarray) -> Interval:
        low, high = interval_ends(np.array([value]), drawn[:, None], np.array([False]))
        return Interval(value, float(low[0]), float(high[0]), self.n, self.positives, self.method)


def _call_list(lists: _Lists, at: int, promised: np.ndarray, ordered: np.ndarray) -> CallList:
    share, count = float(lists.shares[at]), len(lists.shares)
    called = max(1, round(share * lists.n))
    rate, base = float(lists.value[at]), float(lists.value[-1])
    rates, bases = lists.drawn[:, at], lists.drawn[:, -1]
    hits = rate * share * lists.n
    each = lists.interval(rate, rates)
    if hits < FEW and np.isfinite(each.low):
        low, high = wilson(hits, share * lists.n)
        each = Interval(rate, low, high, lists.n, lists.positives, "Wilson: too few conversions to resample")
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = lists.interval(rate / base if base > 0 else NAN, rates / bases)
        found = lists.interval(share * rate / base if base > 0 else NAN, share * rates / bases)
    over_champion = None
    if len(lists.value) > count + 1:
        other = float(lists.value[count + at])
        over_champion = lists.interval(100 * (rate - other), 100 * (rates - lists.drawn[:, count + at]))
    return CallList(
        share=share,
        called=called,
        threshold=float(ordered[called - 1]),
        expected=float(promised[called]),
        conversions=_scaled(each, share * lists.n),
        per_hundred=_scaled(each, 100.0),
        lift=lift,
        found=found,
        calls_per_conversion=_inverse(each),
        over_random=lists.interval(100 * (rate - base), 100 * (rates - bases)),
        over_champion=over_champion,
    )


def _scaled(rate: Interval, by: float) -> Interval:
    return Interval(rate.value * by, rate.low * by, rate.high * by, rate.n, rate.positives, rate.method)


def _inverse(rate: Interval) -> Interval:
    """Calls for one conversion; no upper end where the rate may be 0."""
    value, high, low = (1 / end if end > 0 else NAN for end in (rate.value, rate.low, rate.high))
    return Interval(value, low, high, rate.n, rate.positives, rate.method)
