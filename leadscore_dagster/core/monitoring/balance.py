"""Whether outcomes come as often as in training: the weekly rate of positives once all of a week's are known.

Lives here: ISO weeks with Wilson intervals, and the judgement on the newest. Not here: labels (core/table/labels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from leadscore_dagster.core.measures.rates import wilson, wilson_intervals
from leadscore_dagster.core.recipe.schema import Monitoring
from leadscore_dagster.core.verdict import Reason, Verdict, held

TABLE = "class_balance"
WEEKS = 26
SCHEMA = pa.schema(
    [("day", pa.date32()), ("week", pa.string()), ("monday", pa.date32()), ("n", pa.int64()), ("positives", pa.int64()),
     ("rate", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("training_rate", pa.float64())]
)  # fmt: skip


def measure_balance(matured: pa.Table, training_rate: float, day: date, *, window_days: int) -> list[dict[str, Any]]:
    """The newest ISO weeks (UTC) that were over, label windows included, when ``day`` began; oldest first.

    Parameters
    ----------
    matured : decision_at and label 0/1 of decisions whose outcome is known.
    """
    decided = matured["decision_at"].to_numpy().astype("datetime64[D]").astype(np.int64)
    label = matured["label"].to_numpy()
    monday = decided - (decided + 3) % 7  # 1970-01-01 was a Thursday
    last = (day - timedelta(days=7 + window_days) - date(1970, 1, 1)).days
    kept = (monday <= last) & (monday > last - 7 * (WEEKS + 1))
    mondays, place = np.unique(monday[kept], return_inverse=True)
    n = np.bincount(place, minlength=len(mondays))
    positives = np.bincount(place, weights=label[kept], minlength=len(mondays)).astype(np.int64)
    low, high = wilson_intervals(positives, n)
    rows = []
    for at, start in enumerate(mondays[-WEEKS:], start=max(len(mondays) - WEEKS, 0)):
        first = date(1970, 1, 1) + timedelta(days=int(start))
        rows.append(
            {
                "week": f"{first:%G-W%V}",
                "monday": first,
                "n": int(n[at]),
                "positives": int(positives[at]),
                "rate": float(positives[at] / n[at]),
                "low": float(low[at]),
                "high": float(high[at]),
                "training_rate": training_rate,
            }
        )
    return rows


def judge_balance(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Verdict]:
    """``class_balance``: fails when the whole interval of the newest week, or of all weeks that are kept together, lies
    outside the tolerance around training."""
    name = "class_balance"
    if not rows or rows[-1]["n"] < limits.minimum_rows:
        n = rows[-1]["n"] if rows else 0
        why = f"Only {n:,} decisions of the newest week have matured, {limits.minimum_rows:,} are needed: not judged."
        return [Verdict(name, True, Reason.NOT_JUDGED, severity="warn", n=n, why=why)]
    week, trained = rows[-1], rows[-1]["training_rate"]
    least, most = trained * (1 - limits.class_balance_tolerance), trained * (1 + limits.class_balance_tolerance)
    together = _together(rows)
    outside = [period for period in (week, together) if period["high"] < least or period["low"] > most]
    shown = outside[0] if outside else week
    why = " ".join(
        f"{period['week']}: {period['positives']:,} of {period['n']:,} decisions were positive, {period['rate']:.2%} "
        f"({period['low']:.2%} to {period['high']:.2%})."
        for period in (week, together)
    )
    why += f" Training had {trained:.2%}; tolerated are {least:.2%} to {most:.2%}."
    threshold = least if shown["rate"] < trained else most
    ends = {"value": shown["rate"], "low": shown["low"], "high": shown["high"], "threshold": threshold, "n": shown["n"]}
    return [held(name, not outside, severity="warn", why=why, about=(week["week"],), **ends)]


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All weeks as one period: a shift too small for any week to prove adds up."""
    n, positives = sum(row["n"] for row in rows), sum(row["positives"] for row in rows)
    low, high = wilson(positives, n)
    name = f"{len(rows)} weeks together"
    return {"week": name, "n": n, "positives": positives, "rate": positives / n, "low": low, "high": high}
