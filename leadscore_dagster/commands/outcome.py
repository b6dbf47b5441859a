"""What a command ended with, for people and for programs. Not here: running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DONE, ERROR, REFUSED = 0, 1, 2


@dataclass(frozen=True)
class RunOutcome:
    """A refreshed period: promoted, refused or unchanged; why; and where the results lie. ``reason``: that of the
    comparison with the champion (core/verdict), None where there was none."""

    status: str
    version: str | None
    reason: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[Mapping[str, Any]] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def exit_code(self) -> int:
        return REFUSED if self.status == "refused" else DONE

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "version": self.version,
            "reason": self.reason,
            "metrics": dict(self.metrics),
            "gates": list(self.gates),
            "outputs": dict(self.outputs),
        }

    def as_text(self) -> str:
        return self.summary


@dataclass(frozen=True)
class TextOutcome:
    """A command that answers with a text and one JSON object."""

    text: str
    record: Mapping[str, Any]
    exit_code: int = DONE

    def as_json(self) -> dict[str, Any]:
        return dict(self.record)

    def as_text(self) -> str:
        return self.text


def columns(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Rows as a plain-text table with aligned columns, numbers to the right."""
    cells = [list(map(str, header))] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[position]) for row in cells) for position in range(len(header))]
    right = [all(_is_number(row[position]) for row in rows) for position in range(len(header))]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  " + "  ".join(aligned).rstrip())
    lines.insert(1, "  " + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _cell(value: object) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
