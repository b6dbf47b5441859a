"""What drives a model: importances with intervals, contributions against values, two rankings compared.

Everything is read off exact contributions in log-odds (``ScoringModel.score(contributions=True)``). Lives here: the
numbers. Not here: the reasons of one lead (core/scoring/drivers), pictures and pages (core/pages/model/markdown,
core/pages/model).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.intervals import MINIMUM_UNITS, NAN, TAILS, Bootstrap, Interval, drawn_units
from leadscore_dagster.core.measures.rates import Z95
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.table.features.catalogue import Feature

#: quantiles of the contributions in a group of values
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: levels of a category shown each on its own; the rest is pooled
LEVELS = 8
#: |rank correlation| of value and contribution from which a feature has one direction
ONE_DIRECTION = 0.5
#: replicates handled at a time, so that memory does not grow with their number
_BLOCK = 64


@dataclass(frozen=True)
class Importance:
    """Mean |contribution| of a feature (log-odds) with its 95% interval and that of its rank (1 is the largest).

    ``share`` of the sum over all features. ``direction``: ``rises`` when larger values raise the score, ``falls``,
    ``mixed``, ``levels`` for a category, ``none`` where nothing is contributed or the value never varies.
    """

    feature: str
    value: float
    low: float
    high: float
    share: float
    rank: int
    rank_low: int | None
    rank_high: int | None
    direction: str


@dataclass(frozen=True)
class RankComparison:
    """Two rankings of features, most important first.

    ``correlation`` is Spearman's over the ``common`` features, ranked anew among themselves; its interval is Fisher's
    with the variance of Bonett & Wright (2000). ``shared_top``: names in the first ``top`` of both. ``movers``:
    (feature, place in the first, place in the second) of common features, most moved first.
    """

    correlation: Interval
    common: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    top: int
    shared_top: tuple[str, ...]
    movers: tuple[tuple[str, int, int], ...]


def importance_table(
    matrix: np.ndarray,
    contributions: np.ndarray,
    columns: Columns,
    *,
    codes: np.ndarray | None,
    bootstrap: Bootstrap,
) -> tuple[Importance, ...]:
    """Importance of each feature from matrix and contributions float32 [n, k], largest first.

    The interval is the percentile bootstrap over rows, or over entities where ``codes`` int [n] repeat; it says how
    far the importance would move with other leads, not with another model.
    """
    sizes = np.abs(contributions).astype(np.float64)
    value = sizes.mean(axis=0) if len(sizes) else np.zeros(len(columns.names))
    drawn = _drawn_means(sizes, codes, bootstrap)
    low, high = np.quantile(drawn, TAILS, axis=0) if len(drawn) else np.full((2, len(value)), NAN)
    order = np.lexsort((np.array(columns.names), -value))
    rank = _places(order)
    ranks = np.sort(_places(np.argsort(-drawn, axis=1, kind="stable")), axis=0) if len(drawn) else None
    ends = None if ranks is None else np.quantile(ranks, TAILS, axis=0, method="nearest").astype(int)
    total = float(value.sum())
    return tuple(
        Importance(
            feature=columns.names[at],
            value=float(value[at]),
            low=float(low[at]),
            high=float(high[at]),
            share=float(value[at] / total) if total > 0 else 0.0,
            rank=int(rank[at]),
            rank_low=None if ends is None else int(ends[0, at]),
            rank_high=None if ends is None else int(ends[1, at]),
            direction=_direction(matrix[:, at], contributions[:, at], columns.types[at]),
        )
        for at in order
    )


def contribution_summary(
    matrix: np.ndarray, contributions: np.ndarray, columns: Columns, *, features: Sequence[str]
) -> list[dict[str, Any]]:
    """How the contribution depends on the value, for each of ``features``: what a beeswarm shows, as numbers.

    Rows are grouped by value: each value where there are few, tenths of the rows otherwise, levels of a category by
    their size, missing values last. A group has ``n``, ``value`` (median; the level's name; None for missing),
    ``missing`` and ``contribution`` at `QUANTILES`.
    """
    made: list[dict[str, Any]] = []
    for name in features:
        at = columns.names.index(name)
        values, pushed = matrix[:, at], contributions[:, at]
        groups = [
            {
                "n": int(rows.sum()),
                "value": told,
                "missing": missing,
                "contribution": [float(end) for end in np.quantile(pushed[rows], QUANTILES)],
            }
            for rows, told, missing in _groups(values, columns.levels.get(name))
        ]
        made.append({"feature": name, "type": columns.types[at], "groups": groups})
    return made


def compare_rankings(first: Sequence[str], second: Sequence[str], top: int = 10) -> RankComparison:
    """Compare two rankings of features, most important first; see `RankComparison`."""
    places, others = ({name: place for place, name in enumerate(names, 1)} for names in (first, second))
    common = [name for name in first if name in others]
    moved = sorted(common, key=lambda name: (-abs(places[name] - others[name]), places[name]))
    return RankComparison(
        correlation=_spearman([places[name] for name in common], [others[name] for name in common]),
        common=len(common),
        only_first=tuple(name for name in first if name not in others),
        only_second=tuple(name for name in second if name not in places),
        top=top,
        shared_top=tuple(name for name in first[:top] if name in second[:top]),
        movers=tuple((name, places[name], others[name]) for name in moved if places[name] != others[name]),
    )


def importance_csv(rows: Sequence[Mapping[str, object]], features: Sequence[Mapping[str, object]]) -> str:
    """The importances as CSV text, most important first.

    Parameters
    ----------
    rows : ``Importance`` as mappings.
    features : entries of the catalogue as mappings, for unit and definition.
    """
    catalogue = {str(feature["name"]): feature for feature in features}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["feature", "mean_abs_contribution", "low", "high", "share", "rank", "direction", "unit", "definition"]
    )
    for row in rows:
        entry = catalogue.get(str(row["feature"]), {})
        numbers = [row["value"], row["low"], row["high"], row["share"], row["rank"], row["direction"]]
        told = ["" if number is None else number for number in numbers]
        writer.writerow([row["feature"], *told, entry.get("unit", ""), entry.get("definition", "")])
    return text.getvalue()


def private(features: Sequence[Feature]) -> set[str]:
    """Features whose values may point at a person: they are ranked, their values are not shown."""
    return {feature.name for feature in features if feature.pii}


def _drawn_means(sizes: np.ndarray, codes: np.ndarray | None, bootstrap: Bootstrap) -> np.ndarray:
    """Means of ``sizes`` [n, k] in each replicate, float64 [r, k]; no replicates with too few units."""
    from threadpoolctl import threadpool_limits

    if drawn_units(len(sizes), codes) < MINIMUM_UNITS:
        return np.empty((0, sizes.shape[1]))
    drawn, block = [], []
    with threadpool_limits(limits=1):  # the last digits of a multi-threaded sum depend on the machine
        for number, weight in enumerate(bootstrap.weights(len(sizes), codes), start=1):
            block.append(weight)
            if len(block) == _BLOCK or number == bootstrap.replicates:
                weights = np.stack(block)
                drawn.append((weights @ sizes) / weights.sum(axis=1, keepdims=True))
                block = []
    return np.concatenate(drawn)


def _places(order: np.ndarray) -> np.ndarray:
    """Place (1, 2, …) of each column from the columns in order, along the last axis."""
    return np.argsort(order, axis=-1, kind="stable") + 1


def _direction(values: np.ndarray, pushed: np.ndarray, kind: str) -> str:
    if kind == "category":
        return "levels"
    known = ~np.isnan(values)
    if known.sum() < 2 or np.ptp(values[known]) == 0 or np.ptp(pushed[known]) == 0:
        return "none"
    correlation = float(np.corrcoef(_ranked(values[known]), _ranked(pushed[known]))[0, 1])
    if abs(correlation) < ONE_DIRECTION:
        return "mixed"
    return "rises" if correlation > 0 else "falls"


def _ranked(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean rank."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]


def _groups(values: np.ndarray, levels: Sequence[str] | None) -> list[tuple[np.ndarray, float | str | None, bool]]:
    """(rows bool [n], what stands for the group, whether it is the missing one), in the order of the values."""
    missing = np.isnan(values)
    groups: list[tuple[np.ndarray, float | str | None, bool]] = []
    distinct, sizes = np.unique(values[~missing], return_counts=True)
    if levels is not None:
        biggest = sorted(distinct[np.argsort(-sizes, kind="stable")][:LEVELS])
        groups = [(values == code, levels[int(code)], False) for code in biggest]
        rest = ~missing & ~np.isin(values, biggest)
        if rest.any():
            groups.append((rest, f"{len(distinct) - LEVELS} other levels", False))
    elif len(distinct) <= metrics.BINS:
        groups = [(values == value, float(value), False) for value in distinct]
    else:
        tenth = np.full(len(values), -1)
        tenth[~missing] = metrics.equal_mass_bins(values[~missing])
        groups = [(tenth == one, float(np.median(values[tenth == one])), False) for one in np.unique(tenth[~missing])]
    return [*groups, (missing, None, True)] if missing.any() else groups


def _spearman(first: Sequence[int], second: Sequence[int]) -> Interval:
    """Spearman's rank correlation of two lists of places without ties."""
    n = len(first)
    method = "Spearman, Fisher's interval with the variance of Bonett & Wright"
    if n < 3:
        return Interval(NAN, NAN, NAN, n, 0, method)
    value = float(np.corrcoef(_ranked(np.array(first)), _ranked(np.array(second)))[0, 1])
    if n < 5 or abs(value) >= 1 - 1e-12:
        return Interval(value, NAN, NAN, n, 0, method)
    half = Z95 * np.sqrt((1 + value**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return Interval(value, float(low), float(high), n, 0, method)
