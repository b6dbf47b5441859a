"""What two screens without known time say of a feature: rank AUC, and the Predictive Power Score.

Both look at values and outcomes only. Lives here: the two scores of one feature. Not here: thresholds (tally).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: the Predictive Power Score is defined on a sample of at most so many rows, in so many folds
SAMPLE_ROWS, FOLDS, SEED = 5_000, 4, 587136


def rank_auc(values: pa.ChunkedArray, outcome: np.ndarray) -> float:
    """Probability that a positive has a higher (or lower, whichever is more) value than a negative, ties counting
    half. A missing value ranks lowest; a category is ordered by how often its value converts in the other half.

    Parameters
    ----------
    values : numbers or text [n]; outcome : 0 or 1 [n].

    Returns
    -------
    .5 … 1; .5 where one class is empty.
    """
    numbers = _numbers(values, outcome)
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = outcome == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.5
    auc = (rank[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    return float(max(auc, 1 - auc))


def predictive_power(values: pa.ChunkedArray, outcome: np.ndarray) -> float:
    """Predictive Power Score of a feature for a binary target (Wetschoreck, Krabel & Krishnamurthy 2020): a decision
    tree on this feature alone, cross-validated in four folds on at most 5,000 rows; its weighted F1, normalised between
    the better of "most common class" and "random guess" (0) and 1. Missing values are dropped, as published.

    Parameters and range as in ``rank_auc``, but 0 … 1.
    """
    from scipy.sparse import csr_matrix
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    known = ~np.asarray(pc.is_null(values).to_numpy(zero_copy_only=False))
    rng = np.random.default_rng(SEED)
    rows = np.flatnonzero(known)
    rows = rng.permutation(rows)[:SAMPLE_ROWS]
    target = outcome[rows]
    if len(rows) < FOLDS * 2 or min(np.bincount(target, minlength=2)) < FOLDS:
        return 0.0
    taken = values.take(pa.array(rows))
    if pa.types.is_string(taken.type):
        codes = taken.combine_chunks().dictionary_encode().indices.to_numpy()
        if codes.max() + 1 == len(codes):
            return 0.0  # as published: what is different in every row predicts nothing
        matrix = csr_matrix((np.ones(len(codes), np.float32), (np.arange(len(codes)), codes)))
    else:
        matrix = taken.to_numpy().astype(float)[:, None]
    folds = StratifiedKFold(FOLDS)  # the published code shuffles the sample once and does not shuffle the folds
    score = cross_val_score(DecisionTreeClassifier(random_state=SEED), matrix, target, cv=folds, scoring="f1_weighted")
    common = np.full(len(target), np.argmax(np.bincount(target)))
    naive = max(
        f1_score(target, common, average="weighted"), f1_score(target, rng.permutation(target), average="weighted")
    )
    return float(max(0.0, (score.mean() - naive) / (1 - naive))) if naive < 1 else 0.0


def _numbers(values: pa.ChunkedArray, outcome: np.ndarray) -> np.ndarray:
    if not pa.types.is_string(values.type):
        return np.asarray(pc.fill_null(values.cast(pa.float64()), -np.inf).to_numpy())
    codes = pc.fill_null(values, "\0").combine_chunks().dictionary_encode().indices.to_numpy()
    half = np.random.default_rng(SEED).integers(0, 2, len(codes))
    rate = np.zeros(len(codes))
    for learned, applied in ((0, 1), (1, 0)):
        seen, base = half == learned, outcome[half == learned].mean() if (half == learned).any() else 0.0
        # levels not seen in the other half get the base rate; one row of it keeps rare levels near it
        hits = np.bincount(codes[seen], outcome[seen], codes.max() + 1) + base
        rows = np.bincount(codes[seen], minlength=codes.max() + 1) + 1
        rate[half == applied] = (hits / rows)[codes[half == applied]]
    return rate
