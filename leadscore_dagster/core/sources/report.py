"""What an ingest did, in numbers: every row accounted for. Not here: the ingest (ingest.py), Dagster metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.sources.cleaning import Cleaned
from leadscore_dagster.core.sources.quarantine import shape
from leadscore_dagster.core.sources.reading import Loaded


@dataclass(frozen=True)
class Violation:
    """Rows in quarantine under one rule, for one column (None: the row as a whole)."""

    rule: str
    column: str | None
    rows: int


@dataclass(frozen=True)
class Unreadable:
    """Cells of one column that held something unreadable and became NULL, with up to three of them.

    Where the contract knows personal data the examples show the shape only: a shifted row can carry a name into
    any column.
    """

    column: str
    cells: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class IngestReport:
    """Account of one ingest: ``rows_read == rows_kept + quarantined rows + not_yet_known``, always.

    ``not_yet_known``: rows of a log that became known at or after as_of. ``available_at_from`` says where
    ``available_at`` comes from; for a log both say when its newest row became known. ``arrival``: the how-manieth of
    its vintage. ``refused``: why it was set aside, empty if it was not.
    """

    source: str
    table: str
    as_of: date
    files: tuple[str, ...]
    digest: str
    rows_read: int
    rows_kept: int
    violations: tuple[Violation, ...]
    unreadable: tuple[Unreadable, ...]
    null_share: Mapping[str, float]
    available_at: datetime | None
    available_at_from: str
    not_yet_known: int = 0
    arrival: int = 1
    refused: str = ""

    def __post_init__(self) -> None:
        accounted = self.rows_kept + self.rows_quarantined + self.not_yet_known
        if self.rows_read != accounted:
            raise AssertionError(f"{self.rows_read} rows read but {accounted} accounted for in {self.table}")

    @property
    def rows_quarantined(self) -> int:
        return sum(violation.rows for violation in self.violations)

    @property
    def quarantined(self) -> dict[str, int]:
        """Rows in quarantine by rule."""
        rules = sorted({violation.rule for violation in self.violations})
        return {rule: sum(v.rows for v in self.violations if v.rule == rule) for rule in rules}

    @property
    def duplicates(self) -> int:
        return self.quarantined.get("duplicate", 0)

    def as_metadata(self) -> dict[str, int | float | str]:
        """Plain numbers and one Markdown text, without personal data."""
        numbers: dict[str, int | float | str] = {
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_quarantined": self.rows_quarantined,
            "duplicates": self.duplicates,
            "unreadable_cells": sum(item.cells for item in self.unreadable),
            "not_yet_known": self.not_yet_known,
            "mean_null_share": sum(self.null_share.values()) / len(self.null_share) if self.null_share else 0.0,
            "available_at": self.available_at.isoformat() if self.available_at else "",
            "available_at_from": self.available_at_from,
            "digest": self.digest,
            "arrival": self.arrival,
            "refused": self.refused,
        }
        return {**numbers, "report": self._markdown()}

    def _markdown(self) -> str:
        lines = [
            f"**{self.table}** as of {self.as_of}: {self.rows_read:,} rows read from {len(self.files)} "
            f"input{'s' if len(self.files) != 1 else ''}, {self.rows_kept:,} kept, "
            f"{self.rows_quarantined:,} in quarantine"
            + (f", {self.not_yet_known:,} not yet known." if self.not_yet_known else "."),
            "",
        ]
        if self.violations:
            lines += ["| rule | column | rows in quarantine |", "|---|---|--:|"]
            lines += [f"| {v.rule} | {v.column or ''} | {v.rows:,} |" for v in self.violations] + [""]
        if self.unreadable:
            lines += ["| column | unreadable cells, now NULL | examples |", "|---|--:|---|"]
            lines += [f"| {u.column} | {u.cells:,} | {_code(u.examples)} |" for u in self.unreadable] + [""]
        fullest = sorted(self.null_share.items(), key=lambda item: -item[1])[:10]
        lines += ["| column | missing |", "|---|--:|"] + [f"| {name} | {share:.1%} |" for name, share in fullest]
        return "\n".join(lines)


def violations_of(cleaned: Cleaned, rejects: Mapping[str, int]) -> tuple[Violation, ...]:
    """Rows in quarantine by rule and column: rows that did not parse, broken rules, duplicates."""
    found = [Violation(rule, None, rows) for rule, rows in sorted(rejects.items())]
    rules = cleaned.rules.rules
    found += [Violation(rules[i].name, rules[i].column, rows) for i, rows in sorted(cleaned.broken.items())]
    if cleaned.duplicates:
        found.append(Violation("duplicate", None, cleaned.duplicates))
    return tuple(found)


def unreadable_of(cleaned: Cleaned, contract: Contract) -> tuple[Unreadable, ...]:
    """Unreadable cells by column, with examples fit for a log."""
    private = any(column.pii for column in contract.columns)
    return tuple(
        Unreadable(name, cells, tuple(shape(e) if private else e for e in cleaned.examples[name]))
        for name, cells in cleaned.unreadable.items()
    )


def rows_read(loaded: Sequence[Loaded]) -> int:
    """Rows of all inputs, parsed or not."""
    return sum(item.rows + len(item.rejected_at) for item in loaded)


def _code(examples: Sequence[str]) -> str:
    return ", ".join("`" + e.replace("`", "'").replace("|", "/").replace("\n", " ") + "`" for e in examples)
