"""How well delivered scores have turned out, on decisions whose outcome is known: as a whole, by month, by segment.

Lives here: metrics of a version's delivered scores with intervals, held against its own test period, and the judgement.
Not here: the metrics (core/modelling), which decisions have matured (cohort).

The rule. A year of matured scores has a whole, a dozen months and some segments, and each is asked several questions;
at plain 95% intervals every seventh stable year would raise an alarm. So a year in which nothing has changed raises any
with a probability of 5% at most (`FAMILY`): four fifths of it belong to the performance of the whole, whose fall is an
``error`` and asks for a retraining, and one to all else together, which warns (Bonferroni in both). The rate of the
whole, which only warns too, keeps its 95% interval and is beside that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.catalogue import METRICS, curve_metrics, phrase_of
from leadscore_dagster.core.measures.intervals import MINIMUM_UNITS, NAN, Bootstrap, Interval, interval_ends
from leadscore_dagster.core.measures.judged import Judged, entity_codes
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.modelling.matrix import to_matrix
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.monitoring.cohort import features_at
from leadscore_dagster.core.monitoring.reference import Reference
from leadscore_dagster.core.recipe.schema import Monitoring, Recipe
from leadscore_dagster.core.verdict import Reason, Severity, Verdict, held
from leadscore_dagster.core.warehouse import Warehouse

TABLE = "matured_performance"
#: so many days of decisions are looked at
DAYS = 366
#: fewer positives do not allow a comparison
MINIMUM_POSITIVES = 30
SHOWN = ("auc_pr", "auc_roc", "top_decile_lift", "decile_order", "ece")
#: whose drop is measured; the first two are the performance, the third is judged by itself
JUDGED = ("auc_pr", "top_decile_lift", "decile_order")
ORDER = "drop_decile_order"
ALL = "all"
#: probability of any alarm about performance, order or calibration in a year in which nothing has changed
FAMILY, SHARE_OF_WHOLE = 0.05, 0.8
NAMED = 6
SCHEMA = pa.schema(
    [("day", pa.date32()), ("version", pa.string()), ("scope", pa.string()), ("part", pa.string()),
     ("metric", pa.string()), ("n", pa.int64()), ("positives", pa.int64()), ("value", pa.float64()),
     ("low", pa.float64()), ("high", pa.float64()), ("reference", pa.float64()), ("p_value", pa.float64())]
)  # fmt: skip


def version_to_judge(delivered: pa.Table, limits: Monitoring) -> str | None:
    """The version whose decisions are the newest among those with enough that have matured; None: there is none."""
    counts = delivered.group_by("model_version").aggregate(
        [("label", "count"), ("label", "sum"), ("decision_at", "max")]
    )
    enough = [
        row
        for row in counts.to_pylist()
        if row["label_count"] >= limits.minimum_rows and row["label_sum"] >= MINIMUM_POSITIVES
    ]
    return max(enough, key=lambda row: row["decision_at_max"])["model_version"] if enough else None


def measure_performance(
    delivered: pa.Table, test: pa.Table, recipe: Recipe, *, segments: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Metrics of the delivered scores of one version.

    Parameters
    ----------
    delivered : matured decisions of one version: label, margin, score, decision_at, the entity and model_version.
    test : its test scores: label, margin, probability and the entity.
    segments : segment name → name of the part each delivered row is in, text [n].

    Returns
    -------
    Rows of `SCHEMA` without day. ``rate`` has as reference the mean probability that was delivered; the other metrics
    the value of the test period; ``drop_…`` is the relative drop since then, positive when it became worse. Its
    ``p_value``: how probable so large a drop is by chance if the truth has fallen by ``performance_drop``; that of a
    ``rate``: how probable one so far off what was promised is, if it lies at the edge of what is tolerated.
    """
    entity, bootstrap = recipe.decisions.entity, recipe.model.bootstrap
    now = _judged(delivered, "score", entity)
    months = pc.strftime(delivered["decision_at"], "%Y-%m").to_numpy(zero_copy_only=False)
    tested = _judged(test, "probability", entity)
    points = metrics.curve(metrics.rank(tested.label, tested.margin))
    then = {name: measure(points) for name, measure in curve_metrics().items()}
    then["ece"] = metrics.ece(tested.label, tested.probability)
    rows = []
    for scope, part, inside in _parts(months, segments):
        judged = now.take(inside).numbered_anew()
        n, positives = len(judged), judged.positives
        low, high = wilson(positives, n)
        facts = {"version": delivered["model_version"][0].as_py(), "scope": scope, "part": part}
        facts |= {"n": n, "positives": positives}
        promised = float(judged.probability.mean())
        off = chance_of_rate(positives, n, promised, tolerance=recipe.monitoring.class_balance_tolerance)
        rows.append(facts | _numbers("rate", float(judged.label.mean()), low, high, promised, off))
        if n < recipe.monitoring.minimum_rows or positives < MINIMUM_POSITIVES:
            continue
        measured = period_metrics(judged, 0.5, bootstrap)
        for name in SHOWN:
            one = measured[name]
            rows.append(facts | _numbers(name, one.value, one.low, one.high, then[name]))
        for name in JUDGED:
            allowed = recipe.monitoring.performance_drop
            drop, p = relative_drop(tested, judged, name, bootstrap=bootstrap, allowed=allowed)
            rows.append(facts | _numbers(f"drop_{name}", drop.value, drop.low, drop.high, 0.0, p))
    return rows


