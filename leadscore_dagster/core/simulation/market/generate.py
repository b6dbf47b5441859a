"""Write a whole market: vendor drops, CRM extract, and the truth that no pipeline may read.

Not here: who people are and what happens to them (world), how a drop looks (drops).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from leadscore_dagster.core.simulation.market.conversion import Leads, simulate_leads
from leadscore_dagster.core.simulation.market.crm import crm_extract
from leadscore_dagster.core.simulation.market.diagnostics import (
    converted_within_window,
    gap_information,
    mature,
    top_decile_lift,
)
from leadscore_dagster.core.simulation.market.drops import write_drop, write_table
from leadscore_dagster.core.simulation.market.size import DEMO, NEVER, QUARTERS, TODAY, MarketSize
from leadscore_dagster.core.simulation.market.world import World, simulate_world

_PARTS = ("drops", "crm", "truth")


@dataclass(frozen=True)
class MarketSummary:
    """What was generated. Rates are shares of contacted leads converting within 30 days of contact.

    `oracle_lift` ranks all contacted leads by their true propensity: no model can do better in expectation.
    Leads of the last 30 days are left out of what is realised (their window has not ended). The information
    values are those of "between two jobs" by the newest drop, and by the newest drop known at contact.
    `dirt` counts rows of leads.csv and facts of the world, `dirt_by_quarter` rows and cells of each drop.
    """

    size: MarketSize
    seed: int
    base_rate: float
    realised_rate: float
    oracle_lift: float
    gap_share: float
    gap_rate: float
    gap_information_value: float
    gap_information_value_as_known: float
    share_within_30_days: float
    dirt: dict[str, int]
    dirt_by_quarter: dict[str, dict[str, int]]

    def __str__(self) -> str:
        return (
            f"{self.size.reps:,} advisors, {self.size.firms:,} firms, {self.size.leads:,} leads "
            f"(seed {self.seed}): "
            f"base rate {self.base_rate:.2%} (realised {self.realised_rate:.2%}), "
            f"oracle top-decile lift {self.oracle_lift:.2f}, "
            f"{self.gap_share:.1%} of contacted leads between two jobs converting at {self.gap_rate:.1%} "
            f"(information value {self.gap_information_value:.2f} with hindsight, "
            f"{self.gap_information_value_as_known:.3f} as known then)"
        )


def generate_market(
    folder: Path,
    size: MarketSize = DEMO,
    seed: int = 7,
    file_format: str = "csv",
    progress: Callable[[str], None] = lambda message: None,
) -> MarketSummary:
    """Write `folder`/drops, `folder`/crm and `folder`/truth; the same arguments give the same bytes.

    Everything is written beside `folder` and renamed into place at the end, replacing an earlier market but
    nothing else that lives in `folder`. Raises ValueError for a format other than 'csv' or 'parquet'.
    """
    if file_format not in ("csv", "parquet"):
        raise ValueError(f"file_format {file_format!r} is neither 'csv' nor 'parquet'")
    folder = Path(folder).absolute()
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for part in _PARTS:
        (partial / part).mkdir(parents=True)
    progress("simulating firms and careers")
    world = simulate_world(size, seed)
    by_quarter = {}
    with duckdb.connect(config={"preserve_insertion_order": True}) as connection:
        for quarter in QUARTERS:
            progress(f"writing drop {quarter.name}")
            drops = partial / "drops"
            by_quarter[quarter.name] = write_drop(world, quarter, drops, file_format, connection)
        progress("writing leads")
        leads = simulate_leads(world)
        extract, truth, dirt = crm_extract(world, leads)
        write_table(extract, partial / "crm" / "leads.csv", connection)
    pq.write_table(truth, partial / "truth" / "propensity.parquet", compression="zstd")
    summary = _summary(world, leads, dirt | _world_dirt(world), by_quarter)
    text = json.dumps(asdict(summary), indent=2, sort_keys=True) + "\n"
    (partial / "truth" / "summary.json").write_text(text)
    _move_into_place(partial, folder)
    progress(str(summary))
    return summary


def _summary(world: World, leads: Leads, dirt: dict[str, int], by_quarter: dict[str, dict[str, int]]) -> MarketSummary:
    contacted, observed, converted = leads.contacted_at > 0, mature(leads), converted_within_window(leads)
    hindsight, as_known = gap_information(world, leads)
    old = contacted & (leads.contacted_at < (TODAY - 365) * 86_400)
    propensity = leads.propensity[contacted]
    return MarketSummary(
        size=world.size,
        seed=world.seed,
        base_rate=float(propensity.mean()),
        realised_rate=float(converted[observed].mean()),
        oracle_lift=top_decile_lift(propensity, propensity),
        gap_share=float(leads.in_gap[contacted].mean()),
        gap_rate=float(converted[observed & leads.in_gap].mean()),
        gap_information_value=hindsight,
        gap_information_value_as_known=as_known,
        share_within_30_days=float(converted[old].sum() / (leads.converted_at[old] > 0).sum()),
        dirt=dirt,
        dirt_by_quarter=by_quarter,
    )


def _world_dirt(world: World) -> dict[str, int]:
    return {
        "side_jobs": len(world.side_jobs.rep),
        "restated_firm_months": int((world.firms.restated_known < NEVER).sum()),
    }


def _move_into_place(partial: Path, folder: Path) -> None:
    if not folder.exists():
        partial.rename(folder)
        return
    # The truth goes last: whoever finds the summary finds the rest of the same market.
    for part in _PARTS:
        if (folder / part).exists():
            (folder / part).rename(partial / f"old_{part}")
        (partial / part).rename(folder / part)
    shutil.rmtree(partial)


def read_truth(folder: Path) -> pa.Table:
    """lead_id, contacted_at, propensity, in_gap of every contacted lead; for tests and benchmarks only."""
    return pq.read_table(Path(folder) / "truth" / "propensity.parquet")
