"""How a model does in parts of the test period: by segment and by month.

Lives here: one part's numbers, with intervals, small parts marked. Not here: dividing by a segment (segments),
calibration (reliability), the judgement of the whole period (intervals, evaluation), pages (core/pages/model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.intervals import NAN, Interval
from leadscore_dagster.core.measures.judged import Judged, worth
from leadscore_dagster.core.measures.rates import Z95, wilson

#: a part with fewer rows or positives is marked as small: its numbers are shown and not to be relied on
SMALL_ROWS, SMALL_POSITIVES = 100, 10


@dataclass(frozen=True)
class Cell:
    """One part of the test period.

    ``rate`` has the Wilson interval, rows of one entity counting for what they are worth; ``lift`` is the top-decile
    lift *inside* the part, ``expected`` the sum of the probabilities, to be held against ``positives``. AUC-ROC is None
    in a small part.
    """

    name: str
    n: int
    positives: int
    rate: float
    low: float
    high: float
    lift: Interval
    auc_roc: Interval | None
    expected: float
    small: bool


def cohort_cells(judged: Judged, part: np.ndarray, names: Sequence[str]) -> tuple[Cell, ...]:
    """A cell for every part that has rows, in the order of ``names``.

    ``part`` : number of the part of each row, int [n]; -1 is in no part.
    """
    cells = []
    for number, name in enumerate(names):
        rows = judged.take(np.flatnonzero(part == number))
        if not len(rows):
            continue
        n, positives = len(rows), rows.positives
        small = n < SMALL_ROWS or min(positives, n - positives) < SMALL_POSITIVES
        each = worth(rows.label, rows.entity)
        low, high = wilson(positives * each, n * each)
        cells.append(
            Cell(
                name=name,
                n=n,
                positives=positives,
                rate=positives / n,
                low=low,
                high=high,
                lift=_lift(rows),
                auc_roc=None if small else clustered_auc(rows.label, rows.margin, rows.entity),
                expected=float(rows.probability.sum()),
                small=small,
            )
        )
    return tuple(cells)


def _lift(rows: Judged) -> Interval:
    """Top-decile lift as the share of the positives that the best tenth holds, over a tenth: Wilson's interval of that
    share, which few positives do not mislead. Positives of one entity count for what they are worth."""
    margin, codes, positive = rows.margin, rows.entity, rows.label == 1
    positives, value = int(positive.sum()), metrics.top_decile_lift(rows.label, margin)
    tenth = max(1, len(margin) // metrics.BINS)
    best = margin >= np.partition(margin, -tenth)[-tenth]
    each = worth(best[positive].astype(np.float64), None if codes is None else codes[positive])
    found = positives * value / metrics.BINS if positives else 0.0
    low, high = wilson(found * each, positives * each)
    method = "Wilson, of the share of positives in the best tenth"
    return Interval(value, metrics.BINS * low, metrics.BINS * high, len(rows), positives, method)


def months(decision_at: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number of the calendar month (UTC) of each decision, int [n], and the months as ``2025-06``, in order."""
    names, numbers = np.unique(decision_at.astype("datetime64[M]"), return_inverse=True)
    return numbers, tuple(str(name) for name in names)


def clustered_auc(label: np.ndarray, score: np.ndarray, codes: np.ndarray | None) -> Interval:
    """AUC-ROC with the interval of DeLong et al. (1988), for clustered rows that of Obuchowski (1997).

    The variance comes from the rows' placements (the share of the other class a row ranks right against), summed by
    entity; the interval is symmetric in log-odds of the AUC, so that it stays inside (0, 1). NaN ends where a class
    has one entity only, or the classes do not overlap at all.
    """
    positive = np.asarray(label) == 1
    m, n = int(positive.sum()), int((~positive).sum())
    method = "DeLong" if codes is None else "DeLong, entities as clusters (Obuchowski)"
    if not m or not n:
        return Interval(NAN, NAN, NAN, m + n, m, method)
    placements = np.empty(m + n)
    placements[positive] = _placements(score[positive], score[~positive])
    placements[~positive] = 1 - _placements(score[~positive], score[positive])
    area = float(placements[positive].mean())
    entity = np.arange(m + n) if codes is None else np.unique(codes, return_inverse=True)[1]
    error = _clustered_error(placements - area, positive, entity)
    if not 0 < area < 1 or not np.isfinite(error):
        return Interval(area, NAN, NAN, m + n, m, method)
    odds = np.log(area / (1 - area)) + np.array([-1, 1]) * Z95 * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-odds))
    return Interval(area, float(low), float(high), m + n, m, method)


def _clustered_error(off: np.ndarray, positive: np.ndarray, entity: np.ndarray) -> float:
    """Standard error from placements less the area ``off`` [n], by entity (Obuchowski 1997, formula 4)."""
    clusters = int(entity.max()) + 1
    m, n = int(positive.sum()), int((~positive).sum())
    sums = [np.bincount(entity[rows], off[rows], clusters) for rows in (positive, ~positive)]
    holding = [len(np.unique(entity[rows])) for rows in (positive, ~positive)]
    if min(holding) < 2:
        return NAN
    first, second = (
        held / ((held - 1) * rows) * float((total**2).sum())
        for held, rows, total in zip(holding, (m, n), sums, strict=True)
    )
    cross = clusters / (clusters - 1) * float((sums[0] * sums[1]).sum())
    return float(np.sqrt(max(first / m + second / n + 2 * cross / (m * n), 0.0)))


def _placements(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of ``other`` that lies below each of ``own``, equal ones counting half."""
    ordered = np.sort(other)
    below, upto = (np.searchsorted(ordered, own, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * len(other))
