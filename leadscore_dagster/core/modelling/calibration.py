"""Calibration: from margins to probabilities, fitted on a later period than the model, stored as numbers.

What does not belong here: measuring calibration (metrics).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

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


Calibrator = Isotonic | Platt
#: margins read as log-odds: what a model says before a calibrator was fitted
UNCALIBRATED = Platt(1.0, 0.0)


def fit_calibrator(kind: str, margin: np.ndarray, label: np.ndarray) -> Calibrator:
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


def calibrator_from_dict(stored: Mapping[str, Any]) -> Calibrator:
    """Inverse of ``to_dict``."""
    if stored["kind"] == "isotonic":
        return Isotonic(tuple(stored["x"]), tuple(stored["y"]))
    if stored["kind"] == "platt":
        return Platt(stored["slope"], stored["intercept"])
    raise ValueError(f"unknown calibration {stored['kind']!r}")
