import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.schema import Bucket
from leadscore_dagster.core.scoring.expected import as_markdown, heat
from leadscore_dagster.core.scoring.ranking import bucket_places, rank_leads

BUCKETS = tuple(
    Bucket(name=name, from_percentile=edge, action=f"do {name}")
    for name, edge in (("Very Hot", 95.0), ("Hot", 90.0), ("Warm", 70.0), ("Cold", 0.0))
)


def outcomes(rates: dict[str, float], n: int = 10_000, codes: np.ndarray | None = None) -> Judged:
    """Decisions whose buckets convert exactly at these rates."""
    margin = np.linspace(-4, 1, n)
    place = bucket_places(100 * np.arange(n) / (n - 1), BUCKETS)
    label = np.zeros(n, dtype=np.int64)
    for number, bucket in enumerate(BUCKETS):
        rows = np.flatnonzero(place == number)
        label[rows[: round(rates[bucket.name] * len(rows))]] = 1
    return Judged.ranked(label, margin, codes)


def test_a_lead_is_expected_to_convert_like_its_bucket_of_the_test_period():
    found = heat(outcomes({"Very Hot": 0.2, "Hot": 0.1, "Warm": 0.05, "Cold": 0.01}), BUCKETS)
    assert found.name == ("Very Hot", "Hot", "Warm", "Cold")
    assert found.rate[:, 0] == pytest.approx([0.2, 0.1, 0.05, 0.01], abs=1e-3)
    assert found.rate[0] == pytest.approx([0.2, *wilson(100, 500)], abs=1e-3)
    ranking = rank_leads(np.arange(200.0), pa.array([f"{i:04d}" for i in range(200)]))
    rates = found.expected(ranking, bucket_places(ranking.percentile, BUCKETS))
    assert rates[199, 0] == pytest.approx(0.2, abs=1e-3)
    assert rates[0, 0] == pytest.approx(0.01, abs=1e-3)


def test_a_bucket_that_is_not_hotter_is_taken_together_with_the_next_and_said():
    """Observed on the demo: 6.0% in the hottest bucket, 8.4% in the second."""
    found = heat(outcomes({"Very Hot": 0.06, "Hot": 0.084, "Warm": 0.05, "Cold": 0.01}), BUCKETS)
    assert found.name == ("Hot", "Hot", "Warm", "Cold")
    assert found.action[:2] == ("do Hot", "do Hot")
    assert found.rate[0, 0] == found.rate[1, 0] == pytest.approx(0.072, abs=1e-3)
    assert "| Very Hot | 500 | 30 | 7.2% (5.8% to 9.0%) | Hot: Very Hot and Hot together |" in as_markdown(
        found, BUCKETS
    )


def test_rates_always_fall_from_bucket_to_bucket():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rates = dict(zip((bucket.name for bucket in BUCKETS), rng.random(4) * 0.2, strict=True))
        found = heat(outcomes(rates, 2000), BUCKETS)
        hotter = np.diff(found.rate[:, 0])
        assert (hotter <= 0).all()
        assert ((hotter < 0) == (np.diff(found.group) > 0)).all()


def test_a_list_without_order_has_one_bucket_and_one_rate():
    found = heat(outcomes({"Very Hot": 0.01, "Hot": 0.02, "Warm": 0.03, "Cold": 0.04}), BUCKETS)
    assert set(found.name) == {"Cold"}
    tied = rank_leads(np.zeros(2), pa.array(["a", "b"]))
    assert found.expected(tied, bucket_places(tied.percentile, BUCKETS)) == pytest.approx(
        np.tile(found.overall, (2, 1))
    )


def test_people_who_repeat_make_the_interval_wider():
    rates = {"Very Hot": 0.2, "Hot": 0.1, "Warm": 0.05, "Cold": 0.01}
    alone, repeating = heat(outcomes(rates), BUCKETS), heat(outcomes(rates, codes=np.arange(10_000) // 5), BUCKETS)
    assert np.diff(repeating.rate[0, 1:])[0] > 1.5 * np.diff(alone.rate[0, 1:])[0]


def test_without_a_decision_there_is_no_rate_and_buckets_given_together_stay_together():
    empty = heat(Judged.ranked(np.zeros(0, np.int64), np.zeros(0)), BUCKETS)
    assert np.isnan(empty.rate).all()
    falling = outcomes({"Very Hot": 0.2, "Hot": 0.1, "Warm": 0.05, "Cold": 0.01})
    given = heat(falling, BUCKETS, np.array([0, 0, 1, 2]))
    assert given.rate[0, 0] == given.rate[1, 0] == pytest.approx(0.15, abs=1e-3)
