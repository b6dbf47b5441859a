"""Every metric of a candidate: one entry each, read by the recipe's schema, the gates, the pages and the reports.

To add a metric that is a function of scored rows with outcomes, write its entry, with ``curve`` or ``measure``: it is
then measured with an interval on every test period, can be named by a gate, and is shown. A metric that rests on
anything else (folds, importances, training rows) is measured in core/modelling/judgement, under the name of its entry.

Lives here: what is said about a metric. Not here: the point values (metrics), intervals (intervals), thresholds (the
recipe), verdicts (core/versions/gates).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.measures.judged import Judged

#: how a metric is written; a share as a percentage
Form = Literal["number", "percent", "count"]
Rest = Literal["outcomes", "scores", "features"]


@dataclass(frozen=True)
class Noticed:
    """What a person would notice where a gate's threshold is missed: the words around the threshold, and its form."""

    before: str
    behind: str
    form: Form


@dataclass(frozen=True)
class Metric:
    """One entry.

    Attributes
    ----------
    phrase : what a manager calls it, to stand in a sentence.
    meaning : what it is, for somebody who does not know its name.
    lowest, highest : ends of the range a threshold can lie in; one outside it is a mistake in the recipe.
    rests_on : what is counted as n: decisions whose outcomes are known, decisions whose scores alone are looked at, or
        features.
    curve : its value of a curve, where it is read off one; its interval is then a bootstrap's.
    measure : its interval of judged rows, where it is another function of them.
    flattered : rows drawn twice flatter its replicates, so that their bias is taken off, see `intervals.interval_ends`.
    against_champion : it holds a candidate against the champion; without one there is nothing to measure.
    gate : a gate may name it; the others are shown only.
    """

    phrase: str
    meaning: str
    lowest: float = 0.0
    highest: float = 1.0
    form: Form = "number"
    lower_is_better: bool = False
    rests_on: Rest = "outcomes"
    curve: Callable[[metrics.Curve], float] | None = None
    measure: Callable[[Judged, Bootstrap], Interval] | None = None
    flattered: bool = False
    against_champion: bool = False
    noticed: Noticed | None = None
    gate: bool = True


def _positives(judged: Judged, bootstrap: Bootstrap) -> Interval:
    return Interval(judged.positives, judged.positives, judged.positives, len(judged), judged.positives, "count")


def _calibration_error(judged: Judged, bootstrap: Bootstrap) -> Interval:
    return calibration_error_interval(judged.label, judged.probability, judged.entity)


