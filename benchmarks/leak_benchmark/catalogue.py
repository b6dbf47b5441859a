"""All worlds, by name. Lives here: putting the lists together. Not here: any world."""

from __future__ import annotations

from benchmarks.leak_benchmark import flat_clean, flat_leaks, fold_leaks, log_leaks, market_clean, market_leaks, tenure
from benchmarks.leak_benchmark.world import Entry


def catalogue(quick: bool = False, only: str = "") -> dict[str, Entry]:
    """Name → entry, of the whole or the short run, of those whose name holds ``only``."""
    modules = (market_leaks, flat_leaks, log_leaks, fold_leaks, market_clean, flat_clean, tenure)
    found = [entry for module in modules for entry in module.entries()]
    names = [entry.name for entry in found]
    assert len(set(names)) == len(names), "two worlds have the same name"
    return {entry.name: entry for entry in found if (entry.quick or not quick) and only in entry.name}
