"""Whether a column still looks as it did: the population stability index, freed of its sampling floor, and a test.

Lives here: binning, counts, the index with its interval, whether chance explains it. Not here: which rows are
compared and what is done about it (core/monitoring).

The index of two samples of one population is not 0 but about (bins - 1)(1/n + 1/m), and n m/(n + m) times it follows a
chi-squared distribution (Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of
Risk Model Validation 14(4), 2020). So a small sample or a column with many levels cries wolf at any fixed limit.
Therefore the floor is taken off, and a shift counts only if a test at a level shared between all columns has proven it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.rates import Z95

BINS = 10
#: a level with a smaller share of the reference is counted among the others
SMALLEST_LEVEL = 0.01
MOST_LEVELS = 20
#: Cochran (1954): with fewer expected rows in a bin the chi-squared approximation fails
EXPECTED_ROWS = 5.0
#: standard deviations within which a bin has not moved, whatever the exact test says
CLEAR = 3.0
MISSING, OTHER = "missing", "any other"


@dataclass(frozen=True)
class Bins:
    """The bins of a column, learned on the reference: upper ends of all but the last (numbers), or levels.

    Counts have one place per bin, for a category one for all other levels, and the last for missing values.
    """

    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    ordered: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls each place of the counts."""
        if not self.ordered:
            return (*self.levels, OTHER, MISSING)
        if not self.edges:
            return ("any value", MISSING)
        ends = [f"{edge:g}" for edge in self.edges]
        between = [f"above {low} to {high}" for low, high in pairwise(ends)]
        return (f"up to {ends[0]}", *between, f"above {ends[-1]}", MISSING)


@dataclass(frozen=True)
class Shift:
    """How far a column has moved.

    ``raw``: the index as it is computed everywhere. ``corrected``: less its floor under no shift; ``value``: that, at
    least 0; ``low``, ``high``: its 95% interval. ``p_value``: how probable so large a difference is by chance.
    ``moved``: the bin that adds most to the index, its share then and now, and the probability of that by chance,
    corrected for the number of bins. (The least probable bin may be the larger one of a flag, whose share changes by a
    smaller factor.)
    """

    n: int
    raw: float
    corrected: float
    value: float
    low: float
    high: float
    p_value: float
    moved: str
    share_before: float
    share_now: float
    moved_p_value: float


def learn_bins(column: pa.ChunkedArray, category: bool) -> Bins:
    """Tenths of a number's values, or the levels of a category with at least 1% of the rows, 20 at most."""
    if category:
        counts = pc.value_counts(pc.cast(column, pa.string()).drop_null().combine_chunks())
        names, sizes = counts.field("values").to_pylist(), counts.field("counts").to_numpy()
        kept = [
            (int(size), name) for name, size in zip(names, sizes, strict=True) if size >= SMALLEST_LEVEL * sum(sizes)
        ]
        ranked = sorted(kept, key=lambda pair: (-pair[0], pair[1]))[:MOST_LEVELS]
        return Bins(levels=tuple(sorted(name for _, name in ranked)), ordered=False)
    values = numbers(column)
    known = values[~np.isnan(values)]
    if not len(known):
        return Bins()
    distinct = np.unique(known)
    edges = distinct[:-1] if len(distinct) <= BINS else np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    return Bins(edges=tuple(edges[edges < distinct[-1]].tolist()))


def count(column: pa.ChunkedArray, bins: Bins) -> np.ndarray:
    """Rows per bin, int64 [bins + 1, or + 2 for a category]; the last place counts what is missing."""
    places = len(bins.labels)
    if bins.ordered:
        values = numbers(column)
        missing = np.isnan(values)
        code = np.searchsorted(np.asarray(bins.edges), values, side="left")
    else:
        text = pc.cast(column, pa.string())
        missing = pc.is_null(text).to_numpy()
        found = pc.index_in(text, value_set=pa.array(bins.levels, pa.string()), skip_nulls=True)
        code = pc.fill_null(found, len(bins.levels)).to_numpy()
    return np.bincount(np.where(missing, places - 1, code), minlength=places).astype(np.int64)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers or flags as float64 [n], missing as NaN. Raises InputError for text."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.int8())
    elif pa.types.is_string(kind) or pa.types.is_temporal(kind):
        raise InputError(f"a numeric feature holds {kind}", remedy="declare it as a category in the catalogue")
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan).to_numpy())


