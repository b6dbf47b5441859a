"""What a decile of the list can be expected to yield: the rate that decile had in the model's test period.

Lives here: rates with their intervals from a gains table. Not here: making the gains table (modelling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadscore_dagster.core.measures.rates import Z95, wilson
from leadscore_dagster.core.scoring.ranking import Ranking

#: rows of `modelling.evaluation.gains_table`, of which ``NEEDED`` are read: a table or one mapping a row
Gains: TypeAlias = pa.Table | Sequence[Mapping[str, float]]
NEEDED = ("decile", "n", "positives", "low", "high")


@dataclass(frozen=True)
class ExpectedRates:
    """``by_decile`` [10, 3]: rate, and low and high (95%) as the gains table has them; position 0 is decile 1, NaN
    where a decile had no row; ``overall`` [3] is the same of the whole period."""

    by_decile: npt.NDArray[np.float64]
    overall: npt.NDArray[np.float64]

    def of(self, ranking: Ranking) -> npt.NDArray[np.float64]:
        """Rate, low and high [n, 3] of ranked leads by their decile. Deciles of a list without order mean
        nothing: where all leads tie, each gets the rate of the whole test period."""
        if ranking.all_tied:
            return np.tile(self.overall, (len(ranking.rank), 1))
        return self.by_decile[ranking.decile - 1]


def expected_rates(gains: Gains) -> ExpectedRates:
    """Rates by decile from a gains table with the columns `NEEDED`; decile 1 is the best.

    Its ends know how much the rows of one entity resemble each other. The whole period's are Wilson's (1927) of as many
    independent rows as the deciles' ends are made of.

    Raises
    ------
    ValueError : a column is missing, a decile lies outside 1 … 10 or is there twice, or has more positives
        than rows.
    """
    n, positives, independent = np.zeros(10), np.zeros(10), np.zeros(10)
    by_decile = np.full((10, 3), np.nan)
    seen: set[int] = set()
    for row in gains.to_pylist() if isinstance(gains, pa.Table) else gains:
        absent = [name for name in NEEDED if name not in row]
        if absent:
            raise ValueError(f"the gains table has no column {absent[0]!r}")
        decile = int(row["decile"])
        if not 1 <= decile <= 10 or decile in seen:
            raise ValueError(f"decile {decile} of the gains table lies outside 1 … 10 or is there twice")
        if not 0 <= row["positives"] <= row["n"]:
            raise ValueError(f"decile {decile} of the gains table has {row['positives']} positives in {row['n']}")
        seen.add(decile)
        at = decile - 1
        n[at], positives[at] = row["n"], row["positives"]
        if row["n"]:
            by_decile[at] = row["positives"] / row["n"], row["low"], row["high"]
            independent[at] = _independent(*by_decile[at])
    if not n.sum():
        return ExpectedRates(by_decile, np.full(3, np.nan))
    rate, rows = positives.sum() / n.sum(), independent.sum()
    return ExpectedRates(by_decile, np.array([rate, *wilson(rate * rows, rows)]))


def _independent(rate: float, low: float, high: float) -> float:
    """The n of which a rate has these ends: at an end p Wilson's interval has (p - rate)^2 = z^2 p (1 - p) / n."""
    end = high if rate < 0.5 else low
    return Z95**2 * end * (1 - end) / (end - rate) ** 2
