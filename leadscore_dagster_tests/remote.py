"""Real servers on loopback that hold a vendor's folder, moto's for S3 and asyncssh's for SFTP; and what a vendor does.

Each forgets nothing while it is stopped, and comes back at the same port. Not here: what is asserted of them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest

#: everything in it means something in a URL
PASSWORD = "p@ss/w:rd#100%?"
HOST = "127.0.0.1"


class Server(Protocol):
    """A server and the one folder ``location`` names; ``put`` and ``begin`` are the vendor's uploads."""

    kind: str
    location: str
    place: str  # the part of the location that may be quoted

    def put(self, name: str, content: bytes) -> None: ...
    def put_later(self, name: str, content: bytes) -> None: ...
    def begin(self, name: str, content: bytes) -> Callable[[], None]: ...
    def delete(self, name: str) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Moto:
    """moto's server, and a client that may do anything there."""

    def __init__(self) -> None:
        import boto3

        self._port, self._server = 0, None
        self.start()
        self.session = boto3.Session(region_name="us-east-1")
        self.login = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "endpoint_url": self.endpoint}
        self.client = self.session.client("s3", **self.login)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._port}"

    def ask_who_it_is(self, after: int = 0) -> None:
        """Ask for a valid key from the ``after``-th request on."""
        import requests

        requests.post(f"{self.endpoint}/moto-api/reset-auth", data=str(after), timeout=5).raise_for_status()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address=HOST, port=self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        self._server.stop()


class S3Server:
    """A bucket of its own, which any key opens until the server asks who it is."""

    kind = "s3"

    def __init__(self, moto: Moto, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moto, self._environment, self._has_changed = moto, monkeypatch, False
        self.start, self.stop = moto.start, moto.stop
        self._login(str(folder / "nothing"))
        self.bucket = f"drops-{time.time_ns()}"
        self.place = f"{self.bucket}/from/vendor"
        self.location = f"s3://{self.place}"
        moto.client.create_bucket(Bucket=self.bucket)

    def put(self, name: str, content: bytes) -> None:
        self.moto.client.put_object(Bucket=self.bucket, Key=f"from/vendor/{name}", Body=content)

    def put_later(self, name: str, content: bytes) -> None:
        time.sleep(1.05 - time.time() % 1)  # a listing tells times by the second
        self.put(name, content)

    def begin(self, name: str, content: bytes) -> Callable[[], None]:
        client, where = self.moto.client, {"Bucket": self.bucket, "Key": f"from/vendor/{name}"}
        where["UploadId"] = client.create_multipart_upload(**where)["UploadId"]
        part = client.upload_part(**where, PartNumber=1, Body=content)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return lambda: client.complete_multipart_upload(**where, MultipartUpload=parts)

    def delete(self, name: str) -> None:
        self.moto.client.delete_object(Bucket=self.bucket, Key=f"from/vendor/{name}")

    def environment(self, **values: str | None) -> None:
        """Variables of whoever reads; None: without."""
        self._has_changed = True
        for name, value in values.items():
            if value is None:
                self._environment.delenv(name)
            else:
                self._environment.setenv(name, value)

    def as_a_new_process(self) -> None:
        """Forget what was made of the environment as it was."""
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()

    def close(self) -> None:
        if self._has_changed:
            self.moto.ask_who_it_is(10**9)
            self.as_a_new_process()

    def _login(self, nowhere: str) -> None:
        """Nothing of this machine's."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            self._environment.delenv(name)
        own = {
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "vendor-key",
            "AWS_SECRET_ACCESS_KEY": "vendor-secret",
            "AWS_ENDPOINT_URL": self.moto.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in own.items():
            self._environment.setenv(name, value)


class SftpServer:
    """A user whose root is ``root``, with a password and, if one is asked for, a key; whoever reads has a home of his
    own in which the server is known."""

    kind = "sftp"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import asyncssh

        self.root, self.home = folder / "served", folder / "reader"
        self.folder = self.root / "from" / "vendor"
        self.folder.mkdir(parents=True)
        (self.home / ".ssh").mkdir(parents=True)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.keys = folder / "authorized"
        self.keys.touch()
        self.logins, self._port = 0, 0
        self._written_at = time.time() - 3600
        self.start()
        self.be_known()
        self.place = f"{HOST}:{self._port}/from/vendor"
        self.location = f"sftp://vendor:{quote(PASSWORD, safe='')}@{self.place}"

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)
        self._written_at += 1  # times are told by the second, and no two uploads happen in the same one
        os.utime(self.folder / name, (self._written_at, self._written_at))

    put_later = put

    def begin(self, name: str, content: bytes) -> Callable[[], None]:
        import fsspec

        system, _ = fsspec.core.url_to_fs(
            f"sftp://vendor@{self.place}", password=PASSWORD, host_key_policy="auto_add", skip_instance_cache=True
        )
        stream = system.open(f"/from/vendor/{name}", "wb")
        stream.write(content[: len(content) // 2])
        stream.flush()

        def finish() -> None:
            stream.write(content[len(content) // 2 :])
            stream.close()
            system.client.close()

        return finish

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def be_known(self, key: Any = None) -> None:
        """The server's key, or another one, in the reader's known hosts."""
        shown = (key or self.host_key).export_public_key().decode()
        (self.home / ".ssh" / "known_hosts").write_text(f"[{HOST}]:{self._port} {shown}")

    def take_a_key(self) -> None:
        """A key for whoever reads, which the server takes."""
        import asyncssh

        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(self.home / ".ssh" / "id_ed25519"))
        self.keys.write_bytes(key.export_public_key())
        self.stop()
        self.start()

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listening(), self._loop).result(10)
        self._port = self._server.get_port()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._silent(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def close(self) -> None:
        self.stop()

    async def _listening(self) -> Any:
        import asyncssh

        class Login(asyncssh.SSHServer):
            def connection_made(login, connection: Any) -> None:
                self._connections.append(connection)

            def begin_auth(login, username: str) -> bool:
                return True

            def password_auth_supported(login) -> bool:
                return True

            def validate_password(login, username: str, password: str) -> bool:
                return (username, password) == ("vendor", PASSWORD)

            def auth_completed(login) -> None:
                self.logins += 1

        self._connections: list[Any] = []
        return await asyncssh.listen(
            HOST,
            self._port,
            server_host_keys=[self.host_key],
            server_factory=Login,
            authorized_client_keys=str(self.keys) if self.keys.stat().st_size else None,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.root).encode()),
        )

    async def _silent(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.abort()
        await self._server.wait_closed()
