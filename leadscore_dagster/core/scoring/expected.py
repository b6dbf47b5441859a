"""What a decile of the list can be expected to yield: the rate that decile had in the model's test period.

Lives here: rates with their intervals from a gains table. Does not: making the gains table (modelling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leadscore_dagster.core.rates import wilson
from leadscore_dagster.core.scoring.ranking import Ranking

#: ``decile``, ``n`` and ``positives`` of each tenth of the test period: a table or one mapping a row
Gains: TypeAlias = pa.Table | Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class ExpectedRates:
    """``by_decile`` [10, 3]: rate, low and high (95%, Wilson); position 0 is decile 1, NaN where a decile
    had no row; ``overall`` [3] is the same of the whole period."""

    by_decile: npt.NDArray[np.float64]
    overall: npt.NDArray[np.float64]

    def of(self, ranking: Ranking) -> npt.NDArray[np.float64]:
        """Rate, low and high [n, 3] of ranked leads by their decile. Deciles of a list without order mean
        nothing: where all leads tie, each gets the rate of the whole test period."""
        if ranking.all_tied:
            return np.tile(self.overall, (len(ranking.rank), 1))
        return self.by_decile[ranking.decile - 1]


def expected_rates(gains: Gains) -> ExpectedRates:
    """Rates by decile from a gains table with columns decile (1 is the best), n and positives.

    Raises
    ------
    ValueError : a column is missing, a decile lies outside 1 … 10 or is there twice, or has more positives
        than rows.
    """
    n, positives = np.zeros(10), np.zeros(10)
    seen: set[int] = set()
    for row in gains.to_pylist() if isinstance(gains, pa.Table) else gains:
        absent = [name for name in ("decile", "n", "positives") if name not in row]
        if absent:
            raise ValueError(f"the gains table has no column {absent[0]!r}")
        decile = int(row["decile"])
        if not 1 <= decile <= 10 or decile in seen:
            raise ValueError(f"decile {decile} of the gains table lies outside 1 … 10 or is there twice")
        if not 0 <= row["positives"] <= row["n"]:
            raise ValueError(f"decile {decile} of the gains table has {row['positives']} positives in {row['n']}")
        seen.add(decile)
        n[decile - 1], positives[decile - 1] = row["n"], row["positives"]
    return ExpectedRates(
        np.array([_rate(*pair) for pair in zip(positives, n, strict=True)]), _rate(positives.sum(), n.sum())
    )


def _rate(positives: float, n: float) -> npt.NDArray[np.float64]:
    return np.array([positives / n, *wilson(positives, n)] if n else [np.nan] * 3)
