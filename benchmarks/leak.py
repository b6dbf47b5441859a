"""What ``days_in_gap`` claims: the demo's model without it, with it as known, and with it from today's history.

    python benchmarks/leak.py HOME

HOME is one in which ``leadscore demo`` has run. Nothing is written: the training rows are built beside the gates, which
would refuse the third. Same rows, same periods, same choice rule; prints Markdown.
"""

from __future__ import annotations

import sys
from pathlib import Path

from leadscore_dagster.commands.demo import QUARTER
from leadscore_dagster.core.modelling.candidate import Candidate, train_candidate
from leadscore_dagster.core.recipe.loading import load_recipe
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.features.fold import fold_features_of
from leadscore_dagster.core.table.features.sets import features_of
from leadscore_dagster.core.table.training import training_query
from leadscore_dagster.core.warehouse import Lake, table

EXTRA = {
    "without": None,
    "as known at the decision": "days_in_gap_as_known",
    "from today's history": "days_in_gap_current",
}


def with_set(recipe: Recipe, name: str | None) -> Recipe:
    """The recipe with one more feature set."""
    if name is None:
        return recipe
    features = recipe.features.model_copy(update={"sets": (*recipe.features.sets, name)})
    return recipe.model_copy(update={"features": features})


def train(home: Path, recipe: Recipe) -> Candidate:
    """A candidate on the training rows the recipe would have."""
    lake = Lake(home / "warehouse", recipe.name)
    rows = table(lake, training_query(recipe), {"as_of": QUARTER})
    return train_candidate(
        rows,
        features_of(recipe),
        recipe.model,
        window_days=recipe.label_window_days,
        entity=recipe.decisions.entity,
        fold_features=fold_features_of(recipe),
    )


def main(home: Path) -> None:
    recipe = load_recipe("advisor_mql")
    print("| days_in_gap | chosen | top-decile lift | AUC-ROC | n | positives |\n|---|---|---|---|---|---|")
    for how, name in EXTRA.items():
        found = train(home, with_set(recipe, name))
        lift, auc = found.metrics["top_decile_lift"], found.metrics["auc_roc"]
        print(
            f"| {how} | {found.estimator} | {lift.value:.2f} [{lift.low:.2f}, {lift.high:.2f}] "
            f"| {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] | {lift.n:,} | {lift.positives:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
