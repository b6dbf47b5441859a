from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.scoring import score
from leadscore_dagster.core.scoring.loaded import load_to_score
from leadscore_dagster.core.scoring.score import score_decisions
from leadscore_dagster.core.versions import registry
from leadscore_dagster_tests.modelling.simulated import FAST, FEATURES, FOLD_FEATURE, MedianTenure, training_table
from leadscore_dagster_tests.scoring.world import DAY, SCORED_AT, VINTAGE, recipe

PHRASED = replace(FOLD_FEATURE, phrase="longer at the firm than most", phrase_absent="not longer than most")


@pytest.fixture(scope="module", params=["xgboost", "logistic_regression"])
def registered(request, tmp_path_factory):
    """A registered version of each estimator, with a feature that is computed inside the fold."""
    folder = tmp_path_factory.mktemp("models")
    model = FAST.model_copy(update={"estimators": (request.param,), "minimum_positives": 50})
    candidate = train_candidate(
        training_table(3000), (*FEATURES, PHRASED), model, window_days=30, entity="rep", fold_features=MedianTenure()
    )
    version = registry.save_version(
        folder, candidate, recipe="small", as_of=date(2024, 1, 1), vintages={}, code_version="1"
    )
    return folder, version


def day_of(folder, version, features):
    model = load_to_score(folder, version, MedianTenure(), statements=None)
    return score_decisions(
        features.rename_columns({"rep": "RepCRD"}).drop_columns(["label"]),
        model,
        recipe(),
        day=DAY,
        vintage_as_of=VINTAGE,
        scored_at=SCORED_AT,
        catalogue=model.catalogue,
        decisions=features["decision_id"],
    )


def test_a_registered_version_scores_a_day(registered, monkeypatch):
    monkeypatch.setattr(score, "CHUNK_ROWS", 256)
    features = training_table(700, seed=3)
    table = day_of(*registered, features)
    assert table.num_rows == 700
    assert set(table["model_version"].to_pylist()) == {registered[1]}
    own = load_to_score(*registered, MedianTenure(), statements=None).model.score(features)
    margin = dict(zip(features["decision_id"].to_pylist(), own.margin, strict=True))
    assert table["margin"].to_pylist() == pytest.approx([margin[i] for i in table["decision_id"].to_pylist()])
    # isotonic and Platt are monotone: who ranks higher is never less likely
    assert (np.diff(table["score"].to_numpy()) <= 1e-12).all()
    assert table["expected_rate"].null_count == 0


def test_a_feature_computed_inside_the_fold_is_explained_by_its_own_value(registered):
    features = training_table(700, seed=3)
    table = day_of(*registered, features)
    median = load_to_score(*registered, MedianTenure(), statements=None).model.statistics["median"]
    tenure = dict(zip(features["decision_id"].to_pylist(), features["tenure"].to_pylist(), strict=True))
    found = 0
    for place in range(1, 6):
        rows = table.filter(pc.equal(table[f"driver_{place}"], PHRASED.name)).to_pylist()
        for row in rows:
            months = tenure[row["decision_id"]]
            wanted = None if months is None else str(int(months > median))
            assert row[f"driver_{place}_value"] == wanted
            said = {None: "not known", "1": "longer at the firm than most", "0": "not longer than most"}[wanted]
            assert said in row["narrative"]
        found += len(rows)
    assert found


def test_a_version_that_was_changed_is_not_loaded(registered, tmp_path):
    folder, version = registered
    copy = tmp_path / version
    copy.mkdir()
    for path in (folder / version).iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "manifest.json").write_text((copy / "manifest.json").read_text().replace("small", "other"))
    with pytest.raises(InputError, match="digest"):
        load_to_score(tmp_path, version, MedianTenure(), statements=None)
    with pytest.raises(InputError, match="statements"):
        load_to_score(folder, version, None, statements=None)
    assert pa.types.is_string(day_of(folder, version, training_table(5, seed=1)).schema.field("narrative").type)
