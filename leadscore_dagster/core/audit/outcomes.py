"""Findings on outcomes: what the labels cannot know, and what changed about them since the build before.

Lives here: rules over the labels, the training rows made from them, and the training rows of the build before. Not
here: making labels (core/table/labels), folds (folds).
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.audit.comparison import require_unique
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.verdict import Reason, Verdict, held

#: every finding, and its rule in a sentence
RULES = {
    "windows_observed": "The label window of every training row had passed when the table was closed.",
    "no_censored_row": "No training row is one whose outcome was still open.",
    "no_negative_lag": "No training row has an outcome before its decision.",
    "outcomes_from_the_start": "Outcomes were recorded from the first decision on, not only from some date.",
    "outcomes_to_the_end": "The newest rows have outcomes as often as earlier rows.",
    "no_repeated_decision": "No decision is in the table twice.",
    "no_repeated_instant": "No entity is decided on twice at one instant.",
    "retained_whatever_the_label": "Positive and negative rows of the previous build are kept equally often.",
    "labels_did_not_flip": "A label does not change once it is given.",
}
#: a run without outcomes less probable than this means they were not yet recorded: one false alarm in 1000 builds
TRUNCATION = 1e-3
#: days at the end that are compared with those before, and how many before; a rate at most so many times theirs fades
_LAST_DAYS, _BEFORE_DAYS, FADED = (7, 14, 30, 60), 120, 0.6
#: rows behind a run without outcomes that tell the rate outcomes have where they are recorded, at least
_REFERENCE = 500
#: level of the interval that tells retention of positives from that of negatives: one false alarm in 100 builds
_Z99 = 2.5758293035489004
#: difference in retention that matters: it shifts the odds of every score by about as much
RETENTION = 0.01
#: share of labels that flipped from which the build before cannot have been right
FLIPPED = 0.01
_UTC = pa.timestamp("us", tz="UTC")
_DAY = 86_400_000_000  # microseconds


def outcome_findings(
    labels: pa.Table,
    rows: pa.Table,
    earlier: pa.Table | None,
    as_of: date,
    window_days: float,
    entity: str | None = None,
) -> list[Verdict]:
    """One finding per rule of ``RULES``, in that order.

    Parameters
    ----------
    labels : the labels of ``as_of``: decision_id, decision_at, outcome_at (all missing where the outcome has no
        instant), status.
    rows : the training rows of ``as_of``: decision_id, decision_at, label (0 or 1).
    earlier : decision_id and label of the build before; None where there was none.
    window_days : length of the label window.
    entity : column of ``rows`` that says whom a decision is about.

    Raises InputError for a missing column.
    """
    _require(labels, ("decision_id", "decision_at", "outcome_at", "status"), "labels")
    _require(rows, ("decision_id", "decision_at", "label", *([entity] if entity else [])), "the training table")
    if earlier is not None:
        _require(earlier, ("decision_id", "label"), "the build before")
    decided, outcome, positive = _training_times(labels, rows)
    return [
        _windows_observed(decided, as_of, window_days),
        _no_censored_row(labels, rows),
        _no_negative_lag(labels, rows, decided, outcome),
        _outcomes_from_the_start(decided, outcome, positive),
        _outcomes_to_the_end(decided, positive),
        _no_repeated_decision(rows),
        _no_repeated_instant(rows, entity),
        _retained(rows, earlier),
        _did_not_flip(rows, earlier),
    ]


def _windows_observed(decided: np.ndarray, as_of: date, window_days: float) -> Verdict:
    closed = round(datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC).timestamp() * 1e6)
    late = int((decided + round(window_days * _DAY) > closed).sum())
    why = f"{late:,} training rows were decided less than {window_days:g} days before {as_of}."
    return held("windows_observed", not late, value=late, threshold=0, why=why)


def _no_censored_row(labels: pa.Table, rows: pa.Table) -> Verdict:
    found = _with_status(labels, rows, "right_censored")
    why = f"{found:,} training rows are decisions whose outcome was still open."
    return held("no_censored_row", not found, value=found, threshold=0, why=why)


def _no_negative_lag(labels: pa.Table, rows: pa.Table, decided: np.ndarray, outcome: np.ndarray) -> Verdict:
    before = int((~np.isnan(outcome) & (outcome < decided)).sum())
    found = max(before, _with_status(labels, rows, "negative_lag"))
    why = f"{found:,} training rows have an outcome that lies before their decision."
    return held("no_negative_lag", not found, value=found, threshold=0, why=why)


def _outcomes_from_the_start(decided: np.ndarray, outcome: np.ndarray, positive: np.ndarray) -> Verdict:
    """Is it probable that nothing happened before the first outcome there is?

    Had outcomes been recorded from the start, decision i, taken e_i before the first outcome, would have had one by
    then with probability r F(e_i): r the rate and F the distribution of lags behind that instant. None of them had:
    probability exp(-Σ r F(e_i)), with the low end of r's 95% interval in the rows just behind, as many as before.
    An outcome without an instant counts when it was decided.
    """
    name = "outcomes_from_the_start"
    happened = np.where(np.isnan(outcome), decided, outcome)
    if not positive.any():
        return Verdict(
            name,
            True,
            Reason.NOT_JUDGED,
            severity="warn",
            threshold=TRUNCATION,
            why="There is no positive row to show when outcomes begin.",
        )
    first = happened[positive | ~np.isnan(outcome)].min()
    before = decided < first
    order = np.argsort(decided[~before], kind="stable")[: max(_REFERENCE, int(before.sum()))]
    reference = positive[~before][order]
    lags = np.sort((happened - decided)[~before & positive])
    if not before.any() or not len(lags):
        return held(
            name,
            True,
            severity="warn",
            value=1.0,
            threshold=TRUNCATION,
            why="No decision lies before the first outcome.",
        )
    share_by_then = np.searchsorted(lags, first - decided[before], side="left") / len(lags)
    low, _ = wilson(float(reference.sum()), float(len(reference)))
    expected = low * float(share_by_then.sum())
    probability = float(np.exp(-expected))
    day = np.datetime_as_string(np.datetime64(int(first), "us"), unit="D")
    why = (
        f"The first outcome happened on {day}; the {int(before.sum()):,} decisions before it should have had "
        f"{expected:,.1f} by then at the rate of those just behind it, and none has a probability of {probability:.2g}."
    )
    if probability < TRUNCATION:
        why += " Outcomes were recorded from that day only: leave the earlier decisions out."
    return held(
        name,
        probability >= TRUNCATION,
        severity="warn",
        value=probability,
        threshold=TRUNCATION,
        why=why,
    )


def _outcomes_to_the_end(decided: np.ndarray, positive: np.ndarray) -> Verdict:
    """Do outcomes fade towards the end, as they do where the newest were not known yet when the table was closed?

    The last 7, 14, 30 and 60 days, each against the 120 days before: the probability of so few positives (binomial, at
    the low end of the earlier rate's 95% interval), times the four looks. Seasons fade too, so this only warns.
    """
    from scipy.stats import binom

    name = "outcomes_to_the_end"
    end = decided.max(initial=0)
    looks = []
    for days in _LAST_DAYS:
        last = decided > end - days * _DAY
        before = ~last & (decided > end - (days + _BEFORE_DAYS) * _DAY)
        n, m = int(last.sum()), int(before.sum())
        hits, earlier = int(positive[last].sum()), int(positive[before].sum())
        if n and earlier and hits / n <= FADED * earlier / m:
            low, _ = wilson(float(earlier), float(m))
            looks.append((min(1.0, len(_LAST_DAYS) * float(binom.cdf(hits, n, low))), days, hits / n, earlier / m))
    if not looks:
        return held(
            name,
            True,
            severity="warn",
            value=1.0,
            threshold=TRUNCATION,
            why="Outcomes do not fade towards the end.",
        )
    probability, days, rate, usual = min(looks)
    why = (
        f"{rate:.1%} of the last {days} days' rows are positive, {usual:.1%} of those before; so few have a "
        f"probability of {probability:.2g}."
    )
    if probability < TRUNCATION:
        why += " If the newest outcomes were not known yet, lengthen the label window, or known_after_days."
    return held(
        name,
        probability >= TRUNCATION,
        severity="warn",
        value=probability,
        threshold=TRUNCATION,
        why=why,
    )


def _no_repeated_decision(rows: pa.Table) -> Verdict:
    repeated = rows.num_rows - len(rows["decision_id"].unique())
    return held(
        "no_repeated_decision",
        not repeated,
        value=repeated,
        threshold=0,
        why=f"{repeated:,} rows repeat a decision_id.",
    )


def _no_repeated_instant(rows: pa.Table, entity: str | None) -> Verdict:
    name = "no_repeated_instant"
    if entity is None:
        return Verdict(name, True, Reason.NOT_JUDGED, severity="warn", threshold=0, why="No entity column was named.")
    pairs = pa.table({"entity": rows[entity], "at": rows["decision_at"]}).filter(pc.is_valid(rows[entity]))
    repeated = pairs.num_rows - pairs.group_by(["entity", "at"]).aggregate([]).num_rows
    why = f"{repeated:,} rows repeat an entity at one and the same instant."
    return held(name, not repeated, severity="warn", value=repeated, threshold=0, why=why)


def _retained(rows: pa.Table, earlier: pa.Table | None) -> Verdict:
    """Difference of two proportions with Newcombe's (1998) interval, method 10, at 99%."""
    name = "retained_whatever_the_label"
    if earlier is None or not earlier.num_rows:
        return Verdict(
            name, True, Reason.NOT_JUDGED, threshold=RETENTION, why="There is no earlier build to compare with."
        )
    require_unique(earlier, "the build before")
    kept = pc.is_in(earlier["decision_id"].combine_chunks(), value_set=_ids(rows)).to_numpy(zero_copy_only=False)
    positive = earlier["label"].to_numpy() == 1
    n = {side: int((positive == side).sum()) for side in (True, False)}
    k = {side: int(kept[positive == side].sum()) for side in (True, False)}
    if not all(n.values()):
        return Verdict(
            name, True, Reason.NOT_JUDGED, threshold=RETENTION, why="The earlier build had rows of one label only."
        )
    share = {side: k[side] / n[side] for side in n}
    difference = share[True] - share[False]
    (low_1, high_1), (low_0, high_0) = (wilson(k[side], n[side], _Z99) for side in (True, False))
    low = difference - float(np.hypot(share[True] - low_1, high_0 - share[False]))
    high = difference + float(np.hypot(high_1 - share[True], share[False] - low_0))
    is_off = abs(difference) >= RETENTION and not low <= 0 <= high
    why = (
        f"Of the build before, {k[True]:,} of {n[True]:,} positives ({share[True]:.2%}) and {k[False]:,} of "
        f"{n[False]:,} negatives ({share[False]:.2%}) are still there; difference {difference:+.2%}, 99% interval "
        f"{low:+.2%} … {high:+.2%}."
    )
    if is_off:
        why += " Unless the recipe was changed (then build the period before again), rows were picked by outcome."
    return held(name, not is_off, value=difference, threshold=RETENTION, why=why)


def _did_not_flip(rows: pa.Table, earlier: pa.Table | None) -> Verdict:
    name = "labels_did_not_flip"
    if earlier is None or not earlier.num_rows:
        return Verdict(
            name,
            True,
            Reason.NOT_JUDGED,
            severity="warn",
            threshold=0,
            why="There is no earlier build to compare with.",
        )
    place = pc.index_in(earlier["decision_id"].combine_chunks(), value_set=_ids(rows))
    there = place.is_valid().to_numpy(zero_copy_only=False)
    before = earlier["label"].to_numpy()[there]
    now = rows["label"].to_numpy()[place.drop_null().to_numpy()]
    up, down = int((before < now).sum()), int((before > now).sum())
    share = (up + down) / len(now) if len(now) else 0.0
    why = (
        f"Of {len(now):,} rows in both builds {up:,} turned from negative to positive and {down:,} from positive to "
        f"negative ({share:.2%})."
    )
    return held(
        name,
        not up + down,
        severity="error" if share >= FLIPPED else "warn",
        value=share,
        threshold=0,
        why=why,
    )


def _training_times(labels: pa.Table, rows: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the training rows: decision (int64 microseconds), outcome (float64 microseconds, NaN if none), positive."""
    place = pc.index_in(rows["decision_id"].combine_chunks(), value_set=_ids(labels))
    outcome = labels["outcome_at"].take(place).cast(_UTC).cast(pa.int64()).cast(pa.float64(), safe=False)
    decided = rows["decision_at"].cast(_UTC).cast(pa.int64())
    if decided.null_count:
        raise InputError("a decision has no time", where="the training table", rows=decided.null_count)
    return decided.to_numpy(), pc.fill_null(outcome, np.nan).to_numpy(), rows["label"].to_numpy() == 1


def _with_status(labels: pa.Table, rows: pa.Table, status: str) -> int:
    """Training rows of whose decision the labels hold only rows of that status."""
    other = labels.filter(pc.equal(labels["status"], status))["decision_id"].combine_chunks()
    labelled = labels.filter(pc.equal(labels["status"], "labelled"))["decision_id"].combine_chunks()
    found = rows["decision_id"].combine_chunks()
    is_other = pc.and_(pc.is_in(found, value_set=other), pc.invert(pc.is_in(found, value_set=labelled)))
    return int(pc.sum(is_other).as_py() or 0)


def _ids(table: pa.Table) -> pa.Array:
    return table["decision_id"].combine_chunks()


def _require(table: pa.Table, columns: tuple[str, ...], where: str) -> None:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise InputError(f"no column {', '.join(missing)}", where=where, rows=table.num_rows)
