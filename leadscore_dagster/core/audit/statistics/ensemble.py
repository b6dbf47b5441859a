"""Three or more columns: small models of all of them, learned on half of the blocks and held against the other.

Lives here: the models, which columns they rest on, their verdicts. Not here: pairs (joint). Parity of three or more
columns, of which no two say anything, is beyond them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from leadscore_dagster.core.audit.statistics import caps
from leadscore_dagster.core.audit.statistics.cells import Half, held_out, numbers
from leadscore_dagster.core.audit.statistics.measures import Strength
from leadscore_dagster.core.audit.statistics.prepared import Prepared
from leadscore_dagster.core.audit.verdict import FeatureVerdict

PART = "joint"
TREES, DEPTH, RATE = 30, 4, 0.25
#: share of the model's IV that goes when one column is shuffled, from which the model rests on it
RESTS_ON = 0.4
RIDGE = 1e-3

Model = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray, int], Model]


def ensemble_suspects(table: Prepared, split: tuple[Half, Half], known: frozenset[str]) -> dict[str, FeatureVerdict]:
    """Verdicts of the columns on which a model beyond `caps.MODEL_CAP` rests, two or more of them.

    ``known``: suspects already. They, and columns above the cap alone, take no part: the model would be theirs.
    """
    chosen = [
        place
        for place, column in enumerate(table.columns)
        if column.name not in known and table.measured[column.name].best.iv <= caps.CAP and column.levels > 1
    ]
    if len(chosen) < 2:
        return {}
    values = [_matrix(table, half, chosen) for half in split]
    found: dict[str, FeatureVerdict] = {}
    for what, fit in LEARNERS.items():
        needed, low = _needed(fit, values, split, table.seed)
        named = [table.columns[chosen[place]].name for place in needed]
        for name in named if len(named) > 1 else ():
            if name not in table.proven:
                text = (
                    f"a {what} model of all columns has AUC {caps.auc_of_iv(low):.3f} or more on held-out blocks and "
                    f"rests on {', '.join(named)}, none of which is near it alone; honest complete models stay below "
                    f"{caps.auc_of_iv(caps.MODEL_CAP):.2f}"
                )
                found.setdefault(
                    name, FeatureVerdict(name, PART, "suspect", text, "iv_of_model_low", low, caps.MODEL_CAP)
                )
    return found


def _needed(fit: Fit, values: list[np.ndarray], split: tuple[Half, Half], seed: int) -> tuple[list[int], float]:
    """Columns a model rests on if it is beyond the cap whichever half it is tested on, else none; and the low end of
    the weaker half."""
    models = [fit(values[half], split[half].blocks.label, seed) for half in (0, 1)]
    strengths = [held_out(models[1 - test](values[test]), split[test]) for test in (0, 1)]
    low = min(each.low(caps.level_z(len(LEARNERS))) for each in strengths)
    if low <= caps.MODEL_CAP:
        return [], low
    kept = np.mean(
        [_kept(models[1 - test], values[test], split[test], strengths[test], seed) for test in (0, 1)], axis=0
    )
    return [int(place) for place in np.flatnonzero(kept < 1 - RESTS_ON)], low


def _matrix(table: Prepared, half: Half, chosen: list[int]) -> np.ndarray:
    """Numbers as they are, categories as coarse bins in the order of their frequency, float32 [n, F]."""
    found = np.empty((len(half.rows), len(chosen)), np.float32)
    for at, place in enumerate(chosen):
        column = table.columns[place]
        values = half.coarse[:, place] if column.is_category else numbers(column, half.rows)
        found[:, at] = np.clip(values, -3e38, 3e38)
    return found


def _boosted(values: np.ndarray, label: np.ndarray, seed: int) -> Model:
    """Log-odds of rows by a boosted model of ``values``."""
    import xgboost

    # one thread: more of them wait for each other on a matrix this small, and would add in an order of their own
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": DEPTH,
        "max_bin": 32,
        "eta": RATE,
        "min_child_weight": 3,
        "nthread": 1,
        "seed": seed,
        "verbosity": 0,
    }
    model = xgboost.train(settings, xgboost.DMatrix(values, label, nthread=1), num_boost_round=TREES)
    return lambda matrix: model.predict(xgboost.DMatrix(matrix, nthread=1), output_margin=True)


def _linear(values: np.ndarray, label: np.ndarray, seed: int) -> Model:
    """Fisher's discriminant with a little ridge: sums and differences of several columns, which trees cut to steps."""
    # a column this half knows nothing of stays a constant
    filled = np.where(np.isnan(values).all(axis=0), np.float32(0), values)
    centre = np.nanmedian(filled, axis=0)
    spread = np.nanquantile(np.abs(filled - centre), 0.9, axis=0)
    spread[~(spread > 0)] = 1.0

    def scaled(matrix: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.clip((matrix - centre) / spread, -5, 5))

    known = scaled(values)
    of_each = [known[label == outcome] for outcome in (0, 1)]
    common = sum((each - each.mean(axis=0)).T @ (each - each.mean(axis=0)) for each in of_each) / len(known)
    common = np.asarray(common, np.float64)
    common[np.diag_indices_from(common)] += RIDGE
    direction = np.linalg.solve(common, of_each[1].mean(axis=0) - of_each[0].mean(axis=0))
    return lambda matrix: scaled(matrix) @ direction


LEARNERS: dict[str, Fit] = {"boosted": _boosted, "linear": _linear}


def _kept(model: Model, values: np.ndarray, half: Half, whole: Strength, seed: int) -> np.ndarray:
    """Share of the model's IV left when a column is shuffled within its blocks, float64 [F]."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(values)), half.blocks.block))
    within = np.empty(len(values), np.int64)
    within[np.argsort(half.blocks.block, kind="stable")] = order
    found = []
    for column in range(values.shape[1]):
        shuffled = values.copy()
        shuffled[:, column] = values[within, column]
        found.append(held_out(model(shuffled), half).iv / whole.iv)
    return np.array(found)
