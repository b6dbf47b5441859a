"""A registered model version, ready to score a day.

Lives here: joining what the registry keeps of a version (model, features, gains) into what `score_decisions`
asks for. Not here: verifying and reading files (registry), choosing the version (champion)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.modelling.matrix import to_matrix
from leadscore_dagster.core.modelling.scoring import FoldFeatures, Scores, ScoringModel, with_fold_features
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.statements import FeatureStatements
from leadscore_dagster.core.versions import registry


@dataclass(frozen=True)
class LoadedVersion:
    """A scoring model as the registry keeps it: under its id, with what a list of its scores says about them.

    Attributes
    ----------
    outcomes : its test period as judged.
    fitted_until : the last decision that model or calibrator was fitted on, to the second.
    """

    version: str
    model: ScoringModel
    outcomes: Judged
    fitted_until: datetime

    @property
    def feature_names(self) -> Sequence[str]:
        return self.model.columns.names

    @property
    def catalogue(self) -> dict[str, Feature]:
        """The features as they were declared when the version was trained, by name."""
        return {feature.name: feature for feature in self.model.features}

    def prepare(self, table: pa.Table) -> pa.Table:
        """``table`` with the features computed inside the fold, from the statistics of the training rows."""
        return with_fold_features(
            table, self.model.features, self.model.fold_features, statistics=self.model.statistics
        )

    def score(self, table: pa.Table, contributions: bool) -> Scores:
        """Scores of a prepared table, in its order."""
        return self.model.score_matrix(to_matrix(table, self.model.columns), contributions)


def load_to_score(
    folder: Path, version: str, fold_features: FoldFeatures | None, *, statements: FeatureStatements | None
) -> LoadedVersion:
    """The version in the registry ``folder``, after every digest was verified.

    ``statements``: what computes the features it is given, see `registry.load_version`.

    Raises
    ------
    InputError : no such version, a file that was changed, fold features without their statements, or a feature that is
        no longer computed as it was.
    """
    model = registry.load_version(folder, version, fold_features, statements=statements)
    manifest = registry.read_manifest(folder, version)
    last = max(period["last"] for period in manifest["periods"] if period["name"] != "test")
    judged = registry.load_test_scores(folder, version)
    codes = entity_codes(judged[manifest["entity"]])
    outcomes = Judged.ranked(judged["label"].to_numpy(), judged["margin"].to_numpy(), codes)
    return LoadedVersion(version, model, outcomes, datetime.fromisoformat(last))
