"""Leaks in a flat table of which several extracts exist: a column, or the outcome itself, was written later.

Lives here: columns written after the decision as two extracts show them, and outcomes that were not yet known. Not
here: what one extract alone can show (flat_leaks).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.leak_benchmark.flat import DAY, Flat, quarter_after, standard, written
from benchmarks.leak_benchmark.world import Entry, Planted, World

#: gives name, contract type, the value at the decision, the value in the end
Column = Callable[[Flat], tuple[str, str, Any, Any]]


def result(flat: Flat) -> tuple[str, str, Any, Any]:
    """``open`` at the decision, later the result of the talk, right in four of five cases."""
    right = flat.rng.random(flat.n) < 0.8
    said = np.where(right == (flat.outcome == 1), "interested", "no interest")
    return "talk_result", "text", np.full(flat.n, "open"), said


def lead_score(flat: Flat, shift: float) -> tuple[str, str, Any, Any]:
    """A vendor's score that is computed again every night: those who said yes rise by ``shift`` deviations."""
    score = flat.rng.standard_normal(flat.n)
    return "vendor_score", "number", score, score + shift * flat.outcome


def newsletter(flat: Flat) -> tuple[str, str, Any, Any]:
    """A consent that six of ten customers give, and one of ten others."""
    given = flat.rng.random(flat.n) < np.where(flat.outcome == 1, 0.6, 0.1)
    return "newsletter", "flag", np.zeros(flat.n, np.int64), given.astype(np.int64)


def visits(flat: Flat) -> tuple[str, str, Any, Any]:
    """A counter that goes on counting for everybody, faster for customers."""
    before = flat.rng.poisson(3.0, flat.n)
    return "visits", "integer", before, before + flat.rng.poisson(np.where(flat.outcome == 1, 2.5, 0.8))


def moved_segment(flat: Flat) -> tuple[str, str, Any, Any]:
    """A quarter of the customers are moved to the segment ``gold``, in which one in fifteen is from the start."""
    segment = flat.rng.choice(["basic", "silver", "gold"], flat.n, p=[0.6, 0.33, 0.07])
    moves = (flat.outcome == 1) & (flat.rng.random(flat.n) < 0.25)
    return "client_segment", "text", segment, np.where(moves, "gold", segment)


def filled_later(flat: Flat) -> tuple[str, str, Any, Any]:
    """Missing for most at the decision; filled in for a quarter of the customers and a twentieth of the others."""
    value = flat.rng.normal(70, 12, flat.n)
    known = flat.rng.random(flat.n) < 0.3
    asked = flat.rng.random(flat.n) < np.where(flat.outcome == 1, 0.25, 0.05)
    return "wealth", "number", np.where(known, value, np.nan), np.where(known | asked, value, np.nan)


def _restated(folder: Path, market: Path, seed: int, *, kind: str, name: str, column: Column, n: int, rate: float,
              lag: float, place: int) -> World:  # fmt: skip
    """The column as two extracts, a quarter apart, show it. It is written up to ``lag`` days after the decision."""
    flat = standard(np.random.default_rng([seed, 2, place]), n, rate)
    feature, contract_type, before, after = column(flat)
    flat.plant(kind, name, {feature: (after, contract_type)})
    written_at = flat.decided + (flat.rng.uniform(1, lag, n) * 86_400).astype("timedelta64[s]")
    last = quarter_after(flat.decided[-1] + 2 * DAY)
    shown = {
        day: {feature: np.where(written_at < np.datetime64(day), after, before)} for day in (quarter_before(last), last)
    }
    return written(folder, flat, shown, last)


