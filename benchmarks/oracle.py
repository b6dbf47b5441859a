"""How much of what can be known the model finds: its top-decile lift against the best ranking of the same features.

    leadscore demo --leads 360000 --home BIG && python -m benchmarks.oracle BIG

The demo market knows each lead's true propensity. Two rankings bound a model's:

- *omniscient*: the true propensity itself. It knows what nobody could see on the day (who is between two jobs), so no
  model can reach it.
- *bound*: the mean propensity given the features, which is the best any model with these features can rank by. It is
  estimated by boosted trees that are shown the true propensity instead of the outcome: five folds, no advisor on both
  sides, every row predicted by trees that never saw it. Being estimated it lies a little below the true bound; how
  little shows the same estimate from half the rows.

Lifts are of the true propensity (expected lift: no noise of outcomes) and of outcomes, over the candidate's own test
period. Intervals: bootstrap over advisors, paired.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leadscore_dagster.core import promotion, registry
from leadscore_dagster.core.features.fold import fold_features_of
from leadscore_dagster.core.modelling import metrics
from leadscore_dagster.core.modelling.intervals import entity_codes, interval_ends, resamples
from leadscore_dagster.core.modelling.training_rows import rows_of
from leadscore_dagster.core.training import training_rows
from leadscore_dagster.recipes.loading import load_recipe
from leadscore_dagster.resources import Workspace

FOLDS, REPLICATES, SEED = 5, 1000, 0


def propensity_given_features(
    matrix: np.ndarray, propensity: np.ndarray, advisor: np.ndarray, share: float
) -> np.ndarray:
    """Out-of-fold mean of the true propensity [n] given matrix [n, k], learned from ``share`` of the other folds."""
    import lightgbm

    generator = np.random.default_rng(SEED)
    fold = generator.integers(0, FOLDS, advisor.max() + 1)[advisor]
    used = generator.random(len(advisor)) < share
    found = np.empty(len(advisor))
    for number in range(FOLDS):
        model = lightgbm.LGBMRegressor(
            n_estimators=600, learning_rate=0.05, num_leaves=63, min_child_samples=50, subsample=0.8, subsample_freq=1,
            colsample_bytree=0.5, verbosity=-1, random_state=SEED,
        )  # fmt: skip
        inside = (fold != number) & used
        model.fit(matrix[inside], propensity[inside])
        found[fold == number] = model.predict(matrix[fold == number])
    return found


def expected_lift(propensity: np.ndarray, order: np.ndarray, weight: np.ndarray) -> float:
    """Mean true propensity of the top tenth of the weight over the mean of all."""
    heavy, value = weight[order], (weight * propensity)[order]
    within = np.clip(heavy.sum() / 10 - (np.cumsum(heavy) - heavy), 0, heavy)
    top = np.divide(within, heavy, out=np.zeros_like(heavy), where=heavy > 0) @ value
    return float(top / within.sum() / (value.sum() / heavy.sum()))


def main(home: Path, as_of: date, name: str) -> None:
    recipe = load_recipe(name)
    workspace = Workspace(home=str(home))
    warehouse, models = workspace.warehouse(recipe), workspace.models(recipe)
    version = promotion.candidate_of(warehouse, as_of)
    truth = pq.read_table(home / "market" / "truth" / "propensity.parquet")
    rows = training_rows(warehouse, as_of)
    propensity = (
        truth["propensity"].take(pc.index_in(rows["decision_id"], truth["lead_id"].combine_chunks())).to_numpy()
    )
    model = registry.load_version(models, version, fold_features_of(recipe))
    matrix = model.matrix(rows)
    advisor = entity_codes(rows[recipe.decisions.entity])
    advisor = np.arange(rows.num_rows) if advisor is None else advisor
    bounds = {share: propensity_given_features(matrix, propensity, advisor, share) for share in (0.5, 1.0)}
    judged = registry.load_test_scores(models, version)
    place = pc.index_in(judged["decision_id"], rows["decision_id"].combine_chunks()).to_numpy()
    test = rows_of(rows, judged["decision_id"])
    label, true = test["label"].to_numpy(), propensity[place]
    rankings = {
        "omniscient (true propensity)": true,
        "bound (best ranking of the features)": bounds[1.0][place],
        "bound, learned from half the rows": bounds[0.5][place],
        f"model {version}": judged["margin"].to_numpy(),
    }
    orders = [np.argsort(-score, kind="stable") for score in rankings.values()]
    curves = [metrics.rank(label, score) for score in rankings.values()]

    def statistic(weight: np.ndarray) -> np.ndarray:
        expected = [expected_lift(true, order, weight) for order in orders]
        outcomes = [metrics.lift_of(metrics.curve(ranking, weight)) for ranking in curves]
        return np.array([*expected, *outcomes, expected[3] / expected[1], outcomes[3] / outcomes[1]])

    value = statistic(np.ones(len(label)))
    drawn = np.array([statistic(weight) for weight in resamples(len(label), advisor[place], REPLICATES, SEED)])
    low, high = interval_ends(value, drawn, np.zeros(len(value), bool))
    told = [f"{v:.3f} [{a:.3f}, {b:.3f}]" for v, a, b in zip(value, low, high, strict=True)]
    print(
        f"{rows.num_rows:,} rows, {matrix.shape[1]} features; test period n {len(label):,}, {label.sum():,} positives\n"
    )
    print("| ranking of the test period | expected lift | lift of outcomes |\n|---|---|---|")
    for at, name in enumerate(rankings):
        print(f"| {name} | {told[at]} | {told[at + 4]} |")
    print(f"\nmodel / bound: {told[8]} of the expected lift, {told[9]} of outcomes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2026, 1, 1))
    parser.add_argument("--recipe", default="advisor_mql", help="name or path; default advisor_mql")
    arguments = parser.parse_args()
    main(arguments.home, arguments.as_of, arguments.recipe)
