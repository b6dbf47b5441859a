"""What sales gets from calling a list in the order of the scores: conversions per 100 calls, by length of the list.

Lives here: these numbers with intervals, against calling at random. Not here: deciles for the gates (evaluation), the
list itself (core/scoring).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import design_effect
from leadscore_dagster.core.measures.intervals import (
    MINIMUM_UNITS,
    NAN,
    Bootstrap,
    Interval,
    drawn_units,
    interval_ends,
)
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.rates import wilson

#: shares of the test period that are called, best scores first
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: resampling cannot show what a list with fewer conversions might have had; Wilson's interval is taken then
FEW = 10
COUNTED = "Wilson: too few conversions to resample"
#: probabilities that rise by less than this where the margin falls are equal
ROUNDING = 1e-12


@dataclass(frozen=True)
class CallList:
    """The leads with the highest scores, ``share`` of all.

    ``called`` leads with a probability of at least ``threshold``, NaN where no probability borders the list (see
    `call_lists`); ``conversions`` among them, with an interval; ``expected`` is what the probabilities promised.
    ``per_hundred``: conversions per 100 calls; ``lift``: that over the rate of all; ``found``: share of all conversions
    that the list holds; ``calls_per_conversion``: 100 over per_hundred. ``over_random`` is the paired difference of
    conversions per 100 calls.
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


def call_lists(judged: Judged, bootstrap: Bootstrap, shares: Sequence[float] = SHARES) -> tuple[CallList, ...]:
    """What lists of these ``shares`` of the test rows would have brought.

    Where equal scores are cut by the end of a list, the expected value of a random order is taken. Intervals are
    percentile bootstraps over rows, or entities where they repeat; every replicate is ranked anew. A list with
    fewer than `FEW` conversions, inside or outside it, has Wilson's interval instead, of as many rows as rows of
    entities are worth (their number over the design effect).

    The list follows the margin. Where the probability does not, because parts of a segment are calibrated apart or
    days are corrected by a base rate of their own, no probability is the border of the list, and none is told.
    """
    label, margin, n = judged.label, judged.margin, len(judged)
    wanted = np.asarray(shares, dtype=np.float64)
    ranking = metrics.rank(label, margin)

    def rates(weight: np.ndarray | None) -> np.ndarray:
        """Rate in each list, then the rate of all: float64 [shares + 1]."""
        points = metrics.curve(ranking, weight)
        return np.array([*(metrics.precision_at(points, share) for share in wanted), metrics.base_rate_of(points)])

    value = rates(None)
    drawn = np.full((1, len(value)), NAN)
    if drawn_units(n, judged.entity) >= MINIMUM_UNITS:
        drawn = np.array([rates(weight) for weight in bootstrap.weights(n, judged.entity)])
    design = design_effect(label.astype(np.float64), metrics.equal_mass_bins(margin), judged.entity)
    lists = _Lists(value, drawn, wanted, n, judged.positives, bootstrap.method(judged.entity), design)
    ordered = judged.probability[np.argsort(-margin, kind="stable")]
    promised = np.append(0.0, np.cumsum(ordered))
    borders = ordered if (np.diff(ordered) <= ROUNDING).all() else np.full(len(ordered), NAN)
    return tuple(_call_list(lists, at, promised, borders) for at in range(len(wanted)))


@dataclass(frozen=True)
class _Lists:
    """Rates of all lists, as measured [m] and as drawn [r, m]; the last column is the rate of all rows. ``design``: how
    many rows weigh as much as one that repeats nobody."""

    value: np.ndarray
    drawn: np.ndarray
    shares: np.ndarray
    n: int
    positives: int
    method: str
    design: float

    def resampled(self, value: float, drawn: np.ndarray) -> Interval:
        low, high = interval_ends(np.array([value]), drawn[:, None], np.array([False]))
        return Interval(value, float(low[0]), float(high[0]), self.n, self.positives, self.method)

    def counted(self, hits: float, trials: float) -> Interval:
        """Wilson's interval of a rate."""
        ends = wilson(hits / self.design, trials / self.design)
        return Interval(hits / trials, *ends, self.n, self.positives, COUNTED)


def _call_list(lists: _Lists, at: int, promised: np.ndarray, borders: np.ndarray) -> CallList:
    share = float(lists.shares[at])
    called = max(1, round(share * lists.n))
    rate, base = float(lists.value[at]), float(lists.value[-1])
    rates, bases = lists.drawn[:, at], lists.drawn[:, -1]
    hits, size = rate * share * lists.n, share * lists.n
    each = lists.resampled(rate, rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = lists.resampled(share * rate / base if base > 0 else NAN, share * rates / bases)
    over_random = lists.resampled(100 * (rate - base), 100 * (rates - bases))
    known = bool(np.isfinite(each.low))
    if known and min(hits, lists.positives - hits) < FEW and share < 1 and lists.positives:
        # one interval for the share found and for the lift: of all conversions, those on the list
        found = lists.counted(hits, lists.positives)
        over_random = _over_random(lists, share, hits)
    if known and min(hits, size - hits) < FEW:
        each = lists.counted(hits, size)
    return CallList(
        share=share,
        called=called,
        threshold=float(borders[called - 1]),
        expected=float(promised[called]),
        conversions=_scaled(each, size),
        per_hundred=_scaled(each, 100.0),
        lift=_scaled(found, 1 / share),
        found=found,
        calls_per_conversion=_inverse(each),
        over_random=over_random,
    )


def _over_random(lists: _Lists, share: float, hits: float) -> Interval:
    """Rate of the list less that of all, per 100: (1 - share) times the difference to the leads outside, whose outcomes
    are independent of the list's, with Newcombe's interval (1998, method 10)."""
    inside = lists.counted(hits, share * lists.n)
    outside = lists.counted(lists.positives - hits, (1 - share) * lists.n)
    value, by = inside.value - outside.value, 100 * (1 - share)
    low = value - float(np.hypot(inside.value - inside.low, outside.high - outside.value))
    high = value + float(np.hypot(inside.high - inside.value, outside.value - outside.low))
    return Interval(by * value, by * low, by * high, lists.n, lists.positives, COUNTED)


def _scaled(rate: Interval, by: float) -> Interval:
    return Interval(rate.value * by, rate.low * by, rate.high * by, rate.n, rate.positives, rate.method)


def _inverse(rate: Interval) -> Interval:
    """Calls for one conversion; no upper end where the rate may be 0."""
    value, high, low = (1 / end if end > 0 else NAN for end in (rate.value, rate.low, rate.high))
    return Interval(value, low, high, rate.n, rate.positives, rate.method)