#: in the order in which they are shown
METRICS: dict[str, Metric] = {
    "test_positives": Metric(
        "positives in the test period",
        "number of conversions behind everything measured on the test period",
        lowest=1,
        highest=1e9,
        form="count",
        measure=_positives,
    ),
    "auc_roc": Metric(
        "AUC-ROC",
        "given one lead that converts and one that does not, how often the right one is ranked first; 0.5 is chance",
        curve=metrics.auc_roc_of,
        noticed=Noticed(
            "given a lead that converts and one that does not, it ranks the right one first in less than ",
            " of all pairs",
            "percent",
        ),
    ),
    "auc_pr": Metric(
        "AUC-PR",
        "share of conversions among the leads called, averaged over lists of all lengths (average precision)",
        curve=metrics.auc_pr_of,
        flattered=True,
    ),
    "auc_pr_over_base": Metric(
        "AUC-PR over the base rate",
        "average precision over lists of all lengths, over the rate of all leads; 1 is chance",
        highest=1000,
        curve=metrics.auc_pr_over_base_of,
        flattered=True,
        noticed=Noticed(
            "averaged over lists of all lengths, the leads it ranks first convert less than ",
            " times as often as the average lead",
            "number",
        ),
    ),
    "top_decile_lift": Metric(
        "top-decile lift",
        "conversion rate of the best tenth over the rate of all leads; 1 is chance",
        highest=10,
        curve=metrics.lift_of,
        noticed=Noticed("the best tenth converts less than ", " times as often as the average lead", "number"),
    ),
    "precision_at_10pct": Metric(
        "precision in the top tenth",
        "conversion rate of the best tenth",
        form="percent",
        curve=metrics.precision_at_10pct_of,
    ),
    "decile_order": Metric(
        "order of the deciles (Somers' D)",
        "of one lead that converts and one that does not, how much more often the right one is in the better tenth "
        "than in the worse; 0 is chance",
        lowest=-1,
        curve=metrics.decile_order_of,
    ),
    "brier": Metric(
        "Brier score", "mean squared error of the probabilities; 0 is right", lower_is_better=True, gate=False
    ),
    "brier_skill": Metric(
        "Brier skill against the constant rate",
        "how much smaller the squared error is than that of one constant probability; 0 is no gain",
        lowest=-1,
    ),
    "ece": Metric(
        "calibration error",
        "mean distance between predicted and observed rates, over tenths of equal size; 0 is right",
        form="percent",
        lower_is_better=True,
        measure=_calibration_error,
        noticed=Noticed(
            "on average, its prediction differs from what happens by more than ", " of the leads", "percent"
        ),
    ),
    "train_test_gap": Metric(
        "drop of AUC-PR from training to test",
        "how much of the AUC-PR on the training rows is lost on the test period, at equal base rates",
        lowest=-1,
        form="percent",
        lower_is_better=True,
    ),
    "shuffled_label_auc": Metric(
        "AUC with shuffled labels",
        "trained on shuffled outcomes; 0.5 if it finds nothing where there is nothing",
        lower_is_better=True,
    ),
    "cross_validation_auc_pr": Metric("cross-validated AUC-PR", "mean over the folds of the development period"),
    "cross_validation_variation": Metric(
        "variation of AUC-PR between folds",
        "standard deviation over mean, without what chance explains",
        highest=10,
        form="percent",
        lower_is_better=True,
    ),
    "fold_score_ks": Metric(
        "largest distance between the folds' scores (Kolmogorov-Smirnov)",
        "0 if the scores of all folds are distributed alike, 1 if they do not overlap",
        lower_is_better=True,
        rests_on="scores",
    ),
    "business_signals": Metric(
        "expected features among the five strongest",
        "features that, according to the recipe, a salesperson would expect",
        highest=5,
        form="count",
        rests_on="features",
    ),
    "reference_rank_correlation": Metric(
        "rank correlation of the importances with the reference",
        "1 is the same order, 0 no relation",
        lowest=-1,
        rests_on="features",
    ),
    "importance_stability": Metric(
        "rank correlation of the importances with the champion's",
        "1 is the same order, 0 no relation",
        lowest=-1,
        rests_on="features",
        against_champion=True,
    ),
    "segment_ece": Metric(
        "calibration error of the worst segment",
        "the same as the calibration error, in the part where it is largest",
        form="percent",
        lower_is_better=True,
    ),
    "training_auc_pr": Metric(
        "AUC-PR on the training rows", "flattering: the model was fitted on these rows", gate=False
    ),
}


def gate_metrics() -> list[str]:
    """Names a gate may give."""
    return [name for name, metric in METRICS.items() if metric.gate]


def curve_metrics() -> dict[str, Callable[[metrics.Curve], float]]:
    """Metrics that are read off a curve, and how."""
    return {name: metric.curve for name, metric in METRICS.items() if metric.curve}


def rests_on(name: str) -> Rest:
    """What a metric's n counts; outcomes where a stored version has a metric that is no longer known."""
    return METRICS[name].rests_on if name in METRICS else "outcomes"


def phrase_of(name: str) -> str:
    """What a manager calls a metric; the words of its name where a stored version has one that is no longer known."""
    return METRICS[name].phrase if name in METRICS else name.replace("_", " ")
