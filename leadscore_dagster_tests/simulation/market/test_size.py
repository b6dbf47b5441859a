from __future__ import annotations

import pytest

from leadscore_dagster.core.simulation.market import QUARTERS, MarketSize
from leadscore_dagster.core.simulation.market.firms import TOP_SHARE, firm_shares


@pytest.mark.parametrize("bad", [(100, 10, 50), (1_000, 500, 500), (1_000, 100, 5_000), (1_000, 100, 10)])
def test_a_market_that_cannot_exist_is_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="needs firms"):
        MarketSize(*bad)


def test_eight_quarters_are_delivered_nine_to_thirtyone_days_late_and_one_never() -> None:
    assert [quarter.name for quarter in QUARTERS] == sorted(quarter.name for quarter in QUARTERS)
    assert len(QUARTERS) == 8
    assert "2024_q2" not in {quarter.name for quarter in QUARTERS}
    lags = [(quarter.available_at.date() - quarter.as_of).days for quarter in QUARTERS]
    assert all(9 <= lag <= 31 for lag in lags)
    assert len(set(lags)) > 4


@pytest.mark.parametrize("count", [240, 4_800, 38_543])
def test_firm_sizes_have_a_heavy_tail_with_five_per_cent_at_the_top(count: int) -> None:
    share = firm_shares(count)
    assert share.sum() == pytest.approx(1)
    assert share[0] == pytest.approx(TOP_SHARE, rel=0.01)
    assert (share[:-1] >= share[1:]).all()
