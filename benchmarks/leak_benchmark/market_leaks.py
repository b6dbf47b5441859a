"""Leaks in SQL over the market's vintages: features that know what nobody knew at the decision.

Some announce themselves by a table's name; most look like honest feature sets with one condition missing, in the wrong
place, or on the wrong table. They stand in ``sql/<kind>/<feature>.sql``, the views they hide behind in
``sql/relations``. The kind ``parity`` is honest about time and sees other rows at scoring than in training.

Lives here: the worlds. Not here: the market (market), honest counterparts (market_clean).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.leak_benchmark.market import market_world, read_features
from benchmarks.leak_benchmark.world import Entry, World

#: honest sets beside every leak: few features, and the evidence columns every training table must have
BESIDE = ("contact_time", "home_metro")
#: the worlds, and the kinds planted in each: a kind is a folder of ``sql/``
WORLDS: dict[str, tuple[str, ...]] = {
    "later_values": (
        "back_filled_date",  # ends of jobs, from a table that knows them
        "restated_assets",  # the newest statement of a past month
        "diluted",  # a leak under so much noise that nothing shows
    ),
    "unguarded": (
        "vintage_before_arrival",  # the drop of the quarter, before it had come
        "firm_unguarded",  # the representative as known, the firm as it is
        "current_table",  # today's table behind a CTE or a view
    ),
    "control_flow": (
        "exists_future",  # only whether a later row exists
        "count_future",  # only how many
        "window_later",  # rows behind the row, inside a window
    ),
    "other_decisions": (
        "scaled_on_all",  # ranks and means over all decisions
        "running_count",  # counts that know how many decisions follow
        "parity",  # what scoring cannot see
    ),
    "outcome": ("outcome_in_log",),  # columns the log fills in with the outcome
}
QUICK = {"control_flow", "other_decisions"}


def _build(folder: Path, market: Path, seed: int, *, kinds: tuple[str, ...]) -> World:
    return market_world(folder, market, BESIDE, [leak for kind in kinds for leak in read_features(kind)])


def entries() -> Iterator[Entry]:
    """The worlds: leaks stand beside each other and are judged each for itself."""
    for name, kinds in WORLDS.items():
        yield Entry(f"market_leaks/{name}", partial(_build, kinds=kinds), needs_market=True, quick=name in QUICK)
