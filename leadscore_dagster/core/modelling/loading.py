"""Reading a fitted model from its folder: an estimator, one behind its preparation, or an ensemble of such.

Lives here: which reader reads a folder. Not here: the readers (estimators, preparation, ensemble), what else a version
keeps (core/versions/registry).
"""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.core.modelling.ensemble import load_ensemble
from leadscore_dagster.core.modelling.estimators.base import FittedModel
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.preparation import load_member
from leadscore_dagster.core.recipe.model import ENSEMBLE


def load_model(estimator: str, folder: Path, columns: Columns) -> FittedModel:
    """Read a fitted model from its folder, with its preparation if it has one. Nothing is unpickled.

    Raises
    ------
    InputError : an estimator that does not exist, or a file that is not what ``save`` wrote.
    """
    if estimator == ENSEMBLE:
        return load_ensemble(folder, columns)
    return load_member(estimator, folder, columns)
