"""Logistic regression that needs nothing but arrays to score: imputation, scaling, one-hot and weights as
numbers.

Lives here: fitting and applying it. Not here: which parameters exist (registry), calibration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.matrix import Columns

FILE = "logistic_regression.json"
#: numbers are cut at these quantiles of the training rows: one absurd value must not decide a score
CUT_QUANTILES = (0.001, 0.999)


@dataclass(frozen=True)
class Effect:
    """What one feature adds to the log-odds.

    A number adds ``weight * (clip(x or median, low, high) - mean) / sd``, a category ``level_weights[code]``;
    a missing value adds ``missing_weight`` on top. ``centre`` is the mean of that sum over the training rows.
    """

    low: float = 0.0
    high: float = 0.0
    median: float = 0.0
    mean: float = 0.0
    sd: float = 1.0
    weight: float = 0.0
    level_weights: tuple[float, ...] | None = None
    missing_weight: float = 0.0
    centre: float = 0.0

    def of(self, values: np.ndarray) -> np.ndarray:
        """Effect float64 [n] of float32 values [n]."""
        missing = np.isnan(values)
        if self.level_weights is not None:
            table = np.append(np.array(self.level_weights), self.missing_weight)
            return table[np.where(missing, len(self.level_weights), values).astype(int)]
        return self.weight * self.scaled(values) + self.missing_weight * missing

    def scaled(self, values: np.ndarray) -> np.ndarray:
        filled = np.where(np.isnan(values), self.median, values.astype(np.float64))
        return (np.clip(filled, self.low, self.high) - self.mean) / self.sd


@dataclass(frozen=True)
class LogisticModel:
    """A fitted model. Effects add up, so a feature's exact SHAP value is its effect minus its training
    mean."""

    names: tuple[str, ...]
    effects: tuple[Effect, ...]
    intercept: float
    estimator: str = "logistic_regression"

    @property
    def bias(self) -> float:
        return self.intercept + sum(effect.centre for effect in self.effects)

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds float64 [n] of a float32 matrix [n, k]."""
        # column by column, not a matrix product: BLAS sums in another order for another number of rows
        total = np.full(len(matrix), self.bias)
        for position, effect in enumerate(self.effects):
            total += effect.of(matrix[:, position]) - effect.centre
        return total

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """SHAP values float32 [n, k] and the bias: bias + row sum = margin."""
        values = np.empty(matrix.shape, dtype=np.float32)
        for position, effect in enumerate(self.effects):
            values[:, position] = effect.of(matrix[:, position]) - effect.centre
        return values, self.bias

    def save(self, folder: Path) -> None:
        content = {
            "intercept": self.intercept,
            "effects": [
                {"name": name, **asdict(effect)} for name, effect in zip(self.names, self.effects, strict=True)
            ],
        }
        (folder / FILE).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_logistic(folder: Path, columns: Columns) -> LogisticModel:
    """Read a model written by ``save``.

    Raises
    ------
    InputError : it is for other features.
    """
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    names = tuple(stored.pop("name") for stored in content["effects"])
    effects = tuple(_effect(stored) for stored in content["effects"])
    if names != columns.names:
        raise InputError("this model is not for these features", where=folder / FILE, remedy="train again")
    return LogisticModel(names, effects, content["intercept"])


def _effect(stored: dict[str, Any]) -> Effect:
    levels = stored.pop("level_weights")
    return Effect(**stored, level_weights=None if levels is None else tuple(levels))


def fit_logistic(
    matrix: np.ndarray,
    label: np.ndarray,
    columns: Columns,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    weight: np.ndarray | None = None,
) -> LogisticModel:
    """Fit on matrix float32 [n, k], labels 0/1 [n] and weights [n]; ridge penalty 1/(2 C) per unit of squared weight.

    Every statistic (medians, cuts, means, deviations, levels) comes from these rows alone.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    prepared, blocks, widths = [], [], []
    for position, name in enumerate(columns.names):
        values = matrix[:, position]
        levels = len(columns.levels[name]) if columns.types[position] == "category" else None
        effect, block = _prepare(values, levels)
        prepared.append(effect)
        blocks.append(block)
        widths.append(block.shape[1])
    design = np.concatenate(blocks, axis=1)
    model = LogisticRegression(C=parameters["C"], max_iter=parameters["max_iter"], tol=1e-6, random_state=seed)
    with threadpool_limits(limits=1):  # the last digits of a multi-threaded sum depend on the machine
        model.fit(design, label, sample_weight=weight)
    weights = np.split(model.coef_[0], np.cumsum(widths)[:-1])
    effects = []
    for effect, found, position in zip(prepared, weights, range(matrix.shape[1]), strict=True):
        weighted = _with_weights(effect, found)
        centre = float(np.mean(weighted.of(matrix[:, position])))
        effects.append(Effect(**{**asdict(weighted), "centre": centre}))
    return LogisticModel(columns.names, tuple(effects), float(model.intercept_[0]))


def _prepare(values: np.ndarray, levels: int | None) -> tuple[Effect, np.ndarray]:
    """A feature's scaling without weights, and its columns of the design: value or levels, then missing if
    any is."""
    missing = np.isnan(values)
    indicator = missing[:, None].astype(np.float64)
    if levels is not None:
        block = (values[:, None] == np.arange(levels)).astype(np.float64)
        return Effect(level_weights=(0.0,) * levels), np.concatenate([block, indicator], axis=1)
    if missing.all():
        return Effect(), np.concatenate([np.zeros_like(indicator), indicator], axis=1)
    observed = values[~missing].astype(np.float64)
    low, median, high = np.quantile(observed, [CUT_QUANTILES[0], 0.5, CUT_QUANTILES[1]])
    cut = np.clip(np.where(missing, median, values.astype(np.float64)), low, high)
    sd = float(cut.std())
    effect = Effect(low=float(low), high=float(high), median=float(median), mean=float(cut.mean()), sd=sd or 1.0)
    return effect, np.concatenate([effect.scaled(values)[:, None], indicator], axis=1)


def _with_weights(effect: Effect, weights: np.ndarray) -> Effect:
    *value_weights, missing_weight = (float(weight) for weight in weights)
    changed: dict[str, Any] = {"missing_weight": missing_weight}
    if effect.level_weights is not None:
        changed["level_weights"] = tuple(value_weights)
    else:
        changed["weight"] = value_weights[0]
    return Effect(**{**asdict(effect), **changed})
