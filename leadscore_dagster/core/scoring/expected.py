"""What a bucket of the list can be expected to yield: the rate its leads had in the model's test period.

Lives here: buckets on outcomes, with intervals; which of them are really hotter. Not here: the order of the list
(ranking), outcomes that matured since (matured).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.judged import Judged, worth
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.schema import Bucket
from leadscore_dagster.core.scoring.ranking import Ranking, bucket_places, percentiles


@dataclass(frozen=True)
class Heat:
    """The buckets of a list as outcomes bear them out.

    ``group`` [b]: buckets of one number are not told apart, for the hotter one did not convert more often. ``name`` and
    ``action`` [b]: of the largest bucket of the group, of equals the cooler. ``rate`` [b, 3]: rate of the group, and
    low and high (95%). ``overall`` [3]: of all decisions. ``n`` and ``positives`` [b]: of each bucket alone.
    """

    group: npt.NDArray[np.int64]
    name: tuple[str, ...]
    action: tuple[str, ...]
    rate: npt.NDArray[np.float64]
    overall: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]

    def expected(self, ranking: Ranking, place: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Rate, low and high [m, 3] of ranked leads in the buckets ``place`` [m]. Buckets of a list without order mean
        nothing: where all leads tie, each gets the rate of all decisions."""
        if ranking.all_tied:
            return np.tile(self.overall, (len(place), 1))
        return self.rate[place]


def heat(outcomes: Judged, buckets: Sequence[Bucket], group: npt.NDArray[np.int64] | None = None) -> Heat:
    """Rates of the buckets on outcomes; ``buckets`` fall from the highest percentile to 0.

    A decision stands where its margin stood among all of them. Buckets whose rates do not fall are taken together until
    they do (pool adjacent violators; Barlow et al., Statistical inference under order restrictions, 1972); one without
    a decision goes with the next. Wilson's intervals, with n divided by the design effect where entities repeat.

    Parameters
    ----------
    group : buckets taken together already; None to find out.
    """
    places = bucket_places(percentiles(outcomes.margin), buckets)
    n = np.bincount(places, minlength=len(buckets)).astype(np.int64)
    positives = np.bincount(places, weights=outcomes.label, minlength=len(buckets)).astype(np.int64)
    found = _groups(n, positives) if group is None else group
    each = worth(outcomes.label.astype(np.float64), outcomes.entity, metrics.equal_mass_bins(outcomes.margin))
    rate = np.full((len(buckets), 3), np.nan)
    name, action = [""] * len(buckets), [""] * len(buckets)
    for number in np.unique(found):
        members = np.flatnonzero(found == number).tolist()
        rate[members] = _rate(int(n[members].sum()), int(positives[members].sum()), each)
        largest = max(members, key=lambda member: (_width(buckets, member), member))
        for member in members:
            name[member], action[member] = buckets[largest].name, buckets[largest].action
    overall = np.array(_rate(int(n.sum()), int(positives.sum()), each))
    return Heat(found, tuple(name), tuple(action), rate, overall, n, positives)


def as_markdown(found: Heat, buckets: Sequence[Bucket]) -> str:
    """The buckets with what their leads yielded, and which are not told apart, for Dagit."""
    lines = ["| bucket | decisions | conversions | rate (95% interval) | on the list |", "|---|--:|--:|---|---|"]
    for place, bucket in enumerate(buckets):
        rate, low, high = found.rate[place]
        same = found.group == found.group[place]
        together = [other.name for other, is_same in zip(buckets, same, strict=True) if is_same]
        listed = found.name[place] if len(together) == 1 else f"{found.name[place]}: {' and '.join(together)} together"
        lines.append(
            f"| {bucket.name} | {found.n[place]:,} | {found.positives[place]:,} "
            f"| {rate:.1%} ({low:.1%} to {high:.1%}) | {listed} |"
        )
    return "\n".join(lines) + "\n"


def _groups(n: npt.NDArray[np.int64], positives: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[b]: a number for each bucket, from the hottest on; buckets that are not told apart share one."""
    blocks: list[tuple[int, int, int]] = []  # buckets, decisions, conversions
    for size, hits in zip(n.tolist(), positives.tolist(), strict=True):
        blocks.append((1, size, hits))
        while len(blocks) > 1 and not _falls(blocks[-2], blocks[-1]):
            last = blocks.pop()
            blocks[-1] = tuple(map(sum, zip(blocks[-1], last, strict=True)))  # type: ignore[assignment]
    return np.repeat(np.arange(len(blocks)), [block[0] for block in blocks])


def _falls(hotter: tuple[int, int, int], cooler: tuple[int, int, int]) -> bool:
    return hotter[1] > 0 and cooler[1] > 0 and hotter[2] * cooler[1] > cooler[2] * hotter[1]


def _rate(n: int, positives: int, worth: float) -> tuple[float, float, float]:
    if not n:
        return np.nan, np.nan, np.nan
    return positives / n, *wilson(positives * worth, n * worth)


def _width(buckets: Sequence[Bucket], place: int) -> float:
    """Percentiles a bucket spans."""
    above = 100.0 if place == 0 else buckets[place - 1].from_percentile
    return above - buckets[place].from_percentile
