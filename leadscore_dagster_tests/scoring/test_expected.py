import numpy as np
import pyarrow as pa
import pytest

from leadscore_dagster.core.scoring.expected import expected_rates
from leadscore_dagster.core.scoring.ranking import rank_leads


def ranked(margins):
    return rank_leads(np.array(margins, dtype=float), pa.array([f"{i:04d}" for i in range(len(margins))]))


def test_a_lead_is_expected_to_convert_like_its_decile_of_the_test_period():
    rates = expected_rates([{"decile": 1, "n": 73, "positives": 12}, {"decile": 10, "n": 237, "positives": 13}])
    best, last = rates.of(ranked(range(20)[::-1]))[[0, 19]]
    # domain-facts 5, 4: 12 of 73 is .10 to .27, 13 of 237 is .03 to .09
    assert best == pytest.approx([0.1644, 0.0967, 0.2658], abs=1e-4)
    assert last == pytest.approx([0.0549, 0.0323, 0.0916], abs=1e-4)


def test_where_all_leads_tie_each_gets_the_rate_of_the_whole_period():
    gains = pa.table({"decile": [1, 2], "n": [50, 50], "positives": [9, 1]})
    assert expected_rates(gains).of(ranked([1, 1]))[:, 0].tolist() == [0.1, 0.1]


def test_a_decile_without_rows_has_no_rate():
    rates = expected_rates([{"decile": 1, "n": 0, "positives": 0}])
    assert np.isnan(rates.by_decile).all()
    assert np.isnan(rates.overall).all()


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        ([{"decile": 1, "n": 5}], "no column 'positives'"),
        ([{"decile": 11, "n": 5, "positives": 1}], "outside"),
        ([{"decile": 1, "n": 5, "positives": 1}] * 2, "twice"),
        ([{"decile": 1, "n": 5, "positives": 6}], "6 positives in 5"),
    ],
)
def test_a_gains_table_that_cannot_be_is_refused(gains, message):
    with pytest.raises(ValueError, match=message):
        expected_rates(gains)
