"""A process that appends to a ledger: URL, who, how many. Killed and started again, it ends with the same entries."""

import sys
from datetime import UTC, datetime

from leadscore_dagster.core.state import open_state
from leadscore_dagster.core.versions.ledger import LedgerEntry, append_entry

RECIPE = "appended"
INSTANT = datetime(2026, 1, 1, tzinfo=UTC)

if __name__ == "__main__":
    url, who, count = sys.argv[1:]
    state = open_state(url, RECIPE)
    for number in range(int(count)):
        append_entry(state, LedgerEntry(RECIPE, "v1", "keep", INSTANT, INSTANT, f"{who} {number}"))