def _judged(rows: pa.Table, probability: str, entity: str) -> Judged:
    label, margin, said = (rows[name].to_numpy() for name in ("label", "margin", probability))
    return Judged(label, margin, said, entity_codes(rows[entity]))


def relative_drop(
    test: Judged, now: Judged, metric: str, *, bootstrap: Bootstrap, allowed: float = 0.0
) -> tuple[Interval, float]:
    """1 - metric(now) / metric(test), both periods resampled; AUC-PR at the base rate of the test period, because it
    rises and falls with the rate even when the ranking stays as good.

    Returns
    -------
    The drop, and how probable one so large is by chance if the truth has dropped by ``allowed``: one-sided, from the
    bootstrap's standard deviation of (1 - allowed) metric(test) - metric(now), because a thousand replicates cannot
    show the far tails that many parts ask for. NaN where there is no interval.
    """
    from scipy.special import ndtr

    rankings = [metrics.rank(rows.label, rows.margin) for rows in (test, now)]
    curve = curve_metrics()[metric]

    def measured(first: np.ndarray | None, second: np.ndarray | None) -> tuple[float, float]:
        before, after = metrics.curve(rankings[0], first), metrics.curve(rankings[1], second)
        if metric == "auc_pr":
            rate = metrics.base_rate_of(before)
            return metrics.auc_pr_of(before), metrics.auc_pr_of(after, rate=rate) if 0 < rate < 1 else NAN
        return curve(before), curve(after)

    before, after = measured(None, None)
    value, low, high, p = _drop(before, after), NAN, NAN, NAN
    if min(test.units, now.units) >= MINIMUM_UNITS:
        both = (bootstrap.stream(at).weights(len(rows), rows.entity) for at, rows in enumerate((test, now)))
        pairs = np.array([measured(*pair) for pair in zip(*both, strict=True)])
        drawn = np.array([[_drop(*pair)] for pair in pairs])
        ends = interval_ends(np.array([value]), drawn, np.array([METRICS[metric].flattered]))
        low, high = float(ends[0][0]), float(ends[1][0])
        deviation = float(np.nanstd((1 - allowed) * pairs[:, 0] - pairs[:, 1]))
        if low == low and deviation > 0:
            p = float(ndtr(-((1 - allowed) * before - after) / deviation))
    return Interval(value, low, high, len(now), now.positives, bootstrap.method(now.entity)), p


