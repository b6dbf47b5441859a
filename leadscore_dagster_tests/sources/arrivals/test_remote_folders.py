"""A vendor's folder behind S3 and SFTP: real servers on loopback, real uploads, and the looks of the sensor."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import dagster as dg
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import LogSource, VintageSource
from leadscore_dagster.core.sources import ingest_log
from leadscore_dagster.core.sources.arrivals import (
    Asked,
    Cursor,
    Known,
    PeriodDrop,
    Request,
    Sightings,
    decide,
)
from leadscore_dagster.core.sources.connectors import Folder, SqlTable, connections, connector_of
from leadscore_dagster.core.sources.connectors.folder import local_folder
from leadscore_dagster.core.sources.drops import find_drop
from leadscore_dagster.core.warehouse import Lake
from leadscore_dagster.defs.automation.run_requests import known_of
from leadscore_dagster.defs.resources import write_locations
from leadscore_dagster_tests import vendor
from leadscore_dagster_tests.defs.automation.test_sensors import Watched
from leadscore_dagster_tests.remote import HOST, PASSWORD, Moto, S3Server, Server, SftpServer
from leadscore_dagster_tests.vendor import FIRST

NEEDS = {"s3": ("s3fs", "boto3", "moto", "flask"), "sftp": ("paramiko", "asyncssh")}
RECIPE = vendor.recipe()
FIRMS = "firms_2024_q1.csv"
MANIFEST = "manifest_2024_q1.json"
LATER = "2024-10-20T06:00:00Z"
LEADS = b"Id,person,created,called,age\na,1,2024-02-01 10:00:00Z,,40\nb,2,2024-02-02 10:00:00Z,,41\n"


def _skip_without(kind: str) -> None:
    absent = [name for name in NEEDS[kind] if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"NOT TESTED: a folder behind {kind}://, for {', '.join(absent)} is not installed (extra `dev`)")


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    _skip_without("s3")
    made = Moto()
    yield made
    made.stop()


@pytest.fixture
def s3(moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    made = S3Server(moto, tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    _skip_without("sftp")
    made = SftpServer(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture(params=["s3", "sftp"])
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def _put_drop(server: Server, quarter: str = "2024_q1", version: int = 0) -> dict[str, bytes]:
    contents = {name: vendor.text(name, version).encode() for name in vendor.names(quarter)}
    for name, content in contents.items():
        server.put(name, content)
    return contents


def _look(server: Server, before: Sightings | None = None) -> Sightings:
    return vendor.look(server.location, before.cursor if before else None)


def _first(sightings: Sightings) -> PeriodDrop:
    return vendor.drop_of(sightings, FIRST)


def _request(sightings: Sightings, known: Known | None = None) -> Request:
    decision = decide(sightings, known or Known())
    assert decision.request is not None, decision.why
    return decision.request


def _refreshed(sightings: Sightings) -> Known:
    request = _request(sightings)
    asked = {("refresh", FIRST): [Asked(request.drop, request.content, "done", "r1")]}
    return replace(vendor.done(_first(sightings), 1.0), asked=asked)


def _error_of(location: str) -> InputError:
    with pytest.raises(InputError) as caught:
        Folder(location).files()
    told = "".join(traceback.format_exception(caught.value))  # what a failed tick shows
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "vendor-secret", "sesame"):
        assert secret not in told
    return caught.value


# ---- what lies there


def test_a_listing_shows_files_and_what_is_new_at_the_next_look(server: Server) -> None:
    """No listing is remembered; neither hidden files nor folders count, nor the empty object that keeps a place."""
    server.put(FIRMS, b"person,firm\n1,1\n")
    server.put(".hidden.csv", b"x")
    if isinstance(server, S3Server):
        server.put("", b"")
        server.put("archive/old.csv", b"x")
    elif isinstance(server, SftpServer):
        (server.folder / "archive").mkdir()
    folder = Folder(server.location)
    (seen,) = folder.files()
    assert (seen.name, seen.size) == (FIRMS, 16)
    assert seen.modified is not None
    assert abs(seen.modified - datetime.now(UTC)) < timedelta(hours=2)
    assert folder.files() == [seen]
    server.put("reps_2024_q1_T1.csv", b"x")
    assert [file.name for file in folder.files()] == [FIRMS, "reps_2024_q1_T1.csv"]
    server.put(FIRMS, b"person,firm\n2,2\n")  # as long as before
    (changed, _) = folder.files()
    assert changed.size == seen.size
    assert changed.stamp != seen.stamp
    server.delete(FIRMS)
    assert [file.name for file in folder.files()] == ["reps_2024_q1_T1.csv"]


def test_the_root_of_a_server_or_bucket_is_a_folder(server: Server) -> None:
    root = server.location.removesuffix("/from/vendor")
    server.put(FIRMS, b"x")
    assert Folder(root).files() == Folder(f"{root}/").files() == []
    assert [file.name for file in Folder(f"{root}/from/vendor/").files()] == [FIRMS]


def test_a_link_is_followed_and_one_to_nothing_is_not_there(sftp: SftpServer) -> None:
    elsewhere = sftp.root / FIRMS
    elsewhere.write_bytes(b"person,firm\n1,1\n")
    (sftp.folder / FIRMS).symlink_to("../../" + FIRMS)
    (sftp.folder / "broken.csv").symlink_to("nowhere")
    (seen,) = Folder(sftp.location).files()
    assert (seen.name, seen.size) == (FIRMS, 16)
    assert Folder(sftp.location).text(seen) == "person,firm\n1,1\n"


# ---- from uploads to one run


def test_an_upload_that_takes_its_time_is_not_taken(server: Server) -> None:
    """Half a file is there at one look, all of it at the next: it has not looked the same twice."""
    contents = _put_drop(server)
    server.delete(FIRMS)
    finish = server.begin(FIRMS, contents[FIRMS])
    seen = _look(server)
    finish()
    seen = _look(server, seen)
    assert not _first(seen).is_complete
    assert _first(seen).in_flight
    seen = _look(server, seen)
    assert _first(seen).is_complete
    assert _request(seen).kind == "refresh"


def test_an_upload_that_stands_still_is_not_what_the_manifest_describes(server: Server) -> None:
    contents = _put_drop(server)
    server.put(MANIFEST, vendor.manifest(contents, "2024_q1", LATER).encode())
    server.delete(FIRMS)
    finish = server.begin(FIRMS, contents[FIRMS])
    seen = None
    for _ in range(3):
        seen = _look(server, seen)
        assert decide(seen, Known()).request is None
    assert seen is not None
    waits = {"s3": f"{FIRMS} of {MANIFEST} is not there yet", "sftp": f"{FIRMS} is not the file {MANIFEST} describes"}
    assert waits[server.kind] in " ".join(_first(seen).lacks)
    finish()
    seen = _look(server, _look(server, seen))
    assert _first(seen).is_complete
    assert all(source.available_at is not None for source in _first(seen).sources.values())


def test_a_complete_set_is_one_request_and_the_content_is_that_of_the_same_files_here(
    server: Server, tmp_path: Path
) -> None:
    _put_drop(server)
    vendor.write_drop(tmp_path / "here", "2024_q1")
    seen = _look(server, _look(server))
    request = _request(seen)
    assert (request.kind, request.as_of) == ("refresh", FIRST)
    assert _first(seen).content == _first(vendor.look_twice(tmp_path / "here")).content
    assert decide(_look(server, seen), _refreshed(seen)).request is None


def test_the_same_content_uploaded_again_asks_for_nothing(server: Server) -> None:
    contents = _put_drop(server)
    seen = _look(server, _look(server))
    known, before = _refreshed(seen), Folder(server.location).files()
    server.put_later(FIRMS, contents[FIRMS])
    assert Folder(server.location).files() != before  # so it is read again
    during = _look(server, seen)
    after = _look(server, during)
    assert not _first(during).is_complete
    assert _first(after).is_complete
    assert [decide(looked, known).request for looked in (during, after)] == [None, None]


def test_a_correction_is_a_new_arrival(server: Server) -> None:
    _put_drop(server)
    seen = _look(server, _look(server))
    first, known = _request(seen), _refreshed(seen)
    server.put(FIRMS, vendor.text(FIRMS, 2).encode())
    corrected = _look(server, _look(server, seen))
    second = _request(corrected, known)
    assert second.kind == "refresh"
    assert second.run_key("small") != first.run_key("small")


def test_a_deleted_file_is_missed(server: Server) -> None:
    _put_drop(server)
    seen = _look(server)
    places = vendor.places(server.location)
    server.delete(FIRMS)
    gone = next(file for file in places[0].files if file.name == FIRMS)
    assert places[0].contents.sha256(gone) is None  # after the listing, before the reading
    seen = _look(server, seen)
    decision = decide(seen, Known())
    assert decision.request is None
    assert "0 of 1 files of firm_vintage for 2024_q1" in " ".join(decision.why)


def test_a_file_that_is_replaced_while_it_is_read_is_not_taken(server: Server) -> None:
    """S3 says so in the midst of it, SFTP gives a mixture: neither is a digest of anything."""
    folder = Folder(server.location)
    server.put(FIRMS, b"a" * 200_000)
    (seen,) = folder.files()

    def replaced(stream: BinaryIO) -> bytes:
        server.put(FIRMS, b"b" * 200_001)
        return stream.read()

    assert folder._read(seen, replaced) is None
    (seen,) = folder.files()
    assert folder._read(seen, lambda stream: stream.read()) == b"b" * 200_001


def test_a_file_of_some_size_arrives_whole(server: Server, tmp_path: Path) -> None:
    """More than what is asked for at a time."""
    content = bytes(range(256)) * 16_384 + b"end"
    server.put(FIRMS, content)
    folder = Folder(server.location)
    assert folder.copy(folder.files(), tmp_path)
    assert (tmp_path / FIRMS).read_bytes() == content


def test_a_copy_has_the_servers_times_and_the_folders_name_and_is_made_once_per_content(
    server: Server, tmp_path: Path
) -> None:
    source = RECIPE.sources["firms"]
    assert isinstance(source, VintageSource)
    _put_drop(server)
    copy = local_folder(Folder(server.location), source, FIRST, tmp_path / "cache")
    assert copy.name == "vendor"
    assert [path.name for path in copy.iterdir()] == [FIRMS]
    listed = {file.name: file.modified for file in Folder(server.location).files()}
    drop = find_drop(source, copy, FIRST)
    assert drop.available_at_from == "file time"
    assert listed[FIRMS] is not None
    assert abs(drop.available_at - listed[FIRMS]) < timedelta(milliseconds=1)
    assert local_folder(Folder(server.location), source, FIRST, tmp_path / "cache") == copy
    server.put(FIRMS, vendor.text(FIRMS, 2).encode())
    assert local_folder(Folder(server.location), source, FIRST, tmp_path / "cache") != copy
    server.delete(FIRMS)
    empty = local_folder(Folder(server.location), source, FIRST, tmp_path / "cache")
    with pytest.raises(InputError, match="no drop of firm_vintage for 2024_q1, in vendor"):
        find_drop(source, empty, FIRST)


def test_a_copy_that_fails_leaves_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RECIPE.sources["firms"]
    assert isinstance(source, VintageSource)
    _put_drop(server)
    whole = Folder.copy

    def late(folder: Folder, wanted: Any, target: Path) -> bool:
        server.put(FIRMS, b"person,firm\n7,7\n")
        return whole(folder, wanted, target)

    monkeypatch.setattr(Folder, "copy", late)
    with pytest.raises(InputError, match="the drop of 2024_q1 changed while it was copied") as caught:
        local_folder(Folder(server.location), source, FIRST, tmp_path / "cache")
    assert server.place in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_here_is_not_the_servers_fault(server: Server, tmp_path: Path) -> None:
    server.put(FIRMS, b"x")
    (tmp_path / FIRMS).symlink_to("/dev/full")
    folder = Folder(server.location)
    with pytest.raises(InputError, match="the disk here is full"):
        folder.copy(folder.files(), tmp_path)


def test_the_sensor_takes_it_from_the_upload_to_the_ingest(
    server: Server, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is given by reference, and written down nowhere. The leads lie behind the URL too."""
    encoded = quote(PASSWORD, safe="")
    monkeypatch.setenv("VENDOR_PASSWORD", encoded)
    location = server.location.replace(encoded, "$VENDOR_PASSWORD")
    (tmp_path / "one").mkdir()
    watched = Watched(tmp_path / "one", instance, location)
    home = Path(watched.workspace.home)
    write_locations(home, RECIPE, {"leads": f"{location}/leads.csv"})
    contents = _put_drop(server)
    server.put(MANIFEST, vendor.manifest(contents, "2024_q1", "2024-05-02T06:00:00Z").encode())
    server.put("leads.csv", LEADS)
    assert watched.tick()[0] == []
    (request,), _ = watched.tick()
    assert (request.job_name, request.partition_key) == ("small_refresh", FIRST.isoformat())
    for table in ("firm_vintage", "crm", "decisions_of_day"):
        job, day = ("daily_scores", "2024-11-19") if table == "decisions_of_day" else ("refresh", FIRST.isoformat())
        watched.defs.resolve_job_def(f"small_{job}").execute_in_process(
            partition_key=day,
            instance=instance,
            asset_selection=[dg.AssetKey(["small", table])],
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert known_of(instance, RECIPE).ingested["firms", FIRST].available_at == datetime(2024, 5, 2, 6, tzinfo=UTC)
    warehouse = watched.workspace.warehouse(RECIPE)
    assert warehouse.partitions("crm") == [FIRST.isoformat()]
    assert warehouse.partitions("crm_of_day") == ["2024-11-20"]
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if encoded.encode() in path.read_bytes()]
    assert encoded not in "".join(str(entry) for entry in instance.all_logs(instance.get_runs()[0].run_id))


