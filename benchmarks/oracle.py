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
period, for every version of the quarter (a recipe with other estimators leaves one more in the same home). Intervals:
bootstrap over advisors, paired.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leadscore_dagster.core.measures import metrics
from leadscore_dagster.core.measures.intervals import Bootstrap, interval_ends
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.training import training_rows
from leadscore_dagster.core.versions import registry
from leadscore_dagster.core.versions.ledger import versions
from leadscore_dagster.defs.resources import Workspace

FOLDS, REPLICATES, SEED = 5, 1000, 0
Progress = Callable[[str], None]


def propensity_given_features(
    matrix: np.ndarray, propensity: np.ndarray, advisor: np.ndarray, share: float, say: Progress
) -> np.ndarray:
    """Out-of-fold mean of the true propensity [n] given matrix [n, k], learned from ``share`` of the other folds."""
    import lightgbm

    generator = np.random.default_rng(SEED)
    fold = generator.integers(0, FOLDS, advisor.max() + 1)[advisor]
    used = generator.random(len(advisor)) < share
    found = np.empty(len(advisor))
    for number in range(FOLDS):
        model = lightgbm.LGBMRegressor(
            n_estimators=300, learning_rate=0.1, num_leaves=31, min_child_samples=50, subsample=0.8, subsample_freq=1,
            colsample_bytree=0.5, verbosity=-1, random_state=SEED, n_jobs=2,
        )  # fmt: skip
        inside = (fold != number) & used
        model.fit(matrix[inside], propensity[inside])
        found[fold == number] = model.predict(matrix[fold == number])
        say(f"bound from {share:.0%} of the rows: fold {number + 1} of {FOLDS}")
    return found


def expected_lift(propensity: np.ndarray, order: np.ndarray, weight: np.ndarray) -> float:
    """Mean true propensity of the top tenth of the weight over the mean of all."""
    heavy, value = weight[order], (weight * propensity)[order]
    within = np.clip(heavy.sum() / 10 - (np.cumsum(heavy) - heavy), 0, heavy)
    top = np.divide(within, heavy, out=np.zeros_like(heavy), where=heavy > 0) @ value
    return float(top / within.sum() / (value.sum() / heavy.sum()))


def rankings_of(home: Path, recipe: Recipe, as_of: date, say: Progress) -> tuple[dict[str, np.ndarray], pa.Table]:
    """Scores of the quarter's test rows by name of the ranking, and the test rows with their true propensity.

    Raises
    ------
    SystemExit : the quarter has no version, or its versions were judged on different rows.
    """
    workspace = Workspace(home=str(home))
    warehouse, models = workspace.warehouse(recipe), workspace.models(recipe)
    names = [known.version for known in versions(workspace.state(recipe)) if known.as_of == as_of]
    judged = [registry.load_test_scores(models, name) for name in names]
    if not judged or any(one["decision_id"] != judged[0]["decision_id"] for one in judged):
        raise SystemExit(f"{as_of}: {len(names)} versions; one at least is needed, all judged on the same rows")
    truth = pq.read_table(home / "market" / "truth" / "propensity.parquet")
    rows = training_rows(warehouse, as_of)
    place = pc.index_in(rows["decision_id"], truth["lead_id"].combine_chunks())
    propensity = truth["propensity"].take(place).to_numpy()
    matrix = registry.load_version(models, names[0], fold_features_of(recipe)).matrix(rows)
    say(f"{rows.num_rows:,} rows, {matrix.shape[1]} features")
    advisor = rows[recipe.decisions.entity].combine_chunks().dictionary_encode().indices.to_numpy()
    bounds = {share: propensity_given_features(matrix, propensity, advisor, share, say) for share in (1.0, 0.5)}
    test = pc.index_in(judged[0]["decision_id"], rows["decision_id"].combine_chunks()).to_numpy()
    rankings = {
        "omniscient (true propensity)": propensity[test],
        "bound (best ranking of the features)": bounds[1.0][test],
        "bound, learned from half the rows": bounds[0.5][test],
    }
    for name, scores in zip(names, judged, strict=True):
        estimator = registry.read_manifest(models, name)["estimator"]
        rankings[f"{estimator} {name}"] = scores["margin"].to_numpy()
    drawn = {"label": rows["label"].take(test), "advisor": advisor[test], "propensity": propensity[test]}
    return rankings, pa.table(drawn)


def main(home: Path, as_of: date, say: Progress) -> None:
    rankings, test = rankings_of(home, load_recipe("advisor_mql"), as_of, say)
    label, true, advisor = (test[name].to_numpy() for name in ("label", "propensity", "advisor"))
    orders = [np.argsort(-score, kind="stable") for score in rankings.values()]
    ranks = [metrics.rank(label, score) for score in rankings.values()]

    def statistic(weight: np.ndarray) -> np.ndarray:
        expected = np.array([expected_lift(true, order, weight) for order in orders])
        outcomes = np.array([metrics.lift_of(metrics.curve(rank, weight)) for rank in ranks])
        return np.concatenate([expected, outcomes, expected / expected[1], outcomes / outcomes[1]])

    value = statistic(np.ones(len(label)))
    drawn = np.array([statistic(weight) for weight in Bootstrap(REPLICATES, SEED).weights(len(label), advisor)])
    low, high = interval_ends(value, drawn, np.zeros(len(value), bool))
    told = [f"{v:.3f} [{a:.3f}, {b:.3f}]" for v, a, b in zip(value, low, high, strict=True)]
    print(f"\nTest period: n {len(label):,}, {label.sum():,} positives\n")
    print("| ranking of the test period | expected lift | of the bound | lift of outcomes | of the bound |")
    print("|---|---|---|---|---|")
    for at, name in enumerate(rankings):
        print("| " + " | ".join([name, *(told[at + len(rankings) * part] for part in (0, 2, 1, 3))]) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2026, 1, 1))
    arguments = parser.parse_args()
    main(arguments.home, arguments.as_of, lambda said: print(said, flush=True))
