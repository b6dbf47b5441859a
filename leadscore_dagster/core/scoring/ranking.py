"""From margins to rank, percentile, decile, bucket and action.

Lives here: the order of the day's list. Not here: what a lead's score is made of (drivers, narrative), what a
decile is worth (expected).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.recipe.schema import Bucket


@dataclass(frozen=True)
class Ranking:
    """The order of n leads; every array has length n and is in the order of the input.

    ``rank``: 1 … n, each once; leads of equal margin stand in the order of their decision_id.
    ``percentile``: 100 for the best lead, 0 for the last. Equal margins share the middle of the percentiles
    their positions would have had, so the order of ids never decides who is called. ``decile``: 1 for
    percentiles from 90, 2 from 80, … 10 below 10; equal margins share it. ``better``: how many leads have a
    greater margin. ``level_with``: how many others have the same margin."""

    rank: npt.NDArray[np.int64]
    percentile: npt.NDArray[np.float64]
    decile: npt.NDArray[np.int64]
    better: npt.NDArray[np.int64]
    level_with: npt.NDArray[np.int64]

    @property
    def all_tied(self) -> bool:
        """True when no lead can be told from another: all margins are equal, or there is only one lead.
        Every percentile is then 50 and every decile 5: nobody is at the top of a list that has no order."""
        return len(self.rank) > 0 and bool(self.level_with[0] == len(self.rank) - 1)


def rank_leads(margin: npt.NDArray[np.floating], decision_id: pa.Array | pa.ChunkedArray) -> Ranking:
    """Order leads by ``margin`` (length n, log-odds), greatest first, then by ``decision_id``.

    percentile = 100 * (worse + others at the same margin / 2) / (n - 1), and 50 where n is 1.

    Raises
    ------
    ValueError : a margin is not finite, or the lengths differ.
    """
    n = len(margin)
    if len(decision_id) != n:
        raise ValueError(f"{n} margins for {len(decision_id)} decisions")
    if not np.isfinite(margin).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(margin))} of {n} margins are not finite numbers")
    order = _order(margin, decision_id)
    ordered = margin[order]
    first_of_group = np.ones(n, dtype=bool)
    first_of_group[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first_of_group)
    sizes = np.diff(np.append(starts, n))
    group = np.cumsum(first_of_group) - 1
    better, level_with = starts[group], sizes[group] - 1
    # whole numbers up to the one division, so that a percentile that is exactly 90 is not 89.99999
    twice_position = 2 * (n - better - 1 - level_with) + level_with
    percentile = 50.0 * twice_position / (n - 1) if n > 1 else np.full(n, 50.0)

    def back(values: npt.NDArray) -> npt.NDArray:
        result = np.empty_like(values)
        result[order] = values
        return result

    percentile = back(percentile)
    decile = np.clip(10 - np.floor(percentile / 10), 1, 10).astype(np.int64)
    return Ranking(back(np.arange(1, n + 1)), percentile, decile, back(better), back(level_with))


def _order(margin: npt.NDArray[np.floating], decision_id: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Positions from best to last. Ids are compared only where margins are equal: comparing text is slow."""
    order = np.argsort(-margin, kind="stable")
    ordered = margin[order]
    equal_to_next = np.append(ordered[1:] == ordered[:-1], False) if len(order) else np.zeros(0, dtype=bool)
    tied = equal_to_next.copy()
    tied[1:] |= equal_to_next[:-1]
    places = np.flatnonzero(tied)
    if len(places):
        rows = order[places]
        columns = {"margin": pa.array(margin[rows]), "id": decision_id.take(pa.array(rows))}
        keys = [("margin", "descending"), ("id", "ascending")]
        order[places] = rows[pc.sort_indices(pa.table(columns), sort_keys=keys).to_numpy()]
    return order


def percentiles(margin: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Percentile [n] of each margin among the others, as `rank_leads` gives it."""
    from scipy.stats import rankdata

    n = len(margin)
    return 100.0 * (rankdata(margin, method="average") - 1) / (n - 1) if n > 1 else np.full(n, 50.0)


def bucket_places(percentile: npt.NDArray[np.float64], buckets: Sequence[Bucket]) -> npt.NDArray[np.int64]:
    """Position of each lead's bucket: the first whose ``from_percentile`` the lead reaches.

    ``buckets`` fall from the highest percentile to 0, as the recipe guarantees. Bands of rank, not of probability:
    absolute thresholds put every lead of a rare outcome in the lowest bucket.
    """
    edges = np.array([bucket.from_percentile for bucket in buckets])
    return np.searchsorted(-edges, -percentile, side="left")
