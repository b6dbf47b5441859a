"""A base rate that has moved: seen in outcomes that have matured since, corrected, or said to be beyond correction.

The model keeps ranking; what moves is how often anybody says yes. Then every probability is off by the same factor in
odds (prior probability shift: Saerens, Latinne & Decaestecker 2002; King & Zeng 2001), which matured outcomes show:
the intercept of a logistic regression of their labels on the log-odds that were said. A shift never changes an order.

Lives here: the verdict from matured outcomes, and what would have been served over a past period. Not here: which
decisions have matured (core/scoring), the calibrator (calibration), gates.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.log_odds import (
    fit_shift,
    likelihood_fall,
    log_likelihood,
    log_odds,
    shift_interval,
    shifted,
)
from leadscore_dagster.core.recipe.schema import BaseRate

Treatment = Literal["keep", "correct", "rank_only"]
#: calibration error a probability may have where the recipe has no gate on it
ECE_LIMIT = 0.05


@dataclass(frozen=True)
class BaseRateVerdict:
    """What matured outcomes say about today's probabilities.

    ``keep``: they are served as they are. ``correct``: they are shifted by ``offset``. ``rank_only``: no probability is
    served, the order is.

    Attributes
    ----------
    offset : applied shift in log-odds, 0 unless ``correct``.
    estimate : the shift the outcomes ask for, with its 95% interval; n and positives of the window.
    rate, said : rate of the window's outcomes, and the mean probability the model said.
    ece : calibration error on the window, after the offset, with its interval.
    why : the verdict as a sentence.
    """

    verdict: Treatment
    offset: float
    estimate: Interval
    rate: float
    said: float
    ece: Interval
    why: str

    def serve(self, probability: np.ndarray) -> np.ndarray:
        """The probabilities [n] to serve: NaN where only the rank is."""
        if self.verdict == "rank_only":
            return np.full(len(probability), np.nan)
        return shifted(probability, self.offset) if self.verdict == "correct" else probability

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; NaN is None."""
        plain = {name: None if np.isnan(value) else value for name, value in (("rate", self.rate), ("said", self.said))}
        return asdict(self) | plain | {"estimate": self.estimate.to_dict(), "ece": self.ece.to_dict()}


@dataclass(frozen=True)
class ServedDay:
    """One day of a past period: its rows, and the verdict from what was known when it began."""

    day: str
    rows: int
    verdict: BaseRateVerdict


@dataclass(frozen=True)
class Served:
    """What would have been served over a past period: ``probability`` float64 [n], NaN on days of rank only."""

    probability: np.ndarray
    days: tuple[ServedDay, ...]

    @property
    def has_probability(self) -> np.ndarray:
        """Rows that were served a probability, bool [n]."""
        return ~np.isnan(self.probability)

    def share(self, verdict: Treatment) -> float:
        """Share of rows served on days of this verdict."""
        total = sum(day.rows for day in self.days)
        return sum(day.rows for day in self.days if day.verdict.verdict == verdict) / total if total else float("nan")


