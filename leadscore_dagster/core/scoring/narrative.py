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

from leadscore_dagster.core.scoring.drivers import NOBODY, Drivers, Values, chosen_places
from leadscore_dagster.core.scoring.phrases import phrase_of
from leadscore_dagster.core.scoring.ranking import Ranking
from leadscore_dagster.core.table.features.catalogue import Feature, conditions

_COMPARE = {"<": np.less, "<=": np.less_equal, "=": np.equal, ">=": np.greater_equal, ">": np.greater}
_SHORT_LIST = 100  # below so many leads a position says more than a percentage


def reason_columns(
    features: pa.Table,
    names: Sequence[str],
    catalogue: Mapping[str, Feature],
    *,
    drivers: Drivers,
    values: Values,
    top: int,
) -> dict[str, pa.Array]:
    """What speaks for each of n rows and what against: ``reason_1`` … ("For: 8 months at the current firm",
    "Against: 14 prior firms"), greatest effect first, and ``reasons`` with all of them in one text.

    The side a reason stands on is the sign of its effect and nothing else. A driver is passed over where it cannot be
    said truly (phrases), may not stand on that side, speaks of a fact that was told already, or is the same for
    everybody here: what does not tell leads apart is no reason to call one of them. NULL where nothing is left.
    Python runs once for each distinct (feature, value), Arrow for each row.

    Parameters
    ----------
    features : the rows, with a column for each of ``names``.
    drivers, values : more drivers than ``top``, so that others can take the place of those passed over.
    """
    distinct = list(zip(values.feature, values.value, strict=True))
    say = {position: phrase_of(names[position], catalogue.get(names[position])) for position in set(values.feature)}
    said = [say[position](value) for position, value in distinct]
    told = np.array([text is not None for text in said] or [False])
    usable = told[values.code] & _on_its_side(names, catalogue, drivers) & _tells_apart(features, names, drivers)
    usable &= _is_true(features, names, catalogue, drivers)
    places = chosen_places(drivers, usable=usable, fact=_facts(names, catalogue), top=top)
    present = places != NOBODY
    code = np.where(present, np.take_along_axis(values.code, places, axis=1), NOBODY)
    effect = np.where(present, np.take_along_axis(drivers.effect, places, axis=1), 0)
    texts = pa.array(said, pa.string())
    sides = [
        _side("In favour", texts, code, present & (effect > 0)),
        _side("Against", texts, code, present & (effect < 0)),
    ]
    both = pc.utf8_trim(pc.binary_join_element_wise(*sides, " "), " ")
    columns = {f"reason_{place + 1}": _signed(texts, code, effect, place) for place in range(top)}
    return {**columns, "reasons": pc.if_else(pa.array(present.any(axis=1)), both, pa.scalar(None, pa.string()))}


def reason_fields(top: int) -> list[pa.Field]:
    """The fields ``reason_1`` … of `reason_columns`."""
    return [pa.field(f"reason_{place + 1}", pa.string()) for place in range(top)]


def _on_its_side(names: Sequence[str], catalogue: Mapping[str, Feature], drivers: Drivers) -> npt.NDArray[np.bool_]:
    """[n, depth]: the catalogue lets the feature stand on the side its effect has."""
    allowed = [catalogue[name].reason if name in catalogue else "both" for name in names]
    in_favour = np.array([side in ("both", "in_favour") for side in allowed])
    against = np.array([side in ("both", "against") for side in allowed])
    return np.where(drivers.effect > 0, in_favour[drivers.feature], against[drivers.feature])


def _tells_apart(features: pa.Table, names: Sequence[str], drivers: Drivers) -> npt.NDArray[np.bool_]:
    """[n, depth]: the feature has more than one value among these rows. A single row is compared with nobody."""
    varies = np.ones(len(names), dtype=bool)
    if features.num_rows > 1:
        for position in np.unique(drivers.feature[drivers.feature != NOBODY]):
            varies[position] = pc.count_distinct(features[names[position]], mode="all").as_py() > 1
    return varies[drivers.feature]


def _is_true(
    features: pa.Table, names: Sequence[str], catalogue: Mapping[str, Feature], drivers: Drivers
) -> npt.NDArray[np.bool_]:
    """[n, depth]: the phrase of the feature is true of the row."""
    true = np.ones(drivers.feature.shape, dtype=bool)
    for position in np.unique(drivers.feature[drivers.feature != NOBODY]):
        entry = catalogue.get(names[position])
        for condition in conditions(entry) if entry else ():
            value = features[condition.feature].cast(pa.float64(), safe=False).to_numpy()
            met = _COMPARE[condition.operator](value, condition.number)
            true &= (drivers.feature != position) | met[:, None]
    return true


def _facts(names: Sequence[str], catalogue: Mapping[str, Feature]) -> npt.NDArray[np.int64]:
    """[k]: a number for what each feature speaks of; a feature without ``fact`` speaks of itself."""
    facts = [catalogue[name].fact or name if name in catalogue else name for name in names]
    return np.unique(facts, return_inverse=True)[1].astype(np.int64)


def _signed(
    said: pa.StringArray, code: npt.NDArray[np.int32], effect: npt.NDArray[np.floating], place: int
) -> pa.Array:
    """One reason of each row with its sign, NULL where there is none."""
    text = said.take(pa.array(code[:, place], mask=code[:, place] == NOBODY))
    sign = pa.array(np.where(effect[:, place] > 0, "For: ", "Against: "))
    return pc.binary_join_element_wise(sign, text, "")


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
