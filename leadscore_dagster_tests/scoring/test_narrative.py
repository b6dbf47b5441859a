import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leadscore_dagster.core.scoring.drivers import driver_values, top_drivers
from leadscore_dagster.core.scoring.narrative import narrative, reason_columns, standing
from leadscore_dagster.core.scoring.ranking import rank_leads
from leadscore_dagster.core.table.features.catalogue import Feature

NAMES = ["alpha", "beta", "gamma", "delta"]
CATALOGUE = {
    "alpha": Feature("alpha", "", "number", phrase="alpha is {value:.1f}"),
    "beta": Feature("beta", "", "flag", phrase="beta holds"),
}


def said(features, contributions, top=3, names=NAMES):
    return told(features, contributions, top, names)["reasons"].to_pylist()


def told(features, contributions, top=3, names=NAMES, catalogue=CATALOGUE):
    found = top_drivers(np.array(contributions, dtype=np.float32), 4 * top)
    values = driver_values(features, names, found)
    return reason_columns(features, names, catalogue, drivers=found, values=values, top=top)


def standing_of(margins):
    ids = pa.array([f"id{i:06d}" for i in range(len(margins))], pa.string())
    return standing(rank_leads(np.array(margins, dtype=float), ids)).to_pylist()


def test_reasons_stand_on_the_side_of_their_effect_and_the_greatest_comes_first():
    features = pa.table({"alpha": [2.0], "beta": [1.0], "gamma": [None], "delta": ["x"]})
    assert said(features, [[0.2, 0.9, -0.5, 0.1]]) == ["In favour: beta holds; alpha is 2.0. Against: gamma not known."]


def test_one_side_alone_has_no_empty_other_side_and_no_driver_has_no_text():
    features = pa.table({"alpha": [2.0, 2.0], "beta": [0.0, 1.0], "gamma": [3.0, 1.0], "delta": ["x", "y"]})
    assert said(features, [[0, 0, -0.9, 0], [0, 0, 0, 0]]) == ["Against: gamma: 3.", None]


def test_the_standing_is_a_percentage_on_a_long_list_and_a_position_on_a_short_one():
    long = standing_of(np.arange(1000)[::-1])
    assert long[0] == "Top 1% of today's list."
    assert long[29] == "Top 3% of today's list."
    assert long[999] == "Bottom 1% of today's list."
    short = standing_of([3, 2, 1, 1])
    assert short == [
        "Number 1 of 4 on today's list.",
        "Number 2 of 4 on today's list.",
        "Number 3 of 4 on today's list, level with 1 other.",
        "Number 3 of 4 on today's list, level with 1 other.",
    ]


def test_a_list_without_order_says_so():
    assert standing_of([1.0]) == ["The only lead on today's list, so there is nothing to compare it with."]
    assert standing_of([1.0] * 1200)[0] == "All 1,200 leads on today's list score the same: their order says nothing."
    assert standing_of([]) == []


def test_no_lead_above_the_middle_is_called_low():
    for margins in (np.arange(500.0), np.repeat(np.arange(50.0), 10)):
        ranking = rank_leads(margins, pa.array([f"id{i:06d}" for i in range(500)]))
        upper = np.array(standing(ranking).to_pylist())[ranking.percentile >= 50]
        assert all(text.startswith("Top ") for text in upper)


def test_the_narrative_is_the_standing_alone_where_there_is_no_reason():
    ranking = rank_leads(np.array([1.0, 0.0]), pa.array(["a", "b"]))
    assert narrative(ranking, pa.array([None, "Against: x."])).to_pylist() == [
        "Number 1 of 2 on today's list.",
        "Number 2 of 2 on today's list. Against: x.",
    ]


