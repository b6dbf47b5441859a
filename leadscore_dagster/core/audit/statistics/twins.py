"""Near-duplicate rows: a model that has seen a row's twin has seen its outcome.

Lives here: finding twins, the finding. Not here: folds and entities (folds).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.audit.statistics import caps
from leadscore_dagster.core.audit.statistics.blocks import time_blocks
from leadscore_dagster.core.audit.statistics.columns import Column, encode, grouped, midranks
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.verdict import Verdict, held

#: share of features in which twins agree; numbers agree when their ranks differ by at most `NEAR`
ALIKE, NEAR = 0.9, 0.01
#: groups numbers are rounded to before they are hashed, random sets of features that are hashed, and the entropy (nats
#: over that of the rows) a set must have
GROUPS, HASHES, SPARE = 32, 24, 2.0
#: share of the rows with a twin that is worth a word, and agreement of outcomes beyond chance (kappa) from which the
#: twins are copies and not merely similar
SHARE, AGREEMENT = 0.01, 0.5
#: fewer pairs say nothing about agreement
LEAST_PAIRS = 10


class _Rows(NamedTuple):
    """The rows as they are hashed, and as they are compared: ranks of numbers, codes of categories."""

    codes: np.ndarray  # int32 [n, F], missing is a value
    exact: np.ndarray  # float32 [n, F]
    tolerance: np.ndarray  # float32 [F]


def twin_findings(rows: pa.Table, features: Sequence[Feature], train: np.ndarray, test: np.ndarray) -> list[Verdict]:
    """Whether rows have twins in the table whose outcome they share, and how many cross from training into test.

    Parameters
    ----------
    rows : decision_id, decision_at, label, features.
    train, test : row positions, or bool [n].

    Twins agree in `ALIKE` of the features and were found in some of `HASHES` random sets of them. Similar people decide
    alike to some degree; copies do so always. It fails where `SHARE` of the rows have one and outcomes agree beyond
    `AGREEMENT` (Cohen's kappa); as an error where its low end does, else as a warning.
    """
    columns = [column for column in encode(rows, features) if column.levels > 1]
    label = time_blocks(rows).label
    mine, other = _pairs(_rounded(columns, rows.num_rows))
    share = len(np.unique(np.concatenate([mine, other]))) / max(rows.num_rows, 1)
    text = f"{share:.1%} of {rows.num_rows:,} rows have a near-duplicate"
    if len(mine) < LEAST_PAIRS:
        return [held("twins", True, value=share, threshold=SHARE, why=text)]
    value, low = _kappa(label[mine], label[other])
    trained, judged = _mask(train, rows.num_rows), _mask(test, rows.num_rows)
    crossing = int(((trained[mine] & judged[other]) | (trained[other] & judged[mine])).sum())
    text += (
        f" that agrees in {ALIKE:.0%} of {len(columns)} features, {crossing:,} of the {len(mine):,} pairs between "
        f"training and test; outcomes agree beyond chance by {value:.2f} (low end {low:.2f}), such as rows "
        f"{int(mine[0]):,} and {int(other[0]):,} of the training table"  # pages and metadata name no lead
    )
    passed = share < SHARE or value <= AGREEMENT
    return [
        held(
            "twins",
            passed,
            severity="error" if low > AGREEMENT else "warn",
            value=share,
            threshold=SHARE,
            why=text,
        )
    ]


def _mask(positions: np.ndarray, n: int) -> np.ndarray:
    found = np.zeros(n, bool)
    found[np.asarray(positions)] = True
    return found


def _rounded(columns: Sequence[Column], n: int) -> _Rows:
    if not columns:
        return _Rows(np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32), np.zeros(0, np.float32))
    codes = [grouped(column.codes, column.counts, GROUPS)[0] for column in columns]
    ranked = [not column.is_category and column.levels > GROUPS for column in columns]
    exact = [
        np.nan_to_num(midranks(column), nan=-1.0) if numeric else column.codes
        for column, numeric in zip(columns, ranked, strict=True)
    ]
    tolerance = np.where(ranked, NEAR, 0.0).astype(np.float32)
    return _Rows(np.stack(codes, axis=1), np.stack(exact, axis=1).astype(np.float32), tolerance)


def _pairs(rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Rows and the first twin found of each, positions [m] each; every pair once."""
    n, width = rows.codes.shape
    twin = np.full(n, -1, np.int64)
    random = np.random.default_rng(0)
    multiplier = np.asarray(2 * random.integers(1, 2**61, size=width) + 1)
    entropy = _entropies(rows.codes)
    need = np.log(max(n, 2)) + SPARE
    for _ in range(HASHES):
        order = random.permutation(width)
        enough = int(np.searchsorted(np.cumsum(entropy[order]), need)) + 1
        if entropy.sum() < need:
            break  # too little is known of a row to recognise it
        key = _mixed(rows.codes[:, order[:enough]], multiplier[order[:enough]])
        by_key = np.argsort(key, kind="stable")
        after = np.flatnonzero(key[by_key[1:]] == key[by_key[:-1]])
        mine, other = by_key[after + 1], by_key[after]
        open_ones = twin[mine] < 0
        mine, other = mine[open_ones], other[open_ones]
        alike = (np.abs(rows.exact[mine] - rows.exact[other]) <= rows.tolerance).mean(axis=1) >= ALIKE
        twin[mine[alike]] = other[alike]
    found = np.flatnonzero(twin >= 0)
    return found, twin[found]


def _mixed(codes: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """One number per row that tells sets of values apart, int64 [n]; arithmetic wraps."""
    key = np.zeros(len(codes), np.int64)
    for column, by in zip(codes.T, multiplier, strict=True):
        key = (key ^ (column.astype(np.int64) + 1)) * by
        key ^= key >> 29
    return key


def _entropies(codes: np.ndarray) -> np.ndarray:
    found = []
    for column in codes.T:
        counts = np.bincount(column + 1)
        share = counts[counts > 0] / len(column)
        found.append(-(share * np.log(share)).sum())
    return np.array(found)


def _kappa(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Cohen's kappa (1960), and the same with the low end of the agreement (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv

    agreed, n = int((first == second).sum()), len(first)
    p, q = float(first.mean()), float(second.mean())
    chance = p * q + (1 - p) * (1 - q)
    if chance >= 1:
        return 0.0, 0.0
    low = float(betaincinv(agreed, n - agreed + 1, caps.ERROR / 2)) if agreed else 0.0
    return (agreed / n - chance) / (1 - chance), (low - chance) / (1 - chance)
