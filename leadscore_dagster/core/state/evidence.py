"""Evidence bound to content: the result of a gate, remembered for exactly the data and code it was computed on.

A check displays a gate; the consumer asks the same gate again before it reads. Both go through here, so the second
question costs a digest instead of a scan, and any change of data or code makes the answer be computed afresh.
Not here: what is computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from leadscore_dagster.core.state.code import JUDGING, code_digest
from leadscore_dagster.core.warehouse import Warehouse

TABLE = "evidence"


def fingerprint(*parts: object, code: Sequence[str] = JUDGING) -> str:
    """SHA-256 over the text of the parts and the source of the modules in ``code`` with all they import."""
    return hashlib.sha256("\x1f".join([code_digest(code), *map(str, parts)]).encode()).hexdigest()


def partition_fingerprint(warehouse: Warehouse, tables: Iterable[tuple[str, str]]) -> str:
    """Fingerprint of the content of the given (table, partition) pairs."""
    return fingerprint(*(f"{table}/{key}={warehouse.digest(table, key)}" for table, key in sorted(tables)))


def remembered(
    warehouse: Warehouse, subject: str, content: str, compute: Callable[[], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The records computed for ``subject`` at ``content``, from the warehouse if they are there.

    Parameters
    ----------
    subject : what the evidence is about; a partition name, e.g. ``rep_vintage_2024-04-01``.
    content : fingerprint of everything the result depends on.
    compute : returns JSON-able records.
    """
    if subject in (warehouse.partitions(TABLE) if TABLE in warehouse.tables() else []):
        reader = warehouse.query(f"SELECT content, records FROM {TABLE} WHERE subject = @subject", {"subject": subject})
        for row in reader.read_all().to_pylist():
            if row["content"] == content:
                return list(json.loads(row["records"]))
    records = compute()
    text = json.dumps(records, sort_keys=True)
    warehouse.write_partition(TABLE, subject, pa.table({"subject": [subject], "content": [content], "records": [text]}))
    return list(json.loads(text))
