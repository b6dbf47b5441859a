"""What lies in the vendor's folders, and which run it asks for: files and the past in, one request or a reason out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import VintageSource
from leadscore_dagster.core.sources.arrivals import (
    Asked,
    Cursor,
    Decision,
    Known,
    PeriodDrop,
    Request,
    decide,
    expected_files,
    sight,
    vintage_sources,
)
from leadscore_dagster.core.sources.connectors import Folder, Place, SeenFile
from leadscore_dagster.core.sources.connectors.folder import local_folder
from leadscore_dagster.core.sources.drops import find_drop
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.vendor import FIRST, QUARTERS, SECOND, THIRD, TODAY

RECIPE = vendor.recipe()
LATER = "2024-10-20T06:00:00Z"


def _with_other_content(drop: PeriodDrop) -> PeriodDrop:
    return replace(drop, sources={name: replace(source, digest="b") for name, source in drop.sources.items()})


def _request(decision: Decision) -> Request:
    assert decision.request is not None, decision.why
    return decision.request


# ---- what is complete


def test_a_drop_counts_when_it_has_looked_the_same_twice(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    first = vendor.look(tmp_path)
    assert not vendor.drop_of(first, FIRST).is_complete
    assert vendor.drop_of(first, FIRST).in_flight
    second = vendor.look(tmp_path, first.cursor)
    assert vendor.drop_of(second, FIRST).is_complete


def test_only_files_of_a_drop_say_that_one_is_arriving(tmp_path: Path) -> None:
    """An extract of the CRM may be written beside the drops every night, just before the fall-back looks."""
    vendor.write_drop(tmp_path, "2024_q1")
    drop = sorted(path.name for path in tmp_path.iterdir())
    for other in ("leads.csv", "notes.txt", "reps_2031_q1_T1.csv"):
        (tmp_path / other).write_text("id\n1\n")
    folder = Folder(str(tmp_path))
    place = Place(folder.key, tuple(vintage_sources(RECIPE)), tuple(folder.files()), folder)
    assert sorted(file.name for file in expected_files([place], RECIPE, TODAY)) == drop


def test_a_file_that_grows_starts_anew(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    first = vendor.look(tmp_path)
    with (tmp_path / "firms_2024_q1.csv").open("a") as stream:
        stream.write("9,9\n")
    second = vendor.look(tmp_path, first.cursor)
    assert vendor.drop_of(second, FIRST).lacks == ["firms_2024_q1.csv is still being copied, or waits to be read"]
    assert vendor.drop_of(vendor.look(tmp_path, second.cursor), FIRST).is_complete


def test_the_digest_is_the_one_the_ingest_finds(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    vendor.write_manifest(tmp_path, "2024_q1", LATER)
    for name, source in vendor.drop_of(vendor.look_twice(tmp_path), FIRST).sources.items():
        wanted = RECIPE.sources[name]
        assert isinstance(wanted, VintageSource)
        drop = find_drop(wanted, tmp_path, FIRST)
        assert (source.digest, source.available_at) == (drop.digest, drop.available_at)


def test_no_file_is_read_again_while_it_looks_the_same(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")

    class Unreadable(Folder):
        def sha256(self, seen: SeenFile) -> str | None:
            raise AssertionError(f"{seen.name} is read again")

    cursor = vendor.look_twice(tmp_path).cursor
    places = [replace(place, contents=Unreadable(str(tmp_path))) for place in vendor.places(tmp_path)]
    assert vendor.drop_of(sight(places, RECIPE, cursor, TODAY), FIRST).is_complete


def test_in_a_hurry_one_file_a_look_is_read(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    cursor, complete = vendor.look(tmp_path).cursor, []
    for _ in range(3):
        seen = sight(vendor.places(tmp_path), RECIPE, cursor, TODAY, hurry=lambda: True)
        cursor = seen.cursor
        complete.append(vendor.drop_of(seen, FIRST).is_complete)
    assert complete == [False, False, True]


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    cursor = vendor.look(tmp_path).cursor
    places = vendor.places(tmp_path)
    (tmp_path / "firms_2024_q1.csv").write_text("person,firm\n1,1\n")  # after the listing, before the reading
    assert not vendor.drop_of(sight(places, RECIPE, cursor, TODAY), FIRST).is_complete


def _without_a_territory(folder: Path) -> None:
    (folder / "reps_2024_q1_T2.csv").unlink()


def _with_one_too_many(folder: Path) -> None:
    (folder / "reps_2024_q1_T3.csv").write_text("person,firm\n5,5\n")


def _with_a_copy_for_the_other(folder: Path) -> None:
    (folder / "reps_2024_q1_T2.csv").write_bytes((folder / "reps_2024_q1_T1.csv").read_bytes())


def _with_an_empty_file(folder: Path) -> None:
    (folder / "firms_2024_q1.csv").write_text("")


def _truncated(folder: Path) -> None:
    vendor.write_manifest(folder, "2024_q1", LATER)
    path = folder / "firms_2024_q1.csv"
    path.write_bytes(path.read_bytes()[:20])


def _with_an_unlisted_file(folder: Path) -> None:
    (folder / "reps_2024_q1_T2.csv").rename(folder / "elsewhere")
    vendor.write_manifest(folder, "2024_q1", LATER)
    (folder / "elsewhere").rename(folder / "reps_2024_q1_T2.csv")


def _with_half_a_manifest(folder: Path) -> None:
    vendor.write_manifest(folder, "2024_q1", LATER)
    path = folder / "manifest_2024_q1.json"
    path.write_bytes(path.read_bytes()[:40])


def _with_the_manifest_of_another_quarter(folder: Path) -> None:
    vendor.write_manifest(folder, "2024_q1", LATER)
    path = folder / "manifest_2024_q1.json"
    path.write_text(path.read_text().replace("2024-04-01", "2024-07-01"))


def _known_before_its_as_of(folder: Path) -> None:
    vendor.write_manifest(folder, "2024_q1", "2024-03-01T06:00:00Z")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_a_territory, "1 of 2 files of rep_vintage for 2024_q1"),
        (_with_one_too_many, "3 of 2 files of rep_vintage for 2024_q1"),
        (_with_a_copy_for_the_other, "two files of rep_vintage for 2024_q1 have the same content"),
        (_with_an_empty_file, "firms_2024_q1.csv is empty"),
        (_truncated, "firms_2024_q1.csv is not the file manifest_2024_q1.json describes"),
        (_with_an_unlisted_file, "reps_2024_q1_T2.csv is not listed in manifest_2024_q1.json"),
        (_with_half_a_manifest, "the manifest cannot be read"),
        (_with_the_manifest_of_another_quarter, "it states 2024_q1 as of 2024-07-01"),
        (_known_before_its_as_of, "states available_at 2024-03-01, before as_of 2024-04-01"),
    ],
)
def test_what_is_not_right_is_said_and_asks_for_no_run(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    damage(tmp_path)
    seen = vendor.look_twice(tmp_path)
    decision = decide(seen, Known())
    assert decision.request is None
    assert said in " ".join(decision.why)


def test_a_missing_file_of_the_manifest_is_waited_for(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    vendor.write_manifest(tmp_path, "2024_q1", LATER)
    (tmp_path / "reps_2024_q1_T1.csv").unlink()
    (tmp_path / "reps_2024_q1_T9.csv").write_text("person,firm\n5,5\n")
    assert (
        "reps_2024_q1_T1.csv of manifest_2024_q1.json is not there yet"
        in vendor.drop_of(vendor.look_twice(tmp_path), FIRST).lacks[0]
    )


def test_a_required_manifest_is_waited_for(tmp_path: Path) -> None:
    strict = vendor.recipe(manifest_required=True)
    vendor.write_drop(tmp_path, "2024_q1")
    assert (
        "manifest_2024_q1.json is not there yet" in vendor.drop_of(vendor.look_twice(tmp_path, strict), FIRST).lacks[0]
    )
    vendor.write_manifest(tmp_path, "2024_q1", LATER)
    assert vendor.drop_of(vendor.look_twice(tmp_path, strict), FIRST).is_complete


def test_what_nobody_expects_is_named(tmp_path: Path) -> None:
    """A note, a quarter that does not exist, one that has not ended, a half-copied file; not the CRM's extract."""
    vendor.write_drop(tmp_path, "2024_q1")
    strange = ["read me.txt", "reps_2024_q7_T1.csv", "firms_2024_q4.csv", "firms_2024_q1.csv.part"]
    for name in [*strange, "leads.csv", ".firms_2024_q2.csv.x"]:
        (tmp_path / name).write_text("x")
    seen = vendor.look_twice(tmp_path)
    assert seen.unknown == tuple(sorted(strange))
    assert [drop.as_of for drop in seen.drops] == [FIRST]


