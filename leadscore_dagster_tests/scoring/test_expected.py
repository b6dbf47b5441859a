import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.scoring.expected import expected_rates
from leadscore_dagster.core.scoring.ranking import rank_leads


def ranked(margins):
    return rank_leads(np.array(margins, dtype=float), pa.array([f"{i:04d}" for i in range(len(margins))]))


def decile(number, n, positives, worth=1.0):
    low, high = wilson(positives * worth, n * worth)
    return {"decile": number, "n": n, "positives": positives, "low": low, "high": high}


def test_a_lead_is_expected_to_convert_like_its_decile_of_the_test_period():
    rates = expected_rates([decile(1, 73, 12), decile(10, 237, 13)])
    best, last = rates.of(ranked(range(20)[::-1]))[[0, 19]]
    # figures of the original system's tiers: 12 of 73 is .10 to .27, 13 of 237 is .03 to .09
    assert best == pytest.approx([0.1644, 0.0967, 0.2658], abs=1e-4)
    assert last == pytest.approx([0.0549, 0.0323, 0.0916], abs=1e-4)


def test_where_all_leads_tie_each_gets_the_rate_of_the_whole_period():
    gains = pa.Table.from_pylist([decile(1, 50, 9), decile(2, 50, 1)])
    assert expected_rates(gains).of(ranked([1, 1]))[:, 0].tolist() == [0.1, 0.1]
    assert expected_rates(gains).overall == pytest.approx([0.1, *wilson(10, 100)])


@pytest.mark.parametrize("hits", [0, 3, 25, 30])
def test_rows_of_people_who_repeat_are_worth_as_much_as_in_the_gains_table(hits):
    gains = [decile(1, 30, hits, worth=0.2), decile(2, 30, 5, worth=0.2)]
    rates = expected_rates(gains)
    assert rates.by_decile[0, 1:] == pytest.approx([gains[0]["low"], gains[0]["high"]])
    assert rates.overall[1:] == pytest.approx(wilson((hits + 5) * 0.2, 12))


def test_a_decile_without_rows_has_no_rate():
    rates = expected_rates([decile(1, 0, 0)])
    assert np.isnan(rates.by_decile).all()
    assert np.isnan(rates.overall).all()


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        ([{"decile": 1, "n": 5}], "no column 'positives'"),
        ([{"decile": 1, "n": 5, "positives": 1}], "no column 'low'"),
        ([decile(11, 5, 1)], "outside"),
        ([decile(1, 5, 1)] * 2, "twice"),
        ([decile(1, 5, 1) | {"positives": 6}], "6 positives in 5"),
    ],
)
def test_a_gains_table_that_cannot_be_is_refused(gains, message):
    with pytest.raises(ValueError, match=message):
        expected_rates(gains)
