"""Clean worlds over the market: shipped feature sets in many combinations, and honest twins of the planted leaks.

Every SELECT in ``sql/honest`` looks like one that leaks and asks what it must: was the row known at the decision, had
the fact happened, does the window look back only.

Lives here: the recipes. Not here: the market (market).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.leak_benchmark.market import market_world, read_features
from benchmarks.leak_benchmark.world import Entry, World

_SHIPPED = ("rep_firm_base", "home_metro", "m5_engineered", "m5_population", "contact_time", "employment")
#: (name, shipped sets, honest sets of the benchmark, sections of the recipe to replace)
_RECIPES: list[tuple[str, Sequence[str], Sequence[str], dict[str, Any]]] = [
    ("shipped", _SHIPPED, (), {}),
    ("representatives", ("rep_firm_base", "home_metro", "contact_time"), (), {}),
    ("employment", ("employment", "contact_time"), (), {}),
    ("employment_14_days", ("employment", "home_metro"), (), {"label": {"kind": "window", "days": 14}}),
    ("gap_as_known", ("days_in_gap_as_known", "contact_time"), (), {}),
    (
        "honest_twins",
        ("contact_time", "home_metro"),
        (
            "moved_lately_as_known",
            "jobs_as_known",
            "assets_change_as_known",
            "assets_rank_in_vintage",
            "days_since_new_as_known",
        ),
        {},
    ),
    ("clocks", ("contact_time", "home_metro"), ("quarter_of_year", "months_since_start"), {}),
    ("own_columns", ("contact_time", "home_metro"), (), {"features": {"columns": ["LeadSource", "State"]}}),
    ("one_state", ("employment", "rep_firm_base"), (), {"exclude": "MOD(RepCRD, 3) != 0"}),
]
QUICK = {"employment", "honest_twins"}


def _build(
    folder: Path, market: Path, seed: int, *, shipped: Sequence[str], own: Sequence[str], changes: dict[str, Any]
) -> World:
    given = dict(changes)
    if "label" in given:
        given["label"] = {"outcome_at": "Stage_Entered_Call_Scheduled__c"} | given["label"]
    if "exclude" in given:
        given["decisions"] = {
            "source": "leads",
            "id": "Id",
            "entity": "RepCRD",
            "at": "Stage_Entered_Contacting__c",
            "exclude_when": given.pop("exclude"),
            "recycle_after_days": 180,
        }
    honest = [entry for entry in read_features("honest") if entry.name in own]
    return market_world(folder, market, shipped, honest, **given)


def entries() -> Iterator[Entry]:
    """Every clean world over the market."""
    for name, shipped, own, changes in _RECIPES:
        build = partial(_build, shipped=shipped, own=own, changes=changes)
        yield Entry(f"market/{name}", build, is_clean=True, needs_market=True, quick=name in QUICK)
