"""Scores of the development rows that can be compared from fold to fold: one scale, and by no model that knew the row.

Folds' own models cannot be compared: each is fitted on rows of its own, so its intercept and slope are others although
nothing moved. One model of all development rows could, but a flexible one spreads the rows it was fitted on by their
outcomes. So the people are divided at random into two halves, each half is scored by a model fitted on the other, and a
score counts as its place among those of its half. Both models have seen every fold's time alike.

Lives here: the halves and the places. Not here: the folds and the choice (selection), distances (model_stability).
"""

from __future__ import annotations

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.choice.contenders import Contender, fit_contender
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.recipe.schema import Model


def cross_fitted_places(
    contender: Contender,
    matrix: np.ndarray,
    label: np.ndarray,
    *,
    codes: np.ndarray | None,
    columns: Columns,
    model: Model,
) -> np.ndarray:
    """Where each row's score lies among those of its half, 0 … 1, equal scores in their middle: float64 [n].

    Parameters
    ----------
    matrix, label : float32 [n, k] and 0/1 [n] of the development rows.
    codes : entity of each row, int [n], which stays in one half; None when none repeats.

    NaN everywhere where a half cannot be fitted: no entity or one outcome in it, or too few positives for what the
    contender does about their being rare.
    """
    second = _halves(len(label) if codes is None else int(codes.max(initial=-1)) + 1, model.seed)
    if codes is not None:
        second = second[codes]
    places = np.full(len(label), np.nan)
    for half in (second, ~second):
        others = np.flatnonzero(~half)
        if not half.any() or not 0 < label[others].sum() < len(others):
            return np.full(len(label), np.nan)
        try:
            fitted = fit_contender(contender, matrix[others], label[others], columns=columns, model=model)
        except InputError:
            # on all rows the contender could be fitted, so half of the positives are too few for it
            return np.full(len(label), np.nan)
        places[half] = _places(fitted.margin(matrix[half]))
    return places


def _halves(units: int, seed: int) -> np.ndarray:
    """Whether a unit is in the second half, bool [units]; the halves differ by one at most."""
    return np.random.default_rng([seed, 2]).permutation(units) < units // 2


def _places(scores: np.ndarray) -> np.ndarray:
    """Share of the scores below each, equal ones counting half."""
    ordered = np.sort(scores)
    below, upto = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    places: np.ndarray = (below + upto) / (2 * len(scores))
    return places
