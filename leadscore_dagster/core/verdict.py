"""One verdict: what was asked, whether it holds, the numbers, and the reason as a value that code can decide by.

Every gate, check, comparison and finding is one. Its sentence is written last, by whoever judges; it is for people, and
no code reads it: what somebody decides by is ``passed``, ``reason``, ``severity`` or a number.

Lives here: the type, its reasons, its JSON. Not here: reaching a verdict, writing its sentence (each room does both),
the audit's verdict on one feature (core/audit/verdict).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Any, Literal

Severity = Literal["error", "warn"]
_NUMBERS = ("value", "low", "high", "threshold", "n")


class Reason(StrEnum):
    """Why a verdict came out as it did."""

    #: what was measured keeps its threshold, or does not
    MET = "met"
    MISSED = "missed"
    #: somebody let it pass; what was measured did not
    WAIVED = "waived"
    #: nothing was measured, so it has not passed
    NOT_MEASURED = "not_measured"
    #: it was measured, and the data do not allow a number
    NOT_MEASURABLE = "not_measurable"
    #: too little to judge, which is nobody's failure
    NOT_JUDGED = "not_judged"
    #: nothing is wrong that could be shown, and nothing shows that all is well
    UNPROVEN = "unproven"

    #: there was nobody to hold a candidate against
    NO_CHAMPION = "no_champion"
    #: there was, and its files cannot be read
    UNREADABLE_CHAMPION = "unreadable_champion"
    #: there was nobody when the candidate was trained, and now there is
    CHAMPION_SINCE_TRAINING = "champion_since_training"

    #: the candidate beside the champion
    BETTER = "better"
    CHAMPION_STALE = "champion_stale"
    WITHIN_CHANCE = "within_chance"
    WORSE = "worse"
    PERHAPS_WORSE = "perhaps_worse"
    SAME_VERSION = "same_version"
    NOT_COMPARABLE = "not_comparable"
    TOO_FEW_POSITIVES = "too_few_positives"

    #: a version is to score beside the champion, and its days are not over
    SHADOW_ASKED = "shadow_asked"
    SHADOW_WAITS = "shadow_waits"


@dataclass(frozen=True)
class Verdict:
    """``passed`` and ``reason`` decide; ``why`` tells a person.

    Attributes
    ----------
    severity : of one that does not pass: an ``error`` stops what follows, a ``warn`` is told.
    value, low, high : what was measured and its 95% interval; None where there is none. ``threshold`` : what it was
        held against.
    n : what it rests on: decisions, rows, features, or days.
    why : the verdict as a sentence, without personal data.
    evidence : more for a reader, in Markdown.
    about : where it is about more than its partition, the month, week or version it is about; after that the names of
        what fails. A later verdict about the same, with the same names failing, is no news.
    """

    name: str
    passed: bool
    reason: Reason
    _: KW_ONLY
    severity: Severity = "error"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    n: int | None = None
    why: str = ""
    evidence: str = ""
    about: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether it stops what follows."""
        return not self.passed and self.severity == "error"

    @property
    def waived(self) -> bool:
        """Whether it passes because somebody let it pass, not by what was measured."""
        return self.reason is Reason.WAIVED

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge."""
        return self.reason is not Reason.NOT_JUDGED

    @property
    def word(self) -> str:
        """In one word."""
        return "waived" if self.waived else "passed" if self.passed else "refused"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; what is left at its default is left out, except for the numbers."""
        said = {"name": self.name, "passed": self.passed, "severity": self.severity, "reason": self.reason.value}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        rest: dict[str, Any] = {"waived": self.waived, "evidence": self.evidence, "about": list(self.about)}
        return said | numbers | {"why": self.why} | {name: value for name, value in rest.items() if value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Verdict:
        """Inverse of ``as_dict``; what was stored before there were reasons gets one from its numbers, see
        `_reason_of_old`."""
        known = stored.get("reason")
        return cls(
            name=str(stored["name"]),
            passed=bool(stored["passed"]),
            reason=Reason(known) if known else _reason_of_old(stored),
            severity=stored.get("severity", "error"),
            **{name: stored.get(name) for name in _NUMBERS},
            why=str(stored.get("why", "")),
            evidence=str(stored.get("evidence", "")),
            about=tuple(stored.get("about", ())),
        )


def held(name: str, passed: bool, **fields: Any) -> Verdict:
    """What was measured and held against its threshold: met or missed."""
    return Verdict(name, passed, Reason.MET if passed else Reason.MISSED, **fields)


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as a JSON list."""
    return json.dumps([verdict.as_dict() for verdict in verdicts], allow_nan=False)


def from_json(text: str) -> list[Verdict]:
    """Inverse of ``to_json``, of what earlier releases have written, too."""
    return [Verdict.from_dict(stored) for stored in json.loads(text)]


def _reason_of_old(stored: Mapping[str, Any]) -> Reason:
    """The reason of a gate's verdict that was stored without one. Then as now a gate passed without a value only for
    want of a champion, and failed without one where nothing could be measured."""
    if stored.get("waived"):
        return Reason.WAIVED
    measured = stored.get("value") is not None
    if stored["passed"]:
        return Reason.MET if measured else Reason.NO_CHAMPION
    return Reason.MISSED if measured else Reason.NOT_MEASURED
