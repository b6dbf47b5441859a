"""Findings: what a part of the audit says about the whole table (its labels, its folds), not about one feature.

Lives here: the finding. Not here: reaching one (folds, outcomes, twins), nor verdicts on features (verdict).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One rule about the table: whether it holds, the number it rests on, and a sentence a manager can read.

    ``severity``: an ``error`` blocks, a ``warn`` is shown. ``value`` was compared with ``threshold``.
    """

    name: str
    passed: bool
    why: str
    value: float | None = None
    threshold: float | None = None
    severity: Literal["error", "warn"] = "error"

    @property
    def blocks(self) -> bool:
        return not self.passed and self.severity == "error"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: name, passed, why, value, threshold, severity."""
        return asdict(self)
