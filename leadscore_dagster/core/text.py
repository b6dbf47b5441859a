"""Names people mistype: the nearest one there is. Not here: which names there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name in ``known`` that looks most like ``name``; None where none comes near. ``cutoff`` 0 … 1: how near."""
    close = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'reps'?)"``, to follow a name in a sentence; empty where no name comes near."""
    close = nearest(name, known)
    return f" (did you mean {close!r}?)" if close else ""


def nearest_or(name: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy: ``"did you mean 'reps'?"``, or ``otherwise`` where no name comes near."""
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else otherwise
