"""The registry: a model version is a directory of plain files whose digests must match. Nothing is unpickled.

    <folder>/<version>/manifest.json      what, from what, how good; the sha256 of every other file
                       booster.ubj | logistic_regression.json | …  what its estimator writes; an ensemble: folders
                       test_scores.parquet                         the test rows as judged
                       splits.parquet                              every row's period and side of each fold
                       evidence.json                               what a report shows beyond the metrics

A version's id is ``<as_of>-<first 12 hex digits of the manifest's sha256>``: the id proves the manifest, the
manifest proves the files. No wall clock: the same content has the same id. Not here: who is
champion.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.modelling.calibration import calibrator_from_dict
from leadscore_dagster.core.modelling.candidate import Candidate
from leadscore_dagster.core.modelling.estimators.registry import libraries
from leadscore_dagster.core.modelling.judgement.candidate_evidence import EVIDENCE
from leadscore_dagster.core.modelling.loading import load_model
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.scoring import FoldFeatures, ScoringModel
from leadscore_dagster.core.table.features.catalogue import Feature
from leadscore_dagster.core.table.features.statements import FeatureStatements
from leadscore_dagster.core.versions.gates import metrics_from_dict, metrics_to_dict

FORMAT = 3
MANIFEST = "manifest.json"
TEST_SCORES = "test_scores.parquet"
SPLITS = "splits.parquet"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")
#: what begins the name of a directory that was a version's until its files were changed
DAMAGED = ".damaged-"


def save_version(
    folder: Path,
    candidate: Candidate,
    *,
    recipe: str,
    as_of: date,
    vintages: Mapping[str, str],
    code_version: str,
    statements: Mapping[str, str] | None = None,
) -> str:
    """Write a candidate as a version below ``folder`` and return its id. Writing the same content again
    changes nothing; files that are no longer what the id says are set aside as ``.damaged-…`` and written anew.

    Parameters
    ----------
    vintages : source to the vintage (or digest) the training table was made from.
    code_version : version of features and code, for lineage.
    statements : digests of the statements that compute its features (`FeatureStatements.digests`), without which
        `load_version` has nothing to hold against today's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        candidate.model.model.save(temporary)
        pq.write_table(candidate.predictions.combine_chunks(), temporary / TEST_SCORES)
        pq.write_table(candidate.splits.combine_chunks(), temporary / SPLITS)
        (temporary / EVIDENCE).write_text(json.dumps(candidate.judgement.evidence, allow_nan=False), encoding="utf-8")
        manifest = _manifest(candidate, recipe, as_of, dict(vintages), code_version, dict(statements or {}))
        manifest["files"] = {name: _digest((temporary / name).read_bytes()) for name in _files(temporary)}
        content = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
        (temporary / MANIFEST).write_bytes(content)
        version = f"{as_of.isoformat()}-{_digest(content)[:12]}"
        if _is_whole(folder, version):
            return version
        _flush(temporary)
        if (folder / version).exists():
            _set_aside(folder, version)
        temporary.chmod(0o755)
        try:
            os.rename(temporary, folder / version)
        except OSError:
            # another run wrote the same version between the question and the rename: then it must be whole
            if not (folder / version).exists():
                raise
            read_manifest(folder, version)
        return version
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def trained_as_of(version: str) -> date:
    """The period a version was trained for, as its id says."""
    return date.fromisoformat(version[:10])


def read_manifest(folder: Path, version: str) -> dict[str, Any]:
    """The manifest of a version, after every digest was verified.

    Raises
    ------
    InputError : no such version, or a file is missing, added or not what the digest says.
    """
    if not VERSION.fullmatch(version):
        raise InputError(f"{version!r} is not a model version", where=folder)
    directory = folder / version
    if not (directory / MANIFEST).is_file():
        raise InputError(
            f"there is no complete model version {version}", where=folder, remedy=_run_again(folder.name, version)
        )
    content = (directory / MANIFEST).read_bytes()
    if _digest(content)[:12] != version[-12:]:
        raise _damaged(folder, version, MANIFEST)
    manifest: dict[str, Any] = json.loads(content)
    if manifest["format"] != FORMAT:
        raise InputError(
            f"model {version} has format {manifest['format']}, and only format {FORMAT} can be read",
            where=directory,
            remedy=_run_again(manifest["recipe"], version),
        )
    if set(_files(directory)) - {MANIFEST} != set(manifest["files"]):
        raise _damaged(folder, version, "")
    for name, digest in manifest["files"].items():
        if _digest((directory / name).read_bytes()) != digest:
            raise _damaged(folder, version, name)
    return manifest


def load_version(
    folder: Path,
    version: str,
    fold_features: FoldFeatures | None = None,
    *,
    statements: FeatureStatements | None = None,
) -> ScoringModel:
    """The scoring model of a version, after every digest was verified.

    Parameters
    ----------
    fold_features : needed when the model has features of stage ``fold``.
    statements : what computes the features of the rows it is to score. None for rows of another making alone.

    Raises
    ------
    InputError : as `read_manifest` does; or ``statements`` lack a feature it needs, or compute one otherwise than when
        it was trained.
    """
    manifest = read_manifest(folder, version)
    if statements is not None:
        _require_same(manifest, version, statements)
    features = tuple(Feature(**stored) for stored in manifest["features"])
    levels = {name: tuple(values) for name, values in manifest["levels"].items()}
    columns = Columns(tuple(f.name for f in features), tuple(f.type for f in features), levels)
    if fold_features is None and any(feature.stage == "fold" for feature in features):
        raise InputError(f"model {version} has features computed inside the fold; their statements are needed")
    return ScoringModel(
        features=features,
        columns=columns,
        statistics=manifest["fold_statistics"],
        model=load_model(manifest["estimator"], folder / version, columns),
        calibrator=calibrator_from_dict(manifest["calibrator"]),
        fold_features=fold_features,
    )


