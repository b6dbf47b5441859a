"""Opening the file system behind a URL: without what it remembers, with time limits, and with errors in words.

Lives here: what differs between kinds of servers. Not here: what lies in a folder (folder), SSH itself (sftp).

A file system is opened anew for every use: a server ends a connection that is idle. Only S3's, which has none and takes
long to be made, is kept, without its listings, until it errs: the key may have been changed meanwhile. No error of a
library is shown or chained: it may quote the URL, and with it a password.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leadscore_dagster.core.errors import InputError

#: scheme → the extra of this project that brings its library
EXTRAS = {"s3": "s3", "s3a": "s3", "sftp": "sftp", "ssh": "sftp"}
#: seconds, and how often S3 is asked again: a sensor is stopped after a minute, so a silent server is given up before
CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 15, 1
_REFUSALS = {
    "AuthenticationException",
    "BadAuthenticationType",
    "NoCredentialsError",
    "PartialCredentialsError",
    "PasswordRequiredException",
    "PermissionError",
    "ProfileNotFound",
}
_MISSPELT = {"ParamValidationError", "ValueError"}
_SPELLING = {
    "s3": "write s3://BUCKET/FOLDER without a key (docs/deployment.md says how to give credentials)",
    "sftp": "write sftp://USER@HOST:PORT/FOLDER or sftp://USER:$NAME@HOST/FOLDER; user and password percent-encoded",
}
_RIGHTS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the machine's role must allow list and read",
    "sftp": "check the user, the key in ~/.ssh or the password: as $NAME in the URL, set and percent-encoded",
}
_WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
_PLAIN = re.compile(r"[^:/]*(:\d+)?(/.*)?")


def is_remote(location: str) -> bool:
    """Whether a location is a URL of another machine, rather than a path here."""
    return "://" in location and not location.startswith("file://")


def shown_as(location: str) -> str:
    """A location as a message may quote it: without user, password and query, and whole only if there is no doubt
    where those are."""
    if not is_remote(location):
        return location
    scheme, _, rest = location.partition("://")
    place = rest.rpartition("@")[2]
    in_doubt = "?" in rest or "#" in rest or not _PLAIN.fullmatch(place)
    if in_doubt or scheme in ("http", "https"):  # a link may be a secret as a whole
        return f"a location behind {scheme}://"
    return f"{scheme}://{place}"


def absent(location: str) -> InputError:
    """The error of a folder that is not there."""
    remedy = "check --source"
    if _scheme(location) in _WITHOUT_FOLDERS:
        remedy += "; an empty folder does not exist here: keep an empty object FOLDER/ in its place"
    return InputError("There is no such folder", where=shown_as(location), remedy=remedy)


def without_password(location: str) -> str:
    """What a folder is known by: it stays the same folder when its password is another one."""
    scheme, separator, rest = location.partition("://")
    login, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{login.partition(':')[0]}{at}{place}"


@contextmanager
def opened(location: str) -> Iterator[tuple[Any, str]]:
    """The file system behind a URL and the path in it. Raises InputError, without the URL's secrets."""
    try:
        system, path = _connected(location)
        try:
            yield system, path
        finally:
            getattr(system, "close", _nothing)()
    except InputError:
        raise
    except ImportError as error:
        raise _missing(location, error) from None
    except Exception as error:  # every file system has errors of its own
        _forget(location)
        raise _in_words(location, error) from None


def _connected(location: str) -> tuple[Any, str]:
    import fsspec

    family = EXTRAS.get(_scheme(location))
    if family == "sftp":
        from leadscore_dagster.core.sources.connectors.sftp import KnownServer

        system = KnownServer(**KnownServer._get_kwargs_from_urls(location), skip_instance_cache=True)
        return system, KnownServer._strip_protocol(location) or "/"
    if family != "s3":
        return fsspec.core.url_to_fs(location, skip_instance_cache=True)
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"max_attempts": RETRIES},
    }
    system, path = fsspec.core.url_to_fs(location, use_listings_cache=False, config_kwargs=limits)
    system.retries = 1  # it repeats what its own library has repeated
    return system, path


def _forget(location: str) -> None:
    import fsspec

    if EXTRAS.get(_scheme(location)) == "s3":
        fsspec.get_filesystem_class("s3").clear_instance_cache()


def _scheme(location: str) -> str:
    return location.partition("://")[0]


def _nothing() -> None:
    """Most file systems hold nothing that has to be let go."""


def _missing(location: str, error: ImportError) -> InputError:
    scheme = _scheme(location)
    extra = EXTRAS.get(scheme)
    remedy = f"pip install 'leadscore-dagster[{extra}]'" if extra else f"install {error.name or 'its fsspec library'}"
    return InputError(f"the library for {scheme}:// is not installed", where=shown_as(location), remedy=remedy)


def _in_words(location: str, error: Exception) -> InputError:
    import fsspec

    scheme, kind = _scheme(location), type(error).__name__
    where, family = shown_as(location), EXTRAS.get(scheme, "")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):  # no server says so of a reading
        return InputError("the disk here is full", where=f"a copy from {where}", remedy="free some space and run again")
    if scheme.rpartition("::")[2] not in fsspec.available_protocols():
        return InputError(f"fsspec does not know {scheme}://", where=where, remedy="check --source")
    if kind in _MISSPELT and family:
        return InputError(f"the location cannot be read ({kind})", where=where, remedy=_SPELLING[family])
    if kind in _REFUSALS or "authentication methods" in str(error):
        remedy = _RIGHTS.get(family, "check the location and its permissions")
        return InputError(f"the server refuses access ({kind})", where=where, remedy=remedy)
    remedy = "check that the server is up, that it can be reached from here, and the location"
    return InputError(f"the location does not respond ({kind})", where=where, remedy=remedy)
