"""Everything decided before the calibration and test periods are looked at: parameters, contenders, the choice.

Lives here: the order of these steps. Not here: the steps (search, contenders, selection).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.judged import entity_codes
from leadscore_dagster.core.measures.metrics import auc_pr
from leadscore_dagster.core.modelling.choice.contenders import Contender, contenders_of
from leadscore_dagster.core.modelling.choice.search import SearchResult, best_parameters
from leadscore_dagster.core.modelling.choice.selection import (
    CrossValidated,
    EncodedFold,
    choose,
    combine,
    cross_validate,
    encode_folds,
    out_of_fold_margin,
)
from leadscore_dagster.core.modelling.estimators.registry import complete_parameters
from leadscore_dagster.core.modelling.scoring import FoldFeatures
from leadscore_dagster.core.recipe.schema import ENSEMBLE, Model
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.training_rows import fold_rows

Progress = Callable[[str], None]
#: the file in which a recipe's searches are remembered
SEARCHES = "searches.sqlite"


@dataclass(frozen=True)
class Selection:
    """What was decided on the development period. ``failed``: contender to the reason it could not be fitted;
    ``searched``: estimator to its search."""

    chosen: CrossValidated
    why: str
    compared: tuple[CrossValidated, ...]
    failed: Mapping[str, str]
    searched: Mapping[str, SearchResult]
    folds: tuple[EncodedFold, ...]


def select(
    development: pa.Table,
    features: Sequence[Feature],
    model: Model,
    *,
    window_days: int,
    entity: str,
    fold_features: FoldFeatures | None,
    say: Progress,
    searches: Path | None = None,
) -> Selection:
    """Cross-validate the recipe's contenders on the development rows and choose one.

    Raises
    ------
    InputError : no contender could be fitted. A contender that fails beside others that do not is reported.
    """
    label = development["label"].to_numpy()
    codes = entity_codes(development[entity])
    folds = fold_rows(development, model, window_days, entity)
    encoded = encode_folds(development, label, folds, features=features, fold_features=fold_features)
    searched = _search(encoded, label, model, searches, say) if model.search else {}
    parameters = _parameters(model, searched)
    compared: list[CrossValidated] = []
    failed: dict[str, str] = {}
    for contender in contenders_of(model, parameters):
        say(f"cross-validating {contender.name} on {len(encoded)} folds")
        try:
            compared.append(cross_validate(contender, encoded, label, codes=codes, model=model))
        except InputError as error:
            failed[contender.name] = str(error)
            say(f"{contender.name} cannot be fitted: {error}")
    if not compared:
        raise InputError("; ".join(f"{name}: {why}" for name, why in failed.items()), where="model.estimators")
    if ENSEMBLE in model.estimators:
        say("learning the weights of the ensemble out of fold")
        ensemble = combine(compared, encoded, label, codes=codes, model=model)
        if ensemble is None:
            failed[ENSEMBLE] = "one member has all the weight, so there is nothing to combine"
        else:
            compared.append(ensemble)
    chosen, why = choose(compared)
    return Selection(chosen, why, tuple(compared), failed, searched, tuple(encoded))


def _parameters(model: Model, searched: Mapping[str, SearchResult]) -> dict[str, Mapping[str, Any]]:
    given: dict[str, Mapping[str, Any]] = {
        estimator: complete_parameters(estimator, model.parameters.get(estimator, {}))
        for estimator in model.estimators
        if estimator != ENSEMBLE
    }
    return given | {estimator: result.parameters for estimator, result in searched.items()}


def _search(
    encoded: Sequence[EncodedFold],
    label: np.ndarray,
    model: Model,
    searches: Path | None,
    say: Progress,
) -> dict[str, SearchResult]:
    """Search the parameters of each estimator on the folds, positives left as rare as they are."""
    assert model.search is not None
    question = _question(encoded, label, model)
    with tempfile.TemporaryDirectory() as forgotten:
        return {
            estimator: best_parameters(
                estimator,
                lambda parameters, estimator=estimator: _fold_values(estimator, parameters, encoded, label, model),  # type: ignore[misc]
                model.search,
                storage=(searches or Path(forgotten)) / SEARCHES,
                question=question,
                defaults=defaults,
                seed=model.seed,
                say=say,
            )
            for estimator, defaults in _parameters(model, {}).items()
        }


def _fold_values(
    estimator: str, parameters: Mapping[str, Any], encoded: Sequence[EncodedFold], label: np.ndarray, model: Model
) -> tuple[float, ...]:
    contender = Contender(estimator, parameters)
    margins = [out_of_fold_margin(contender, fold, label, model=model) for fold in encoded]
    return tuple(auc_pr(label[fold.fold.validation], margin) for fold, margin in zip(encoded, margins, strict=True))


def _question(encoded: Sequence[EncodedFold], label: np.ndarray, model: Model) -> str:
    """Digest of everything a search's answer depends on but its budget: the folds' rows, features and labels, what is
    done to them before fitting, and the seed."""
    settings = model.model_dump(mode="json", include={"filters", "categories", "seed"})
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for fold in encoded:
        digest.update("\n".join(fold.columns.names).encode())
        for part in (fold.training, label[fold.fold.training], fold.validation, label[fold.fold.validation]):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
