"""Two hundred random sequences of what a vendor can do to files end in the state that the files then define."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.sources.arrivals import (
    Arrival,
    Asked,
    Cursor,
    Known,
    Request,
    decide,
    sight,
    vintage_sources,
)
from leadscore_dagster.core.sources.drops import find_drop
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.vendor import QUARTERS, TODAY

RECIPE = vendor.recipe()


@dataclass
class _Run:
    request: Request
    key: str
    left: int  # looks until it ends
    ends_well: bool


@dataclass
class _World:
    """A folder, a vendor who does everything wrong, and an instance that runs what it is asked for.

    A run takes in what lies there when it starts, as ``find_drop`` finds it, and ends some looks later. Content with
    ``bad`` in it is refused by the ingest, with ``weak`` by a gate after it.
    """

    folder: Path
    random: random.Random
    clock: float = 1_735_000_000.0
    version: int = 0
    cursor: str | None = None
    ingested: dict[tuple[str, date], Arrival] = field(default_factory=dict)
    ruled: dict[date, float] = field(default_factory=dict)
    runs: list[_Run] = field(default_factory=list)
    sent: dict[str, list[bytes]] = field(default_factory=dict)

    def write(self, name: str, content: bytes) -> None:
        self.clock += 1
        path = self.folder / name
        path.write_bytes(content)
        os.utime(path, (self.clock, self.clock))  # events follow each other faster than some file systems' clocks

    def rename(self, old: str, new: str) -> None:
        (self.folder / old).replace(self.folder / new)

    def event(self) -> None:
        """Something happens to a file of some quarter."""
        quarter = self.random.choice(list(QUARTERS.values()))
        name = self.random.choice(vendor.names(quarter))
        there = sorted(path.name for path in self.folder.iterdir())
        present = [other for other in there if quarter in other]
        kind = self.random.choices(
            ["deliver", "add", "slowly", "tell", "again", "restore", "truncate", "duplicate", "rename", "delete"],
            [4, 3, 3, 4, 2, 2, 2, 1, 2, 2],
        )[0]
        if kind == "deliver":
            for each in self.random.sample(vendor.names(quarter), 3):
                self.write(each, self.fresh(each))
                self.pause()
        elif kind == "add":
            self.write(name, self.fresh(name))
        elif kind == "slowly":
            content = self.fresh(name)
            for share in (3, 2):
                self.write(name, content[: len(content) // share] + b"part")
                self.look()
            self.write(name, content)
        elif kind == "restore" and self.sent.get(name):
            self.write(name, self.random.choice(self.sent[name]))
        elif kind == "tell":
            self.tell(quarter)
        elif kind == "rename" and (self.folder / f"{name}.away").exists():
            self.rename(f"{name}.away", name)
        elif not present:
            return
        elif kind == "again":
            other = self.random.choice(present)
            self.write(other, (self.folder / other).read_bytes())
        elif kind == "truncate":
            other = self.random.choice(present)
            content = (self.folder / other).read_bytes()
            self.write(other, content[: len(content) // 2])
        elif kind == "duplicate":
            other = self.random.choice(present)
            self.write(self.random.choice([name, f"reps_{quarter}_T9.csv"]), (self.folder / other).read_bytes())
        elif kind == "rename":
            other = self.random.choice(present)
            self.rename(other, self.random.choice([f"{other.removesuffix('.away')}.away", other.upper()]))
        else:
            (self.folder / self.random.choice(present)).unlink()

    def fresh(self, name: str) -> bytes:
        self.version += 1
        mark = self.random.choices(["", "bad", "weak"], [8, 1, 1])[0]
        content = (vendor.text(name, self.version) + mark).encode()
        self.sent.setdefault(name, []).append(content)
        return content

    def tell(self, quarter: str) -> None:
        """The manifest of what lies there, half of the time of a later instant."""
        contents = {name: (self.folder / name).read_bytes() for name in vendor.names(quarter) if self.is_there(name)}
        self.version += self.random.randrange(2)
        stated = datetime(2024, 11, 1, tzinfo=UTC) + timedelta(minutes=self.version)
        told = vendor.manifest(contents, quarter, stated.isoformat())
        self.write(f"manifest_{quarter}.json", told.encode())

    def is_there(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def pause(self) -> None:
        for _ in range(self.random.randrange(3)):
            self.look()

    def look(self) -> bool:
        """One tick of the sensor; sometimes the daemon dies before it saves the cursor, or somebody resets it.
        Whether nothing is left to happen by itself."""
        for run in self.runs:
            if run.left:
                run.left -= 1
                if not run.left:
                    self.end(run)
        hurry = self.random.random() < 0.2
        seen = sight(vendor.places(self.folder), RECIPE, Cursor.from_json(self.cursor), TODAY, hurry=lambda: hurry)
        decision = decide(seen, self.known())
        if decision.request is not None:
            self.start(decision.request)
        if self.random.random() > 0.1:
            self.cursor = seen.cursor.to_json()
        elif self.random.random() < 0.1:
            self.cursor = None
        running = any(run.left for run in self.runs)
        return not (running or decision.request or any(drop.in_flight for drop in seen.drops))

    def start(self, request: Request) -> None:
        key = request.run_key("small")
        assert key not in {run.key for run in self.runs}, "the daemon would have dropped it"
        self.clock += 1
        found = _found(self.folder, request.as_of)
        assert found is not None, "asked for what the ingest refuses at sight"
        assert "part" not in found.marks, "asked for a file that is being written"
        later = [as_of for _, as_of in self.ingested if as_of > request.as_of]
        assert request.kind == "ingest" or not later, "refreshed an older quarter"
        if "bad" not in found.marks:
            for name, arrival in found.arrivals.items():
                self.ingested[name, request.as_of] = replace(arrival, at=self.clock)
        ends_well = "bad" not in found.marks and (request.kind == "ingest" or "weak" not in found.marks)
        self.runs.append(_Run(request, key, self.random.randrange(1, 4), ends_well))

    def end(self, run: _Run) -> None:
        self.clock += 1
        if run.ends_well and run.request.kind == "refresh":
            self.ruled[run.request.as_of] = self.clock

    def known(self) -> Known:
        asked: dict[tuple[str, date], list[Asked]] = {}
        for at, run in enumerate(self.runs):
            state = "unfinished" if run.left else ("done" if run.ends_well else "failed")
            entry = Asked(run.request.drop, run.request.content, state, run.key, float(at))  # type: ignore[arg-type]
            asked.setdefault((run.request.kind, run.request.as_of), []).append(entry)
        return Known(dict(self.ingested), dict(self.ruled), asked)


@dataclass(frozen=True)
class _Found:
    arrivals: dict[str, Arrival]
    marks: str


def _found(folder: Path, as_of: date) -> _Found | None:
    """What the ingest finds of a quarter; None if it refuses."""
    arrivals, marks = {}, []
    for name, source in vintage_sources(RECIPE).items():
        try:
            drop = find_drop(source, folder, as_of)
        except InputError:
            return None
        arrivals[name] = Arrival(drop.digest, drop.available_at, 0.0)
        marks += [file.path.read_text()[-4:] for file in drop.files]
    return _Found(arrivals, " ".join(marks))


def _same(folder: Path, as_of: date, found: _Found, world: _World) -> bool:
    """Whether the warehouse holds what lies there; the instant counts if a manifest states it."""
    told = (folder / f"manifest_{QUARTERS[as_of]}.json").is_file()
    held = {name: world.ingested.get((name, as_of)) for name in found.arrivals}
    return all(
        arrival is not None
        and arrival.digest == found.arrivals[name].digest
        and (not told or arrival.available_at == found.arrivals[name].available_at)
        for name, arrival in held.items()
    )


@pytest.mark.parametrize("block", range(4))
def test_whatever_happens_to_the_files_the_end_is_what_they_are_then(tmp_path: Path, block: int) -> None:
    """200 seeded sequences. No key is used twice, no content is run twice in a row, and once the vendor is quiet:
    every complete quarter is ingested as it lies there unless its content was refused, and the newest is refreshed
    on top of exactly those."""
    for seed in range(block * 50, block * 50 + 50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = _World(folder, random.Random(seed))
        for _ in range(world.random.randrange(6, 26)):
            world.event()
            world.pause()
        for _ in range(100):
            if world.look():
                break
        else:
            raise AssertionError(f"sequence {seed} comes to no rest")
        _check_the_end(world, seed)


def _check_the_end(world: _World, seed: int) -> None:
    ran = [(run.request.as_of, run.request.kind, run.request.content, run.request.drop) for run in world.runs]
    for as_of in QUARTERS:
        refreshed = [content for quarter, kind, content, _ in ran if (quarter, kind) == (as_of, "refresh")]
        assert all(one != other for one, other in pairwise(refreshed)), seed
        drops = [(kind, drop) for quarter, kind, _, drop in ran if quarter == as_of]
        twice = [pair for pair in pairwise(drops) if pair[0][1] == pair[1][1]]
        assert all(second[0] == "refresh" for _, second in twice), seed  # again on other earlier vintages, not ingested
    assert all(run.left == 0 for run in world.runs), seed
    there = {as_of: found for as_of in QUARTERS if (found := _found(world.folder, as_of)) is not None}
    for as_of, found in there.items():
        refused = "bad" in found.marks
        assert refused or _same(world.folder, as_of, found, world), (seed, as_of)
    newest = max(there, default=None)
    if newest is not None and not any(as_of > newest for _, as_of in world.ingested):
        last = [run for run in world.runs if (run.request.kind, run.request.as_of) == ("refresh", newest)][-1]
        well = not {"bad", "weak"} & set(there[newest].marks.split())
        assert last.ends_well == well, seed
        if well:
            arrived = [arrival.at for (_, as_of), arrival in world.ingested.items() if as_of <= newest]
            assert world.ruled[newest] > max(arrived), seed
