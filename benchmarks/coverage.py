"""Do the stated 95% intervals hold the truth 95% of the time? Worlds of the demo market, whose truth is known.

A fixed model (XGBoost, calibrated by Platt's method, as shipped) is trained on a third of a large simulated market.
Its population metrics follow from the true probability of every other lead: each lead counts as a hit with its
probability and as a miss with the rest. Then test periods are drawn from those leads, whole advisors at a time, with
fresh outcomes, and the product's own intervals are asked whether they hold the population value.

Truth of each: AUC-ROC, AUC-PR, lift, precision, Brier: the metric of the weighted population. ECE: over the ten
population bins of equal mass of the model's probability, the mean of |mean probability - mean true probability|. Rate:
the mean true probability of the top tenth. Segment ECE: the largest of the segments. Differences: of two such values.

A last kind of test period repeats each person's rows, with the one outcome, as several associations of one advisor do:
intervals that draw whole people must hold the truth there too, and those that draw rows cannot.

Run: ``OMP_NUM_THREADS=1 python -m benchmarks.coverage [--worlds N]``. Markdown on stdout.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.worlds import NAMES, Population, draw_entities, draw_outcomes, in_parallel, simulate_population
from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.catalogue import curve_metrics
from leadscore_dagster.core.measures.intervals import Bootstrap
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.period import paired_differences, period_metrics
from leadscore_dagster.core.measures.rates import wilson
from leadscore_dagster.core.modelling.calibration import fit_calibrator
from leadscore_dagster.core.modelling.judgement.evaluation import gains_table, segment_calibration_error

#: value, low end, high end
Ends = tuple[float, float, float]


@dataclass(frozen=True)
class Draw:
    """A kind of test period: about ``rows`` leads, ``replicates`` of its bootstrap, ``worlds`` of it, and at most so
    many ``copies`` of a person's rows, all with the one outcome."""

    rows: int
    replicates: int
    worlds: int
    copies: int = 1


DRAWS = (Draw(1_300, 300, 500), Draw(5_200, 300, 500), Draw(51_500, 200, 200), Draw(5_200, 200, 300, copies=5))
#: what a model without features says, for the Brier skill
RATE = 0.039
#: of intervals that take a person's rows for independent ones, shown to be too narrow
NAIVE = ", rows taken for people"
PAIRED = ("auc_roc", "auc_pr", "top_decile_lift")
#: the calibrated probability, and the same with log-odds wrong by so much: calibration errors of about .05, .1, .2
WRONG = {"ece": 0.0, "ece, log-odds + .9": 0.9, "ece, log-odds + 1.4": 1.4, "ece, log-odds + 2.1": 2.1}
SEGMENT_EDGES = (2.0, 5.0)  # of log(1 + advisors at the firm): small, middle, large


@dataclass(frozen=True)
class Scored:
    """The leads test periods are drawn from: two models' margins, the first one's probability, segment names."""

    leads: Population
    margin: np.ndarray
    other: np.ndarray
    probability: np.ndarray
    segment: np.ndarray


def scored_population(leads: int, seed: int) -> Scored:
    import xgboost

    everybody = simulate_population(leads, seed)
    random = np.random.default_rng(seed)
    label = draw_outcomes(everybody.truth, random)
    part = random.integers(0, 6, len(np.unique(everybody.entity)))[np.unique(everybody.entity, return_inverse=True)[1]]
    training, later, rest = part < 2, part == 2, np.flatnonzero(part > 2)
    margins = []
    for depth, columns in ((2, slice(None)), (3, slice(0, 2))):
        booster = xgboost.XGBClassifier(n_estimators=80, max_depth=depth, learning_rate=0.05, n_jobs=1, random_state=0)
        booster.fit(everybody.features[training][:, columns], label[training])
        predicted = booster.predict(everybody.features[:, columns], output_margin=True).astype(np.float64)
        # a hair's breadth apart: a population without ties has one top tenth
        margins.append(predicted + 1e-6 * random.random(len(predicted)))
    calibrator = fit_calibrator("platt", margins[0][later], label[later])
    size = everybody.features[rest, NAMES.index("log_firm_size")]
    segment = np.array(["small", "middle", "large"])[np.searchsorted(SEGMENT_EDGES, size, side="right")]
    margin, other = margins[0][rest], margins[1][rest]
    return Scored(everybody.take(rest), margin, other, calibrator.apply(margin), segment)