def judge_base_rate(
    judged: Judged, decision_at: np.ndarray, base_rate: BaseRate, *, ece_limit: float = ECE_LIMIT
) -> BaseRateVerdict:
    """The verdict from n matured outcomes and what the calibrator says of the same rows.

    A shift is seen where the 95% interval of the estimate excludes 0. It is corrected unless the corrected
    probabilities cannot be trusted to within ``ece_limit``: too few positives or negatives, an interval so wide that
    the mean probability is open by more than the limit, a rate that still moves inside the window, or a calibration
    error whose interval lies above the limit, which no shift mends.

    Parameters
    ----------
    judged : five equal rows of an entity are one outcome.
    decision_at : when the rows were decided, datetime64 [n]; tells the older half of the window from the newer.
    """
    label, probability, codes = judged.label, judged.probability, judged.entity
    odds = log_odds(probability)
    estimate = shift_interval(label, odds, codes)
    rate, said = (float(np.mean(values)) if len(label) else float("nan") for values in (label, probability))
    outcomes = f"{estimate.n:,} matured outcomes with {estimate.positives:,} positives"

    def verdict(name: Treatment, offset: float, why: str) -> BaseRateVerdict:
        ece = calibration_error_interval(label, shifted(probability, offset), codes)
        return BaseRateVerdict(name, offset, estimate, rate, said, ece, why)

    few = min(estimate.positives, estimate.n - estimate.positives) < base_rate.minimum_positives
    if not (estimate.low > 0 or estimate.high < 0):
        kept = verdict("keep", 0.0, f"{outcomes} show no shift of the base rate.")
        if few:
            return verdict("keep", 0.0, f"{outcomes} are too few to see a shift of the base rate.")
        return _distrusted(kept, ece_limit) or kept
    moved = f"{outcomes}: {rate:.1%} where {said:.1%} was said"
    if few:
        needed = f"at least {base_rate.minimum_positives} of each class are needed"
        return verdict("rank_only", 0.0, f"{moved}, too few to correct it ({needed}).")
    open_by = np.abs([np.mean(shifted(probability, end)) - rate for end in (estimate.low, estimate.high)]).max()
    if open_by > ece_limit:
        return verdict("rank_only", 0.0, f"{moved}, too few to correct it: the rate is open by {open_by:.3f}.")
    newer = _still_moving(label, odds, decision_at, codes)
    if newer is not None and abs(np.mean(shifted(probability, newer)) - rate) > ece_limit:
        return verdict("rank_only", 0.0, f"{moved}, and the rate still moves, so that no correction will hold.")
    corrected = verdict("correct", estimate.value, f"{moved}: odds multiplied by {np.exp(estimate.value):.2f}.")
    return _distrusted(corrected, ece_limit) or corrected


def served_probability(
    judged: Judged,
    *,
    decision_at: np.ndarray,
    known_at: np.ndarray,
    base_rate: BaseRate,
    ece_limit: float = ECE_LIMIT,
) -> Served:
    """What would have been served over a past period, day by day (UTC), each with the outcomes known when it began.

    Parameters
    ----------
    judged : n rows that neither model nor calibrator was fitted on: on their own rows they show no shift. A label is
        read only where ``known_at`` is not after the day's begin.
    decision_at, known_at : datetime64 [n]: when a row was decided, and when its label window was over. A row counts for
        ``base_rate.window_days`` from then on.
    """
    days, inverse = np.unique(decision_at.astype("datetime64[D]"), return_inverse=True)
    order = np.argsort(known_at, kind="stable")
    known = known_at[order].astype("datetime64[us]")
    begins = days.astype("datetime64[us]")
    lasts = np.searchsorted(known, begins, side="right")
    firsts = np.searchsorted(known, begins - np.timedelta64(base_rate.window_days, "D"), side="right")
    served = np.empty(len(judged))
    made = []
    for number, (day, first, last) in enumerate(zip(days, firsts, lasts, strict=True)):
        window, today = order[first:last], inverse == number
        verdict = judge_base_rate(judged.take(window), decision_at[window], base_rate, ece_limit=ece_limit)
        served[today] = verdict.serve(judged.probability[today])
        made.append(ServedDay(str(day), int(today.sum()), verdict))
    return Served(served, tuple(made))


def _distrusted(judged: BaseRateVerdict, ece_limit: float) -> BaseRateVerdict | None:
    """``rank_only`` instead, where the probabilities are proven wrong all the same."""
    if not judged.ece.low > ece_limit:
        return None
    why = f"{judged.why.rstrip('.')}, but the calibration error is at least {judged.ece.low:.3f} all the same."
    return replace(judged, verdict="rank_only", offset=0.0, why=why)


def _still_moving(
    label: np.ndarray, odds: np.ndarray, decision_at: np.ndarray, codes: np.ndarray | None
) -> float | None:
    """The shift of the newer half of the rows, where it differs from that of the older half beyond chance (likelihood
    ratio test of one shift against two, at 5%)."""
    older, newer = np.array_split(np.argsort(decision_at, kind="stable"), 2)
    shifts = [fit_shift(label[half], odds[half]) for half in (older, newer)]
    pairs = zip((older, newer), shifts, strict=True)
    two = sum(log_likelihood(label[half], odds[half] + shift) for half, shift in pairs)
    together = odds + fit_shift(label, odds)
    beyond_chance = two - log_likelihood(label, together) > likelihood_fall(label, together, codes)
    return shifts[1] if beyond_chance else None