def test_a_fact_is_told_once_by_the_stronger_of_two_features():
    catalogue = {
        name: Feature(name, "", "number", phrase=name + " {value}", fact="tenure") for name in ("alpha", "beta")
    }
    features = pa.table({"alpha": [2.0], "beta": [1.0], "gamma": [5.0], "delta": ["x"]})
    columns = told(features, [[0.2, 0.9, -0.5, 0.1]], catalogue=catalogue)
    assert columns["reasons"].to_pylist() == ["In favour: beta 1; delta: x. Against: gamma: 5."]
    assert [columns[f"reason_{i}"].to_pylist() for i in (1, 2, 3)] == [
        ["For: beta 1"],
        ["Against: gamma: 5"],
        ["For: delta: x"],
    ]


def test_what_is_the_same_for_everybody_is_no_reason_and_another_takes_its_place():
    features = pa.table({"alpha": [2.0, 2.0], "beta": [1.0, 0.0], "gamma": [3.0, 1.0], "delta": ["x", "x"]})
    columns = told(features, [[0.9, 0.1, -0.5, 0.8], [0.9, 0.1, -0.5, 0.8]], top=2)
    assert columns["reasons"].to_pylist() == ["In favour: beta holds. Against: gamma: 3.", "Against: gamma: 1."]


def test_a_feature_stands_only_on_the_side_its_catalogue_allows():
    catalogue = {
        "alpha": Feature("alpha", "", "flag", phrase="has a disclosure", reason="against"),
        "beta": Feature("beta", "", "flag", phrase="called on a weekend", reason="never"),
        "gamma": Feature("gamma", "", "flag", phrase="owner", reason="in_favour"),
    }
    features = pa.table({"alpha": [1.0, 0.0], "beta": [1.0, 0.0], "gamma": [1.0, 0.0], "delta": ["x", "y"]})
    effects = [[0.9, 0.8, 0.7, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert told(features, effects, catalogue=catalogue)["reasons"].to_pylist() == ["In favour: owner.", None]
    against = [[-0.9, -0.8, -0.7, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert told(features, against, catalogue=catalogue)["reasons"][0].as_py() == "Against: has a disclosure."


def test_a_cap_or_a_ratio_to_nothing_is_no_fact_and_is_never_told():
    when = "beta > 0 and alpha < 100"
    catalogue = {"alpha": Feature("alpha", "", "number", phrase="{value:.0f} times as long", phrase_when=when)}
    alpha, beta = [100.0, 7.0, 7.0, 7.0], [2.0, 0.0, 2.0, None]
    features = pa.table({"alpha": alpha, "beta": beta, "gamma": [3.0] * 4, "delta": ["x"] * 4})
    columns = told(features, [[0.9, 0, 0, 0]] * 4, catalogue=catalogue)
    assert columns["reasons"].to_pylist() == [None, None, "In favour: 7 times as long.", None]


@given(
    arrays(np.float32, (6, 4), elements=st.sampled_from([-2, -1, -0.5, 0, 0.5, 1, 2])),
    arrays(float, (6, 4), elements=st.sampled_from([np.nan, 0, 1, 2.5, 1e9])),
    st.integers(1, 4),
)
def test_a_narrative_never_contradicts_the_direction_of_its_drivers(contributions, values, top):
    names = ["one", "two", "three", "four"]
    features = pa.table({name: pa.array(values[:, i], from_pandas=True) for i, name in enumerate(names)})
    texts = told(features, contributions, top, names, {})["reasons"].to_pylist()
    alike = [pc.count_distinct(features[name], mode="all").as_py() == 1 for name in names]
    ranked = np.argsort(-np.abs(np.where(alike, 0, contributions)), axis=1, kind="stable")[:, :top]
    for text, row, top_features, value in zip(texts, contributions, ranked, values, strict=True):
        match = re.fullmatch(r"(?:In favour: (.*?)\.)? ?(?:Against: (.*)\.)?", text or "")
        assert match
        for side, sign in zip(match.groups(), (1, -1), strict=True):
            wanted = [i for i in top_features if not alike[i] and np.sign(row[i]) == sign]
            pieces = side.split("; ") if side else []
            assert [piece.split(":")[0].split(" not")[0] for piece in pieces] == [names[i] for i in wanted]
            for piece, i in zip(pieces, wanted, strict=True):
                assert (piece == f"{names[i]} not known") == np.isnan(value[i])
