"""Stored features against features that were built again: the same to the last bit, or not.

Lives here: the comparison and how it is told. Not here: building again (replay, parity).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError

Example = tuple[str, object, object]


@dataclass(frozen=True)
class Compared:
    """One feature, stored and built again. ``example``: decision_id, stored value, value built again."""

    feature: str
    rows: int
    different: int
    example: Example | None = None


@dataclass(frozen=True)
class Differences:
    """What one building again changed: row numbers of the stored table, and an example, by feature."""

    rows: Mapping[str, np.ndarray]
    examples: Mapping[str, Example]


def differences(
    stored: pa.Table, wanted: np.ndarray, again: pa.Table, features: Sequence[str], *, with_types: bool = False
) -> Differences:
    """Compare ``again`` with rows ``wanted`` of ``stored``; both carry decision_id (unique in ``stored``).

    A wanted decision that ``again`` lacks differs in every feature. A decision that stands more than once in ``again``
    is compared each time; other decisions of ``again`` are passed over. ``with_types``: a value of another type is
    another value.
    """
    ids = stored["decision_id"].take(wanted).combine_chunks()
    place = pc.index_in(again["decision_id"].combine_chunks(), value_set=ids)
    again, place = again.filter(place.is_valid()), place.drop_null().to_numpy()
    lost = np.setdiff1d(np.arange(len(wanted)), place)
    rows, examples = {}, {}
    for feature in features:
        before = stored[feature].take(wanted[place]).combine_chunks()
        after = again[feature].combine_chunks()
        is_other = with_types and before.type != after.type
        where = np.arange(len(place)) if is_other else np.flatnonzero(~same(before, after))
        rows[feature] = wanted[np.union1d(place[where], lost)]
        if len(where):
            first = int(where[np.argmin(place[where])])
            examples[feature] = (ids[int(place[first])].as_py(), before[first].as_py(), after[first].as_py())
        elif len(lost):
            value = stored[feature][int(wanted[lost[0]])].as_py()
            examples[feature] = (ids[int(lost[0])].as_py(), value, None)
    return Differences(rows, examples)


def summary(features: Sequence[str], rows: int, found: Iterable[Differences]) -> tuple[Compared, ...]:
    """One line per feature over several buildings; a row that differs in two of them counts once."""
    every = list(found)
    lines = []
    for feature in features:
        changed = [entry.rows[feature] for entry in every]
        different = len(np.unique(np.concatenate(changed))) if changed else 0
        example = next((entry.examples[feature] for entry in every if feature in entry.examples), None)
        lines.append(Compared(feature, rows, different, example))
    return tuple(lines)


def same(stored: pa.Array, again: pa.Array) -> np.ndarray:
    """Row by row: equal, both missing, or both NaN. Floats agree to the last bit, the sign of zero too."""
    if stored.type != again.type:
        again = again.cast(stored.type)
    equal = _truth(pc.equal(stored, again))
    if pa.types.is_floating(stored.type):
        first, second = (np.asarray(side.to_numpy(zero_copy_only=False)) for side in (stored, again))
        equal &= np.signbit(first) == np.signbit(second)
        equal |= _truth(pc.and_(pc.is_nan(stored), pc.is_nan(again)))
    return equal | _truth(pc.and_(stored.is_null(), again.is_null()))


def _truth(answers: pa.Array) -> np.ndarray:
    """Answers as booleans that may be written to; no answer is no."""
    return np.array(pc.fill_null(answers, False).to_numpy(zero_copy_only=False), dtype=bool)


def require_unique(rows: pa.Table, where: str) -> None:
    """Raise InputError for a decision_id that stands twice."""
    repeated = rows.num_rows - len(rows["decision_id"].unique())
    if repeated:
        raise InputError("decision_id is repeated", where=where, column="decision_id", rows=repeated)
