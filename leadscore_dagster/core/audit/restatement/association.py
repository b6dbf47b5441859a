"""Whether changes that became known after the decision go with the outcome.

Lives here: the odds ratio over strata. Not here: counting (measure, statements).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_Z = 1.959963984540054


@dataclass(frozen=True)
class AroundOutcome:
    """Decisions by label, and how many had a past fact changed that became known only after them.

    ``odds_ratio`` with its 95% interval ``low`` … ``high`` and two-sided ``p_value``, within quarters of the decision:
    over the years both the rate of positives and the time left for a change to arrive differ, which alone would make
    an association.
    """

    positives: int
    positives_changed: int
    negatives: int
    negatives_changed: int
    odds_ratio: float
    low: float
    high: float
    p_value: float

    def __str__(self) -> str:
        return (
            f"changed after the decision for {self.positives_changed / self.positives:.1%} of positives and "
            f"{self.negatives_changed / self.negatives:.1%} of negatives, odds ratio {self.odds_ratio:.2f} "
            f"[{self.low:.2f}, {self.high:.2f}]"
        )


def around_outcome(strata: Iterable[tuple[int, int, int, int]]) -> AroundOutcome | None:
    """Odds ratio of Mantel and Haenszel (1959) with the variance of Robins, Breslow and Greenland (1986).

    Parameters
    ----------
    strata : positives changed, positives, negatives changed, negatives, per stratum.

    Where a cell of the sums is empty, half a decision is added to every cell of the pooled table (Haldane 1956).
    None where there are no positives, no negatives, or nothing changed at all.
    """
    kept = [row for row in strata if row[1] and row[3]]
    hit, positives, missed, negatives = (sum(row[i] for row in kept) for i in range(4))
    if not positives or not negatives or not hit + missed:
        return None
    tables = [(float(a), float(n - a), float(c), float(m - c)) for a, n, c, m in kept]
    log_odds, error = _mantel_haenszel(tables)
    if error is None:
        pooled = (hit + 0.5, positives - hit + 0.5, missed + 0.5, negatives - missed + 0.5)
        log_odds = math.log(pooled[0] * pooled[3] / (pooled[1] * pooled[2]))
        error = math.sqrt(sum(1 / cell for cell in pooled))
    return AroundOutcome(
        positives,
        hit,
        negatives,
        missed,
        math.exp(log_odds),
        math.exp(log_odds - _Z * error),
        math.exp(log_odds + _Z * error),
        math.erfc(abs(log_odds) / error / math.sqrt(2)),
    )


def _mantel_haenszel(tables: list[tuple[float, float, float, float]]) -> tuple[float, float | None]:
    """Logarithm of the common odds ratio and its standard error; None where a sum is empty."""
    r = [a * d / (a + b + c + d) for a, b, c, d in tables]
    s = [b * c / (a + b + c + d) for a, b, c, d in tables]
    big_r, big_s = sum(r), sum(s)
    if not big_r or not big_s:
        return 0.0, None
    p = [(a + d) / (a + b + c + d) for a, b, c, d in tables]
    q = [1 - share for share in p]
    variance = (
        sum(x * y for x, y in zip(p, r, strict=True)) / (2 * big_r**2)
        + sum(x * z + y * w for x, y, z, w in zip(p, q, s, r, strict=True)) / (2 * big_r * big_s)
        + sum(y * z for y, z in zip(q, s, strict=True)) / (2 * big_s**2)
    )
    return math.log(big_r / big_s), math.sqrt(variance)
