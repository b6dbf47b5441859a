"""The shuffled-label test: with labels that mean nothing, the pipeline must find nothing.

Not here: the threshold (recipe), the choice of a contender (selection).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.intervals import NAN, Interval
from leadscore_dagster.core.modelling.choice.contenders import Contender
from leadscore_dagster.core.modelling.choice.selection import EncodedFold, out_of_fold_margin
from leadscore_dagster.core.recipe.schema import Model

SHUFFLES = 2


def shuffled_label_auc(
    contender: Contender,
    folds: Sequence[EncodedFold],
    label: np.ndarray,
    *,
    model: Model,
    progress: Callable[[str], None],
) -> Interval:
    """Out-of-fold AUC-ROC after the labels of the development period were shuffled: must be about .5.

    Anything else means the pipeline tells the model the answer. Written as .5 + |AUC - .5|, since too low is
    as wrong as too high: .5 is perfect, and a gate says ``at_most``. AUC is the mean over folds and
    `SHUFFLES` shuffles; the interval uses the exact variance of AUC without signal, (P + N + 1) / (12 P N)
    (Mann & Whitney 1947). Folds into which too few positives fell by the shuffling, or only positives, are left
    out; NaN where no fold is left.
    """
    generator = np.random.default_rng([model.seed, 1])
    areas, variances = [], []
    for number in range(SHUFFLES):
        progress(f"shuffled-label test {number + 1} of {SHUFFLES}")
        shuffled = generator.permutation(label)
        for encoded in folds:
            rows = encoded.fold.validation
            inside = int(shuffled[encoded.fold.training].sum())
            positives, negatives = int(shuffled[rows].sum()), int(len(rows) - shuffled[rows].sum())
            if not positives or not negatives or not 0 < inside < len(encoded.fold.training):
                continue
            try:
                margin = out_of_fold_margin(contender, encoded, shuffled, model=model)
            except InputError:
                # with its own labels this fold was fitted: what is refused (SMOTE, say) is how few positives it got
                continue
            areas.append(metrics.auc_roc_of(metrics.curve(metrics.rank(shuffled[rows], margin))))
            variances.append((positives + negatives + 1) / (12 * positives * negatives))
    rows_used = sum(len(encoded.fold.validation) for encoded in folds)
    hits = int(sum(label[encoded.fold.validation].sum() for encoded in folds))
    if not areas:
        return Interval(NAN, NAN, NAN, rows_used, hits, "no fold could be fitted with shuffled labels")
    distance = abs(float(np.mean(areas)) - 0.5)
    half = 1.96 * float(np.sqrt(np.sum(variances))) / len(variances)
    method = f".5 + |AUC - .5| over {SHUFFLES} shuffles; variance without signal"
    return Interval(0.5 + distance, 0.5 + max(0.0, distance - half), 0.5 + distance + half, rows_used, hits, method)
