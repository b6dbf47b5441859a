"""A server's folders over SFTP: fsspec's file system, which trusts whoever answers, made to ask who that is.

Lives here: host keys, time limits, passwords in a URL. Not here: what lies in a folder (folder). Needs paramiko (the
extra ``sftp``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from leadscore_dagster.core.errors import InputError

CONNECT_SECONDS, ANSWER_SECONDS = 10, 15
_OF_THE_MACHINE = Path("/etc/ssh/ssh_known_hosts")


class KnownServer(SFTPFileSystem):
    """Sends nothing to a server whose key is not in ``~/.ssh/known_hosts`` or ``/etc/ssh/ssh_known_hosts``."""

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.load_system_host_keys()
        if _OF_THE_MACHINE.is_file():
            self.client.load_system_host_keys(str(_OF_THE_MACHINE))
        self.client.set_missing_host_key_policy(_Unknown())
        limits = {
            "timeout": CONNECT_SECONDS,
            "banner_timeout": CONNECT_SECONDS,
            "auth_timeout": ANSWER_SECONDS,
            "channel_timeout": ANSWER_SECONDS,
        }
        try:
            self.client.connect(self.host, **{**limits, **self.ssh_kwargs})
            self.ftp = self.client.open_sftp()
            self.ftp.get_channel().settimeout(ANSWER_SECONDS)
        except paramiko.BadHostKeyException:
            self.close()
            raise InputError(
                "the server shows another key than the one it is known by",
                where=f"{self.host}:{self.ssh_kwargs.get('port', 22)}",
                remedy="ask the server's owner; if its key was replaced, correct ~/.ssh/known_hosts",
            ) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.client.close()

    @staticmethod
    def _get_kwargs_from_urls(urlpath: str) -> dict[str, Any]:
        """As fsspec has it, but that a user and a password in a URL are percent-encoded.

        Raises ValueError for what is no location: a ``?`` or a ``#`` of a password that was not encoded.
        """
        found = SFTPFileSystem._get_kwargs_from_urls(urlpath)
        if "host" not in found or {"url_query", "url_fragment"} & set(found):
            raise ValueError("no host, or more than a host and a path")
        return {name: unquote(value) if name in ("username", "password") else value for name, value in found.items()}


class _Unknown(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        raise InputError(
            "the server's key is not known",
            where=hostname,
            remedy="compare it with the key its owner gives you, and add it to ~/.ssh/known_hosts (ssh-keyscan)",
        )