def test_a_cursor_that_is_not_ours_is_begun_anew() -> None:
    for text in (None, "", "no JSON", "[]", '{"version": 2}', '{"version": 1}', '{"version": 1, "marks": {"a": {}}}'):
        assert Cursor.from_json(text).marks == {}


# ---- what is asked for


def test_the_newest_complete_quarter_is_refreshed(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    request = _request(decide(vendor.look_twice(tmp_path), Known()))
    assert (request.kind, request.as_of) == ("refresh", FIRST)
    assert request.run_key("small").startswith("small/refresh/2024-04-01/")


def test_older_quarters_are_ingested_first_and_one_at_a_time(tmp_path: Path) -> None:
    for quarter in QUARTERS.values():
        vendor.write_drop(tmp_path, quarter)
    seen, known, order = vendor.look_twice(tmp_path), Known(), []
    for at in range(3):
        request = _request(decide(seen, known))
        order.append((request.kind, request.as_of))
        known = vendor.done(vendor.drop_of(seen, request.as_of), float(at), known, ruled=request.kind == "refresh")
    assert order == [("ingest", FIRST), ("ingest", SECOND), ("refresh", THIRD)]
    assert decide(seen, known).request is None


def test_while_a_run_is_under_way_no_other_is_asked_for(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    known = Known(asked={("ingest", SECOND): [Asked("a", "a", "unfinished", "r1")]})
    decision = decide(vendor.look_twice(tmp_path), known)
    assert decision.request is None
    assert decision.why[-1] == "ingest of 2024_q2 is under way in run r1"


def test_an_incomplete_older_quarter_does_not_hold_up_the_newest(tmp_path: Path) -> None:
    for quarter in ("2024_q1", "2024_q2"):
        vendor.write_drop(tmp_path, quarter)
    (tmp_path / "firms_2024_q1.csv").unlink()
    decision = decide(vendor.look_twice(tmp_path), Known())
    assert _request(decision).as_of == SECOND
    assert decision.why[0].startswith("2024_q1 waits: ")


def test_a_failed_run_is_not_repeated_for_the_same_content_and_does_not_hold_up_the_newest(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    refused = _request(decide(seen, Known()))
    known = Known(asked={("refresh", FIRST): [Asked(refused.drop, refused.content, "failed", "r1")]})
    assert "r1 failed on this content" in " ".join(decide(seen, known).why)
    vendor.write_drop(tmp_path, "2024_q2")
    assert _request(decide(vendor.look_twice(tmp_path), known)).as_of == SECOND


def test_the_same_content_again_under_other_names_and_times_asks_for_nothing(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    known = vendor.done(vendor.drop_of(seen, FIRST), 1.0)
    (tmp_path / "reps_2024_q1_T1.csv").rename(tmp_path / "REPS_2024_Q1_T7.csv")
    vendor.write_drop(tmp_path / "again", "2024_q1")
    (tmp_path / "again" / "firms_2024_q1.csv").replace(tmp_path / "firms_2024_q1.csv")
    again = vendor.look_twice(tmp_path)
    assert vendor.drop_of(again, FIRST).is_complete
    assert decide(again, known).request is None


def test_a_corrected_file_is_a_new_arrival(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    first = _request(decide(seen, Known()))
    done = Asked(first.drop, first.content, "done", "r1")
    known = replace(vendor.done(vendor.drop_of(seen, FIRST), 1.0), asked={("refresh", FIRST): [done]})
    (tmp_path / "firms_2024_q1.csv").write_text(vendor.text("firms", 2))
    second = _request(decide(vendor.look_twice(tmp_path), known))
    assert second.kind == "refresh"
    assert second.run_key("small") != first.run_key("small")


def test_a_manifest_that_states_another_instant_is_a_new_arrival(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    vendor.write_manifest(tmp_path, "2024_q1", LATER)
    known = vendor.done(vendor.drop_of(vendor.look_twice(tmp_path), FIRST), 1.0)
    vendor.write_manifest(tmp_path, "2024_q1", "2024-10-25T06:00:00Z")
    assert decide(vendor.look_twice(tmp_path), known).request is not None


def test_a_late_older_quarter_is_ingested_and_the_newest_refreshed_again(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q2")
    seen = vendor.look_twice(tmp_path)
    first = _request(decide(seen, Known()))
    known = vendor.done(vendor.drop_of(seen, SECOND), 1.0)
    known = replace(known, asked={("refresh", SECOND): [Asked(first.drop, first.content, "done", "r1")]})
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    late = _request(decide(seen, known))
    assert (late.kind, late.as_of) == ("ingest", FIRST)
    again = _request(decide(seen, vendor.done(vendor.drop_of(seen, FIRST), 5.0, known, ruled=False)))
    assert (again.kind, again.as_of, again.drop) == ("refresh", SECOND, first.drop)
    assert again.content != first.content


def test_content_that_comes_back_is_a_new_arrival_with_a_key_of_its_own(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    first = _request(decide(seen, Known()))
    asked = [Asked(first.drop, first.content, "done", "r1"), Asked("b", "b", "done", "r2", 2.0)]
    other = _with_other_content(vendor.drop_of(seen, FIRST))
    known = replace(vendor.done(other, 2.0), asked={("refresh", FIRST): asked})
    back = _request(decide(seen, known))
    assert back.run_key("small") == first.run_key("small") + "/2"


def test_a_run_that_took_in_something_else_is_repeated_but_not_for_ever(tmp_path: Path) -> None:
    """The files changed between the request and the run, and changed back after it."""
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    first = _request(decide(seen, Known()))
    other = _with_other_content(vendor.drop_of(seen, FIRST))
    asked: list[Asked] = []
    for _ in range(5):
        known = replace(vendor.done(other, 2.0), asked={("refresh", FIRST): asked})
        if (request := decide(seen, known).request) is not None:
            asked = [*asked, Asked(request.drop, request.content, "done", "r")]
    assert len(asked) == 3
    assert {run.content for run in asked} == {first.content}


def test_an_older_quarter_is_not_refreshed_after_a_newer_one_whose_files_are_gone(tmp_path: Path) -> None:
    for quarter in ("2024_q1", "2024_q2"):
        vendor.write_drop(tmp_path, quarter)
    seen = vendor.look_twice(tmp_path)
    known = vendor.done(vendor.drop_of(seen, SECOND), 3.0, vendor.done(vendor.drop_of(seen, FIRST), 1.0, ruled=False))
    for name in vendor.names("2024_q2"):
        (tmp_path / name).unlink()
    decision = decide(vendor.look_twice(tmp_path), known)
    assert decision.request is None
    assert "2024_q2 has been ingested" in decision.why[-1]


def test_what_somebody_has_refreshed_by_hand_is_not_refreshed_again(tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    seen = vendor.look_twice(tmp_path)
    assert decide(seen, vendor.done(vendor.drop_of(seen, FIRST), 1.0)).request is None
    assert decide(seen, vendor.done(vendor.drop_of(seen, FIRST), 1.0, ruled=False)).request is not None


# ---- folders elsewhere


@pytest.fixture
def remote() -> str:
    """A folder behind a URL; the file system is the process's own."""
    import fsspec

    url = f"memory://drops-{os.getpid()}"
    system = fsspec.filesystem("memory")
    system.makedirs(url, exist_ok=True)
    for name in vendor.names("2024_q1"):
        system.pipe_file(f"{url}/{name}", vendor.text(name).encode())
    yield url
    system.rm(url, recursive=True)


def test_a_folder_behind_a_url_is_watched_like_one_here(remote: str, tmp_path: Path) -> None:
    vendor.write_drop(tmp_path, "2024_q1")
    there = Folder(remote)

    def places() -> list[Place]:
        return [Place(there.key, tuple(vintage_sources(RECIPE)), tuple(there.files()), there)]

    seen = sight(places(), RECIPE, sight(places(), RECIPE, Cursor({}), TODAY).cursor, TODAY)
    assert vendor.drop_of(seen, FIRST).content == vendor.drop_of(vendor.look_twice(tmp_path), FIRST).content


def test_a_drop_behind_a_url_is_copied_once_per_content(remote: str, tmp_path: Path) -> None:
    import fsspec

    source = RECIPE.sources["firms"]
    assert isinstance(source, VintageSource)
    first = local_folder(Folder(remote), source, FIRST, tmp_path)
    copied = first / "firms_2024_q1.csv"
    stamp = copied.stat()
    assert copied.read_text() == vendor.text("firms_2024_q1.csv")
    assert [path.name for path in first.iterdir()] == ["firms_2024_q1.csv"]
    assert stamp.st_mtime == pytest.approx(Folder(remote).files()[0].modified.timestamp(), abs=5)  # type: ignore[union-attr]
    assert local_folder(Folder(remote), source, FIRST, tmp_path) == first
    assert copied.stat().st_mtime_ns == stamp.st_mtime_ns
    fsspec.filesystem("memory").pipe_file(f"{remote}/firms_2024_q1.csv", b"person,firm\n1,1\n")
    second = local_folder(Folder(remote), source, FIRST, tmp_path)
    assert second != first
    assert (second / "firms_2024_q1.csv").read_text() == "person,firm\n1,1\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_here_is_used_as_it_is(tmp_path: Path) -> None:
    source = RECIPE.sources["firms"]
    assert isinstance(source, VintageSource)
    assert local_folder(Folder(str(tmp_path)), source, FIRST, tmp_path / "cache") == tmp_path
    assert local_folder(Folder(f"file://{tmp_path}"), source, FIRST, tmp_path / "cache") == tmp_path


@pytest.mark.parametrize("url", ["nosuch://user:secret@host/drops", "memory://user:secret@drops"])
def test_a_url_that_does_not_answer_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Folder(url).files()
    assert "drops" in Folder(url).describe()
    assert "secret" not in f"{caught.value} {Folder(url).describe()}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_linked_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    vendor.write_drop(tmp_path / "elsewhere", "2024_q1")
    folder = tmp_path / "drops"
    folder.mkdir()
    for name in vendor.names("2024_q1"):
        (folder / name).symlink_to(tmp_path / "elsewhere" / name)
    before = Folder(str(folder)).files()
    assert len(before) == 3
    os.utime(tmp_path / "elsewhere" / "firms_2024_q1.csv", (1.0, 1.0))
    assert Folder(str(folder)).files() != before


def test_a_refused_correction_makes_no_refresh_of_a_later_quarter_another(tmp_path: Path) -> None:
    """What was set aside is rested on by nobody: the newest quarter has been refreshed with what is read."""
    for quarter in ("2024_q1", "2024_q2"):
        vendor.write_drop(tmp_path, quarter)
    sightings = vendor.look_twice(tmp_path)
    known = vendor.done(vendor.drop_of(sightings, FIRST), 10.0, ruled=False)
    known = vendor.done(vendor.drop_of(sightings, SECOND), 20.0, known)
    vendor.write_drop(tmp_path, "2024_q1", version=2)
    corrected = vendor.look_twice(tmp_path)
    drop = vendor.drop_of(corrected, FIRST)
    taken = vendor.done(drop, 30.0, known, ruled=False)
    assert decide(corrected, taken).request is not None
    refused = {
        key: replace(arrival, refused=True) if key[1] == FIRST else arrival for key, arrival in taken.ingested.items()
    }
    held = {key: arrival for key, arrival in known.ingested.items() if key[1] == FIRST}
    after = replace(taken, ingested=refused, held=held)
    decision = decide(corrected, after)
    assert decision.request is None
    assert any("has been refreshed with this content" in said for said in decision.why)
