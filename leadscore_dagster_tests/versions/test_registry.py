"""The registry: same content, same id; anything else than what was written is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.table.features.statements import FeatureStatements
from leadscore_dagster.core.table.training_rows import rows_of
from leadscore_dagster.core.versions.registry import (
    MANIFEST,
    load_metrics,
    load_test_scores,
    load_version,
    read_manifest,
    save_version,
)
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, FOLD_FEATURE, MedianTenure, training_table

TABLE = training_table(4000, rate=0.1)
AS_OF = date(2024, 1, 1)


def trained(estimator: str) -> Candidate:
    model = FAST.model_copy(update={"estimators": (estimator,)})
    return train_candidate(
        TABLE, (*FEATURES, FOLD_FEATURE), model, window_days=30, entity="rep", fold_features=MedianTenure()
    )


@pytest.fixture(scope="module", params=["logistic_regression", "xgboost"])
def candidate(request: pytest.FixtureRequest) -> Candidate:
    return trained(request.param)


def save(folder: Path, candidate: Candidate, **changes: object) -> str:
    given: dict[str, object] = {
        "recipe": "advisor_mql", "as_of": AS_OF, "vintages": {"reps": "2024-01-01"}, "code_version": "1"
    }  # fmt: skip
    return save_version(folder, candidate, **{**given, **changes})  # type: ignore[arg-type]


def test_a_loaded_model_gives_the_scores_training_saw(candidate: Candidate, tmp_path: Path) -> None:
    version = save(tmp_path, candidate)
    model = load_version(tmp_path, version, MedianTenure())
    stored = load_test_scores(tmp_path, version)
    scores = model.score(rows_of(TABLE, stored["decision_id"]), contributions=True)
    np.testing.assert_array_equal(scores.margin, candidate.predictions["margin"].to_numpy())
    np.testing.assert_array_equal(scores.probability, stored["probability"].to_numpy())
    assert model.features == candidate.model.features
    assert model.columns == candidate.model.columns
    assert load_metrics(tmp_path, version) == candidate.metrics


def test_the_same_content_has_the_same_id_and_is_written_once(candidate: Candidate, tmp_path: Path) -> None:
    version = save(tmp_path, candidate)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / version).iterdir()}
    assert save(tmp_path, candidate) == version
    assert save(tmp_path / "elsewhere", candidate) == version
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / version).iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([version, "elsewhere"])
    assert version.startswith("2024-01-01-")


def test_other_content_has_another_id(candidate: Candidate, tmp_path: Path) -> None:
    ids = [
        save(tmp_path, candidate),
        save(tmp_path, candidate, vintages={"reps": "2023-10-01"}),
        save(tmp_path, candidate, code_version="2"),
        save(tmp_path, candidate, as_of=date(2024, 4, 1)),
    ]
    assert len(set(ids)) == 4


def test_the_manifest_says_what_the_model_came_from(candidate: Candidate, tmp_path: Path) -> None:
    manifest = read_manifest(tmp_path, save(tmp_path, candidate))
    assert manifest["vintages"] == {"reps": "2024-01-01"}
    assert [feature["name"] for feature in manifest["features"]][-1] == "tenure_above_median"
    assert manifest["levels"]["kind"] == ["bank", "broker", "independent", "insurer"]
    assert manifest["fold_statistics"] == dict(candidate.model.statistics)
    assert manifest["contender"] == candidate.contender.to_dict()
    assert {period["name"] for period in manifest["periods"]} == {"development", "calibration", "test"}


def test_every_changed_missing_or_added_file_is_refused(candidate: Candidate, tmp_path: Path) -> None:
    version = save(tmp_path, candidate)
    names = sorted(path.name for path in (tmp_path / version).iterdir())
    assert len(names) == 5
    for name in names:
        path = tmp_path / version / name
        content = path.read_bytes()
        for other in (content[:-1], content + b" ", bytes([content[0] ^ 1]) + content[1:], None):
            if other is None:
                path.unlink()
            else:
                path.write_bytes(other)
            with pytest.raises(InputError, match=r"digest|no complete model"):
                load_version(tmp_path, version, MedianTenure())
            path.write_bytes(content)
    (tmp_path / version / "extra.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match="digest"):
        load_version(tmp_path, version, MedianTenure())


@pytest.mark.parametrize("change", ["a byte", "a file less", "a file more", "another manifest", "no manifest"])
def test_training_again_replaces_a_damaged_version_and_keeps_the_damaged_one(
    candidate: Candidate, tmp_path: Path, change: str
) -> None:
    version = save(tmp_path, candidate)
    folder = tmp_path / version
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for place in (1, 2):  # twice: the second one set aside must not meet the first
        if change == "a byte":
            scores = before["test_scores.parquet"]
            (folder / "test_scores.parquet").write_bytes(scores[:100] + bytes([scores[100] ^ 1]) + scores[101:])
        elif change == "a file less":
            (folder / "splits.parquet").unlink()
        elif change == "a file more":
            (folder / "note.txt").write_text("x")
        elif change == "another manifest":
            (folder / MANIFEST).write_bytes(before[MANIFEST].replace(b"advisor", b"another"))
        else:
            (folder / MANIFEST).unlink()
        with pytest.raises(InputError, match="--as-of 2024-01-01") as refused:
            load_version(tmp_path, version, MedianTenure())
        assert version in str(refused.value)
        damaged = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert save(tmp_path, candidate) == version
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        aside = tmp_path / f".damaged-{version}-{place}"
        assert {path.name: path.read_bytes() for path in aside.iterdir()} == damaged
        load_version(tmp_path, version, MedianTenure())


def test_a_version_of_another_format_says_how_to_make_one_of_this(candidate: Candidate, tmp_path: Path) -> None:
    version = save(tmp_path, candidate)
    manifest = json.loads((tmp_path / version / MANIFEST).read_text())
    content = json.dumps(manifest | {"format": 2}).encode()
    older = f"{AS_OF}-{hashlib.sha256(content).hexdigest()[:12]}"
    shutil.copytree(tmp_path / version, tmp_path / older)
    (tmp_path / older / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match=r"format 2.*leadscore run advisor_mql --as-of 2024-01-01"):
        read_manifest(tmp_path, older)


def test_a_version_scores_only_what_its_own_statements_compute(candidate: Candidate, tmp_path: Path) -> None:
    names = frozenset(feature.name for feature in candidate.model.features)
    digests = {"features/m5_engineered": "a", "columns/tenure": "b"}
    version = save(tmp_path, candidate, statements=digests)
    more = FeatureStatements(names | {"other"}, digests | {"features/other": "c"})
    for same in (FeatureStatements(names, digests), more):
        load_version(tmp_path, version, MedianTenure(), statements=same)
    for changed in (digests | {"columns/tenure": "x"}, {"features/m5_engineered": "a"}):
        with pytest.raises(InputError, match=r"another columns/tenure.*restore.*--as-of 2024-01-01"):
            load_version(tmp_path, version, MedianTenure(), statements=FeatureStatements(names, changed))
    with pytest.raises(InputError, match=r"needs feature moves, which the recipe no longer has.*--as-of 2024-01-01"):
        load_version(tmp_path, version, MedianTenure(), statements=FeatureStatements(names - {"moves"}, digests))
    assert load_metrics(tmp_path, version) == candidate.metrics  # a report does not ask


def test_a_better_looking_manifest_with_matching_file_digests_is_refused(candidate: Candidate, tmp_path: Path) -> None:
    version = save(tmp_path, candidate)
    path = tmp_path / version / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["metrics"]["auc_pr"]["low"] = 0.9
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    with pytest.raises(InputError, match="digest"):
        load_metrics(tmp_path, version)


def test_an_interrupted_write_leaves_no_version(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", crash)
        with pytest.raises(OSError, match="disk full"):
            save(tmp_path, candidate)
    assert list(tmp_path.iterdir()) == []
    load_version(tmp_path, save(tmp_path, candidate), MedianTenure())


def test_two_runs_that_write_the_same_version_at_once_both_succeed(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def overtaken(source: Path, target: Path) -> None:
        if not target.exists():
            shutil.copytree(source, target)
        real(source, target)

    monkeypatch.setattr("os.rename", overtaken)
    version = save(tmp_path, candidate)
    assert [path.name for path in tmp_path.iterdir()] == [version]
    read_manifest(tmp_path, version)


@pytest.mark.parametrize("version", ["2024-01-01-0123456789ab", "../escape", "", "latest"])
def test_a_version_that_is_not_there_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model version"):
        load_version(tmp_path, version)


def test_a_model_with_fold_features_needs_their_statements(candidate: Candidate, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="statements are needed"):
        load_version(tmp_path, save(tmp_path, candidate))


def test_another_process_trains_the_same_version(candidate: Candidate, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from leadscore_dagster_tests.versions.test_registry import save, trained\n"
        "print(save(Path(sys.argv[1]), trained(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "other"), candidate.estimator]
    other = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert other == save(tmp_path / "here", candidate)
    assert read_manifest(tmp_path / "other", other)["estimator"] == candidate.estimator
