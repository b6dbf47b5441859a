"""One or two sentences a salesperson understands: where the lead stands, what speaks for it and what against.

Lives here: the sentences, built column by column. Not here: the words for one value (phrases), which values
(drivers), the bucket and its action (ranking): a narrative tells why, the action tells what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.scoring.drivers import NOBODY, Drivers, Values
from leadscore_dagster.core.scoring.phrases import phrase_of
from leadscore_dagster.core.scoring.ranking import Ranking
from leadscore_dagster.core.table.features.catalogue import Feature

_SHORT_LIST = 100  # below so many leads a position says more than a percentage


def reasons(
    names: Sequence[str], catalogue: Mapping[str, Feature], drivers: Drivers, *, values: Values
) -> pa.StringArray:
    """What speaks for each of n rows and what against, as "In favour: 8 months at the current firm; …
    Against: …", greatest effect first.

    The side a driver stands on is the sign of its effect and nothing else. NULL for a row without drivers.
    Python runs once for each distinct (feature, value), Arrow for each row.
    """
    say = {position: phrase_of(names[position], catalogue.get(names[position])) for position in set(values.feature)}
    distinct = zip(values.feature, values.value, strict=True)
    said = pa.array([say[position](value) for position, value in distinct], pa.string())
    present = drivers.feature != NOBODY
    sides = [
        _side("In favour", said, values.code, present & (drivers.effect > 0)),
        _side("Against", said, values.code, present & (drivers.effect < 0)),
    ]
    both = pc.utf8_trim(pc.binary_join_element_wise(*sides, " "), " ")
    return pc.if_else(pa.array(present.any(axis=1)), both, pa.scalar(None, pa.string()))


def _side(
    opening: str, said: pa.StringArray, code: npt.NDArray[np.int32], on_side: npt.NDArray[np.bool_]
) -> pa.StringArray:
    """One side as "Against: x; y." from the drivers ``on_side`` [n, top]; an empty text for a row with none."""
    pieces = [said.take(pa.array(code[:, i], mask=~on_side[:, i])) for i in range(code.shape[1])]
    # the opening joins in as a piece: Arrow's join that skips nulls loses rows in which everything is null
    joined = pc.binary_join_element_wise(opening, *pieces, "; ", null_handling="skip")
    text = pc.replace_substring(joined, f"{opening}; ", f"{opening}: ", max_replacements=1)
    return pc.if_else(pa.array(on_side.any(axis=1)), pc.binary_join_element_wise(text, ".", ""), "")


def standing(ranking: Ranking) -> pa.StringArray:
    """Where each of n leads stands on the list, as a sentence.

    "Top 3% of today's list." where the percentile is at least 50, otherwise "Bottom …"; on a list shorter
    than 100 "Number 3 of 27 on today's list.". Leads that cannot be told from others say so."""
    n = len(ranking.rank)
    if n == 0:
        return pa.array([], pa.string())
    if n == 1:
        return pa.array(["The only lead on today's list, so there is nothing to compare it with."])
    if ranking.all_tied:
        sentence = f"All {n:,} leads on today's list score the same: their order says nothing."
        return pa.array([sentence]).take(pa.array(np.zeros(n, dtype=np.int64)))
    if n < _SHORT_LIST:
        place = ranking.better + 1
    else:
        upper = ranking.percentile >= 50
        share = np.where(upper, 100 - ranking.percentile, ranking.percentile)
        place = np.maximum(np.ceil(share), 1).astype(np.int64) * np.where(upper, 1, -1)
    both, inverse = np.unique(np.stack([place, ranking.level_with], axis=1), axis=0, return_inverse=True)
    sentences = [_sentence(int(at), int(level), n) for at, level in both]
    return pa.array(sentences).take(pa.array(inverse.ravel()))


def _sentence(place: int, level_with: int, n: int) -> str:
    """``place``: a position on a short list; otherwise per cent from the top, negative from the bottom."""
    if n < _SHORT_LIST:
        where = f"Number {place} of {n} on today's list"
    else:
        where = f"{'Top' if place > 0 else 'Bottom'} {abs(place)}% of today's list"
    if level_with == 0:
        return f"{where}."
    return f"{where}, level with {level_with:,} other{'' if level_with == 1 else 's'}."


def narrative(ranking: Ranking, reason: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Standing and reasons of n leads in one text."""
    return pc.binary_join_element_wise(standing(ranking), reason, " ", null_handling="skip")
