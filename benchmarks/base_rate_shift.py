"""A base rate that moves, on real data: what correcting by matured outcomes does to the probabilities, month by month.

    python -m benchmarks.base_rate_shift PATH/bank_marketing.parquet [--plot docs/images/base_rate_shift.png]

The bank recipe's candidate is trained as it always is. Its test period is then served day by day, each day with the
outcomes known when the day began (`modelling.base_rate`, settings at their defaults). Prints Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.bank_marketing import RECIPE, contacts
from leadscore_dagster.core.measures.calibration_error import calibration_error_interval
from leadscore_dagster.core.measures.intervals import Interval
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.rates import wilson_intervals
from leadscore_dagster.core.modelling.base_rate import Served, served_probability
from leadscore_dagster.core.modelling.candidate import train_candidate
from leadscore_dagster.core.recipe.schema import BaseRate
from leadscore_dagster.core.table.features.sets import own_columns
from leadscore_dagster.core.table.training_rows import rows_of

#: of the recipe: the defaults, chosen before the test period was looked at
SETTINGS = RECIPE.model.base_rate or BaseRate()


def shown(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval.n else "–"


def error_of(label: np.ndarray, probability: np.ndarray, rows: np.ndarray) -> str:
    return shown(calibration_error_interval(label[rows], probability[rows], None))


def table(label: np.ndarray, said: np.ndarray, served: Served, month: np.ndarray) -> str:
    """One row a month and one for the whole period."""
    lines = [
        "| month | contacts | base rate | ECE as calibrated | served a probability | ECE as served |",
        "|---|--:|---|---|--:|---|",
    ]
    for name in [*np.unique(month), None]:
        rows = month == name if name is not None else np.full(len(month), True)
        low, high = wilson_intervals(label[rows].sum(), rows.sum())
        inside = rows & served.has_probability
        lines.append(
            f"| {name or '**all**'} | {rows.sum():,} | {label[rows].mean():.1%} [{low:.1%}, {high:.1%}] "
            f"| {error_of(label, said, rows)} | {inside.sum() / rows.sum():.0%} "
            f"| {error_of(label, served.probability, inside)} |"
        )
    return "\n".join(lines)


def summary(label: np.ndarray, said: np.ndarray, served: Served) -> str:
    days = {verdict: sum(day.verdict.verdict == verdict for day in served.days) for verdict in
            ("keep", "correct", "rank_only")}  # fmt: skip
    counted = ", ".join(
        f"{verdict} {count} ({served.share(verdict):.0%} of the contacts)"  # type: ignore[arg-type]
        for verdict, count in days.items()
    )
    both = served.has_probability
    return (
        f"Days: {counted}. On the {both.sum():,} contacts served a probability: ECE "
        f"{error_of(label, said, both)} as calibrated, {error_of(label, served.probability, both)} as served; Brier "
        f"{np.mean((said[both] - label[both]) ** 2):.4f} and "
        f"{np.mean((served.probability[both] - label[both]) ** 2):.4f}."
    )


def plot(label: np.ndarray, said: np.ndarray, served: Served, month: np.ndarray, path: Path) -> None:
    """Base rate and mean probability by month; a month in which nothing but ranks was served has no second point."""
    from matplotlib.figure import Figure

    names = np.unique(month)
    n = np.array([(month == name).sum() for name in names])
    hits = np.array([label[month == name].sum() for name in names])
    low, high = wilson_intervals(hits, n)
    place, rate = np.arange(len(names)), hits / n
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(place, rate, np.stack([rate - low, high - rate]), fmt="o-", color="#222222", capsize=3, lw=1.5,
                  label="subscribed, with 95% interval")  # fmt: skip
    means = [said[month == name].mean() for name in names]
    axes.plot(place, means, "s--", color="#b3431e", label="mean probability as calibrated in May 2009")
    corrected = [np.mean(served.probability[rows]) if (rows := (month == name) & served.has_probability).any() else
                 np.nan for name in names]  # fmt: skip
    axes.plot(place, corrected, "D", color="#1f6f8b", ms=7, label="mean probability as served, corrected by then")
    for at, name in enumerate(names):
        if not served.has_probability[month == name].any():
            axes.axvspan(at - 0.5, at + 0.5, color="#dddddd", zorder=0, lw=0)
    axes.set_xticks(place, names, rotation=45, ha="right")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(0, 1)
    axes.set_title("Bank Marketing, test period: the base rate moves (grey: only ranks served)", loc="left")
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    rows = contacts(arguments.data)
    candidate = train_candidate(
        rows, own_columns(RECIPE), RECIPE.model, window_days=RECIPE.label_window_days, entity="row_order"
    )
    test = candidate.predictions
    decided = rows_of(rows, test["decision_id"])["decision_at"].to_numpy()
    label, said = test["label"].to_numpy(), candidate.model.calibrator.apply(test["margin"].to_numpy())
    served = served_probability(
        Judged(label, said, said),
        decision_at=decided,
        known_at=decided,
        base_rate=SETTINGS,
        ece_limit=RECIPE.gates["ece"].threshold,
    )
    month = decided.astype("datetime64[M]").astype(str)
    print(f"{candidate.estimator}, {SETTINGS.window_days} days, at least {SETTINGS.minimum_positives} of each class.\n")
    print(table(label, said, served, month))
    print(f"\n{summary(label, said, served)}\n")
    for day in served.days:
        print(f"- {day.day} ({day.rows:,} contacts): {day.verdict.verdict}. {day.verdict.why}")
    if arguments.plot:
        plot(label, said, served, month, arguments.plot)


if __name__ == "__main__":
    main()
