import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadscore_dagster.core.recipe.schema import Bucket
from leadscore_dagster.core.scoring.ranking import bucket_places, percentiles, rank_leads

BUCKETS = [
    Bucket(name="Hot", from_percentile=90, action="Call today"),
    Bucket(name="Warm", from_percentile=50, action="Call this week"),
    Bucket(name="Cold", from_percentile=0, action="Call last"),
]


def ranked(margins):
    return rank_leads(np.array(margins, dtype=float), pa.array([f"id{i:06d}" for i in range(len(margins))]))


def test_the_best_lead_has_rank_1_percentile_100_and_decile_1_and_the_last_percentile_0_and_decile_10():
    ranking = ranked([0.1, 3.0, -2.0])
    assert ranking.rank.tolist() == [2, 1, 3]
    assert ranking.percentile.tolist() == [50, 100, 0]
    assert ranking.decile.tolist() == [5, 1, 10]


@pytest.mark.parametrize("n", [10, 20, 100, 1230])
def test_deciles_hold_exactly_a_tenth_each(n):
    decile = ranked(np.random.default_rng(n).permutation(n)).decile
    assert np.bincount(decile, minlength=11)[1:].tolist() == [n // 10] * 10


def test_equal_margins_share_percentile_and_decile_and_stand_in_the_order_of_their_ids():
    ids = pa.array(["d", "b", "c", "a"])
    ranking = rank_leads(np.array([1.0, 0.0, 0.0, 0.0]), ids)
    assert ranking.rank.tolist() == [1, 3, 4, 2]
    assert ranking.percentile[1] == ranking.percentile[2] == ranking.percentile[3] == pytest.approx(100 / 3)
    assert ranking.level_with.tolist() == [0, 2, 2, 2]
    assert not ranking.all_tied


def test_one_lead_and_leads_that_all_tie_stand_in_the_middle_and_say_so():
    for n in (1, 7):
        ranking = ranked([0.3] * n)
        assert ranking.all_tied
        assert set(ranking.percentile) == {50}
        assert set(ranking.decile) == {5}
        assert ranking.rank.tolist() == list(range(1, n + 1))


def test_no_leads_give_empty_arrays():
    ranking = ranked([])
    assert len(ranking.rank) == len(ranking.percentile) == len(ranking.decile) == 0
    assert not ranking.all_tied
    assert len(bucket_places(ranking.percentile, BUCKETS)) == 0


def test_a_percentile_on_the_edge_belongs_to_the_upper_bucket():
    places = bucket_places(np.array([100, 90, 89.999, 50, 49.9, 0]), BUCKETS)
    assert [BUCKETS[place].name for place in places] == ["Hot", "Hot", "Warm", "Warm", "Cold", "Cold"]


def test_percentiles_are_those_of_the_ranking():
    margin = np.random.default_rng(0).integers(0, 20, 300).astype(float)
    assert percentiles(margin) == pytest.approx(ranked(margin).percentile)
    assert percentiles(np.zeros(1)).tolist() == [50.0]


def test_a_margin_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="1 of 2 margins"):
        ranked([0.0, np.nan])
    with pytest.raises(ValueError, match="2 margins for 1"):
        rank_leads(np.zeros(2), pa.array(["a"]))


@given(st.lists(st.integers(-3, 3), max_size=40), st.randoms())
def test_the_ranking_does_not_depend_on_the_order_of_the_rows(margins, random):
    ids = [f"id{i}" for i in range(len(margins))]
    rows = list(range(len(margins)))
    random.shuffle(rows)
    straight = rank_leads(np.array(margins, dtype=float), pa.array(ids, pa.string()))
    mixed = rank_leads(np.array([margins[i] for i in rows], dtype=float), pa.array([ids[i] for i in rows], pa.string()))
    assert mixed.rank.tolist() == straight.rank[rows].tolist()
    assert mixed.percentile.tolist() == straight.percentile[rows].tolist()
    assert sorted(straight.rank) == list(range(1, len(margins) + 1))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=60))
def test_a_greater_margin_never_ranks_lower(margins):
    ranking = ranked(margins)
    order = np.argsort(ranking.rank)
    assert (np.diff(np.array(margins)[order]) <= 0).all()
    assert (np.diff(ranking.percentile[order]) <= 0).all()
    assert (np.diff(ranking.decile[order]) >= 0).all()
