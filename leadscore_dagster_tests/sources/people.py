"""The small source every test of this room uses: 400 people in two territory files, and how to break it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from leadscore_dagster.core.recipe.contract import Column, Contract
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.warehouse import Lake

AS_OF = date(2024, 4, 1)
QUARTER = "2024_q1"
HEADER = [
    "person",
    "firm",
    "main_firm",
    "name",
    "city",
    "assets",
    "clients",
    "miles",
    "since",
    "certified",
    "processed_at",
]
Row = dict[str, str]

CONTRACT = Contract(
    name="people",
    columns=(
        Column(name="person", type="key", pii=True, nullable=False),
        Column(name="firm", type="key"),
        Column(name="main_firm", type="key"),
        Column(name="is_main", type="flag", derived_equal=("firm", "main_firm")),
        Column(name="name", type="text", pii=True),
        Column(name="city", type="text", pii=True),
        Column(name="assets", type="money", minimum=0, maximum=1_000_000),
        Column(name="clients", type="count", minimum=0),
        Column(name="miles", type="number", minimum=0, maximum=13_000),
        Column(name="since", type="date", not_after_as_of=True, minimum_completeness=0.95),
        Column(name="certified", type="flag"),
        Column(name="processed_at", type="text"),
    ),
    key=("person",),
    prefer=("-is_main", "-processed_at", "firm"),
)
SOURCE = VintageSource(
    kind="vintage",
    table="person_vintage",
    contract=CONTRACT,
    files=("people_{quarter}_T*",),
    expected_files=2,
    available_after_days=15,
)


def person(number: int, **changes: str) -> Row:
    """A clean row."""
    row = {
        "person": str(1000 + number),
        "firm": str(50 + number % 7),
        "main_firm": str(50 + number % 7),
        "name": f"Name{number}",
        "city": "Osseo",
        "assets": f"${number + 1:,}.31" if number > 999 else f"${number + 1},295.31",
        "clients": str(number),
        "miles": f"{number / 10}",
        "since": f"2023-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "certified": "Yes" if number % 3 else "No",
        "processed_at": "2024-04-03 04:10:00",
    }
    return {**row, **changes}


def people() -> list[Row]:
    return [person(number) for number in range(400)]


def write_csv(path: Path, rows: list[Row], header: list[str] | None = None) -> Path:
    names = header or HEADER
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[row[name] for name in names] for row in rows])
    return path


def write_drop(
    folder: Path, rows: list[Row] | None = None, quarter: str = QUARTER, header: list[str] | None = None
) -> None:
    """Two files: the first half of the rows in T1, the rest in T2."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = people() if rows is None else rows
    half = len(rows) // 2
    write_csv(folder / f"people_{quarter}_T1.csv", rows[:half], header)
    write_csv(folder / f"people_{quarter}_T2.csv", rows[half:], header)


def edited(changes: Mapping[int, Callable[[Row], Row] | Row]) -> list[Row]:
    """The clean rows with some changed: by position, what is different."""
    rows = people()
    for position, change in changes.items():
        rows[position] = {**rows[position], **(change(rows[position]) if callable(change) else change)}
    return rows


def write_manifest(folder: Path, quarter: str = QUARTER, **changes: object) -> None:
    """A manifest that describes the files as they are now."""
    files = [
        {
            "name": path.name,
            "rows": len(path.read_text(encoding="utf-8").splitlines()) - 1,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.glob(f"people_{quarter}_*.csv"))
    ]
    content = {"quarter": quarter, "as_of": "2024-04-01", "available_at": "2024-04-16T06:00:00Z", "files": files}
    (folder / f"manifest_{quarter}.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")


def snapshot(lake: Lake) -> dict[str, str]:
    """Every file of the warehouse with the digest of its bytes."""
    return {
        str(path.relative_to(lake.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.root.rglob("*"))
        if path.is_file()
    }


LEADS = LogSource(
    kind="log",
    table="crm",
    contract=Contract(
        name="crm",
        columns=(
            Column(name="Id", type="text", nullable=False, pii=True),
            Column(name="person", raw="FA_CRD__c", type="key"),
            Column(name="status", type="text", known="after_outcome"),
            Column(name="created", type="timestamp", nullable=False),
            Column(name="contacted", type="timestamp"),
            Column(name="called", type="timestamp", known="after_outcome"),
            Column(name="modified", type="timestamp", known="after_outcome"),
        ),
        key=("Id",),
        prefer=("-modified",),
    ),
    files=("leads",),
    known_at="created",
    known_later={"contacted": "contacted", "called": "called", "status": "modified"},
)
LEAD_HEADER = ["Id", "FA_CRD__c", "status", "created", "contacted", "called", "modified"]


def lead(number: int, **changes: str) -> Row:
    """A lead created and contacted before AS_OF, called after it."""
    row = {
        "Id": f"00Q{number:015d}",
        "FA_CRD__c": f"CRD {1000 + number}",
        "status": "Contacting",
        "created": "2024-02-01T10:00:00Z",
        "contacted": "2024-02-10T10:00:00Z",
        "called": "2024-05-01T10:00:00.000+0000",
        "modified": "2024-03-01T10:00:00Z",
    }
    return {**row, **changes}
