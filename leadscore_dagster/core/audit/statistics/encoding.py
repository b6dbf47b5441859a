"""Means of the label as a feature: was a category encoded with the labels of the very rows it is to predict?

A column learned elsewhere differs from the means of these rows by chance, as much as rates of so many rows vary.
One computed from these rows does not differ. So the lower tail of a chi-square test gives it away, without knowing
the category: the column's own values are its groups.

Lives here: that test. Not here: the verdict (identity). An encoding with noise added, learned out of fold or rounded
to fewer digits than the rates' own errors cannot be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.audit.statistics.columns import Column

#: rows by which encodings are pulled to the base rate: those in use, and the logarithm of odds likewise
PULLS = (0.0, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
#: groups of fewer expected positives have no normal error
EXPECTED = 2.0
#: with two values any mean fits; a line through fewer than this many proves little
LEAST_LEVELS = 5
#: groups whose rates lie far below the base rate vary less than it says: the square is taken ten times as large
MARGIN = 10.0


@dataclass(frozen=True)
class LabelMean:
    """How close the column is to a straight line through the label's means. ``chance``: of so small a chi-square,
    over all forms tried."""

    levels: int
    pull: float
    square: float
    chance: float


def label_mean(column: Column, label: np.ndarray) -> LabelMean | None:
    """The form of label mean that fits a numeric column best; None where too few of its values have rows enough."""
    from scipy.special import chdtr

    here = ~column.missing
    rate = float(label.mean())
    rows = column.counts.astype(np.float64)
    kept = rows * rate * (1 - rate) >= EXPECTED
    if kept.sum() < LEAST_LEVELS or rate in (0.0, 1.0):
        return None
    found = np.bincount(column.codes[here], label[here], minlength=column.levels)[kept]
    rows, value = rows[kept], column.values[kept].astype(np.float64)
    if not np.isfinite(value).all():
        return None
    value = (value - value.mean()) / (value.std() or 1.0)
    best, tried = LabelMean(len(rows), 0.0, float("inf"), 1.0), 0
    for pull in PULLS:
        mean = (found + pull * rate) / (rows + pull)
        weight = (rows + pull) ** 2 / (rows * rate * (1 - rate))
        forms = [(mean, weight)]
        if (mean > 0).all() and (mean < 1).all():
            forms.append((np.log(mean / (1 - mean)), weight * (mean * (1 - mean)) ** 2))
        for form, precision in forms:
            tried += 1
            square = _off_the_line(value, form, precision)
            if square < best.square:
                best = LabelMean(len(rows), pull, square, float(chdtr(len(rows) - 2, MARGIN * square)))
    return LabelMean(best.levels, best.pull, best.square, min(best.chance * tried, 1.0))


def _off_the_line(value: np.ndarray, form: np.ndarray, precision: np.ndarray) -> float:
    """Weighted sum of squares off the best straight line; infinite where the line falls."""
    total = precision.sum()
    x, y = value - (precision * value).sum() / total, form - (precision * form).sum() / total
    spread = (precision * x * x).sum()
    slope = (precision * x * y).sum() / spread if spread > 0 else 0.0
    return float((precision * (y - slope * x) ** 2).sum()) if slope > 0 else float("inf")
