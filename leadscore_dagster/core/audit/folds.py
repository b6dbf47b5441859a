"""Findings on folds: what a model is judged on must lie, and have been decided, after everything it was trained on.

Lives here: the rules, on positions into the rows. Not here: choosing folds (core/table/periods), copies of rows
across folds (twins).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.verdict import Reason, Verdict, held

#: every finding, and its rule in a sentence
RULES = {
    "folds_not_empty": "Every fold has rows to train on and rows to judge on.",
    "folds_share_no_row": "No row is both trained on and judged on in one fold, and none counts twice.",
    "folds_in_time_order": "Every training decision lies before the first judged decision of its fold.",
    "folds_purged": "Every training label was known before the first judged decision of its fold.",
    "folds_embargoed": "Between the last training and the first judged decision lies at least the gap.",
    "folds_share_no_entity": "No entity is both trained on and judged on in one fold.",
}
#: share of judged rows with a trained-on entity from which it is worth a warning: of the pairs of a positive and a
#: negative row that an AUC counts, up to 1 - (1 - .1)² = 19% are touched; leads that come back stay below that
SHARED_ENTITIES = 0.1
_DAY = 86_400_000_000  # microseconds

Fold = tuple[np.ndarray, np.ndarray]


def fold_findings(
    decision_at: np.ndarray,
    entity: np.ndarray | pa.Array | pa.ChunkedArray,
    folds: Sequence[Fold],
    window_days: float,
    gap_days: float,
    *,
    label_known_at: np.ndarray | None = None,
    entities_apart: bool = False,
) -> list[Verdict]:
    """One finding per rule of ``RULES``, in that order.

    Parameters
    ----------
    decision_at : datetime64 [n], any order.
    entity : whom each decision is about [n]; missing entities are nobody's.
    folds : (positions of training rows, positions of judged rows) into the n rows, each in any order.
    window_days : length of the label window.
    gap_days : least distance of the decisions on both sides.
    label_known_at : datetime64 [n], when each label was known; left out: ``window_days`` after the decision.
    entities_apart : whether a shared entity is an error; otherwise a warning from ``SHARED_ENTITIES`` on.

    Raises InputError for a missing time, columns of different lengths, and a position that is not a row's.
    """
    times = _microseconds(decision_at, "decision_at")
    known = times + round(window_days * _DAY)
    if label_known_at is not None:
        known = _microseconds(label_known_at, "label_known_at")
    codes = _codes(entity)
    if not len(times) == len(known) == len(codes):
        raise InputError("decision times, label times and entities differ in number", rows=len(times))
    checked = [(_positions(train, len(times)), _positions(test, len(times))) for train, test in folds]
    full = [(train, test) for train, test in checked if len(train) and len(test)]
    return [
        _not_empty(checked),
        _share_no_row(full),
        _in_time_order(full, times),
        _purged(full, times, known),
        _embargoed(full, times, gap_days),
        _share_no_entity(full, codes, entities_apart),
    ]


def _not_empty(folds: Sequence[Fold]) -> Verdict:
    empty = sum(not len(train) or not len(test) for train, test in folds)
    if not folds:
        return Verdict(
            "folds_not_empty",
            False,
            Reason.NOT_MEASURED,
            value=0,
            threshold=1,
            why="There are no folds, so nothing was judged.",
        )
    why = f"{empty} of {len(folds)} folds have nothing to train on or nothing to judge on."
    return held(
        "folds_not_empty",
        not empty,
        value=empty,
        threshold=0,
        why=why if empty else f"{len(folds)} folds, none empty.",
    )


def _share_no_row(folds: Sequence[Fold]) -> Verdict:
    shared = sum(len(np.intersect1d(train, test)) for train, test in folds)
    twice = sum(len(side) - len(np.unique(side)) for fold in folds for side in fold)
    why = f"{shared:,} rows are trained on and judged on, {twice:,} occur twice on one side."
    return held(
        "folds_share_no_row",
        not shared + twice,
        value=shared + twice,
        threshold=0,
        why=why,
    )


def _in_time_order(folds: Sequence[Fold], times: np.ndarray) -> Verdict:
    late = sum(int((times[train] >= times[test].min()).sum()) for train, test in folds)
    why = f"{late:,} training rows were decided at the instant of the first judged row of their fold, or later."
    return held("folds_in_time_order", not late, value=late, threshold=0, why=why)


def _purged(folds: Sequence[Fold], times: np.ndarray, known: np.ndarray) -> Verdict:
    open_rows = sum(int((known[train] > times[test].min()).sum()) for train, test in folds)
    why = f"{open_rows:,} training labels were not known yet when the first judged row of their fold was decided."
    return held("folds_purged", not open_rows, value=open_rows, threshold=0, why=why)


def _embargoed(folds: Sequence[Fold], times: np.ndarray, gap_days: float) -> Verdict:
    if not folds:
        return Verdict(
            "folds_embargoed",
            True,
            Reason.NOT_JUDGED,
            threshold=gap_days,
            why="There is no fold with rows on both sides.",
        )
    distance = min(int(times[test].min() - times[train].max()) for train, test in folds)
    days = distance / _DAY
    why = f"The closest training decision lies {days:,.1f} days before the first judged one; {gap_days:g} are required."
    return held(
        "folds_embargoed",
        distance >= gap_days * _DAY,
        value=days,
        threshold=gap_days,
        why=why,
    )


def _share_no_entity(folds: Sequence[Fold], codes: np.ndarray, apart: bool) -> Verdict:
    name, threshold = "folds_share_no_entity", 0.0 if apart else SHARED_ENTITIES
    severity: Literal["error", "warn"] = "error" if apart else "warn"
    shares, entities = [0.0], set[int]()
    for train, test in folds:
        both = np.intersect1d(codes[train], codes[test])
        both = both[both >= 0]
        shares.append(float(np.isin(codes[test], both).mean()))
        entities.update(both.tolist())
    share = max(shares)
    if not entities:
        return held(
            name,
            True,
            severity=severity,
            value=0.0,
            threshold=threshold,
            why="No entity is on both sides of a fold.",
        )
    why = (
        f"{len(entities):,} entities are on both sides of a fold, up to {share:.1%} of the rows a fold is judged on: a "
        f"model that remembers them looks better than it is, in at most {1 - (1 - share) ** 2:.1%} of the pairs an AUC "
        "counts."
    )
    return held(
        name,
        share <= threshold,
        severity=severity,
        value=share,
        threshold=threshold,
        why=why,
    )


def _microseconds(times: np.ndarray, column: str) -> np.ndarray:
    found = np.asarray(times)
    if found.dtype.kind != "M":
        raise InputError("not a column of instants", column=column, rows=len(found))
    missing = int(np.isnat(found).sum())
    if missing:
        raise InputError("an instant is missing", column=column, rows=missing)
    return found.astype("datetime64[us]").astype(np.int64)


def _codes(entity: np.ndarray | pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A number per entity; -1 for a missing one."""
    column = entity if isinstance(entity, pa.Array | pa.ChunkedArray) else pa.array(entity)
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.fill_null(pc.dictionary_encode(column).indices, -1).to_numpy(zero_copy_only=False))


def _positions(side: np.ndarray, rows: int) -> np.ndarray:
    found = np.asarray(side)
    if found.dtype == bool:
        raise InputError("a fold is made of positions, not of a mask", rows=len(found))
    if len(found) and not (found.min() >= 0 and found.max() < rows):
        raise InputError("a fold names a row that does not exist", rows=rows)
    return found.astype(np.int64)