def true_metrics(scored: Scored) -> dict[str, float]:
    truth, found = scored.leads.truth, {}
    both = np.repeat([1, 0], len(truth))
    weight = np.concatenate([truth, 1 - truth])
    curves = [metrics.curve(metrics.rank(both, np.tile(each, 2)), weight) for each in (scored.margin, scored.other)]
    for name, measure in curve_metrics().items():
        found[name] = measure(curves[0])
        found[f"difference of {name}"] = found[name] - measure(curves[1])
    found["brier"] = float(np.mean(truth * (1 - scored.probability) ** 2 + (1 - truth) * scored.probability**2))
    constant = float(np.mean(truth * (1 - RATE) ** 2 + (1 - truth) * RATE**2))
    found["brier_skill"] = 1 - found["brier"] / constant
    found["rate of the top tenth"] = found["precision_at_10pct"]
    for name, shift in WRONG.items():
        found[name] = _true_ece(truth, shifted(scored.probability, shift))
    worst = [_true_ece(truth[rows], scored.probability[rows]) for rows in _parts(scored.segment)]
    found["segment_ece"] = max(worst)
    return found


def _true_ece(truth: np.ndarray, probability: np.ndarray) -> float:
    return metrics.expected_calibration_error(probability - truth, metrics.equal_mass_bins(probability))


def _parts(segment: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(segment == name) for name in np.unique(segment)]


def shifted(probability: np.ndarray, by: float) -> np.ndarray:
    """Probabilities whose log-odds are too high by ``by``."""
    odds = probability / (1 - probability) * np.exp(by)
    return odds / (1 + odds)


def one_world(scored: Scored, draw: Draw, seed: int) -> dict[str, Ends]:
    """Value and ends of every interval on one drawn test period."""
    random = np.random.default_rng([seed, draw.rows])
    drawn, codes = draw_entities(scored.leads.entity, random, draw.rows)
    label = draw_outcomes(scored.leads.truth[drawn], random)
    if draw.copies > 1:
        copies = random.integers(1, draw.copies + 1, codes.max() + 1)[codes]
        drawn, codes, label = (np.repeat(each, copies) for each in (drawn, codes, label))
    margin, other, probability = (each[drawn] for each in (scored.margin, scored.other, scored.probability))
    measured = dict(period_metrics(Judged(label, margin, probability, codes), RATE, Bootstrap(draw.replicates, seed)))
    for name, shift in WRONG.items():
        measured[name] = calibration_error_interval(label, shifted(probability, shift), codes)
    measured["segment_ece"] = segment_calibration_error(
        Judged(label, probability, probability, codes), scored.segment[drawn]
    )
    differences = paired_differences(
        Judged.ranked(label, margin, codes), other, PAIRED, bootstrap=Bootstrap(draw.replicates, seed)
    )
    measured |= {f"difference of {name}": interval for name, interval in differences.items()}
    if draw.copies > 1:
        alone = period_metrics(Judged(label, margin, probability), RATE, Bootstrap(draw.replicates, seed))
        measured |= {f"{name}{NAIVE}": alone[name] for name in ("auc_roc", "top_decile_lift", "ece")}
    ends = {name: (interval.value, interval.low, interval.high) for name, interval in measured.items()}
    top = gains_table(Judged.ranked(label, margin, codes))[0]
    return ends | {"rate of the top tenth": (top.rate, top.low, top.high), "rows": (len(label),) * 3}


def table(truth: Mapping[str, float], found: Sequence[Mapping[str, Ends]], draw: Draw) -> str:
    """Markdown: metric, truth, mean of the values, coverage with its Wilson interval, how often the truth lies below
    and above, width."""
    count = len(found)
    rows, positives = (np.mean([world[name][0] for world in found]) for name in ("rows", "test_positives"))
    people = f" of people with 1 to {draw.copies} equal rows each" if draw.copies > 1 else ""
    lines = [
        f"\n{count} worlds, about {rows:,.0f} decisions and {positives:,.0f} positives each{people}\n",
        "| metric | truth | mean value | covered | 95% interval | truth below | truth above | mean width |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in found[0]:
        value = truth.get(name.removesuffix(NAIVE))
        if value is None:
            continue
        seen, low, high = np.array([world[name] for world in found]).T
        held = (low <= value) & (value <= high)
        ends = wilson(float(held.sum()), count)
        lines.append(
            f"| {name} | {value:.4f} | {seen.mean():.4f} | {held.mean():.1%} | {ends[0]:.1%} to {ends[1]:.1%} "
            f"| {(value < low).mean():.1%} | {(value > high).mean():.1%} | {(high - low).mean():.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("--worlds", type=int, help="of each kind; without it as many as are cheap")
    arguments.add_argument("--only", type=int, help="number of the one kind to draw, from 0")
    arguments.add_argument("--leads", type=int, default=200_000)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    scored = scored_population(given.leads, given.seed)
    truth = true_metrics(scored)
    for draw in DRAWS if given.only is None else DRAWS[given.only :][:1]:
        worlds = given.worlds or draw.worlds
        print(table(truth, in_parallel(partial(one_world, scored, draw), worlds, given.processes), draw), flush=True)


if __name__ == "__main__":
    main()
