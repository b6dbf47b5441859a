"""Training at the size of a market: every estimator with every treatment of rare positives, ours and the library's.

45,000 decisions x 120 features (108 numbers, a tenth of each third one missing; 12 categories of 3 to 40 levels), 3.8%
positives, five folds in time order. Ours is what a fold of the cross-validation runs (preparation, fit, margins of the
validation rows); "library" is the same treatment, parameters, seed and number of threads by direct calls on the same
matrix. Seconds are those of the processor: with one thread they hardly depend on what else the machine does. Quality
is that of the pooled out-of-fold rows with 95% intervals; stability is the coefficient of variation of the folds'
AUC-PR. Run: ``python -m benchmarks.training [--rows N] [--estimators NAME …]``. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from leadscore_dagster.core.measures.intervals import Bootstrap, Interval
from leadscore_dagster.core.measures.judged import Judged
from leadscore_dagster.core.measures.metrics import auc_pr
from leadscore_dagster.core.measures.period import period_metrics
from leadscore_dagster.core.modelling.calibration import fit_calibrator
from leadscore_dagster.core.modelling.ensemble import agreement, out_of_fold_margins
from leadscore_dagster.core.modelling.estimators.registry import ESTIMATORS, complete_parameters
from leadscore_dagster.core.modelling.matrix import Columns
from leadscore_dagster.core.modelling.preparation.preparation import Preparation, fit_prepared
from leadscore_dagster.core.recipe.schema import Imbalance
from leadscore_dagster.core.table.periods import Fold, time_folds

NUMBERS, CATEGORIES, RATE, SEED = 108, 12, 0.038, 42
NEIGHBOURS = 5


@dataclass
class Measured:
    """Out-of-fold margins of one contender, and processor seconds of ours and of the library."""

    margins: list[np.ndarray] = field(default_factory=list)
    ours: float = 0.0
    library: float = 0.0
    difference: float = 0.0


def market(rows: int) -> tuple[np.ndarray, np.ndarray, Columns, list[Fold]]:
    """Matrix float32 [rows, 120], labels, columns and five folds over six years."""
    random = np.random.default_rng(SEED)
    hidden = random.normal(size=(rows, 12))
    # every number is a noisy view of one hidden trait, as the columns of a vendor's file are
    numbers = hidden[:, np.arange(NUMBERS) % 12] + 1.5 * random.normal(size=(rows, NUMBERS))
    numbers[:, ::4] = np.exp(numbers[:, ::4])
    levels = random.integers(3, 41, CATEGORIES)
    codes = random.integers(0, levels, (rows, CATEGORIES))
    effects = [0.4 * random.normal(size=count) for count in levels]
    signal = 0.7 * hidden[:, 0] + 0.6 * np.abs(hidden[:, 1]) + 0.6 * hidden[:, 2] * (hidden[:, 3] > 0)
    signal += sum(effects[at][codes[:, at]] for at in range(4))
    matrix = np.column_stack([numbers, codes]).astype(np.float32)
    for at in range(0, NUMBERS, 3):
        matrix[random.random(rows) < 0.1, at] = np.nan
    odds = np.exp(signal)
    for _ in range(30):  # the mean probability settles at the rate
        odds *= RATE / np.mean(odds / (1 + odds))
    label = (random.random(rows) < odds / (1 + odds)).astype(np.int64)
    names = tuple(f"f{at}" for at in range(NUMBERS + CATEGORIES))
    texts = {names[NUMBERS + at]: tuple(f"level{code:02d}" for code in range(levels[at])) for at in range(CATEGORIES)}
    columns = Columns(names, ("number",) * NUMBERS + ("category",) * CATEGORIES, texts)
    seconds = np.sort(random.integers(0, 6 * 365 * 86_400, rows)).astype("timedelta64[s]")
    return matrix, label, columns, time_folds(np.datetime64("2019-01-01", "us") + seconds, 5, 30, 30)


def library(
    estimator: str, imbalance: str, matrix: np.ndarray, label: np.ndarray, columns: Columns, later: np.ndarray
) -> np.ndarray:
    """Margins of ``later`` by direct calls of scikit-learn, LightGBM, XGBoost and imbalanced-learn."""
    categories = np.flatnonzero(columns.categories)
    parameters = complete_parameters(estimator, {})
    weight = None
    if imbalance == "class_weight":
        weight = np.where(label == 1, (label == 0).sum() / label.sum(), 1.0)
    if imbalance == "smote":
        matrix, label, later = library_smote(matrix, label, categories, later)
    return LIBRARY[estimator](parameters, matrix, label, weight, categories, columns, later)


def library_smote(
    matrix: np.ndarray, label: np.ndarray, categories: np.ndarray, later: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from imblearn.over_sampling import SMOTENC
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    numbers = np.setdiff1d(np.arange(matrix.shape[1]), categories)
    imputer, scaler = SimpleImputer(strategy="median"), StandardScaler()
    filled = matrix.copy()
    filled[:, numbers] = scaler.fit_transform(imputer.fit_transform(matrix[:, numbers]))
    made, labels = SMOTENC(categories.tolist(), k_neighbors=NEIGHBOURS, random_state=SEED).fit_resample(filled, label)
    made[:, numbers] = scaler.inverse_transform(made[:, numbers])
    rest = later.copy()
    rest[:, numbers] = imputer.transform(later[:, numbers])
    return made.astype(np.float32), labels, rest


def library_logistic(
    parameters: Mapping[str, Any], matrix: np.ndarray, label: np.ndarray, weight: Any, categories: np.ndarray,
    columns: Columns, later: np.ndarray,
) -> np.ndarray:  # fmt: skip
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from threadpoolctl import threadpool_limits

    numbers = np.setdiff1d(np.arange(matrix.shape[1]), categories)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
    )
    model = LogisticRegression(C=parameters["C"], max_iter=parameters["max_iter"], tol=1e-6, random_state=SEED)
    with threadpool_limits(limits=1):
        pipeline = make_pipeline(prepare, model).fit(matrix, label, logisticregression__sample_weight=weight)
        return np.asarray(pipeline.decision_function(later))


def library_hist(
    parameters: Mapping[str, Any], matrix: np.ndarray, label: np.ndarray, weight: Any, categories: np.ndarray,
    columns: Columns, later: np.ndarray,
) -> np.ndarray:  # fmt: skip
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        **parameters, categorical_features=categories, early_stopping=False, random_state=SEED
    )
    with threadpool_limits(limits=1):
        return np.asarray(model.fit(matrix, label, sample_weight=weight).decision_function(later))


def library_lightgbm(
    parameters: Mapping[str, Any], matrix: np.ndarray, label: np.ndarray, weight: Any, categories: np.ndarray,
    columns: Columns, later: np.ndarray,
) -> np.ndarray:  # fmt: skip
    import lightgbm

    model = lightgbm.LGBMClassifier(
        **parameters, random_state=SEED, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1
    )
    model.fit(matrix, label, sample_weight=weight, categorical_feature=categories.tolist())
    return np.asarray(model.predict(later, raw_score=True))


def library_xgboost(
    parameters: Mapping[str, Any], matrix: np.ndarray, label: np.ndarray, weight: Any, categories: np.ndarray,
    columns: Columns, later: np.ndarray,
) -> np.ndarray:  # fmt: skip
    import xgboost

    model = xgboost.XGBClassifier(
        **parameters, tree_method="hist", n_jobs=1, random_state=SEED, enable_categorical=True,
        feature_types=["c" if category else "q" for category in columns.categories],
    )  # fmt: skip
    model.fit(matrix, label, sample_weight=weight)
    return np.asarray(model.predict(later, output_margin=True), dtype=np.float64)


LIBRARY: Mapping[str, Callable[..., np.ndarray]] = {
    "logistic_regression": library_logistic,
    "hist_gradient_boosting": library_hist,
    "lightgbm": library_lightgbm,
    "xgboost": library_xgboost,
}


def contender(
    estimator: str, imbalance: Imbalance, matrix: np.ndarray, label: np.ndarray, columns: Columns, folds: list[Fold]
) -> Measured:
    """One estimator with one treatment over all folds; ours and the library's take turns within a fold."""
    parameters, measured = complete_parameters(estimator, {}), Measured()
    for fold in folds:
        rows, hits, later = matrix[fold.training], label[fold.training], matrix[fold.validation]
        started = time.process_time()
        preparation = Preparation(imbalance=imbalance)
        margin = fit_prepared(
            estimator, rows, hits, columns=columns, parameters=parameters, preparation=preparation, seed=SEED
        ).margin(later)
        measured.ours += time.process_time() - started
        started = time.process_time()
        theirs = library(estimator, imbalance, rows, hits, columns, later)
        measured.library += time.process_time() - started
        measured.margins.append(margin)
        measured.difference = max(measured.difference, float(np.abs(margin - theirs).max()))
    return measured