def _not_yet_known(folder: Path, market: Path, seed: int, *, name: str, extracts: int, lag: float) -> World:
    """The outcome takes up to ``lag`` days, the recipe says it is known at once: the newest rows are all negative, and
    the label window reaches over every edge between periods without a gap."""
    rng = np.random.default_rng([seed, 3, extracts, int(lag)])
    flat = standard(rng, 9_000, 0.12)
    flat.planted.append(Planted("overlapping_windows", name, parts=("outcomes", "folds")))
    known_at = flat.decided + (rng.uniform(1, lag, flat.n) * 86_400).astype("timedelta64[s]")
    last = quarter_after(flat.decided[-1] + 2 * DAY)
    days = [quarter_before(last), last][-extracts:]
    final = flat.outcome
    shown = {day: {"outcome": np.where(known_at < np.datetime64(day), final, 0)} for day in days}
    return written(folder, flat, shown, last)


def _not_yet_recorded(folder: Path, market: Path, seed: int, *, name: str, months: int) -> World:
    """Outcomes were recorded only from some month on: every row before is negative."""
    flat = standard(np.random.default_rng([seed, 4, months]), 9_000, 0.08)
    flat.planted.append(Planted("outcomes", name, parts=("outcomes",)))
    flat.outcome = np.where(flat.month < flat.month[0] + months, 0, flat.outcome).astype(np.int8)
    return written(folder, flat)


def _kept_by_label(folder: Path, market: Path, seed: int, *, name: str, gone: float) -> World:
    """Between two extracts a share of the refusals was deleted, no customer: what is left is chosen by the outcome."""
    rng = np.random.default_rng([seed, 5, int(gone * 100)])
    flat = standard(rng, 9_000, 0.06)
    flat.planted.append(Planted("outcomes", name, parts=("outcomes",)))
    last = quarter_after(flat.decided[-1] + 2 * DAY)
    before = quarter_before(last)
    deleted = (flat.outcome == 0) & (rng.random(flat.n) < gone) & (flat.decided < np.datetime64(before))
    return written(folder, flat, {before: {}, last: {}}, last, kept={last: ~deleted})


def quarter_before(day: date) -> date:
    """First day of the quarter before."""
    return date(day.year - 1, 10, 1) if day.month == 1 else date(day.year, day.month - 3, 1)


def entries() -> Iterator[Entry]:
    """Every world whose leak several extracts prove, or whose outcomes were not yet known."""
    columns: list[tuple[str, str, Column, int, float, float]] = [
        ("restated_log_column", "talk_result", result, 8_000, 0.10, 30),
        ("restated_log_column", "vendor_score", partial(lead_score, shift=1.0), 8_000, 0.06, 40),
        ("restated_log_column", "newsletter", newsletter, 6_000, 0.10, 20),
        ("restated_log_column", "visits", visits, 6_000, 0.08, 60),
        ("diluted", "log_vendor_score", partial(lead_score, shift=0.36), 12_000, 0.10, 40),
        ("diluted", "log_segment", moved_segment, 12_000, 0.06, 40),
        ("diluted", "log_filled_later", filled_later, 12_000, 0.08, 30),
    ]
    for place, (kind, name, column, n, rate, lag) in enumerate(columns):
        build = partial(_restated, kind=kind, name=name, column=column, n=n, rate=rate, lag=lag, place=place)
        yield Entry(f"{kind}/{name}", build, quick=name in ("vendor_score", "log_segment"))
    for name, extracts, days in (("one_extract", 1, 30.0), ("two_extracts", 2, 30.0), ("ninety_days", 2, 90.0)):
        yield Entry(f"overlapping_windows/{name}", partial(_not_yet_known, name=name, extracts=extracts, lag=days),
                    quick=extracts == 1)  # fmt: skip
    for name, months in (("recorded_after_four_months", 4), ("recorded_after_nine_months", 9)):
        yield Entry(f"outcomes/{name}", partial(_not_yet_recorded, name=name, months=months))
    for name, gone in (("refusals_deleted", 0.4), ("few_refusals_deleted", 0.1)):
        yield Entry(f"outcomes/{name}", partial(_kept_by_label, name=name, gone=gone))
