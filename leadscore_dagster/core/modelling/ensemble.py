"""An ensemble: a weighted sum of the margins of other fitted models, weights learned out of fold.

It is linear in the margins, so the same sum of its members' exact Shapley values explains it exactly. Lives here:
learning weights, applying, reading and writing. Not here: which members there are and what they are fitted on
(selection, candidate).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.estimators.base import FittedModel
from leadscore_dagster.core.modelling.estimators.registry import ESTIMATORS
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.preparation import load_member
from leadscore_dagster.core.recipe.model import ENSEMBLE

FILE = "ensemble.json"
#: penalty on half the squared weight of a margin of deviation 1, in units of log loss summed over rows
RIDGE = 1.0
#: A weight must lower the deviance (twice the log loss summed over rows) by more than this to be kept: the price of a
#: parameter in Akaike's criterion (1974). Otherwise the member adds nothing, and explaining it costs.
LEAST_GAIN = 2.0
BIAS_BOUND = 50.0


@dataclass(frozen=True)
class EnsembleModel:
    """Margin = ``bias`` + sum of ``weights`` times the members' margins. Weights are 0 or more; a member of weight 0 is
    stored for the record and never asked."""

    members: tuple[FittedModel, ...]
    weights: tuple[float, ...]
    bias: float
    estimator: str = ENSEMBLE

    def __post_init__(self) -> None:
        if len(self.members) != len(self.weights) or not self.members:
            raise ValueError(f"{len(self.members)} members and {len(self.weights)} weights")
        if not np.isfinite([*self.weights, self.bias]).all() or min(self.weights) < 0:
            raise ValueError(f"weights and bias must be finite, weights 0 or more: {self.weights}, {self.bias}")

    @property
    def _asked(self) -> list[tuple[FittedModel, float]]:
        return [(member, weight) for member, weight in zip(self.members, self.weights, strict=True) if weight > 0]

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds float64 [n] of a float32 matrix [n, k]."""
        total = np.full(len(matrix), self.bias)
        for member, weight in self._asked:
            total += weight * member.margin(matrix)
        return total

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """SHAP values float32 [n, k] and bias; they sum to the margin."""
        total, bias = np.zeros(matrix.shape, dtype=np.float32), self.bias
        for member, weight in self._asked:
            values, member_bias = member.contributions(matrix)
            total += weight * values
            bias += weight * member_bias
        return total, bias

    def save(self, folder: Path) -> None:
        """Each member in a folder of its own, ``member_0_xgboost`` and so on, and the weights beside them."""
        for position, member in enumerate(self.members):
            inside = folder / _name(position, member.estimator)
            inside.mkdir(exist_ok=True)
            member.save(inside)
        content = {
            "bias": self.bias,
            "members": [
                {"estimator": member.estimator, "weight": weight}
                for member, weight in zip(self.members, self.weights, strict=True)
            ],
        }
        (folder / FILE).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_ensemble(folder: Path, columns: Columns) -> EnsembleModel:
    """Read an ensemble written by ``save``, its members with their preparation if they have one.

    Raises
    ------
    InputError : a member is of a kind no ensemble has, or a weight is negative or no number.
    """
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    estimators = [member["estimator"] for member in stored["members"]]
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise InputError(f"an ensemble has no members of kind {unknown[0]!r}", where=folder / FILE)
    members = tuple(
        load_member(estimator, folder / _name(position, estimator), columns)
        for position, estimator in enumerate(estimators)
    )
    try:
        return EnsembleModel(members, tuple(float(member["weight"]) for member in stored["members"]), stored["bias"])
    except ValueError as error:
        raise InputError(str(error), where=folder / FILE, remedy="train the model again") from error


