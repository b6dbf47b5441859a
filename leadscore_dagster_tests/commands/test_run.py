"""What `leadscore run` says of a candidate: today's ruling, not the one of another day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dagster as dg

from leadscore_dagster.commands.run import Ruled, _champion, ruled
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.versions.ledger import LedgerEntry
from leadscore_dagster.defs.assets.shell import key

RECIPE = load_recipe("bank_marketing")
PERIOD, OTHER = date(2009, 4, 1), date(2009, 7, 1)


def _made(instance: dg.DagsterInstance, as_of: date, reason: str, why: str) -> None:
    asset, said = key(RECIPE, "champion_model"), {"reason": reason, "why": why}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=asset, partition=as_of.isoformat(), metadata=said)
    )


def test_a_ruling_that_comes_again_after_another_is_the_one_that_is_told() -> None:
    """The ledger has the first of the two that are alike, and then the other: its last entry is not today's reason."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert ruled(instance, RECIPE, PERIOD) is None
        for reason, why in (("within_chance", "noise"), ("not_comparable", "no tenure"), ("within_chance", "noise")):
            _made(instance, PERIOD, reason, why)
        _made(instance, OTHER, "better", "better")
        assert ruled(instance, RECIPE, PERIOD) == Ruled("within_chance", "noise")


def test_a_champion_that_stays_is_named_without_the_reason_of_the_day_it_was_made() -> None:
    instant = datetime(2009, 1, 1, tzinfo=UTC)
    holder = LedgerEntry(RECIPE.name, "v1", "promote", instant, instant, "There is no champion yet: promoted.")
    assert _champion(holder, "unchanged") == "Champion: v1, since 2009-01-01."
    assert _champion(holder, "promoted").endswith("There is no champion yet: promoted.")
    assert _champion(None, "refused") == ""
