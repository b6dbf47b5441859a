"""How well delivered scores have turned out, on decisions whose outcome is known: as a whole, by month, by segment.

Lives here: metrics of a version's delivered scores with intervals, held against its own test period, and the judgement.
Does not: the metrics (core/modelling), which decisions have matured (cohort).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.modelling import metrics
from leadscore_dagster.core.modelling.evaluation import ScoredRows
from leadscore_dagster.core.modelling.intervals import (
    CURVE_METRICS,
    MINIMUM_UNITS,
    NAN,
    Interval,
    describe_method,
    entity_codes,
    interval_ends,
    period_metrics,
    resamples,
)
from leadscore_dagster.core.modelling.matrix import to_matrix
from leadscore_dagster.core.modelling.segments import segment_codes
from leadscore_dagster.core.monitoring.cohort import features_at
from leadscore_dagster.core.monitoring.reference import Reference
from leadscore_dagster.core.monitoring.watched import Watched
from leadscore_dagster.core.rates import wilson
from leadscore_dagster.core.warehouse import Warehouse
from leadscore_dagster.recipes.schema import Monitoring, Recipe

TABLE = "matured_performance"
#: so many days of decisions are looked at
DAYS = 366
#: fewer positives do not allow a comparison
MINIMUM_POSITIVES = 30
SHOWN = ("auc_pr", "auc_roc", "top_decile_lift", "decile_order", "ece")
JUDGED = {"auc_pr": "AUC-PR", "top_decile_lift": "top-decile lift"}
ALL = "all"
SCHEMA = pa.schema(
    [("day", pa.date32()), ("version", pa.string()), ("scope", pa.string()), ("part", pa.string()),
     ("metric", pa.string()), ("n", pa.int64()), ("positives", pa.int64()), ("value", pa.float64()),
     ("low", pa.float64()), ("high", pa.float64()), ("reference", pa.float64())]
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
    delivered: pa.Table, test: pa.Table, recipe: Recipe, segments: Mapping[str, np.ndarray]
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
    the value of the test period; ``drop_…`` is the relative drop since then, positive when it became worse.
    """
    entity, replicates, seed = recipe.decisions.entity, recipe.model.bootstrap_replicates, recipe.model.seed
    label, margin, score = (delivered[name].to_numpy() for name in ("label", "margin", "score"))
    months = pc.strftime(delivered["decision_at"], "%Y-%m").to_numpy(zero_copy_only=False)
    codes = entity_codes(delivered[entity])
    tested = (test["label"].to_numpy(), test["margin"].to_numpy(), entity_codes(test[entity]))
    points = metrics.curve(metrics.rank(*tested[:2]))
    then = {name: measure(points) for name, measure in CURVE_METRICS.items()}
    then["ece"] = metrics.ece(tested[0], test["probability"].to_numpy())
    rows = []
    for scope, part, inside in _parts(months, segments):
        group = None if codes is None else np.unique(codes[inside], return_inverse=True)[1]
        y, found = label[inside], score[inside]
        low, high = wilson(int(y.sum()), len(y))
        facts = {"version": delivered["model_version"][0].as_py(), "scope": scope, "part": part}
        facts |= {"n": len(y), "positives": int(y.sum())}
        rows.append(facts | _numbers("rate", float(y.mean()), low, high, float(found.mean())))
        if len(y) < recipe.monitoring.minimum_rows or y.sum() < MINIMUM_POSITIVES:
            continue
        now = period_metrics(y, margin[inside], found, 0.5, group, replicates, seed)
        for name in SHOWN:
            rows.append(facts | _numbers(name, now[name].value, now[name].low, now[name].high, then[name]))
        for name in JUDGED:
            drop = relative_drop(tested, (y, margin[inside], group), name, replicates, seed)
            rows.append(facts | _numbers(f"drop_{name}", drop.value, drop.low, drop.high, 0.0))
    return rows


def relative_drop(test: ScoredRows, now: ScoredRows, metric: str, replicates: int, seed: int) -> Interval:
    """1 - metric(now) / metric(test), both periods resampled; AUC-PR at the base rate of the test period, because it
    rises and falls with the rate even when the ranking stays as good."""
    rankings = [metrics.rank(label, margin) for label, margin, _ in (test, now)]

    def drop(first: np.ndarray | None, second: np.ndarray | None) -> float:
        before, after = metrics.curve(rankings[0], first), metrics.curve(rankings[1], second)
        if metric == "auc_pr":
            rate = metrics.base_rate_of(before)
            value, later = metrics.auc_pr_of(before), metrics.auc_pr_of(after, rate=rate) if 0 < rate < 1 else NAN
        else:
            value, later = metrics.lift_of(before), metrics.lift_of(after)
        return 1 - later / value if value > 0 else NAN

    value, low, high = drop(None, None), NAN, NAN
    units = [len(rows[0]) if rows[2] is None else len(np.unique(rows[2])) for rows in (test, now)]
    if min(units) >= MINIMUM_UNITS:
        both = (resamples(len(rows[0]), rows[2], replicates, seed + at) for at, rows in enumerate((test, now)))
        drawn = np.array([[drop(*pair)] for pair in zip(*both, strict=True)])
        ends = interval_ends(np.array([value]), drawn, np.array([metric == "auc_pr"]))
        low, high = float(ends[0][0]), float(ends[1][0])
    return Interval(value, low, high, len(now[0]), int(now[0].sum()), describe_method(now[2], replicates))