def chance_of_rate(positives: int, rows: int, promised: float, *, tolerance: float) -> float:
    """Two-sided probability of a count so far outside ``promised`` (a rate, give or take its share ``tolerance``):
    exact binomial at the nearer edge of what is tolerated; 1 inside."""
    from scipy.stats import binom

    least, most = promised * (1 - tolerance), min(promised * (1 + tolerance), 1.0)
    if least * rows <= positives <= most * rows:
        return 1.0
    tail = binom.cdf(positives, rows, least) if positives < least * rows else binom.sf(positives - 1, rows, most)
    return min(1.0, 2 * float(tail))


def segment_parts(
    warehouse: Warehouse, recipe: Recipe, reference: Reference, *, delivered: pa.Table, day: date
) -> dict[str, np.ndarray]:
    """Segment name → the part of each delivered row, by the value its feature had at the decision."""
    segments = recipe.model.segments
    if not segments or not delivered.num_rows:
        return {}
    features = features_at(warehouse, recipe, delivered, model=reference.model, day=day)
    place = pc.index_in(delivered["decision_id"], value_set=features["decision_id"].combine_chunks())
    rows = features.take(place)
    columns = reference.model.model.columns
    matrix = to_matrix(rows, columns)
    found = {name: segment_codes(matrix, columns, segment) for name, segment in segments.items()}
    return {name: np.asarray(names)[codes] for name, (codes, names) in found.items()}


def judge_performance(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Verdict]:
    """``performance``, ``decile_order`` and ``calibration`` of all that has matured, of the months and the segments."""
    drops = [row for row in rows if row["metric"].startswith("drop_") and row["value"] is not None]
    whole = next((row for row in rows if row["scope"] == ALL and row["metric"] == "rate"), None)
    if not drops or whole is None:
        n = whole["n"] if whole else 0
        why = (
            f"Only {n:,} delivered scores have a known outcome, {limits.minimum_rows:,} with {MINIMUM_POSITIVES} "
            "positives are needed: not judged."
        )
        names: dict[str, Severity] = {"performance": "error", "decile_order": "warn", "calibration": "warn"}
        return [
            Verdict(name, True, Reason.NOT_JUDGED, severity=severity, n=n, why=why) for name, severity in names.items()
        ]
    fallen = [row for row in _beyond_chance(rows, limits) if row["metric"].startswith("drop_")]
    order = [row for row in drops if row["metric"] == ORDER]
    return [
        _fallen("performance", [row for row in drops if row["metric"] != ORDER], fallen, limits),
        _fallen("decile_order", order, fallen, limits),
        _calibration(whole, [row for row in _beyond_chance(rows, limits) if row["metric"] == "rate"], limits),
    ]