def load_metrics(folder: Path, version: str) -> dict[str, Interval]:
    """The stored metrics of a version: what `evaluate_gates` judged, to be judged again."""
    return metrics_from_dict(read_manifest(folder, version)["metrics"])


def load_test_scores(folder: Path, version: str) -> pa.Table:
    """Test rows of a version as judged: decision_id, the entity, label, margin, probability."""
    read_manifest(folder, version)
    return pq.read_table(folder / version / TEST_SCORES)


def load_splits(folder: Path, version: str) -> pa.Table:
    """Every row a version was made from: decision_id, its period (null: purged) and its side of each fold."""
    read_manifest(folder, version)
    return pq.read_table(folder / version / SPLITS)


def load_evidence(folder: Path, version: str) -> dict[str, Any]:
    """What a report shows of a version beyond its metrics, see `candidate_evidence`."""
    read_manifest(folder, version)
    evidence: dict[str, Any] = json.loads((folder / version / EVIDENCE).read_text(encoding="utf-8"))
    return evidence


def _version_of(library: str) -> str:
    """Version of a library, whichever of its distributions is installed: XGBoost has one without CUDA."""
    try:
        return distribution(library).version
    except PackageNotFoundError:
        return distribution(f"{library}-cpu").version


def _manifest(
    candidate: Candidate,
    recipe: str,
    as_of: date,
    vintages: dict[str, str],
    code_version: str,
    statements: dict[str, str],
) -> dict[str, Any]:
    model, judgement = candidate.model, candidate.judgement
    return {
        "format": FORMAT,
        "recipe": recipe,
        "as_of": as_of.isoformat(),
        "code_version": code_version,
        "statements": dict(sorted(statements.items())),
        "libraries": {name: _version_of(name) for name in ("numpy", *libraries(), "pyarrow")},
        "vintages": dict(sorted(vintages.items())),
        "entity": candidate.entity,
        "label_window_days": candidate.window_days,
        "estimator": candidate.estimator,
        "contender": candidate.contender.to_dict(),
        "why_chosen": candidate.why_chosen,
        "compared": {
            r.name: {
                **r.contender.to_dict(),
                "metrics": metrics_to_dict(r.metrics),
                "folds": r.fold_auc_pr.tolist(),
                "variation": r.variation if np.isfinite(r.variation) else None,
            }
            for r in candidate.compared
        },
        "failed": dict(candidate.failed),
        # neither the seconds a search took nor whether it was remembered: they differ between equal runs
        "searched": {
            estimator: {name: getattr(found, name) for name in ("parameters", "value", "trials", "cut_short")}
            for estimator, found in candidate.searched.items()
        },
        "served": dict(judgement.served),
        "periods": [asdict(period) for period in candidate.periods],
        "folds": [{period.name: asdict(period) for period in fold} for fold in candidate.folds],
        "purged": candidate.purged,
        "same_entity": candidate.same_entity,
        "features": [asdict(feature) for feature in model.features],
        "levels": {name: list(values) for name, values in model.columns.levels.items()},
        "fold_statistics": dict(sorted(model.statistics.items())),
        "calibrator": model.calibrator.to_dict(),
        "metrics": metrics_to_dict(candidate.metrics),
        "baseline_metrics": metrics_to_dict(judgement.baseline_metrics),
        "extra_metrics": metrics_to_dict(judgement.extra_metrics),
        "importances": dict(judgement.importances),
        "gains": [asdict(decile) for decile in judgement.gains],
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files(directory: Path) -> list[str]:
    """Files below a version's folder, as relative names."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def _flush(directory: Path) -> None:
    """Bytes reach the disk before the name does: after a power cut a version is whole or absent."""
    for name in _files(directory):
        with (directory / name).open("rb") as file:
            os.fsync(file.fileno())


def _is_whole(folder: Path, version: str) -> bool:
    try:
        read_manifest(folder, version)
    except InputError:
        return False
    return True


def _set_aside(folder: Path, version: str) -> None:
    """Rename a damaged version's directory: whoever looks for the cause finds it, and its name is free."""
    place = 1
    while (folder / f"{DAMAGED}{version}-{place}").exists():
        place += 1
    os.rename(folder / version, folder / f"{DAMAGED}{version}-{place}")


def _require_same(manifest: Mapping[str, Any], version: str, today: FeatureStatements) -> None:
    """Raises InputError unless every feature of a version is there and computed as it was when it was trained."""
    recipe = manifest["recipe"]
    for feature in manifest["features"]:
        if feature["name"] not in today.features:
            raise InputError(
                f"model {version} needs feature {feature['name']}, which the recipe no longer has",
                where=f"recipe {recipe}",
                remedy=f"put the feature back into the recipe, or {_run_again(recipe, version)}",
            )
    for name, digest in manifest["statements"].items():
        if today.digests.get(name) != digest:
            raise InputError(
                f"model {version} was trained with another {name} than there is now, so its features would have another"
                " meaning",
                where=f"recipe {recipe}",
                remedy=f"restore the statement {name}, or {_run_again(recipe, version)}",
            )


def _run_again(recipe: str, version: str) -> str:
    return f"train it again: `leadscore run {recipe} --as-of {trained_as_of(version)}`"


def _damaged(folder: Path, version: str, name: str) -> InputError:
    return InputError(
        f"a file of model {version} is not what its digest says, so it is not used",
        where=folder / version / name,
        remedy=f"{_run_again(folder.name, version)} sets {folder.name}/{version} aside and writes it again; or let an "
        f"earlier champion score: `leadscore rollback {folder.name} --to VERSION --why WHY`",
    )
