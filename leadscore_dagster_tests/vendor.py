"""The smallest recipe a vendor drops files for: three files a quarter, with or without a manifest, and leads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.arrivals import (
    Arrival,
    Cursor,
    Known,
    PeriodDrop,
    Sightings,
    sight,
    vintage_sources,
)
from leadscore_dagster.core.sources.connectors import Folder, Place

#: as_of → name of the quarter; the recipe begins with the first
QUARTERS = {date(2024, 4, 1): "2024_q1", date(2024, 7, 1): "2024_q2", date(2024, 10, 1): "2024_q3"}
FIRST, SECOND, THIRD = QUARTERS
TODAY = date(2024, 11, 20)


def document(**automation: Any) -> dict[str, Any]:
    """The recipe as YAML would have it; its rows are read for an ingest only, so a few columns are enough."""
    contract = {
        "name": "people",
        "columns": [{"name": "person", "type": "key", "nullable": False}, {"name": "firm", "type": "key"}],
        "key": ["person"],
    }
    leads = {
        "name": "leads",
        "columns": [
            {"name": "Id", "type": "text", "nullable": False},
            {"name": "person", "type": "key"},
            {"name": "created", "type": "timestamp", "nullable": False},
            {"name": "called", "type": "timestamp"},
            {"name": "age", "type": "number"},
        ],
        "key": ["Id"],
    }
    return {
        "name": "small",
        "title": "Small",
        "first_as_of": FIRST,
        "sources": {
            "reps": {
                "kind": "vintage",
                "table": "rep_vintage",
                "contract": contract,
                "files": ["reps_{quarter}_T*"],
                "expected_files": 2,
            },
            "firms": {"kind": "vintage", "table": "firm_vintage", "contract": contract, "files": ["firms_{quarter}"]},
            "leads": {"kind": "log", "table": "crm", "contract": leads, "files": ["leads"], "known_at": "created"},
        },
        "decisions": {"source": "leads", "id": "Id", "entity": "person", "at": "created"},
        "label": {"kind": "window", "outcome_at": "called", "days": 30},
        "features": {"columns": ["age"]},
        "gates": {"auc_roc": {"at_least": 0.5}},
        "scoring": {
            "decisions": "scoring/open_leads",
            "buckets": [{"name": "All", "from_percentile": 0.0, "action": "Call"}],
        },
        "automation": automation,
    }


def recipe(**automation: Any) -> Recipe:
    """The recipe, with settings of its ``automation``."""
    return Recipe.model_validate(document(**automation))


def log_recipe(**automation: Any) -> Recipe:
    """The same without a vendor: leads only."""
    changed = document(**automation)
    changed["sources"] = {"leads": changed["sources"]["leads"]}
    return Recipe.model_validate(changed)


def names(quarter: str) -> list[str]:
    """The files of a quarter's drop, without its manifest."""
    return [f"reps_{quarter}_T1.csv", f"reps_{quarter}_T2.csv", f"firms_{quarter}.csv"]


def text(name: str, version: int = 0) -> str:
    """What a file holds: rows no other file or version of it has."""
    number = int(hashlib.sha256(f"{name} {version}".encode()).hexdigest()[:12], 16)
    return "person,firm\n" + "".join(f"{number + row},{row}\n" for row in range(4))


def write_drop(folder: Path, quarter: str, version: int = 0) -> None:
    """A complete drop without a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names(quarter):
        (folder / name).write_text(text(name, version))


def manifest(contents: Mapping[str, bytes], quarter: str, available_at: str) -> str:
    """The manifest of files by name."""
    files = [
        {"name": name, "rows": content.count(b"\n") - 1, "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(contents.items())
    ]
    as_of = next(day for day, name in QUARTERS.items() if name == quarter)
    told = {"quarter": quarter, "as_of": as_of.isoformat(), "available_at": available_at, "files": files}
    return json.dumps(told)


def write_manifest(folder: Path, quarter: str, available_at: str) -> None:
    """A manifest of the files as they lie there."""
    contents = {name: (folder / name).read_bytes() for name in names(quarter) if (folder / name).is_file()}
    (folder / f"manifest_{quarter}.json").write_text(manifest(contents, quarter, available_at))


def places(folder: Path | str, of: Recipe | None = None) -> list[Place]:
    """The one folder all of a recipe's drops lie in, here or behind a URL, as it is now."""
    there = Folder(str(folder))
    return [Place(there.key, tuple(vintage_sources(of or recipe())), tuple(there.files()), there)]


def look(folder: Path | str, cursor: Cursor | None = None, of: Recipe | None = None) -> Sightings:
    """One look."""
    return sight(places(folder, of), of or recipe(), cursor or Cursor({}), TODAY)


def look_twice(folder: Path | str, of: Recipe | None = None) -> Sightings:
    """Two looks without a change in between; the cursor goes through its text, as in a sensor."""
    return look(folder, Cursor.from_json(look(folder, of=of).cursor.to_json(said=["a"])), of)


def drop_of(sightings: Sightings, as_of: date) -> PeriodDrop:
    """A quarter's drop among sightings."""
    return next(drop for drop in sightings.drops if drop.as_of == as_of)


def done(drop: PeriodDrop, at: float, before: Known | None = None, *, ruled: bool = True) -> Known:
    """What is known after a drop was ingested and, if ``ruled``, refreshed."""
    before = before or Known()
    arrivals = {
        (name, drop.as_of): Arrival(source.digest or "", source.available_at, at)
        for name, source in drop.sources.items()
    }
    rulings = {drop.as_of: at + 1} if ruled else {}
    return Known({**before.ingested, **arrivals}, {**before.ruled, **rulings}, before.asked)
