"""Restatement as sentences and as Markdown for Dagit. Lives here: text. Not here: numbers (result)."""

from __future__ import annotations

from collections.abc import Sequence

from leadscore_dagster.core.audit.restatement.result import TRUSTED, ColumnRestatement, Unjudged
from leadscore_dagster.core.audit.verdict import cell

_HEAD = (
    "| column | kind | facts | written or changed later | filled in late | lag p50 / p90 / p95 (days) | "
    "wait for 95% | around the outcome |\n|---|---|--:|---|--:|--:|--:|---|"
)


def described(column: ColumnRestatement) -> str:
    """One sentence: share with its interval, lag, association with the outcome, how long to wait."""
    if column.share is None:
        return f"{column.name}: no fact was seen twice"
    if column.reason is Unjudged.NEW_STATE:
        differ = f"{column.share:.1%} of {column.facts:,}" if column.changed else f"none of {column.facts:,}"
        return f"{column.name}: {differ} values were others in the next vintage"
    if not column.changed:
        return f"{column.name}: none of {column.facts:,} past facts changed (95% interval up to {column.high:.2%})"
    parts = [
        f"{column.name}: {_share(column)} of {column.facts:,} past facts were written or changed later"
        + (f" (median {column.lag_p50:.0f}, p95 {column.lag_p95:.0f} days)" if column.lag_p95 is not None else "")
    ]
    if column.around_outcome is not None:
        parts.append(str(column.around_outcome))
    if column.observed_days is not None:
        parts.append(f"wait {_wait(column)}")
    return "; ".join(parts)


def restatement_markdown(found: Sequence[ColumnRestatement]) -> str:
    """Tables: the judged columns, most restated first; their maturity curves; what is not judged, and why."""
    judged = sorted((c for c in found if c.judged), key=lambda column: -(column.share or 0))
    others = [column for column in found if not column.judged]
    restated = sum(column.changed > 0 for column in judged)
    lines = ["# Restatement", "", f"Columns judged: {len(judged)}, restated: {restated}, not judged: {len(others)}."]
    sampled = max((column.one_in for column in found), default=1)
    if sampled > 1:
        lines += ["", f"Large tables are counted on a sample of entities: one in {sampled} where it is sparsest."]
    if judged:
        lines += ["", _HEAD, *map(_row, judged)]
    curves = [column for column in judged if column.maturity]
    if curves:
        lags = sorted({point.lag for column in curves for point in column.maturity})
        lines += ["", "## Share of facts whose last value is known, by days after the event", ""]
        lines += [f"| column | facts | {' | '.join(map(str, lags))} |", "|---|--:" + "|--:" * len(lags) + "|"]
        lines += [_curve(column, lags) for column in curves]
    if others:
        lines += ["", "## Not judged", "", "| column | changed per vintage | why |", "|---|--:|---|"]
        lines += [f"| {cell(c.name)} | {'' if c.share is None else f'{c.share:.2%}'} | {cell(c.why)} |" for c in others]
    return "\n".join(lines) + "\n"


def _row(column: ColumnRestatement) -> str:
    lags = (column.lag_p50, column.lag_p90, column.lag_p95)
    cells = [
        cell(column.name),
        column.kind,
        f"{column.facts:,}",
        _share(column),
        "" if column.filled_late is None else f"{column.filled_late:.2%}",
        " / ".join("-" if lag is None else f"{lag:.0f}" for lag in lags),
        _wait(column) if column.observed_days is not None else "",
        cell(str(column.around_outcome)) if column.around_outcome is not None else "",
    ]
    return f"| {' | '.join(cells)} |"


def _curve(column: ColumnRestatement, lags: Sequence[int]) -> str:
    points = {point.lag: point for point in column.maturity}
    shown = [_point(points[lag].final, points[lag].ratio) if lag in points else "" for lag in lags]
    return f"| {cell(column.name)} | {column.maturity[0].facts:,} | {' | '.join(shown)} |"


def _point(final: float, ratio: float | None) -> str:
    return f"{final:.1%}" if ratio is None else f"{final:.1%} (median value {ratio:.3f} of the last)"


def _share(column: ColumnRestatement) -> str:
    return f"{column.share:.2%} [{column.low:.2%}, {column.high:.2%}]"


def _wait(column: ColumnRestatement) -> str:
    if column.wait_days is None:
        return f"more than {column.observed_days} days: {TRUSTED:.0%} was not reached"
    return f"{column.wait_days} days until {TRUSTED:.0%} of the facts stand"
