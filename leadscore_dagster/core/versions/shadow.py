"""Shadow mode: a version scores beside the champion for some days before it may replace it.

Lives here: who is in the shadow (the ledger says so), what a day showed, the verdict over the days, and the entry that
follows. Not here: scoring (core/scoring/beside), the gates and the comparison that come first (gates, promotion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.recipe.schema import Recipe, Shadow
from leadscore_dagster.core.state import State
from leadscore_dagster.core.verdict import Reason, Verdict, from_json, to_json
from leadscore_dagster.core.versions.comparison import PROMOTION
from leadscore_dagster.core.versions.ledger import Action, LedgerEntry, append_entry, champion_at, history
from leadscore_dagster.core.warehouse import Warehouse, table

TABLE = "shadow_days"
#: names of the verdicts in the ledger: days asked for, and how they went
DAYS, VERDICT = "shadow_days", "shadow"
_TYPES = {"day": pa.date32(), "version": pa.string(), "champion": pa.string(), "why": pa.string(),
          "decisions": pa.int64(), "scored": pa.int64()}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """A version in the shadow: since when, for how many days, and whether it is a candidate that waits to be promoted
    (otherwise somebody asked to see it, and nothing follows)."""

    version: str
    since: date
    days: int
    waits: bool
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class ShadowDay:
    """What a day showed. ``seconds``: scoring took so long. On the decisions both have scored: ``rank_correlation``
    (Spearman), ``top_decile_overlap`` (share of the champion's best tenth that is in the other's), ``same_bucket``.
    ``quantiles``: lowest, 25%, median, 75%, highest probability. ``why``: the error, where nothing was scored."""

    day: date
    version: str
    champion: str
    decisions: int
    scored: int
    seconds: float
    rank_correlation: float | None = None
    top_decile_overlap: float | None = None
    same_bucket: float | None = None
    lowest: float | None = None
    lower_quartile: float | None = None
    median: float | None = None
    upper_quartile: float | None = None
    highest: float | None = None
    why: str = ""


def instead_of_promotion(
    comparison: Verdict, champion: LedgerEntry | None, shadow: Shadow
) -> tuple[Action, tuple[Verdict, ...]]:
    """What becomes of a candidate after the comparison with the champion: ``promote``, ``keep``, or ``shadow`` with the
    verdict that says how long it waits. The first champion does not wait: there is nobody to score beside."""
    if not comparison.passed:
        return "keep", ()
    if not shadow.required or champion is None:
        return "promote", ()
    return "shadow", (asked(shadow.days),)


def asked(days: int) -> Verdict:
    """The entry's note of how many days are asked for."""
    why = f"It first scores beside the champion, for {days} days in a row."
    return Verdict(DAYS, False, Reason.SHADOW_ASKED, n=days, why=why)


def trial_at(entries: Sequence[LedgerEntry], instant: datetime) -> Trial | None:
    """Who is in the shadow at ``instant``. A later promotion or rollback, a refusal of that version, or another one put
    into the shadow ends it.

    Parameters
    ----------
    entries : the ledger, in the order of writing.
    """
    trial = None
    past = [entry for entry in entries if entry.effective_from <= instant]
    for entry in sorted(past, key=lambda entry: (entry.effective_from, entry.sequence)):
        if entry.action == "shadow":
            trial = _trial(entry)
        elif entry.action in ("promote", "rollback") or (trial and entry.version == trial.version):
            trial = None
    return trial


def aliases(state: State, instant: datetime) -> dict[str, str]:
    """Who is ``champion``, ``challenger`` (the newest candidate that passed its gates after the champion was made and
    did not replace it) and in the ``shadow``; a name nobody holds is left out."""
    entries = history(state)
    champion, trial = champion_at(state, instant), trial_at(entries, instant)
    since = champion.sequence if champion else 0
    judged = [
        e for e in entries if e.effective_from <= instant and e.sequence > since and e.action in ("keep", "shadow")
    ]
    challenger = max(judged, key=lambda entry: (entry.effective_from, entry.sequence), default=None)
    found = {"champion": champion, "challenger": challenger, "shadow": trial}
    named = {alias: holder.version for alias, holder in found.items() if holder is not None}
    if named.get("challenger") == named.get("champion"):
        named.pop("challenger", None)
    return named