def fallen_version(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> str | None:
    """The version whose delivered scores as a whole have fallen below its test period beyond chance, if it has."""
    return next((row["version"] for row in _beyond_chance(rows, limits) if _is_whole(row)), None)


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Whether a row is about the performance of all that has matured."""
    return row["scope"] == ALL and row["metric"] not in ("rate", ORDER)


def _beyond_chance(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Mapping[str, Any]]:
    """Rows that chance does not explain at the family level; the rate of the whole has a rule of its own."""
    asked = [
        row
        for row in rows
        if row.get("p_value") is not None
        and row["n"] >= limits.minimum_rows
        and (row["scope"], row["metric"]) != (ALL, "rate")
    ]
    wholes = sum(map(_is_whole, asked))
    levels = {
        True: FAMILY * SHARE_OF_WHOLE / max(wholes, 1),
        False: FAMILY * (1 - SHARE_OF_WHOLE) / max(len(asked) - wholes, 1),
    }
    return [row for row in asked if row["p_value"] < levels[_is_whole(row)]]


def _fallen(
    name: str, drops: Sequence[Mapping[str, Any]], all_fallen: Sequence[Mapping[str, Any]], limits: Monitoring
) -> Verdict:
    """A check of drops: an error if the performance of the whole has fallen, else a warning."""
    fallen = [row for row in drops if row in all_fallen]
    severity: Severity = "warn"
    if name == "performance" and (not fallen or any(map(_is_whole, fallen))):
        severity = "error"
    if not drops:
        return Verdict(name, True, Reason.NOT_JUDGED, severity=severity, why="Nothing to compare with: not judged.")
    worst = max(fallen or [row for row in drops if row["scope"] == ALL] or drops, key=lambda row: row["value"])
    numbers = {
        "value": worst["value"],
        "low": worst["low"],
        "high": worst["high"],
        "threshold": limits.performance_drop,
        "n": worst["n"],
    }
    told = "; ".join(_told(row) for row in fallen[:NAMED]) or f"no more than chance explains; {_told(worst)}"
    more = f"; and {len(fallen) - NAMED} more" if len(fallen) > NAMED else ""
    allowed = f"Allowed is a drop of {limits.performance_drop:.0%}."
    return held(
        name,
        not fallen,
        severity=severity,
        why=f"Against the test period of {worst['version']}: {told}{more}. {allowed}",
        about=(worst["version"], *map(_named, fallen)),
        **numbers,
    )


def _named(row: Mapping[str, Any]) -> str:
    """What a row is about, by name."""
    return " ".join((row["metric"], row["scope"], row["part"]))


def first_day(day: date) -> date:
    """The first day whose decisions are looked at on ``day``."""
    return day - timedelta(days=DAYS)


def _calibration(whole: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], limits: Monitoring) -> Verdict:
    """The whole by its 95% interval, ``parts`` are those chance does not explain."""
    expected, tolerance = whole["reference"], limits.class_balance_tolerance
    least, most = expected * (1 - tolerance), expected * (1 + tolerance)
    passed = whole["high"] >= least and whole["low"] <= most
    why = (
        f"{whole['positives']:,} of {whole['n']:,} were positive, {whole['value']:.2%} "
        f"({whole['low']:.2%} to {whole['high']:.2%}); the scores promised {expected:.2%}, tolerated are "
        f"{least:.2%} to {most:.2%}."
    )
    if parts:
        told = "; ".join(
            f"{row['scope']} {row['part']} {row['value']:.2%} ({row['low']:.2%} to {row['high']:.2%}) where "
            f"{row['reference']:.2%} were promised, n {row['n']:,}"
            for row in parts[:NAMED]
        )
        more = f"; and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
        why += f" Beyond chance: {told}{more}."
    ends = {"value": whole["value"], "low": whole["low"], "high": whole["high"], "threshold": expected}
    about = (whole["version"], *([] if passed else [ALL]), *map(_named, parts))
    passed = passed and not parts
    return held(
        "calibration",
        passed,
        severity="warn",
        n=whole["n"],
        why=why,
        about=about,
        **ends,
    )


def _drop(before: float, after: float) -> float:
    return 1 - after / before if before > 0 else NAN


def _parts(months: np.ndarray, segments: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    yield ALL, ALL, np.arange(len(months))
    for scope, names in {"month": months, **segments}.items():
        for part in np.unique(names.astype(str)):
            yield scope, str(part), np.flatnonzero(names == part)


def _numbers(
    metric: str, value: float, low: float, high: float, reference: float, p_value: float = NAN
) -> dict[str, Any]:
    given = {"value": value, "low": low, "high": high, "reference": reference, "p_value": p_value}
    return {"metric": metric, **{name: None if number != number else float(number) for name, number in given.items()}}


def _known(value: float | None) -> float:
    return NAN if value is None else value


def _told(row: Mapping[str, Any]) -> str:
    where = "" if row["scope"] == ALL else f" ({row['scope']} {row['part']})"
    low, high = (f"{_known(row[end]):+.0%}" for end in ("low", "high"))
    name = phrase_of(row["metric"].removeprefix("drop_"))
    return f"{name}{where} fell by {row['value']:.0%} ({low} to {high}), n {row['n']:,}"
