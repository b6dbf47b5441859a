"""Whether probabilities are right: the reliability curve, its line, the calibration error, overall and by segment.

Lives here: measuring it with intervals. Not here: dividing rows (segments), making probabilities right (calibration,
base_rate), drawing the curve (reports).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.measures.judged import Judged, worth
from leadscore_dagster.core.measures.log_odds import log_odds, recalibration_line, shift_interval
from leadscore_dagster.core.measures.rates import wilson_intervals
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.recipe.schema import Segment


@dataclass(frozen=True)
class Bin:
    """Rows of about equal probability: the mean of what was said, and the rate that came with its Wilson interval, in
    which rows of one entity count for what they are worth."""

    n: int
    positives: int
    probability: float
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """How far probabilities of some rows are off: the calibration error, and in one number how far all of them lie too
    low, in log-odds (``shift``, calibration in the large)."""

    ece: Interval
    shift: Interval


@dataclass(frozen=True)
class Reliability:
    """Attributes
    ----------
    bins : the reliability curve, lowest probability first.
    slope, intercept : line of logistic recalibration; 1 and 0 are right.
    brier, constant_brier : of the probabilities, and of one constant rate known beforehand.
    segments : segment → part → how far off it is there.
    """

    bins: tuple[Bin, ...]
    overall: Calibration
    slope: Interval
    intercept: Interval
    brier: float
    constant_brier: float
    segments: Mapping[str, Mapping[str, Calibration]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "bins": [asdict(each) for each in self.bins],
            "overall": _as_dict(self.overall),
            "slope": self.slope.to_dict(),
            "intercept": self.intercept.to_dict(),
            "brier": self.brier,
            "constant_brier": self.constant_brier,
            "segments": {
                segment: {part: _as_dict(found) for part, found in parts.items()}
                for segment, parts in self.segments.items()
            },
        }


def measure_reliability(
    judged: Judged,
    constant_rate: float,
    parts: Mapping[str, tuple[np.ndarray, tuple[str, ...]]] | None = None,
) -> Reliability:
    """Hold probabilities against outcomes.

    Parameters
    ----------
    constant_rate : the rate somebody without a model would have said (of the calibration period).
    parts : segment → codes [n] and names, as `segments_of` gives them.
    """
    label, probability, codes = judged.label, judged.probability, judged.entity
    slope, intercept = recalibration_line(label, probability, codes)
    segments = {}
    for segment, (numbers, names) in (parts or {}).items():
        inside = {name: numbers == number for number, name in enumerate(names)}
        segments[segment] = {name: _calibration(judged.take(rows)) for name, rows in inside.items() if rows.any()}
    return Reliability(
        reliability_curve(label, probability, codes),
        _calibration(judged),
        slope,
        intercept,
        metrics.brier(label, probability),
        metrics.brier(label, np.full(len(label), constant_rate)),
        segments,
    )


def segments_of(
    matrix: np.ndarray, columns: Columns, segments: Mapping[str, Segment]
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """The parts of each of the recipe's segments: codes int [n] and names."""
    return {name: segment_codes(matrix, columns, segment) for name, segment in segments.items()}


def reliability_curve(label: np.ndarray, probability: np.ndarray, codes: np.ndarray | None = None) -> tuple[Bin, ...]:
    """At most ten bins of equal mass, lowest probability first; rates with Wilson's interval (Wilson 1927), its n
    divided by the design effect where entities (``codes`` int [n]) repeat."""
    bins = metrics.equal_mass_bins(probability)
    n = np.bincount(bins, minlength=metrics.BINS)
    there = n > 0
    n, positives = n[there], np.bincount(bins, label, metrics.BINS)[there]
    mean = np.bincount(bins, probability, metrics.BINS)[there] / n
    each = worth(label, codes, bins)
    low, high = wilson_intervals(positives * each, n * each)
    rows = zip(n, positives, mean, positives / n, low, high, strict=True)
    return tuple(Bin(int(size), int(hits), *map(float, rest)) for size, hits, *rest in rows)


def _calibration(rows: Judged) -> Calibration:
    error = calibration_error_interval(rows.label, rows.probability, rows.entity)
    return Calibration(error, shift_interval(rows.label, log_odds(rows.probability), rows.entity))


def _as_dict(found: Calibration) -> dict[str, Any]:
    return {"ece": found.ece.to_dict(), "shift": found.shift.to_dict()}