def learn_weights(margins: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights float64 [m], 0 or more, and bias from out-of-fold margins float64 [n, m] and labels 0/1 [n].

    Stacking (Wolpert 1992) by logistic regression with weights held at 0 or more (Breiman 1996) and a small ridge
    penalty. Members are left out one by one, the least useful first, as long as the deviance rises by no more than
    `LEAST_GAIN`; one always stays. Where stacking finds no member that ranks better than chance, and where labels are
    all alike, all weights are equal.
    """
    count = margins.shape[1]
    if len(np.unique(label)) < 2:
        return _equal(count), 0.0
    spread = margins.std(axis=0)
    usable = np.flatnonzero(spread > 0).tolist()
    if not usable:
        return _equal(count), 0.0
    scaled = {at: (margins[:, at] - margins[:, at].mean()) / spread[at] for at in usable}

    def stacked(chosen: Sequence[int]) -> tuple[float, np.ndarray]:
        return _stack([scaled[at] for at in chosen], label)

    kept = usable
    loss, solution = stacked(kept)
    while len(kept) > 1:
        if (solution[1:] <= 0).any() and (solution[1:] > 0).any():  # at the bound: without them nothing changes
            kept = [at for at, weight in zip(kept, solution[1:], strict=True) if weight > 0]
            loss, solution = stacked(kept)
            continue
        fewer = [[other for other in kept if other != at] for at in kept]
        trials = [stacked(chosen) for chosen in fewer]
        least = int(np.argmin([trial[0] for trial in trials]))
        if 2 * (trials[least][0] - loss) > LEAST_GAIN:
            break
        kept, (loss, solution) = fewer[least], trials[least]
    if not (solution[1:] > 0).any():
        return _equal(count), 0.0
    weights = np.zeros(count)
    weights[kept] = solution[1:] / spread[kept]
    bias = float(solution[0] - sum(weights[at] * margins[:, at].mean() for at in kept))
    return weights, bias


def out_of_fold_margins(
    per_fold_margins: Sequence[np.ndarray], per_fold_labels: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The ensemble's own out-of-fold margins, float64 [n_i] per fold, from its members' [n_i, m].

    Folds are in time order. Weights of a fold are learned on the folds before it alone; the first has equal weights.
    """
    combined = []
    for at, margins in enumerate(per_fold_margins):
        if at == 0:
            weights, bias = _equal(margins.shape[1]), 0.0
        else:
            weights, bias = learn_weights(np.concatenate(per_fold_margins[:at]), np.concatenate(per_fold_labels[:at]))
        combined.append(bias + (margins * weights).sum(axis=1))
    return combined


def agreement(margins: np.ndarray) -> np.ndarray:
    """Spearman's rank correlations [m, m] of the members' margins [n, m]; NaN where a member tells nobody apart."""
    from scipy.stats import rankdata

    ranks = rankdata(margins, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    products = np.array([[(a * b).sum() for b in ranks.T] for a in ranks.T])
    with np.errstate(invalid="ignore"):
        return products / np.outer(length, length)


def _stack(scaled: Sequence[np.ndarray], label: np.ndarray) -> tuple[float, np.ndarray]:
    """Smallest penalised log loss of the rows, and where it is: bias, then a weight per margin."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        # sums of products, not BLAS: its threads add in an order of their own
        margin = point[0] + sum(weight * column for weight, column in zip(point[1:], scaled, strict=True))
        error = expit(margin) - label
        value = float((np.logaddexp(0, margin) - label * margin).sum() + RIDGE / 2 * (point[1:] ** 2).sum())
        slopes = [(error * column).sum() + RIDGE * w for w, column in zip(point[1:], scaled, strict=True)]
        return value / len(label), np.array([error.sum(), *slopes]) / len(label)

    rate = float(np.mean(label))
    start = np.array([np.log(rate / (1 - rate)), *[1 / len(scaled)] * len(scaled)])
    bounds: list[tuple[float, Any]] = [(-BIAS_BOUND, BIAS_BOUND), *[(0.0, None)] * len(scaled)]
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(found.fun) * len(label), found.x


def _equal(count: int) -> np.ndarray:
    return np.full(count, 1 / count)


def _name(position: int, estimator: str) -> str:
    return f"member_{position}_{estimator}"
