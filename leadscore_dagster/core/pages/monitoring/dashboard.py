"""One self-contained page of a recipe's monitoring: what is wrong today, and the trends behind it.

Lives here: the sections and their order. Not here: any number that is not stored already, the drawing (drawing), the
common frame and look (core/pages/frame).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from leadscore_dagster.core.files import write_text
from leadscore_dagster.core.monitoring import drift, health, performance
from leadscore_dagster.core.monitoring.overview import judgements
from leadscore_dagster.core.monitoring.watched import newest, stored
from leadscore_dagster.core.pages.frame.document import html_document
from leadscore_dagster.core.pages.frame.text import counted, escaped, number, section, share, table
from leadscore_dagster.core.pages.monitoring import trends
from leadscore_dagster.core.pages.monitoring.drawing import svg
from leadscore_dagster.core.pages.monitoring.trends import Trend
from leadscore_dagster.core.recipe.schema import Monitoring, Recipe
from leadscore_dagster.core.state import State
from leadscore_dagster.core.verdict import Verdict
from leadscore_dagster.core.versions.shadow import ShadowDay, aliases, shadow_days
from leadscore_dagster.core.warehouse import Warehouse

_STYLE = Path(__file__).parent / "dashboard.css"
FILE = "dashboard.html"
COLUMNS_SHOWN, FEATURES_SHOWN, SHADOW_SHOWN = 25, 10, 14


def write_dashboard(warehouse: Warehouse, state: State, recipe: Recipe, day: date, folder: Path) -> Path:
    """Write the page of a monitored day into ``folder``; an open page is never half a page."""
    return write_text(folder / FILE, dashboard(warehouse, state, recipe, day))


def dashboard(warehouse: Warehouse, state: State, recipe: Recipe, day: date) -> str:
    """The page as HTML; equal facts give equal bytes. Raises InputError for a day that was not monitored."""
    found = judgements(warehouse, recipe, day)
    named = aliases(state, datetime.combine(day, time.min, UTC))
    body = [
        _masthead(recipe, day, named, found),
        _checks(found),
        _figures("Every day", "The last three months.", trends.health_trends(warehouse, recipe, day), "days"),
        _figures(
            "How it turned out",
            "Only decisions whose label window was over and whose outcome was known when the day began. Bars are 95% "
            "intervals.",
            [*trends.performance_trends(warehouse, day), *trends.balance_trends(warehouse, day)],
            "outcomes",
        ),
        _performance(newest(warehouse, performance.TABLE, day)),
        _figures(
            "Drift by month",
            "Population stability index without its sampling floor, against the champion's training rows.",
            trends.drift_trends(warehouse, recipe, day),
            "drift",
        ),
        _drift(stored(warehouse, drift.TABLE, day), recipe.monitoring),
        _availability(stored(warehouse, health.AVAILABILITY, day)),
        _shadow(shadow_days(warehouse, day)),
    ]
    return html_document(f"Monitoring: {recipe.title}", body, _STYLE)


def _masthead(recipe: Recipe, day: date, named: Mapping[str, str], found: Sequence[Verdict]) -> str:
    facts = {"recipe": recipe.name, "day": day, **named}
    failed = [watched for watched in found if not watched.passed]
    errors = [watched for watched in failed if watched.severity == "error"]
    first = "Nothing is out of line." if not failed else f"{counted(len(failed), 'thing')} out of line."
    waiting = [watched.name.replace("_", " ") for watched in found if not watched.judged]
    later = f"<p>Too little is known to judge yet: {escaped(', '.join(waiting))}.</p>" if waiting else ""
    told = "".join(f"<p>{escaped(watched.why)}</p>" for watched in [*errors, *(w for w in failed if w not in errors)])
    items = "".join(f"<div><dt>{name}</dt><dd>{escaped(value)}</dd></div>" for name, value in facts.items())
    return (
        f'<header><p class="kicker">Monitoring</p><h1>{escaped(recipe.title)}</h1><dl>{items}</dl>'
        f'<div class="banner {"refused" if failed else "passed"}" role="status">'
        f"<p>{first}</p>{told}{later}</div></header>"
    )


def _checks(found: Sequence[Verdict]) -> str:
    rows = [
        (_chip(watched), f"<strong>{escaped(watched.name.replace('_', ' '))}</strong>", escaped(watched.why))
        for watched in sorted(found, key=lambda watched: (watched.passed, not watched.judged, watched.severity))
    ]
    return section(
        "What is watched", "Each is also a check in Dagit.", table(("", "check", "why"), rows, kind="stack"), "checks"
    )


def _chip(watched: Verdict) -> str:
    if not watched.judged:
        return '<span class="chip">– not judged</span>'
    if watched.passed:
        return '<span class="chip clear">✓ in order</span>'
    kind, word = ("leak", "✕ error") if watched.severity == "error" else ("suspect", "! warning")
    return f'<span class="chip {kind}">{word}</span>'


def _figures(title: str, lead: str, drawn: Sequence[Trend], anchor: str) -> str:
    made = "".join(
        f"<figure><figcaption>{escaped(trend.title)}</figcaption>"
        + (svg(trend) if trend.points else '<p class="empty">Nothing to show yet.</p>')
        + "</figure>"
        for trend in drawn
    )
    return section(title, lead, f'<div class="grid2">{made}</div>', anchor)


def _performance(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = dict.fromkeys((row["scope"], row["part"]) for row in rows)
    by_key = {(row["scope"], row["part"], row["metric"]): row for row in rows}
    made = []
    for scope, part in parts:
        rate = by_key[scope, part, "rate"]
        cells = [escaped("everything" if scope == performance.ALL else f"{scope} {part}"), number(rate["n"])]
        cells += [number(rate["positives"]), _share_ends(rate), share(rate["reference"], 2)]
        cells += [_ends(by_key.get((scope, part, name))) for name in performance.SHOWN]
        made.append(cells)
    header = ("part", "n", "positives", "observed", "promised", "AUC-PR", "AUC-ROC", "top-decile lift",
              "deciles in order", "calibration error")  # fmt: skip
    version = rows[0]["version"] if rows else ""
    lead = (
        f"Delivered scores of {escaped(version)} with 95% intervals; in brackets the value of its test period. Parts "
        "with too few decisions or positives have counts only."
    )
    return section("By month and by segment", lead, table(header, made, range(1, 10), "stack") if made else "", "parts")


def _ends(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return number(None)
    then = f" <small>[{number(row['reference'], 3)}]</small>"
    return f"{number(row['value'], 3)} <small>{number(row['low'], 3)} to {number(row['high'], 3)}</small>{then}"


def _share_ends(row: Mapping[str, Any]) -> str:
    return f"{share(row['value'], 2)} <small>{share(row['low'], 2)} to {share(row['high'], 2)}</small>"


def _drift(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> str:
    complete = sorted((row for row in rows if row["complete"]), key=lambda row: (-row["psi"], row["feature"]))
    running = {row["feature"]: row for row in rows if not row["complete"]}
    chips = {"error": '<span class="chip leak">✕ moved</span>', "warn": '<span class="chip suspect">! moved</span>',
             "still": '<span class="chip clear">✓</span>',
             "season": '<span class="chip">as in training</span>'}  # fmt: skip
    made = []
    for row in complete[:COLUMNS_SHOWN]:
        so_far = running.get(row["feature"])
        made.append(
            [chips[_drift_kind(row, limits)], f"<code>{escaped(row['feature'])}</code>",
             f"{number(row['psi'], 3)} <small>{number(row['low'], 3)} to {number(row['high'], 3)}</small>",
             number(so_far["psi"] if so_far else None, 3),
             f"{escaped(row['moved'])}: {share(row['share_before'])} → {share(row['share_now'])}", number(row["n"])]
        )  # fmt: skip
    month = complete[0]["month"] if complete else ""
    lead = (
        f"{escaped(month)}, the columns that moved most. A mark means that a test over all columns proves the move "
        f"and the index reaches {limits.psi_warn:g} or {limits.psi_error:g}. As in training: some months of the "
        "training rows lay as far from the whole, so this is nothing new."
    )
    header = ("", "column", "index", "month so far", "most moved", "decisions")
    return section("Columns", lead, table(header, made, (2, 3, 5), "stack") if made else "", "columns")


def _drift_kind(row: Mapping[str, Any], limits: Monitoring) -> str:
    how = drift.degree(row, limits)
    return "season" if how == "still" and drift.is_seasonal(row) and row["psi"] >= limits.psi_warn else how


def _availability(rows: Sequence[Mapping[str, Any]]) -> str:
    worst = sorted(rows, key=lambda row: (row["present"] - row["present_in_training"], row["feature"]))
    made = [
        (f"<code>{escaped(row['feature'])}</code>", share(row["present"]), share(row["present_in_training"]))
        for row in worst[:FEATURES_SHOWN]
    ]
    lead = "Share of the day's decisions for which a feature was filled; the features that fell most."
    body = table(("feature", "today", "in training"), made, (1, 2)) if made else ""
    return section("Features that were filled", lead, body, "availability")


def _shadow(days: Sequence[ShadowDay]) -> str:
    made = [
        (str(one.day), f"<code>{escaped(one.version)}</code>", number(one.decisions),
         share(one.scored / one.decisions if one.decisions else None), number(one.seconds, 2),
         number(one.rank_correlation, 3), share(one.top_decile_overlap), share(one.same_bucket),
         number(one.median, 3), escaped(one.why))
        for one in days[-SHADOW_SHOWN:]
    ]  # fmt: skip
    header = ("day", "version", "decisions", "scored", "seconds", "rank correlation", "same best tenth", "same bucket",
              "median score", "error")  # fmt: skip
    lead = "What scores beside the champion, and how far the two agree."
    return section("In the shadow", lead, table(header, made, range(2, 9), "stack") if made else "", "shadow")
