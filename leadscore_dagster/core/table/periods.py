"""Splitting rows by time: development / calibration / test, and expanding folds inside development.

All functions take decision times in any order and return positions into that order, so a caller can never
index an unsorted table with positions of a sorted copy. Not here: what is done with the
rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Periods

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class TimeSplit:
    """Positions of the rows of each period (each in time order), how many rows the purge dropped, and how many were
    dropped because their entity is decided on again in a later period."""

    development: np.ndarray
    calibration: np.ndarray
    test: np.ndarray
    purged: int
    same_entity: int = 0


@dataclass(frozen=True)
class Fold:
    """Positions of the rows of one fold: every training row's outcome was known when the validation
    starts."""

    training: np.ndarray
    validation: np.ndarray


def split_periods(
    decision_at: np.ndarray, periods: Periods, window_days: int, groups: np.ndarray | None = None
) -> TimeSplit:
    """Split rows by time into three periods, holding ``periods``' shares of the rows before purging.

    Parameters
    ----------
    decision_at : datetime64 [n], any order. Rows of one instant always fall in one period.
    window_days : length of the label window. A row stays in an earlier period only if its window ends at or
        before the first decision of the next period; the others are dropped, because their label was not
        known then.
    groups : entity of each row, int [n]; rows of an entity then stay in the last period it has rows in.

    Raises
    ------
    InputError : a period is empty, by the label window or by ``groups``: the message says which.
    """
    times = _checked(decision_at)
    order = np.argsort(times, kind="stable")
    sorted_times = times[order]
    count = len(times)
    positions = np.round(np.cumsum([periods.development, periods.calibration]) * count).astype(int)
    if count == 0:
        raise InputError("there are no decisions to split into periods", rows=0)
    calibration_from, test_from = sorted_times[np.minimum(positions, count - 1)]
    if calibration_from == sorted_times[0] or test_from == calibration_from:
        raise InputError(
            "the decision times are too few or too close together to split into development, calibration and test",
            rows=count,
            remedy="give more decisions spread over time, or change model.periods",
        )
    window = window_days * DAY
    ends = sorted_times + window
    before = sorted_times < calibration_from
    between = (sorted_times >= calibration_from) & (sorted_times < test_from)
    split = TimeSplit(
        development=order[before & (ends <= calibration_from)],
        calibration=order[between & (ends <= test_from)],
        test=order[sorted_times >= test_from],
        purged=int((before & (ends > calibration_from)).sum() + (between & (ends > test_from)).sum()),
    )
    _refuse_empty(
        split,
        f"no label window of {window_days} days ends in it",
        "give decisions over a longer time, or enlarge this period in model.periods",
    )
    if groups is not None:
        split = _apart(split, groups)
        _refuse_empty(
            split,
            "everybody in it is decided on again in a later period, and model.group_folds keeps people apart",
            "leave model.group_folds out: intervals still count the rows of one entity together",
        )
    return split


def _refuse_empty(split: TimeSplit, why: str, remedy: str) -> None:
    """Raise InputError where nothing is left to learn from."""
    for name in ("development", "calibration"):
        if len(getattr(split, name)) == 0:
            count = sum(map(len, (split.development, split.calibration, split.test))) + split.purged + split.same_entity
            raise InputError(f"the {name} period is empty: {why}", rows=count, remedy=remedy)


def _apart(split: TimeSplit, groups: np.ndarray) -> TimeSplit:
    """The split without the rows whose entity has rows in a later period."""
    calibration = split.calibration[~np.isin(groups[split.calibration], groups[split.test])]
    later = np.concatenate([groups[split.calibration], groups[split.test]])
    development = split.development[~np.isin(groups[split.development], later)]
    dropped = len(split.calibration) - len(calibration) + len(split.development) - len(development)
    return replace(split, development=development, calibration=calibration, same_entity=dropped)


def time_folds(
    decision_at: np.ndarray, folds: int, window_days: int, gap_days: int, groups: np.ndarray | None = None
) -> list[Fold]:
    """Expanding, blocked, time-ordered folds.

    The rows are cut into ``folds + 1`` blocks of equal size in time order; fold *i* validates on block *i +
    1* and trains on every earlier row whose decision lies at least ``gap_days`` before the first validated
    decision and whose label window has ended by then. Rows of one instant stay in one block. With ``groups`` (entity of
    each row, int [n]) the rows of a validated entity are taken out of the training rows.

    Returns
    -------
    Folds in time order, positions into ``decision_at`` as given. A fold without training or validation rows
    (very short history, long window) is left out.
    """
    times = _checked(decision_at)
    order = np.argsort(times, kind="stable")
    sorted_times = times[order]
    count = len(times)
    if count <= folds:
        raise InputError(f"{folds} folds need more than {folds} rows", rows=count, remedy="lower model.folds")
    cuts = np.round(np.arange(1, folds + 1) * count / (folds + 1)).astype(int)
    starts = [*sorted_times[cuts], sorted_times[-1] + DAY]
    distance = max(window_days, gap_days) * DAY
    made = []
    for start, following in pairwise(starts):
        validation = order[(sorted_times >= start) & (sorted_times < following)]
        # `<` as well: with no window and no gap, rows of the very same instant must not be on both sides
        training = order[(sorted_times + distance <= start) & (sorted_times < start)]
        if groups is not None:
            training = training[~np.isin(groups[training], groups[validation])]
        if len(training) and len(validation):
            made.append(Fold(training, validation))
    return made


def _checked(decision_at: np.ndarray) -> np.ndarray:
    times = np.asarray(decision_at)
    if times.dtype.kind != "M":
        raise InputError("decision times must be timestamps", column="decision_at")
    missing = int(np.isnat(times).sum())
    if missing:
        raise InputError("a decision time is missing", column="decision_at", rows=missing)
    return times.astype("datetime64[us]")