def quality(margins: list[np.ndarray], labels: list[np.ndarray], replicates: int) -> str:
    """Cells of the table: AUC-PR, precision at 10%, calibration error as fitted and calibrated, stability."""
    margin, label = np.concatenate(margins), np.concatenate(labels)
    found = period_metrics(
        Judged(label, margin, 1 / (1 + np.exp(-margin))), float(label.mean()), Bootstrap(replicates, SEED)
    )
    # as the product does it: a calibrator learned on the rows before
    later = np.concatenate(margins[2:]), np.concatenate(labels[2:])
    calibrated = np.concatenate(
        [
            fit_calibrator("isotonic", np.concatenate(margins[:at]), np.concatenate(labels[:at])).apply(margins[at])
            for at in range(2, len(margins))
        ]
    )
    after = period_metrics(Judged(later[1], later[0], calibrated), float(label.mean()), Bootstrap(2, SEED))["ece"]
    areas = np.array([auc_pr(hits, values) for hits, values in zip(labels, margins, strict=True)])
    cells = [shown(found["auc_pr"]), shown(found["precision_at_10pct"]), shown(found["ece"]), shown(after)]
    return " | ".join([*cells, f"{areas.std(ddof=1) / areas.mean():.2f}"])


def shown(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=45_000)
    arguments.add_argument("--replicates", type=int, default=500)
    arguments.add_argument("--estimators", nargs="+", choices=tuple(ESTIMATORS), default=list(ESTIMATORS))
    given = arguments.parse_args()
    matrix, label, columns, folds = market(given.rows)
    labels = [label[fold.validation] for fold in folds]
    rows, hits, same, short = market(2000)
    for estimator in given.estimators:  # imports and first calls are not what is measured
        contender(estimator, "smote", rows, hits, same, short[-1:])
    print(f"{given.rows:,} rows x {matrix.shape[1]} features, {label.mean():.2%} positives, {len(folds)} folds\n")
    print(
        "| estimator | imbalance | ours, s | library, s | ratio | AUC-PR | precision at 10% | calibration error "
        "| after isotonic | stability |\n|---|---|--:|--:|--:|---|---|---|---|--:|"
    )
    members: dict[str, list[np.ndarray]] = {}
    for estimator in given.estimators:
        for imbalance in get_args(Imbalance):
            found = contender(estimator, imbalance, matrix, label, columns, folds)
            times = f"{found.ours:.1f} | {found.library:.1f} | {found.ours / found.library:.2f}"
            cells = quality(found.margins, labels, given.replicates)
            print(f"| {estimator} | {imbalance} | {times} | {cells} |", flush=True)
            if imbalance == "none":
                members[estimator] = found.margins
    if len(members) > 1:
        together = [np.column_stack(parts) for parts in zip(*members.values(), strict=True)]
        started = time.process_time()
        margins = out_of_fold_margins(together, labels)
        seconds = time.process_time() - started
        print(f"| ensemble | none | {seconds:.1f} | | | {quality(margins, labels, given.replicates)} |")
        print(f"\nRank correlations of {', '.join(members)}:\n{np.round(agreement(np.concatenate(together)), 3)}")


if __name__ == "__main__":
    main()
