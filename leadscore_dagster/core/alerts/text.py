"""Text from outside, made fit to be sent: no secrets, no personal data, no markup, not too long.

A message goes to services that read Markdown, HTML or their own markup, and stays in their history for good. So
what an exception or a check says is stripped here, once, before it is stored or sent anywhere.

Not here: what a message says (message).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

MASK = "…"
LONGEST = 400  # characters of evidence in one alert

_WEB = re.compile(r"\b(https?)://(?:[^\s/@]*@)?([\w.:\-\[\]]*)[^\s'\"<>)]*", re.IGNORECASE)
_ADDRESS = re.compile(r"\b(?!https?:)([a-z][a-z0-9+.\-]*)://[^\s'\"<>)]*", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_NAMED_SECRET = re.compile(
    r"\b([\w\-]*(?:password|passwd|pwd|passphrase|token|secret|api[_\-]?key|access[_\-]?key|authorization|credential)"
    r"[\w\-]*)(['\"]?\s*[:=]\s*)(?:(?:bearer|basic)\s+)?['\"]?[^\s'\",;]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=\-]{8,}", re.IGNORECASE)
#: a run of letters and digits as keys and tokens are made of; names of features and versions contain separators
_TOKEN = re.compile(r"\b(?=[A-Za-z0-9+/]*\d)(?=[A-Za-z0-9+/]*[A-Za-z])[A-Za-z0-9+/]{32,}=*")
#: a closing quote is not followed by a letter, so that the name O'Brien in quotes is masked whole
_QUOTED = re.compile(r"(?<!\w)'.*?'(?!\w)|(?<!\w)\".*?\"(?!\w)")
_LONG_NUMBER = re.compile(r"\d{5,}")
#: characters that some service reads as markup, a link or a mention
_HARMLESS = str.maketrans(
    {"<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "@": "(at)", "*": "·", "|": "/", "\\": "/"}
)
_PLAIN_WORD = re.compile(r"[a-z.\-]*\Z")
_PASSWORD = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|TOKEN|SECRET|KEY|CREDENTIAL|DSN|_URL$|ALERTS_(?:ERROR|WARN|DIGEST)$")


@dataclass(frozen=True)
class Crash:
    """Why something failed.

    ``told`` says that the message was written to be read (bad input, a gate, a failure somebody raised on purpose).
    Any other exception may quote a cell of the data, and is stripped of what it quotes.
    """

    error: str
    message: str
    where: str = ""
    told: bool = False


def redact(text: str, hidden: Collection[str] = ()) -> str:
    """Mask secrets: ``hidden`` values, what stands in an address behind its host, mail addresses, named secrets."""
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _WEB.sub(rf"\1://\2/{MASK}", text)
    text = _ADDRESS.sub(rf"\1://{MASK}", text)
    text = _NAMED_SECRET.sub(rf"\1\2{MASK}", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _TOKEN.sub(MASK, _MAIL.sub(MASK, text))


def plain(text: str, longest: int = LONGEST) -> str:
    """One line without control characters, markup or mentions, cut at ``longest`` characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split()).translate(_HARMLESS)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def evidence_of(text: str, hidden: Collection[str] = ()) -> str:
    """What a check or a failure says of itself, fit to be sent."""
    return plain(redact(text, hidden))


def crash_evidence(crash: Crash, hidden: Collection[str] = ()) -> str:
    """What an exception says, fit to be sent; where it was raised, when nobody wrote the message to be read."""
    if crash.told:
        return evidence_of(crash.message, hidden)
    message = redact(crash.message.strip().split("\n")[0], hidden)
    message = _LONG_NUMBER.sub(MASK, _QUOTED.sub(f"'{MASK}'", message))
    where = f" (at {crash.where})" if crash.where else ""
    return plain(f"{crash.error}: {message}{where}" if message else f"{crash.error}{where}")


def secret_values(environment: Mapping[str, str]) -> frozenset[str]:
    """Values of the environment that no text may contain: those whose name says so, and the secret parts of addresses.

    A part of an address is taken for a secret when it is a password or not a plain lower-case word.
    """
    named = [value for name, value in environment.items() if _SECRET_NAME.search(name.upper())]
    words = [word for value in named for word in value.split()]
    addresses = [word for word in words if "://" in word]
    parts = [part for address in addresses for part in re.split(r"[/:@?&=]+", address) if not _PLAIN_WORD.match(part)]
    passwords = [match.group(1) for address in addresses if (match := _PASSWORD.search(address))]
    return frozenset(text for text in [*words, *parts, *passwords] if len(text) >= 8)