# ---- leads, and everything else that is no vendor's drop


@pytest.mark.parametrize("within", ["", "/leads.csv"])
def test_a_log_behind_a_url_is_read_like_one_here(server: Server, tmp_path: Path, within: str) -> None:
    source = RECIPE.sources["leads"]
    assert isinstance(source, LogSource)
    server.put("leads.csv", LEADS)
    server.put(FIRMS, b"not a lead")
    (tmp_path / "leads.csv").write_bytes(LEADS)
    here = ingest_log(Lake(tmp_path / "a", "small"), "leads", source, connector_of(tmp_path / "leads.csv"), FIRST)
    remote = connector_of(f"{server.location}{within}")
    there = ingest_log(Lake(tmp_path / "b", "small"), "leads", source, remote, FIRST)
    assert (there.digest, there.rows_kept, there.files) == (here.digest, 2, here.files)
    none = connector_of(f"{server.location}/none.csv")
    with pytest.raises(InputError, match=r"There is no file none\.csv"):
        ingest_log(Lake(tmp_path / "b", "small"), "leads", source, none, FIRST)


def test_which_urls_are_a_databases() -> None:
    databases = ["sqlite:///leads.db?table=leads", "postgresql+psycopg://u:p@host/crm?table=leads"]
    files = ["s3://bucket/crm", "sftp://host/crm", "memory://crm", "file:///crm/leads.csv", "/crm/leads.csv"]
    kinds = [type(connector_of(location)) for location in (*databases, *files)]
    assert kinds == [SqlTable] * 2 + [Folder] * 5


