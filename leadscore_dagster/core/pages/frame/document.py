"""The frame of a page that is opened from a file, sent by mail, printed: style and script inside, nothing is loaded.

Not here: what stands on the page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from leadscore_dagster.core.pages.frame.text import escaped

_BASE = Path(__file__).parent / "base.css"


def html_document(title: str, body: Iterable[str], style: Path, script: Path | None = None) -> str:
    """One HTML document without external resources; equal input gives equal bytes.

    Parameters
    ----------
    title : plain text.
    body : sections, HTML already; empty ones are left out.
    style, script : the page's own files, added to the common look.
    """
    code = read(script) if script else ""
    # should an escape ever be missed: a script that is not this one does not run, and nothing is loaded
    allowed = f"script-src 'sha256-{_digest(code)}'" if code else "script-src 'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; {allowed}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escaped(title)}</title>\n'
        f"<style>\n{read(_BASE)}{read(style)}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n"
        + (f"<script>{code}</script>\n" if code else "")
        + "</body>\n</html>\n"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@lru_cache(maxsize=8)
def read(path: Path) -> str:
    """The text of a file that is part of the product."""
    return path.read_text(encoding="utf-8")