def shift(reference: np.ndarray, current: np.ndarray, bins: Bins) -> Shift:
    """Compare counts of ``count`` of the reference [b] with the current ones [b]; both must hold rows."""
    labels = np.asarray(bins.labels)
    used = (reference + current) > 0
    before, now = reference[used].astype(np.float64), current[used].astype(np.float64)
    m, n = before.sum(), now.sum()
    raw, corrected = index(reference, current)
    deviation = _deviation(before, now)
    alone = _alone(before, now)
    q, p = _shares(before), _shares(now)
    most = int(np.argmax((p - q) * np.log(p / q)))
    tests = [_chi_squared(before, now), float(alone.min())]
    if bins.ordered:
        there = labels[used] != MISSING
        tests.append(_rank_sum(before[there], now[there]))
    return Shift(
        n=int(n),
        raw=raw,
        corrected=corrected,
        value=max(corrected, 0.0),
        low=max(corrected - Z95 * deviation, 0.0),
        high=max(corrected + Z95 * deviation, 0.0),
        p_value=min(1.0, len(tests) * min(tests)),
        moved=str(labels[used][most]),
        share_before=float(before[most] / m),
        share_now=float(now[most] / n),
        moved_p_value=float(alone[most]),
    )


def index(reference: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    """The index of two counts [b] as it is computed everywhere, and without its sampling floor (which may be < 0)."""
    used = (reference + current) > 0
    before, now = reference[used].astype(np.float64), current[used].astype(np.float64)
    q, p = _shares(before), _shares(now)
    raw = float(((p - q) * np.log(p / q)).sum())
    return raw, raw - float((used.sum() - 1) * (1 / now.sum() + 1 / before.sum()))


def _shares(counts: np.ndarray) -> np.ndarray:
    """Half a row is added to every bin, so that an empty one has a logarithm."""
    return (counts + 0.5) / (counts.sum() + 0.5 * len(counts))


def _deviation(before: np.ndarray, now: np.ndarray) -> float:
    """Standard deviation of the index: the delta method, and what is left of it under no shift."""
    q, p, m, n = _shares(before), _shares(now), before.sum(), now.sum()
    log = np.log(p / q)
    by_p, by_q = log + 1 - q / p, -log + 1 - p / q
    first = ((p * by_p**2).sum() - (p * by_p).sum() ** 2) / n + ((q * by_q**2).sum() - (q * by_q).sum() ** 2) / m
    second = 2 * (len(p) - 1) * (1 / n + 1 / m) ** 2
    return float(np.sqrt(max(first, 0.0) + second))


def _chi_squared(before: np.ndarray, now: np.ndarray) -> float:
    """Pearson's test of equal distribution; bins with too few expected rows are taken together."""
    from scipy.special import chdtrc

    share = now.sum() / (now.sum() + before.sum())
    small = (before + now) * min(share, 1 - share) < EXPECTED_ROWS
    if small.any():
        before = np.append(before[~small], before[small].sum())
        now = np.append(now[~small], now[small].sum())
    total = before + now
    expected = total * share
    kept = total > 0
    if kept.sum() < 2:
        return 1.0
    each = (now - expected) ** 2 / expected.clip(1e-300) + (now - expected) ** 2 / (total - expected).clip(1e-300)
    return float(chdtrc(kept.sum() - 1, each[kept].sum()))


def _rank_sum(before: np.ndarray, now: np.ndarray) -> float:
    """Wilcoxon's (1945) rank-sum test on binned values, with the correction for ties: sees a column that moves."""
    from scipy.special import ndtr

    m, n, total = before.sum(), now.sum(), before + now
    if not m or not n or np.count_nonzero(total) < 2:
        return 1.0
    rows = m + n
    rank = np.cumsum(total) - (total - 1) / 2
    expected = n * (rows + 1) / 2
    variance = m * n / 12 * ((rows + 1) - (total**3 - total).sum() / (rows * (rows - 1)))
    if variance <= 0:
        return 1.0
    return float(2 * ndtr(-abs((now * rank).sum() - expected) / np.sqrt(variance)))


def _alone(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Fisher's exact test of each bin against the rest [b], doubled for both sides, times the number of bins.

    Where the normal approximation lies within `CLEAR` standard deviations its p-value, which is far from any level a
    column is judged at, takes the place of the exact one, which is slow.
    """
    from scipy.special import ndtr
    from scipy.stats import hypergeom

    m, n = int(before.sum()), int(now.sum())
    both = (before + now).astype(np.int64)
    share = both / (m + n)
    z = np.abs(now - n * share) / np.sqrt(n * m / (m + n) * share * (1 - share)).clip(1e-9)
    p = 2 * ndtr(-z)
    far = z > CLEAR
    if far.any():
        fewer = hypergeom.cdf(now[far], m + n, both[far], n)
        more = hypergeom.sf(now[far] - 1, m + n, both[far], n)
        p[far] = 2 * np.minimum(fewer, more)
    return np.minimum(1.0, p * len(now))
