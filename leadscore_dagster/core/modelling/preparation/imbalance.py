"""What is done about positives being rare: weights, or made-up positives. Training rows only.

Lives here: both, and the imputation SMOTE needs. Not here: choosing between strategies (selection).
"""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.errors import InputError

#: neighbours a made-up positive may lie towards (Chawla et al. 2002)
NEIGHBOURS = 5


def balancing_weights(label: np.ndarray) -> np.ndarray:
    """Weight of each row, float64 [n]: positives count as much as all negatives together, negatives 1 each.

    Raises
    ------
    InputError : one of the outcomes does not occur.
    """
    hits = int(label.sum())
    if not 0 < hits < len(label):
        raise InputError(
            f"class_weight needs positives and negatives, there are {hits} positives", column="label", rows=len(label)
        )
    return np.where(np.asarray(label) == 1, (len(label) - hits) / hits, 1.0)


def learn_medians(matrix: np.ndarray, categories: tuple[bool, ...]) -> tuple[float, ...]:
    """Median of each number's present values, 0 where there are none (and for categories, which are not filled)."""
    medians = []
    for values, category in zip(matrix.T, categories, strict=True):
        present = values[~np.isnan(values)]
        medians.append(0.0 if category or not len(present) else float(np.median(present)))
    return tuple(medians)


def fill_numbers(matrix: np.ndarray, medians: tuple[float, ...], categories: tuple[bool, ...]) -> np.ndarray:
    """A copy of the matrix with missing numbers at their medians; missing categories stay missing."""
    filled = np.where(np.isnan(matrix), np.array(medians, dtype=np.float32), matrix)
    filled[:, list(categories)] = matrix[:, list(categories)]
    return filled


def oversample(
    matrix: np.ndarray, label: np.ndarray, categories: tuple[bool, ...], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Training rows followed by made-up positives, as many as positives are short of negatives.

    Parameters
    ----------
    matrix : float32 [n, k] without missing numbers; a missing category is a level of its own.

    Each lies between a positive and one of its `NEIGHBOURS` nearest (SMOTE; with categories SMOTENC, which takes the
    neighbours' most frequent level). Numbers are brought to one scale to find neighbours.

    Raises
    ------
    InputError : too few positives, no more negatives than positives, or no number among the columns.
    """
    from imblearn.over_sampling import SMOTE, SMOTENC
    from threadpoolctl import threadpool_limits

    hits, chosen = int(label.sum()), np.array(categories, dtype=bool)
    if hits <= NEIGHBOURS:
        raise _refused(f"SMOTE needs at least {NEIGHBOURS + 1} positives among the training rows, there are {hits}")
    if hits >= len(label) - hits:
        raise _refused(f"SMOTE makes up positives, but {hits} of {len(label)} training rows are positive already")
    if chosen.all():
        raise _refused("SMOTE needs at least one number among the features")
    scaled = matrix.astype(np.float64)
    mean, scale = scaled.mean(axis=0), scaled.std(axis=0)
    mean[chosen], scale[chosen | (scale == 0)] = 0, 1
    scaled = (scaled - mean) / scale
    absent = np.nanmax(scaled, axis=0, initial=0) + 1  # the code of a missing category
    scaled = np.where(np.isnan(scaled), absent, scaled)
    common = {"k_neighbors": NEIGHBOURS, "random_state": seed}
    sampler = SMOTENC(np.flatnonzero(chosen).tolist(), **common) if chosen.any() else SMOTE(**common)
    with threadpool_limits(limits=1):  # the last digits of a multi-threaded sum depend on the machine
        made = sampler.fit_resample(scaled, label)[0][len(label) :]
    made[:, chosen] = np.where(made[:, chosen] == absent[chosen], np.nan, made[:, chosen])
    added = (made * scale + mean).astype(np.float32)
    return np.concatenate([matrix, added]), np.concatenate([label, np.ones(len(added), dtype=label.dtype)])


def _refused(why: str) -> InputError:
    return InputError(why, column="label", remedy="leave smote out of model.imbalance, or wait for more outcomes")
