"""A person lets one version past one gate, for a reason and until a day.

Lives here: entries of the append-only table ``waivers``, and what a waiver does to a verdict. Not here: the verdicts
(gates), who is champion (ledger). A waiver never changes what was measured; the verdict says that it was waived, by
whom and why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state import State
from leadscore_dagster.core.state.tables import WAIVERS
from leadscore_dagster.core.verdict import Reason, Verdict

TABLE = "waivers"
#: a waiver is a bridge to the next period's candidate, not a second set of thresholds
LONGEST_DAYS = 184


@dataclass(frozen=True)
class Waiver:
    """``expires_on`` is the last day it counts."""

    recipe: str
    version: str
    gate: str
    why: str
    granted_by: str
    granted_at: datetime
    expires_on: date

    def text(self) -> str:
        return f"{self.gate} waived until {self.expires_on} by {self.granted_by}: {self.why}"


def grant(state: State, waiver: Waiver, refused: Sequence[Verdict]) -> Waiver:
    """Append a waiver. ``refused``: the gates the version failed.

    Raises
    ------
    InputError : the version did not fail that gate, a text is empty, or it expires in the past or too late.
    """
    failed = [result.name for result in refused]
    if waiver.gate not in failed:
        remedy = f"choose one of {', '.join(failed)}" if failed else "there is nothing to waive"
        raise InputError(
            f"version {waiver.version!r} did not fail gate {waiver.gate!r}", where=WAIVERS.name, remedy=remedy
        )
    for column in ("why", "granted_by"):
        if not getattr(waiver, column).strip():
            raise InputError(f"{column} is empty", where=WAIVERS.name, column=column)
    days = (waiver.expires_on - waiver.granted_at.date()).days
    if not 0 <= days <= LONGEST_DAYS:
        raise InputError(
            f"a waiver until {waiver.expires_on} would expire {days} days from now",
            where=WAIVERS.name,
            column="expires_on",
            remedy=f"give a day within the next {LONGEST_DAYS} days",
        )
    waiver = replace(waiver, granted_at=waiver.granted_at.astimezone(UTC))
    name = f"{waiver.granted_at:%Y%m%dT%H%M%S.%fZ}-{hashlib.sha256(waiver.text().encode()).hexdigest()[:16]}"
    with state.writing() as writing:
        if not writing.rows(WAIVERS, waiver=name):
            writing.append(WAIVERS, asdict(waiver) | {"waiver": name})
    return waiver


def waivers_of(state: State, version: str, on: date) -> list[Waiver]:
    """The waivers of a version that count on a day, in the order they were granted."""
    return [waiver for waiver in _granted(state, version) if _counts(waiver, on)]


def judged(state: State, version: str, results: Sequence[Verdict], *, on: date) -> list[Verdict]:
    """A version's verdicts on a day: what is waived then passes; a gate that fails says when else it was waived."""
    granted = _granted(state, version)
    found = waived(results, [waiver for waiver in granted if _counts(waiver, on)])
    return [result if result.passed else _told(result, granted) for result in found]


def waived(results: Sequence[Verdict], waivers: Sequence[Waiver]) -> list[Verdict]:
    """The verdicts with every failed gate that has a waiver let past; what was measured stays in the reason."""
    by_gate = {waiver.gate: waiver for waiver in waivers}
    return [
        replace(result, passed=True, reason=Reason.WAIVED, why=f"{by_gate[result.name].text()}. {result.why}")
        if not result.passed and result.name in by_gate
        else result
        for result in results
    ]


def _granted(state: State, version: str) -> list[Waiver]:
    names = [column.name for column in fields(Waiver)]
    found = [Waiver(**{name: row[name] for name in names}) for row in state.rows(WAIVERS, version=version)]
    return sorted(found, key=lambda waiver: (waiver.granted_at, waiver.gate))


def _counts(waiver: Waiver, on: date) -> bool:
    return waiver.granted_at.astimezone(UTC).date() <= on <= waiver.expires_on


def _told(result: Verdict, granted: Sequence[Waiver]) -> Verdict:
    spans = [f"from {one.granted_at:%Y-%m-%d} to {one.expires_on}" for one in granted if one.gate == result.name]
    return replace(result, why=f"{result.why} It was waived {' and '.join(spans)} only.") if spans else result
