"""All metrics of one scored period with intervals, and what two scores of the same rows differ by.

Lives here: one pass over the replicates for all metrics that share it. Not here: which metrics there are (catalogue),
their point values (metrics), what is measured of folds, features or training rows (core/modelling/judgement).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.catalogue import METRICS, curve_metrics
from leadscore_dagster.core.measures.intervals import NAN, Bootstrap, Interval
from leadscore_dagster.core.measures.judged import Judged


def period_metrics(judged: Judged, constant_rate: float, bootstrap: Bootstrap) -> dict[str, Interval]:
    """All metrics of a scored period with intervals, in the order of the catalogue.

    Ranking metrics use the margin (calibration makes ties), ``ece``, ``brier`` and ``brier_skill`` the probability.
    ``constant_rate`` is the constant of `metrics.brier_skill`. ``ece`` is freed from its bias, see `calibration_error`.
    """
    # rows in the order of their score are weighted and cumulated as they lie in memory
    judged = judged.take(np.argsort(-np.asarray(judged.margin, dtype=np.float64), kind="stable"))
    label, ranking, curves = judged.label, metrics.rank(judged.label, judged.margin), curve_metrics()
    squared, constant = (judged.probability - label) ** 2, (constant_rate - label) ** 2

    def statistic(weight: np.ndarray) -> np.ndarray:
        points = metrics.curve(ranking, weight)
        total = float(points.rows[-1])
        squares, missed = _weighted(weight, squared), _weighted(weight, constant)
        values = [measure(points) for measure in curves.values()]
        values.append(squares / total if total else NAN)
        values.append(1 - squares / missed if missed > 0 else NAN)
        return np.array(values)

    names = [*curves, "brier", "brier_skill"]
    points = statistic(np.ones(len(judged)))
    low, high = bootstrap.ends(statistic, len(judged), judged.entity, shifted=flattered(names))
    counts = len(judged), judged.positives, bootstrap.method(judged.entity)
    measured = {
        name: Interval(float(points[at]), float(low[at]), float(high[at]), *counts) for at, name in enumerate(names)
    }
    measured |= {name: metric.measure(judged, bootstrap) for name, metric in METRICS.items() if metric.measure}
    return {name: measured[name] for name in METRICS if name in measured}


def _weighted(weight: np.ndarray, values: np.ndarray) -> float:
    """Sum of products, not by BLAS: its threads add in an order of their own and wait for each other."""
    return float(np.einsum("i,i->", weight, values))


def paired_difference(judged: Judged, other: np.ndarray, metric: str, *, bootstrap: Bootstrap) -> Interval:
    """Interval of metric(margin) - metric(other) for another score [n] of the same rows, drawn together in each
    replicate."""
    return paired_differences(judged, other, (metric,), bootstrap=bootstrap)[metric]


def paired_differences(
    judged: Judged, other: np.ndarray, names: Sequence[str], *, bootstrap: Bootstrap
) -> dict[str, Interval]:
    """`paired_difference` of several metrics in one pass over the replicates."""
    rankings = metrics.rank(judged.label, judged.margin), metrics.rank(judged.label, other)
    curves = curve_metrics()

    def statistic(weight: np.ndarray) -> np.ndarray:
        ours, theirs = (metrics.curve(ranking, weight) for ranking in rankings)
        return np.array([curves[name](ours) - curves[name](theirs) for name in names])

    values = statistic(np.ones(len(judged)))
    low, high = bootstrap.ends(statistic, len(judged), judged.entity, shifted=flattered(names))
    counts = len(judged), judged.positives, "paired " + bootstrap.method(judged.entity)
    return {
        name: Interval(float(values[at]), float(low[at]), float(high[at]), *counts) for at, name in enumerate(names)
    }


def flattered(names: Sequence[str]) -> np.ndarray:
    """Whose replicates' bias is to be taken off, bool [names]."""
    return np.array([METRICS[name].flattered for name in names])
