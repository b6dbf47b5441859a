"""Information value from counts: the one formula the leakage audit and the filters inside the fold share.

Lives here: the formula, its smoothing and the bias taken off. Not here: bins (their users'), caps and thresholds.
"""

from __future__ import annotations

import numpy as np

#: added to every bin of either outcome, in rows: a bin nobody of one outcome fell into is rare, not impossible
SMOOTHING = 0.25


def information_value(rows: np.ndarray, filled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IV = sum (P - Q) log(P / Q) over bins, P and Q the bins' smoothed shares of positives and of negatives.

    Parameters
    ----------
    rows : (effective) rows per bin and outcome, negatives first, float64 [..., k, 2]; both outcomes must occur.
    filled : bins in use, bool [..., k]; the others count for nothing.

    Returns
    -------
    The value [...] with its bias taken off, the bias [...] and the log density ratio of each bin [..., k]. Without any
    relation the plain sum is about (k - 1)(1/n1 + 1/n0): it grows with the number of bins, so that a category of many
    levels would look strong. Around that bias the value of a feature without relation is above and below 0.
    """
    used = filled.sum(axis=-1)
    total = rows.sum(axis=-2)
    smooth = (rows + SMOOTHING) / (total[..., None, :] + SMOOTHING * used[..., None, None])
    smooth = np.where(filled[..., None], smooth, 1.0)
    ratio = np.log(smooth[..., 1] / smooth[..., 0])
    bias = (used - 1) * (1 / total).sum(axis=-1)
    return ((smooth[..., 1] - smooth[..., 0]) * ratio).sum(axis=-1) - bias, bias, ratio
