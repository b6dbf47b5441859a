"""State: what was decided and by whom, apart from the data it was decided on. Histories in it are append-only.

Lives here: the protocol, its tables, the store over SQLite or PostgreSQL, importing homes of before, evidence.
Not here: what an entry means (versions), tables whose partition is a date (warehouse).
"""

from leadscore_dagster.core.state.engines import STATE_FILE, file_url
from leadscore_dagster.core.state.importing import copy_state, import_once
from leadscore_dagster.core.state.protocol import State, Writing
from leadscore_dagster.core.state.store import open_state

__all__ = ["STATE_FILE", "State", "Writing", "copy_state", "file_url", "import_once", "open_state"]
