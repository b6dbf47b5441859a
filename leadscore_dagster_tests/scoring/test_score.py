from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.scoring import score
from leadscore_dagster_tests.scoring.world import SCORED_AT, VINTAGE, Answer, LinearModel, leads, scored


def test_every_decision_comes_out_once_in_rank_order_with_its_own_score():
    features = leads(500)
    table = scored(features, decisions=features["decision_id"])
    assert table["rank"].to_pylist() == list(range(1, 501))
    own = LinearModel().score(features, contributions=False).margin.astype(float)
    margin = dict(zip(features["decision_id"].to_pylist(), own, strict=True))
    assert table["margin"].to_pylist() == [margin[i] for i in table["decision_id"].to_pylist()]
    assert table["margin"].to_pylist() == sorted(own, reverse=True)
    rep = dict(zip(features["decision_id"].to_pylist(), features["RepCRD"].to_pylist(), strict=True))
    assert table["RepCRD"].to_pylist() == [rep[i] for i in table["decision_id"].to_pylist()]
    assert set(table["model_version"].to_pylist()) == {"v1"}
    assert set(table["vintage_as_of"].to_pylist()) == {VINTAGE}
    assert set(table["scored_at"].to_pylist()) == {SCORED_AT}


def test_the_best_leads_are_in_the_first_bucket_and_expected_to_convert_most():
    table = scored(leads(1000))
    first, last = table.slice(0, 1).to_pylist()[0], table.slice(999).to_pylist()[0]
    assert (first["bucket"], first["action"]) == ("Very Hot", "Call immediately")
    assert (last["bucket"], last["action"]) == ("Cold", "Do not call for now")
    assert first["expected_rate"] == 0.2
    assert first["expected_rate_low"] < 0.2 < first["expected_rate_high"]
    assert first["narrative"].startswith("Top 1% of today's list. ")
    assert pc.sum(pc.equal(table["bucket"], "Very Hot")).as_py() == 50


def test_driver_columns_explain_the_leads_own_row():
    features = leads(300)
    row = scored(features).slice(0, 1).to_pylist()[0]
    own = features.filter(pc.equal(features["decision_id"], row["decision_id"]))
    parts = LinearModel().score(own, contributions=True).contributions[0]
    best = int(np.abs(parts).argmax())
    assert row["driver_1"] == LinearModel().feature_names[best]
    assert row["driver_1_effect"] == parts[best]
    assert row["driver_5"] is row["driver_5_value"] is row["driver_5_effect"] is None  # four features


@pytest.mark.parametrize("batch_rows", [1, 7, 64, 1000])
def test_the_table_is_the_same_however_the_input_is_cut_into_batches(monkeypatch, batch_rows):
    monkeypatch.setattr(score, "CHUNK_ROWS", 100)
    features = leads(430)
    reader = pa.RecordBatchReader.from_batches(features.schema, features.to_batches(max_chunksize=batch_rows))
    assert scored(reader).equals(scored(features))


def test_the_model_never_sees_more_rows_at_a_time_than_a_chunk_holds(monkeypatch):
    monkeypatch.setattr(score, "CHUNK_ROWS", 100)
    seen = []

    class Watching(LinearModel):
        def score(self, table, contributions):
            seen.append(table.num_rows)
            return super().score(table, contributions)

    scored(leads(430), Watching())
    assert seen == [100, 100, 100, 100, 30]


def test_a_lead_of_which_nothing_is_known_is_scored_and_said_to_be_unknown():
    features = leads(1)
    empty = {name: pa.nulls(1, features[name].type) for name in LinearModel().feature_names}
    features = pa.table({name: empty.get(name, features[name]) for name in features.column_names})
    row = scored(features).to_pylist()[0]
    assert row["narrative"] == (
        "The only lead on today's list, so there is nothing to compare it with. "
        "Against: tenure months not known; firm assets not known; holds cfp not known; lead source not known."
    )
    assert row["driver_1_value"] is None
    assert (row["rank"], row["percentile"], row["bucket"]) == (1, 50, "Cool")
    assert row["expected_rate"] == pytest.approx(0.057)  # the whole test period: there is no order to go by


def test_no_leads_give_an_empty_table_of_the_same_schema():
    empty = scored(leads(5).slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema == scored(leads(5)).schema


def test_without_drivers_the_reasons_are_left_out_and_the_rest_is_the_same():
    features = leads(200)
    bare = scored(features, with_drivers=False)
    full = scored(features)
    assert not [name for name in bare.column_names if name.startswith("driver_") or name == "narrative"]
    assert bare.equals(full.select(bare.column_names))


def test_a_decision_that_is_there_twice_is_refused():
    features = leads(10)
    with pytest.raises(InputError, match=r"more than once.*2 rows"):
        scored(pa.concat_tables([features, features.slice(3, 2)]))


def test_a_decision_that_was_lost_or_made_up_is_refused():
    features = leads(10)
    with pytest.raises(InputError, match=r"have no score.*3 rows"):
        scored(features.slice(3), decisions=features["decision_id"])
    with pytest.raises(InputError, match=r"not asked for.*1 row\b"):
        scored(features, decisions=features["decision_id"].slice(1))
    with pytest.raises(InputError, match=r"have no score.*10 rows"):
        scored(features.slice(0, 0), decisions=features["decision_id"])


def test_a_decision_without_an_id_or_a_column_that_is_missing_is_refused():
    features = leads(3)
    hole = features.set_column(0, "decision_id", pa.array(["a", None, "b"]))
    with pytest.raises(InputError, match="without an id"):
        scored(hole)
    with pytest.raises(InputError, match="column RepCRD"):
        scored(features.drop_columns(["RepCRD"]))
    with pytest.raises(InputError, match="int64, not text"):
        scored(features.set_column(0, "decision_id", pa.array([1, 2, 3])))
    with pytest.raises(InputError, match="without a zone"):
        scored(features, scored_at=datetime(2024, 5, 6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer: replace(answer, contributions=answer.contributions * 2), "is not the margin"),
        (lambda answer: replace(answer, contributions=None), "no contribution"),
        (lambda answer: replace(answer, margin=answer.margin[1:]), "margins for"),
        (lambda answer: replace(answer, probability=answer.probability * np.nan), "probability"),
    ],
)
def test_a_model_whose_answer_does_not_fit_is_refused(change, message):
    class Broken(LinearModel):
        def score(self, table: pa.Table, contributions: bool) -> Answer:
            return change(super().score(table, contributions))

    with pytest.raises(ValueError, match=message):
        scored(leads(5), Broken())
