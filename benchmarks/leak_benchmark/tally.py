"""From single answers to recall, false alarms and tables, with intervals; thresholds of the screens.

Lives here: counting and printing. Not here: asking (asking), the screens' scores (screens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leadscore_dagster.core.measures.rates import wilson

AUC_THRESHOLD, POWER_THRESHOLD = 0.7, 0.5


@dataclass(frozen=True)
class Leak:
    """One planted leak and what was said of it. ``by``: the parts or findings that caught it. ``auc``, ``power``: the
    highest of its features (0 for a leak of the whole table, at which no screen of features looks)."""

    kind: str
    name: str
    seed: int
    caught: str  # leak, suspect, finding, or empty
    by: tuple[str, ...]
    auc: float
    power: float


@dataclass(frozen=True)
class Honest:
    """One feature of a clean world, or one honest feature beside a leak."""

    world: str
    feature: str
    seed: int
    verdict: str
    part: str
    is_clock: bool
    named_clock: bool
    auc: float
    power: float
    beside_leak: bool = False


@dataclass(frozen=True)
class Result:
    """One world: its leaks, its honest features, findings that failed although the world is clean, expectations that
    did not hold, and seconds (audit, building)."""

    world: str
    seed: int
    leaks: tuple[Leak, ...] = ()
    honest: tuple[Honest, ...] = ()
    false_findings: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0
    building: float = 0.0


@dataclass(frozen=True)
class Tally:
    """Everything the benchmark reports. Shares come as (count, n, low, high): 95% Wilson intervals."""

    leaks: Sequence[Leak]
    honest: Sequence[Honest]
    results: Sequence[Result]
    thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def judged(self) -> list[Honest]:
        """Features of clean worlds."""
        return [entry for entry in self.honest if not entry.beside_leak]


def tally(results: Sequence[Result]) -> Tally:
    """Count. The screens' own thresholds at the audit's rate of false alarms are found on the same clean features."""
    leaks = [leak for result in results for leak in result.leaks]
    honest = [entry for result in results for entry in result.honest]
    judged = [entry for entry in honest if not entry.beside_leak]
    alarms = sum(entry.verdict in ("leak", "suspect") for entry in judged)
    thresholds = {
        "auc": _threshold([entry.auc for entry in judged], alarms),
        "power": _threshold([entry.power for entry in judged], alarms),
    }
    return Tally(leaks, honest, results, thresholds)


def _threshold(scores: Sequence[float], alarms: int) -> float:
    """The lowest threshold that so many clean features exceed at most."""
    ordered = sorted(scores, reverse=True)
    return ordered[alarms] if alarms < len(ordered) else 0.0


def share(count: int, n: int) -> tuple[int, int, float, float]:
    """Count, n and the 95% Wilson interval of the share; 0 … 1 where n is 0."""
    return count, n, *wilson(count, n)


def as_json(found: Tally) -> dict[str, Any]:
    """Recall by kind and overall, false alarms, screens, seconds, every miss and every false alarm."""
    kinds = sorted({leak.kind for leak in found.leaks})
    return {
        "recall": _recalls(found, found.leaks),
        "kinds": {kind: _recalls(found, [leak for leak in found.leaks if leak.kind == kind]) for kind in kinds},
        "thresholds": found.thresholds,
        "clean": {
            "features": len(found.judged),
            "leak": share(sum(entry.verdict == "leak" for entry in found.judged), len(found.judged)),
            "suspect": share(sum(entry.verdict == "suspect" for entry in found.judged), len(found.judged)),
            "worlds_refused": _worlds(found, "error"),
            "worlds_warned": _worlds(found, "warn"),
            "auc_over_threshold": share(sum(e.auc > AUC_THRESHOLD for e in found.judged), len(found.judged)),
            "power_over_threshold": share(sum(e.power > POWER_THRESHOLD for e in found.judged), len(found.judged)),
            "beside_leaks": share(
                sum(e.verdict in ("leak", "suspect") for e in found.honest if e.beside_leak),
                sum(e.beside_leak for e in found.honest),
            ),
        },
        "clocks": share(
            sum(entry.is_clock and entry.named_clock for entry in found.honest),
            sum(entry.is_clock for entry in found.honest),
        ),
        "seconds": _seconds(found),
        "missed": [vars(leak) for leak in found.leaks if not leak.caught],
        "false_alarms": [vars(entry) for entry in found.honest if entry.verdict in ("leak", "suspect")],
        "clocks_not_named": [vars(e) for e in found.judged if e.is_clock and not e.named_clock],
        "false_findings": [f"{r.world} (seed {r.seed}): {name}" for r in found.results for name in r.false_findings],
        "unexpected": [f"{r.world} (seed {r.seed}): {text}" for r in found.results for text in r.unexpected],
        "errors": [f"{r.world} (seed {r.seed}): {r.error}" for r in found.results if r.error],
    }


def as_markdown(found: Tally) -> str:
    """The report a person reads."""
    document = as_json(found)
    clean, seconds = document["clean"], document["seconds"]
    lines = [
        "| kind | n | audit | of these proven | AUC > .7 | AUC, equal alarms | PPS > .5 | PPS, equal alarms | by |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, row in [*document["kinds"].items(), ("**all**", document["recall"])]:
        lines.append(
            f"| {name} | {row['n']} | {row['audit'][0] / max(row['n'], 1):.0%} | {row['proven']} "
            f"| {row['auc'] / max(row['n'], 1):.0%} | {row['auc_equal'] / max(row['n'], 1):.0%} "
            f"| {row['power'] / max(row['n'], 1):.0%} | {row['power_equal'] / max(row['n'], 1):.0%} | {row['by']} |"
        )
    every = document["recall"]["audit"]
    lines += [
        "",
        f"Recall {_text(every)}. Equal alarms: as many clean features flagged as by the audit, at AUC > "
        f"{found.thresholds['auc']:.3f} and PPS > {found.thresholds['power']:.3f}, chosen with hindsight.",
        "",
        f"- clean features called leak: {_text(clean['leak'])}",
        f"- clean features called suspect: {_text(clean['suspect'])}",
        f"- clean worlds in which a finding about the table blocks: {_text(clean['worlds_refused'])}, "
        f"warns: {_text(clean['worlds_warned'])}",
        f"- clean features over an AUC of .7: {_text(clean['auc_over_threshold'])}; "
        f"over a PPS of .5: {_text(clean['power_over_threshold'])}",
        f"- honest features beside a leak that were flagged with it: {_text(clean['beside_leaks'])}",
        f"- clocks called a clock: {_text(document['clocks'])}",
        f"- seconds per audit: median {seconds['median']:.2f}, 95th percentile {seconds['p95']:.2f}, "
        f"most {seconds['most']:.2f}; {seconds['worlds']} worlds",
    ]
    for title, key in (
        ("Missed", "missed"), ("False alarms", "false_alarms"), ("Clocks not named", "clocks_not_named"),
        ("Findings in clean worlds", "false_findings"), ("Not as expected", "unexpected"), ("Errors", "errors"),
    ):  # fmt: skip
        if document[key]:
            lines += ["", f"## {title}", "", *(f"- {_line(entry)}" for entry in document[key])]
    return "\n".join(lines) + "\n"


def _recalls(found: Tally, leaks: Sequence[Leak]) -> dict[str, Any]:
    by = sorted({part for leak in leaks for part in leak.by})
    return {
        "n": len(leaks),
        "audit": share(sum(bool(leak.caught) for leak in leaks), len(leaks)),
        "proven": sum(leak.caught == "leak" for leak in leaks),
        "auc": sum(leak.auc > AUC_THRESHOLD for leak in leaks),
        "auc_equal": sum(leak.auc > found.thresholds["auc"] for leak in leaks),
        "power": sum(leak.power > POWER_THRESHOLD for leak in leaks),
        "power_equal": sum(leak.power > found.thresholds["power"] for leak in leaks),
        "by": ", ".join(by),
    }


def _worlds(found: Tally, severity: str) -> tuple[int, int, float, float]:
    clean = [result for result in found.results if not result.leaks]
    return share(sum(any(name.startswith(severity) for name in r.false_findings) for r in clean), len(clean))


def _seconds(found: Tally) -> dict[str, float]:
    taken = np.array([result.seconds for result in found.results if not result.error] or [0.0])
    return {
        "worlds": len(found.results),
        "median": float(np.median(taken)),
        "p95": float(np.percentile(taken, 95)),
        "most": float(taken.max()),
    }


def _text(counted: tuple[int, int, float, float]) -> str:
    count, n, low, high = counted
    return f"{count:,} of {n:,} ({count / n if n else 0:.2%} [{low:.2%}, {high:.2%}])"


def _line(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if "kind" in entry:
        return (
            f"{entry['kind']}/{entry['name']} (seed {entry['seed']}): AUC {entry['auc']:.2f}, PPS {entry['power']:.2f}"
        )
    return (
        f"{entry['world']} (seed {entry['seed']}): {entry['feature']} {entry['verdict']} by {entry['part']}, "
        f"AUC {entry['auc']:.2f}{', beside a leak' if entry['beside_leak'] else ''}"
    )