def segment_parts(
    warehouse: Warehouse, recipe: Recipe, reference: Reference, delivered: pa.Table, day: date
) -> dict[str, np.ndarray]:
    """Segment name → the part of each delivered row, by the value its feature had at the decision."""
    segments = recipe.model.segments
    if not segments or not delivered.num_rows:
        return {}
    features = features_at(warehouse, recipe, delivered, reference.model, day)
    place = pc.index_in(delivered["decision_id"], value_set=features["decision_id"].combine_chunks())
    rows = features.take(place)
    columns = reference.model.model.columns
    matrix = to_matrix(rows, columns)
    found = {name: segment_codes(matrix, columns, segment) for name, segment in segments.items()}
    return {name: np.asarray(names)[codes] for name, (codes, names) in found.items()}


def judge_performance(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> list[Watched]:
    """``performance`` of all that has matured, of the months and the segments; ``calibration`` of all."""
    drops = [row for row in rows if row["metric"].startswith("drop_") and row["value"] is not None]
    whole = next((row for row in rows if row["scope"] == ALL and row["metric"] == "rate"), None)
    if not drops or whole is None:
        n = whole["n"] if whole else 0
        why = (
            f"Only {n:,} delivered scores have a known outcome, {limits.minimum_rows:,} with {MINIMUM_POSITIVES} "
            "positives are needed: not judged."
        )
        return [Watched("performance", True, why, "error", rows=n), Watched("calibration", True, why, rows=n)]
    fallen = [row for row in drops if _known(row["low"]) > limits.performance_drop]
    worst = max(fallen or [row for row in drops if row["scope"] == ALL], key=lambda row: row["value"])
    numbers = {
        "value": worst["value"],
        "low": worst["low"],
        "high": worst["high"],
        "threshold": limits.performance_drop,
        "rows": worst["n"],
        "standing": worst["version"],
    }
    told = "; ".join(_told(row) for row in fallen) or f"no more than chance explains; {_told(worst)}"
    why = f"Against the test period of {worst['version']}: {told}. Allowed is a drop of {limits.performance_drop:.0%}."
    return [Watched("performance", not fallen, why, "error", **numbers), _calibration(whole, limits)]


def fallen_version(rows: Sequence[Mapping[str, Any]], limits: Monitoring) -> str | None:
    """The version whose delivered scores as a whole have fallen below its test period beyond chance, if it has."""
    whole = [row for row in rows if row["scope"] == ALL and row["metric"].startswith("drop_")]
    return next((row["version"] for row in whole if _known(row["low"]) > limits.performance_drop), None)


def first_day(day: date) -> date:
    """The first day whose decisions are looked at on ``day``."""
    return day - timedelta(days=DAYS)


def _calibration(whole: Mapping[str, Any], limits: Monitoring) -> Watched:
    expected, tolerance = whole["reference"], limits.class_balance_tolerance
    least, most = expected * (1 - tolerance), expected * (1 + tolerance)
    passed = whole["high"] >= least and whole["low"] <= most
    why = (
        f"{whole['positives']:,} of {whole['n']:,} were positive, {whole['value']:.2%} "
        f"({whole['low']:.2%} to {whole['high']:.2%}); the scores promised {expected:.2%}, tolerated are "
        f"{least:.2%} to {most:.2%}."
    )
    ends = {"value": whole["value"], "low": whole["low"], "high": whole["high"], "threshold": expected}
    return Watched("calibration", passed, why, rows=whole["n"], standing=whole["version"], **ends)


def _parts(months: np.ndarray, segments: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    yield ALL, ALL, np.arange(len(months))
    for scope, names in {"month": months, **segments}.items():
        for part in np.unique(names.astype(str)):
            yield scope, str(part), np.flatnonzero(names == part)


def _numbers(metric: str, value: float, low: float, high: float, reference: float) -> dict[str, Any]:
    given = {"value": value, "low": low, "high": high, "reference": reference}
    return {"metric": metric, **{name: None if number != number else float(number) for name, number in given.items()}}


def _known(value: float | None) -> float:
    return NAN if value is None else value


def _told(row: Mapping[str, Any]) -> str:
    where = "" if row["scope"] == ALL else f" ({row['scope']} {row['part']})"
    low, high = (f"{_known(row[end]):+.0%}" for end in ("low", "high"))
    name = JUDGED[row["metric"].removeprefix("drop_")]
    return f"{name}{where} fell by {row['value']:.0%} ({low} to {high}), n {row['n']:,}"