# ---- servers that do not answer


def test_a_server_that_is_gone_is_an_error_with_the_folders_name_and_is_found_again(server: Server) -> None:
    server.put(FIRMS, b"x")
    assert len(Folder(server.location).files()) == 1
    server.stop()
    server.start()
    assert len(Folder(server.location).files()) == 1  # it ended every connection between two looks
    server.stop()
    try:
        error = _error_of(server.location)
    finally:
        server.start()
    assert "the location does not respond" in error.what
    assert server.place in str(error.where)
    assert "check that the server is up" in str(error.remedy)
    assert len(Folder(server.location).files()) == 1  # nothing was kept that is broken now


def test_a_folder_that_is_not_there_is_named(server: Server) -> None:
    error = _error_of(f"{server.location}/other")
    assert error.what == "There is no such folder"
    assert f"{server.place}/other" in str(error.where)
    assert ("keep an empty object" in str(error.remedy)) == isinstance(server, S3Server)


def test_a_file_is_no_folder(server: Server) -> None:
    server.put(FIRMS, b"x")
    assert _error_of(f"{server.location}/{FIRMS}").what == "There is no such folder"


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_a_server_that_never_answers_is_given_up(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and says nothing; the limits are the product's, shortened."""
    server = request.getfixturevalue(kind)
    with socket.create_server((HOST, 0)) as silent:
        where = f"{HOST}:{silent.getsockname()[1]}"
        if isinstance(server, S3Server):
            monkeypatch.setattr(connections, "READ_SECONDS", 0.3)
            server.environment(AWS_ENDPOINT_URL=f"http://{where}")
            server.as_a_new_process()
            location = server.location
        else:
            monkeypatch.setattr("leadscore_dagster.core.sources.connectors.sftp.CONNECT_SECONDS", 0.3)
            location = f"sftp://vendor:sesame@{where}/drops"
        assert "the location does not respond" in _error_of(location).what


def test_the_limits_leave_a_look_less_than_the_minute_after_which_it_is_stopped() -> None:
    _skip_without("sftp")
    from leadscore_dagster.core.sources.connectors.sftp import ANSWER_SECONDS, CONNECT_SECONDS

    assert (connections.CONNECT_SECONDS + connections.READ_SECONDS) * (1 + connections.RETRIES) <= 40
    assert 2 * CONNECT_SECONDS + ANSWER_SECONDS <= 40


# ---- servers that refuse


def test_s3_opens_with_the_key_of_the_environment_alone(s3: S3Server, tmp_path: Path) -> None:
    """The server asks for a user's key: a stranger's and none at all are refused; a profile's is as good."""
    s3.put(FIRMS, b"x")
    key = _key_that_may_read(s3)
    s3.moto.ask_who_it_is()
    refused = _error_of(s3.location)
    assert "the server refuses access" in refused.what
    assert s3.place in str(refused.where)
    assert "AWS_ACCESS_KEY_ID" in str(refused.remedy)
    s3.environment(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    assert len(Folder(s3.location).files()) == 1
    s3.environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    s3.as_a_new_process()
    assert "NoCredentialsError" in _error_of(s3.location).what
    s3.environment(AWS_PROFILE="vendor")
    assert "ProfileNotFound" in _error_of(s3.location).what
    profile = tmp_path / "credentials"
    profile.write_text(
        f"[vendor]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    s3.environment(AWS_SHARED_CREDENTIALS_FILE=str(profile))
    assert len(Folder(s3.location).files()) == 1


def _key_that_may_read(s3: S3Server) -> dict[str, str]:
    iam = s3.moto.session.client("iam", **s3.moto.login)
    iam.create_user(UserName=s3.bucket)
    statement = '{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}'
    policy = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
    iam.put_user_policy(UserName=s3.bucket, PolicyName="read", PolicyDocument=policy)
    return iam.create_access_key(UserName=s3.bucket)["AccessKey"]


def test_a_key_in_an_s3_url_is_refused_and_not_shown(s3: S3Server) -> None:
    error = _error_of(f"s3://vendor-key:vendor-secret@{s3.place}")
    assert "without a key" in str(error.remedy)


def test_a_wrong_password_is_refused_and_a_key_is_taken_in_its_place(
    sftp: SftpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sftp.put(FIRMS, b"x")
    for login in ("vendor:sesame@", "vendor@"):
        error = _error_of(f"sftp://{login}{sftp.place}")
        assert "the server refuses access" in error.what
        assert sftp.place in str(error.where)
        assert "percent-encoded" in str(error.remedy)
    assert "sesame" not in caplog.text
    sftp.take_a_key()
    assert len(Folder(f"sftp://vendor@{sftp.place}").files()) == 1


def test_a_server_that_is_not_known_by_its_key_is_told_no_password(sftp: SftpServer) -> None:
    import asyncssh

    sftp.put(FIRMS, b"x")
    sftp.be_known(asyncssh.generate_private_key("ssh-ed25519"))
    assert "another key than the one it is known by" in _error_of(sftp.location).what
    (sftp.home / ".ssh" / "known_hosts").unlink()
    error = _error_of(sftp.location)
    assert error.what == "the server's key is not known"
    assert "known_hosts" in str(error.remedy)
    assert sftp.logins == 0
    sftp.be_known()
    assert len(Folder(sftp.location).files()) == 1


@pytest.mark.parametrize("login", ["vendor:pa/ss@", "vendor:pa?sesame@", "vendor:pa#sesame@"])
def test_a_password_that_is_not_encoded_is_explained(login: str) -> None:
    _skip_without("sftp")
    error = _error_of(f"sftp://{login}{HOST}:1/drops")
    assert "user and password percent-encoded" in str(error.remedy)


# ---- what is not installed, and what may be said


@pytest.mark.parametrize(
    ("scheme", "library", "extra"), [("s3", "s3fs", "s3"), ("sftp", "paramiko", "sftp"), ("ssh", "paramiko", "sftp")]
)
def test_a_missing_library_is_named_by_the_extra_that_brings_it(
    scheme: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # importing it fails, as where it was never installed
    monkeypatch.delitem(sys.modules, "leadscore_dagster.core.sources.connectors.sftp", raising=False)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, scheme, raising=False)
    error = _error_of(f"{scheme}://vendor:sesame@host/drops")
    assert str(error) == (
        f"the library for {scheme}:// is not installed, in {scheme}://host/drops. "
        f"Remedy: pip install 'leadscore-dagster[{extra}]'"
    )


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/data/drops", "/data/drops"),
        ("s3://bucket/drops", "s3://bucket/drops"),
        ("sftp://vendor:sesame@host:2222/drops", "sftp://host:2222/drops"),
        ("sftp://vendor:ses/a@me@host/drops", "sftp://host/drops"),
        ("sftp://vendor:ses?ame@host/drops", "a location behind sftp://"),
        ("sftp://vendor:sesame", "a location behind sftp://"),
        ("https://host/sesame/drops", "a location behind https://"),
        ("abfs://drops@account/x?sig=ses@me", "a location behind abfs://"),
    ],
)
def test_a_location_is_shown_without_its_secrets(location: str, shown: str) -> None:
    assert Folder(location).describe() == shown


def test_a_new_password_does_not_make_it_another_folder() -> None:
    """Or everything would be read and copied anew; another user may well see another folder."""
    keys = [Folder(f"sftp://{login}host/drops").key for login in ("a:one@", "a:two@", "a@", "b:one@", "")]
    assert len(set(keys)) == 3
    assert keys[0] == keys[1] == keys[2]
    assert Folder("/data/drops").key != Folder("/data/drops2").key


def test_a_cursor_holds_no_part_of_a_password(sftp: SftpServer) -> None:
    _put_drop(sftp)
    cursor = _look(sftp).cursor
    assert PASSWORD not in cursor.to_json()
    assert Cursor.from_json(cursor.to_json()) == cursor
