"""Calibration: from margins to probabilities, fitted on a later period than the model, stored as numbers.

What does not belong here: measuring calibration (metrics, reliability), correcting it by later outcomes (base_rate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leadscore_dagster.core.modelling.log_odds import fit_shift, information, log_odds, shifted
from leadscore_dagster.recipes.schema import Segment

#: how much a part's own outcomes must weigh to count as much as what all parts together say: units of information
#: sum(p (1 - p)), for a rare outcome about as many positives. A prior: parts differ by .22 log-odds (one standard
#: deviation), about as much as conversion by firm size is known to (domain-facts: 6.1% to 3.6%)
PRIOR_INFORMATION = 20.0
#: no event is impossible or certain because a calibration period held none or only such rows
SMALLEST = 1e-6


@dataclass(frozen=True)
class Isotonic:
    """Non-decreasing steps joined by straight lines: knots ``x`` (margins, rising) and ``y`` (rates)."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def apply(self, margin: np.ndarray) -> np.ndarray:
        """Probability float64 [n], inside (0, 1)."""
        return np.clip(np.interp(margin, self.x, self.y), SMALLEST, 1 - SMALLEST)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "isotonic", "x": list(self.x), "y": list(self.y)}


@dataclass(frozen=True)
class Platt:
    """Logistic curve 1 / (1 + exp(-(slope * margin + intercept))), slope never negative (Platt 1999)."""

    slope: float
    intercept: float

    def apply(self, margin: np.ndarray) -> np.ndarray:
        """Probability float64 [n], inside (0, 1)."""
        exponent = np.clip(self.slope * margin + self.intercept, -50, 50)
        return np.clip(1 / (1 + np.exp(-exponent)), SMALLEST, 1 - SMALLEST)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "platt", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Part:
    """How a part of a segment differs: ``shift`` in log-odds; ``weight`` 0 … 1 of its own outcomes in it."""

    shift: float
    weight: float
    n: int
    positives: int


@dataclass(frozen=True)
class SegmentedCalibrator:
    """One curve for all, moved in log-odds for each part of a segment; inside a part the order of margins stays.

    A part that was not there when it was fitted is not moved.
    """

    overall: Isotonic | Platt
    segment: Segment
    parts: Mapping[str, Part]

    def apply(self, margin: np.ndarray, codes: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Probability float64 [n]; ``codes`` int [n] and ``names`` as `segments.segment_codes` gives them."""
        shifts = np.array([self.parts[name].shift if name in self.parts else 0.0 for name in names])
        return shifted(self.overall.apply(margin), shifts[codes])

    def to_dict(self) -> dict[str, Any]:
        parts = {name: asdict(part) for name, part in self.parts.items()}
        segment = {"feature": self.segment.feature, "edges": list(self.segment.edges)}
        return {"kind": "segmented", "overall": self.overall.to_dict(), "segment": segment, "parts": parts}


Calibrator = Isotonic | Platt | SegmentedCalibrator
#: margins read as log-odds: what a model says before a calibrator was fitted
UNCALIBRATED = Platt(1.0, 0.0)


def fit_calibrator(kind: str, margin: np.ndarray, label: np.ndarray) -> Isotonic | Platt:
    """Fit on margins [n] and labels 0/1 [n] of the calibration period."""
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(increasing=True, out_of_bounds="clip").fit(margin, label)
        return Isotonic(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)))
    if kind == "platt":
        from sklearn.linear_model import LogisticRegression

        # a weak penalty, so that separated classes do not make an infinite slope
        line = LogisticRegression(C=1000.0, tol=1e-8, max_iter=1000).fit(margin[:, None], label)
        slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
        if slope >= 0:
            return Platt(slope, intercept)
        # the ranking is upside down here: a falling curve would reverse it, so nobody is told apart
        rate = float(np.mean(label))
        return Platt(0.0, float(np.log(rate / (1 - rate))))
    raise ValueError(f"unknown calibration {kind!r}")


def fit_segmented(
    overall: Isotonic | Platt,
    segment: Segment,
    margin: np.ndarray,
    label: np.ndarray,
    codes: np.ndarray,
    names: Sequence[str],
) -> SegmentedCalibrator:
    """Move a fitted curve for each part, by the outcomes of the part, drawn towards all parts where they are few.

    The shift of a part maximises its log-likelihood less ``PRIOR_INFORMATION`` shift² / 2: a hierarchical logistic
    curve with a common slope and shrunken intercepts. The part's own outcomes count with the weight
    information / (information + PRIOR_INFORMATION), information = sum(p (1 - p)) over its rows: a part without rows is
    not moved, a large one stands on its own.

    Parameters
    ----------
    margin, label, codes : of the calibration period, [n]; ``names`` of the parts the codes number.
    """
    odds = log_odds(overall.apply(margin))
    parts = {}
    for number in np.unique(codes):
        inside = codes == number
        shift = fit_shift(label[inside], odds[inside], PRIOR_INFORMATION)
        known = information(odds[inside] + shift)
        weight = known / (known + PRIOR_INFORMATION)
        parts[names[number]] = Part(shift, weight, int(inside.sum()), int(label[inside].sum()))
    return SegmentedCalibrator(overall, segment, parts)


def calibrator_from_dict(stored: Mapping[str, Any]) -> Calibrator:
    """Inverse of ``to_dict``."""
    if stored["kind"] == "segmented":
        overall = calibrator_from_dict(stored["overall"])
        assert not isinstance(overall, SegmentedCalibrator)
        segment = Segment(feature=stored["segment"]["feature"], edges=tuple(stored["segment"]["edges"]))
        return SegmentedCalibrator(overall, segment, {name: Part(**part) for name, part in stored["parts"].items()})
    if stored["kind"] == "isotonic":
        return Isotonic(tuple(stored["x"]), tuple(stored["y"]))
    if stored["kind"] == "platt":
        return Platt(stored["slope"], stored["intercept"])
    raise ValueError(f"unknown calibration {stored['kind']!r}")
