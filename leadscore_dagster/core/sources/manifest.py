"""The manifest of a drop: what the vendor says it delivered, and since when it can have been known.

Here: reading its text. Not here: comparing it with the files (drops.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence


@dataclass(frozen=True)
class Manifest:
    """``sha256`` and ``rows`` by file name; ``available_at`` in UTC."""

    name: str
    available_at: datetime
    sha256: dict[str, str]
    rows: dict[str, int]


def manifest_name(label: str) -> str:
    """File name of the manifest of a period, as vendors write it (2024_q1 or 2024_03)."""
    return f"manifest_{label}.json"


def parse_manifest(text: str | bytes, as_of: date, cadence: Cadence) -> Manifest:
    """The manifest in ``text``, of the period that ended at ``as_of``.

    Raises
    ------
    InputError : it does not read, states no time zone, or is of another period than its name says.
    """
    label, period = cadence.label(as_of), cadence.value
    name = manifest_name(label)
    try:
        content = json.loads(text)
        available_at = datetime.fromisoformat(content["available_at"])
        stated_as_of = date.fromisoformat(content["as_of"])
        digests = {str(entry["name"]): str(entry["sha256"]).lower() for entry in content["files"]}
        rows = {str(entry["name"]): int(entry["rows"]) for entry in content["files"]}
        stated = str(content[period]).lower()
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the manifest cannot be read ({type(error).__name__}: {error})",
            where=name,
            remedy=f"it needs {period}, as_of, available_at and files with name, rows and sha256",
        ) from error
    if available_at.tzinfo is None:
        raise InputError("available_at has no time zone", where=name, remedy="write it in UTC, ending in Z")
    if stated_as_of != as_of or stated != label:
        raise InputError(
            f"wrong {period}: named {label}, but it states {stated} as of {stated_as_of}",
            where=name,
            remedy=f"{label} is as of {as_of}: rename the files or correct the manifest",
        )
    return Manifest(name, available_at.astimezone(UTC), digests, rows)