def agreement(champion: pa.Table, shadow: pa.Table) -> dict[str, Any]:
    """How two scores of the same decisions agree: rank_correlation, top_decile_overlap and same_bucket; None where
    there are fewer than two decisions both have scored.

    Parameters
    ----------
    champion, shadow : decision_id, margin, decile and bucket.
    """
    place = pc.index_in(champion["decision_id"], value_set=shadow["decision_id"].combine_chunks())
    both = pc.is_valid(place)
    one, other = champion.filter(both), shadow.take(place.filter(both))
    if one.num_rows < 2:
        return {"rank_correlation": None, "top_decile_overlap": None, "same_bucket": None}
    best = one["decile"].to_numpy() == 1
    also = other["decile"].to_numpy() == 1
    same = np.asarray(one["bucket"].to_pylist()) == np.asarray(other["bucket"].to_pylist())
    return {
        "rank_correlation": _spearman(one["margin"].to_numpy(), other["margin"].to_numpy()),
        "top_decile_overlap": float((best & also).sum() / best.sum()) if best.any() else None,
        "same_bucket": float(same.mean()),
    }


def distribution(probability: np.ndarray) -> dict[str, Any]:
    """Five quantiles of the scores, under the names of `ShadowDay`; empty without scores."""
    names = ("lowest", "lower_quartile", "median", "upper_quartile", "highest")
    if not len(probability):
        return {}
    return dict(zip(names, np.quantile(probability, [0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))


def judge_shadow(days: Sequence[ShadowDay], trial: Trial, day: date, *, limits: Shadow) -> Verdict:
    """Whether the version may replace the champion, seen from the end of ``day``.

    It must have scored on ``trial.days`` days in a row up to ``day``, with ``limits.minimum_decisions`` among them, and
    more than ``limits.minimum_success`` of their decisions taken together. A day with nobody to decide on is passed
    over; a day on which nothing ran starts the count anew; a day on which scoring failed counts, with its decisions
    unscored.
    """
    row = _in_a_row(days, trial, day, limits.minimum_decisions)
    decisions, scored = sum(one.decisions for one in row), sum(min(one.scored, one.decisions) for one in row)
    success = scored / decisions if decisions else None
    low, high = wilson(scored, decisions) if decisions else (None, None)
    passed = success is not None and success > limits.minimum_success
    final = len(row) >= trial.days and decisions >= limits.minimum_decisions
    verdict = Verdict(
        VERDICT,
        final and passed,
        Reason.SHADOW_WAITS if not final else Reason.MET if passed else Reason.MISSED,
        severity="warn",  # the champion goes on scoring
        value=success,
        low=low,
        high=high,
        threshold=limits.minimum_success,
        n=decisions,
    )
    told = f"{scored:,} of {decisions:,} decisions ({success:.1%})" if success is not None else "none"
    opening = f"Beside the champion for {len(row)} days in a row, {trial.version} scored {told}."
    return replace(verdict, why=f"{opening} {_ruling(verdict, trial, limits)}")


def is_final(verdict: Verdict) -> bool:
    """Whether the days are over."""
    return verdict.reason is not Reason.SHADOW_WAITS


def _ruling(verdict: Verdict, trial: Trial, limits: Shadow) -> str:
    if is_final(verdict):
        return f"More than {limits.minimum_success:.0%} is required: {verdict.word}."
    needed = f"{trial.days} days in a row with {limits.minimum_decisions:,} decisions are needed"
    return f"{needed}{': it waits' if trial.waits else ''}."


def _in_a_row(days: Sequence[ShadowDay], trial: Trial, day: date, decisions: int) -> list[ShadowDay]:
    """The days with decisions that follow each other up to ``day``, the newest first; no more than are needed."""
    found = {one.day: one for one in days if one.version == trial.version and trial.since <= one.day <= day}
    row: list[ShadowDay] = []
    while day in found and (len(row) < trial.days or sum(one.decisions for one in row) < decisions):
        if found[day].decisions:
            row.append(found[day])
        day -= timedelta(days=1)
    return row


def follow(
    state: State,
    recipe: Recipe,
    trial: Trial,
    *,
    verdict: Verdict,
    gates: Sequence[Verdict],
    day: date,
    recorded_at: datetime,
) -> LedgerEntry | None:
    """The entry that a final verdict over a waiting candidate leads to, counting from the next day on; None while there
    is none. A candidate whose ``gates``, evaluated again, do not pass is refused like one that failed in the shadow."""
    if not (is_final(verdict) and trial.waits):
        return None
    failed = [result for result in gates if not result.passed]
    action: Action = "promote" if verdict.passed and not failed else "refuse"
    compared = [result for result in trial.verdicts if result.name == PROMOTION]
    entry = LedgerEntry(
        recipe=recipe.name,
        version=trial.version,
        action=action,
        effective_from=datetime.combine(day + timedelta(days=1), time.min, UTC),
        recorded_at=recorded_at,
        why=" ".join(result.why for result in (verdict, *failed)),
        gates_json=to_json([*gates, *compared, verdict]),
    )
    return append_entry(state, entry)


def put_into_shadow(
    state: State, recipe: Recipe, version: str, *, days: int, since: date, recorded_at: datetime
) -> LedgerEntry:
    """Let ``version`` score beside the champion for ``days`` from ``since`` on, to be looked at; nothing follows.

    Raises
    ------
    InputError : there is no such version, it is the champion, or ``days`` is no number of days.
    """
    if not 1 <= days <= 92:
        raise InputError(f"{days} is not a number of days to try a version", remedy="choose 1 to 92")
    instant = datetime.combine(since, time.min, UTC)
    champion = champion_at(state, instant)
    if champion is None or champion.version == version:
        what = "there is no champion to score beside" if champion is None else f"{version} is the champion"
        raise InputError(what, remedy="choose another version" if champion else "promote one first")
    waiting = trial_at(history(state), instant)
    if waiting is not None and waiting.waits and waiting.version != version:
        raise InputError(
            f"candidate {waiting.version} is in the shadow and would lose its place", remedy="wait for its verdict"
        )
    why = f"It was put beside the champion on request, for {days} days."
    return append_entry(
        state, LedgerEntry(recipe.name, version, "shadow", instant, recorded_at, why, to_json([asked(days)]))
    )


def is_over(days: Sequence[ShadowDay], trial: Trial, day: date) -> bool:
    """Whether a version that nobody waits for has been seen for as many days as were asked for before ``day``."""
    seen = {one.day for one in days if one.version == trial.version and trial.since <= one.day < day}
    return not trial.waits and len(seen) >= trial.days


def store_day(warehouse: Warehouse, day: ShadowDay) -> None:
    """Replace what is kept of a day."""
    warehouse.write_partition(TABLE, day.day.isoformat(), pa.Table.from_pylist([asdict(day)], schema=_schema()))


def shadow_days(warehouse: Warehouse, last: date) -> list[ShadowDay]:
    """Every day that was scored in the shadow up to ``last``, oldest first."""
    if not warehouse.partitions(TABLE):
        return []
    columns = ", ".join(_schema().names)
    rows = table(warehouse, f"SELECT {columns} FROM {TABLE} WHERE day <= @last ORDER BY day", {"last": last})
    return [ShadowDay(**row) for row in rows.to_pylist()]


def _trial(entry: LedgerEntry) -> Trial:
    verdicts = tuple(from_json(entry.gates_json))
    asked_for = next((verdict for verdict in verdicts if verdict.name == DAYS), None)
    days = _days(asked_for) if asked_for else Shadow().days
    waits = any(result.name == PROMOTION for result in verdicts)
    return Trial(entry.version, entry.effective_from.date(), days, waits, verdicts)


def _days(verdict: Verdict) -> int:
    """The days a version was asked to score; before verdicts had an ``n``, they stood in the threshold."""
    return int(verdict.n or verdict.threshold or Shadow().days)


def _spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (one, other)]
    if min(np.ptp(values) for values in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _schema() -> pa.Schema:
    return pa.schema([(column.name, _TYPES.get(column.name, pa.float64())) for column in fields(ShadowDay)])
